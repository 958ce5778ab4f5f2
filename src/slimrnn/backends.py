"""Which backend Keras is to run on: settled before Keras is imported."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slimrnn.errors import InputError
from slimrnn.utils import files
from slimrnn.utils.checks import known

#: In the order of preference.
BACKENDS = ("jax", "torch", "tensorflow")
_shows_all = "TF_CPP_MIN_LOG_LEVEL" in os.environ  # the user has set a level
#: What Keras imports for its wrappers, its galleries and frames given to `fit`, which
#: no command has a use for.
_UNUSED = ("matplotlib", "pandas", "sklearn")
#: Where JAX keeps what it compiled, and that all of it is worth being kept.
_PROGRAMS, _PREFIX = "JAX_COMPILATION_CACHE_DIR", "slimrnn-programs-"
_ALL_PROGRAMS = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


@dataclass(frozen=True)
class Choice:
    """A backend, and why it is this one."""

    backend: str
    reason: str


def installed() -> tuple[str, ...]:
    """The backends that are installed, the preferred one first; imports none."""
    return tuple(name for name in BACKENDS if importlib.util.find_spec(name))


def how_to_install(backend: str) -> str:
    """The command that installs a backend, as the end of a sentence."""
    return f"install it with: pip install {backend}"


def choose(wanted: str | None = None) -> Choice:
    """The backend to run on.

    In this order: what the command asks for, ``KERAS_BACKEND``, the one that Keras
    runs on if it is imported, Keras's own file ``keras.json``, the first installed.

    Args:
        wanted: what ``--backend`` says.

    Example:
        >>> choose().backend in BACKENDS
        True
    """
    if wanted:
        return _checked(wanted, "chosen by --backend")
    if os.environ.get("KERAS_BACKEND"):
        return _checked(os.environ["KERAS_BACKEND"], "chosen by KERAS_BACKEND")
    if "keras" in sys.modules:
        return Choice(_running(), "the one that Keras runs on")
    found = installed()
    if not found:
        raise InputError(
            f"No backend for Keras is installed (looked for {', '.join(BACKENDS)}); "
            f"{how_to_install('jax')}"
        )
    configured = _configured()
    if configured in found:
        return Choice(configured, f"chosen by {_keras_json()}")
    return Choice(found[0], f"the first installed of {', '.join(BACKENDS)}")


class _WithoutUnused(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Halves the time of importing Keras: some modules fail while it lasts.

    TensorFlow always does where another backend runs: Keras would import it, if it is
    installed, to tell that nothing is a tensor of it.
    """

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Finds what is not used, as it is for whoever only asks."""
        begun = sys.modules.get("keras")
        if name == "tensorflow":
            other = os.environ.get("KERAS_BACKEND") != name
            found = importlib.machinery.PathFinder.find_spec(name)
            unused = bool(begun and other and found)
        else:
            begins = bool(begun and not hasattr(begun, "__version__"))
            unused = name in _UNUSED and begins
        return importlib.machinery.ModuleSpec(name, self) if unused else None

    def exec_module(self, module: types.ModuleType) -> None:
        """Refuses it, as if it were not installed."""
        raise ModuleNotFoundError(f"{module.__name__} is not wanted in Keras")


def start(wanted: str | None = None) -> Choice:
    """Chooses a backend and makes Keras, once imported, run on it, quietly.

    It is for processes of our own: Keras's wrappers for scikit-learn are left out.
    """
    choice = choose(wanted)
    if "keras" in sys.modules and _running() != choice.backend:
        raise InputError(
            f"Keras runs on {_running()} already and cannot change to "
            f"{choice.backend} ({choice.reason}); start a new process."
        )
    os.environ["KERAS_BACKEND"] = choice.backend
    if not any(isinstance(finder, _WithoutUnused) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WithoutUnused())
    return choice


@contextlib.contextmanager
def shared_programs() -> Iterator[None]:
    """Has this process, and those it begins meanwhile, share what JAX compiles.

    It is for processes of our own, before JAX is imported. Where the user has named a
    folder for that, it is the user's.
    """
    if _PROGRAMS in os.environ:
        yield
        return
    for lock in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{files.LOCK}"):
        # What another process has is in use; what none has is left of one killed.
        with contextlib.suppress(InputError, OSError), files.locked(lock.parent):
            shutil.rmtree(lock.parent)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
        os.environ.update({_PROGRAMS: folder, **_ALL_PROGRAMS})
        try:
            with files.locked(Path(folder)):
                yield
        finally:
            for name in (_PROGRAMS, *_ALL_PROGRAMS):
                del os.environ[name]


def settle() -> None:
    """Lets Keras import TensorFlow, where it is installed, now and quietly.

    It does so in the middle of other work, when it first describes an object.
    """
    with quietly():
        import keras

        keras.saving.serialize_keras_object(keras.initializers.Zeros())


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Holds back what TensorFlow writes about its own build while it is imported.

    Keras imports TensorFlow, where it is installed, on any backend, and some of its
    notes come before any of its settings is read: so stderr itself is held back. If
    something fails, all is shown. A user who has set the level of these notes sees
    what was asked for.
    """
    if _shows_all or "tensorflow" in sys.modules:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def show_all() -> None:
    """From now on nothing is held back."""
    global _shows_all
    _shows_all = True


def _running() -> str:
    import keras

    return keras.config.backend()


def _checked(name: str, reason: str) -> Choice:
    known(f"backend ({reason})", name, BACKENDS)
    if name not in installed():
        raise InputError(
            f"The backend {name} ({reason}) is not installed; installed: "
            f"{', '.join(installed()) or 'none'}; {how_to_install(name)}"
        )
    return Choice(name, reason)


def _keras_json() -> Path:
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras")
    return home.expanduser() / "keras.json"


def _configured() -> str | None:
    """The backend that the user wrote into Keras's file, if any.

    Keras writes the file by itself, with "tensorflow", when it is first imported: so
    that word is nobody's choice.
    """
    try:
        name = json.loads(_keras_json().read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return name if name in BACKENDS and name != "tensorflow" else None
