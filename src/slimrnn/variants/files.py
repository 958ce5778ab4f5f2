"""A variant of one's own, from a file: ``FILE.toml``, or ``FILE.py:NAME``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from slimrnn.errors import InputError
from slimrnn.utils.checks import known
from slimrnn.variants.gates import Gate
from slimrnn.variants.table import TABLE, get, serialize
from slimrnn.variants.variant import Variant

PYTHON, TOML = ".py", ".toml"
#: what a variant's name on the command line may be
NAMES = (
    "such as LSTM6; `slimrnn variants` lists all; your own: FILE.toml or FILE.py:NAME"
)
_KEYS = tuple(Variant.__dataclass_fields__)
_GATE = tuple(Gate.__dataclass_fields__)


def is_file(name: Any) -> bool:
    """Whether a variant's name means a file.

    Example:
        >>> is_file("LSTM6"), is_file("mine.toml"), is_file("lab/mine.py:MINE")
        (False, True, True)
    """
    return isinstance(name, str) and (
        name.endswith((PYTHON, TOML)) or name.rpartition(":")[0].endswith(PYTHON)
    )


def load(name: Any) -> Variant:
    """The variant that somebody names: of the table, or in a file of their own.

    A Python file is run. So this is for what a person asks for; what a file of results
    or a model holds is for :func:`slimrnn.get`, which reads no file.

    Args:
        name: ``"LSTM6"``, ``"mine.toml"``, ``"mine.py:MINE"``, or a Variant.

    Raises:
        InputError: no such variant or file; a file that is no variant; one that has the
            name of another in the table.
    """
    if not is_file(name):
        return get(name)
    path, _, attribute = name.rpartition(":")
    if not path.endswith(PYTHON):
        path, attribute = name, ""
    file = Path(path)
    if not file.is_file():
        raise InputError(f"The file of a variant {str(file)!r} does not exist.")
    try:
        found = _toml(file) if file.suffix == TOML else _python(file, attribute)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    if found not in TABLE and _is_taken(found.name):
        raise InputError(
            f"{file}: the variant {found.name} is not the one of that name in the "
            f"table; give it another name."
        )
    return found


def described(name: Any) -> Any:
    """The variant of a file as JSON holds it; any other name as it is.

    Whoever reads it later needs the file no more.
    """
    return serialize(load(name)) if is_file(name) else name


def _is_taken(name: str) -> bool:
    try:
        get(name)
    except InputError:
        return False
    return True


def _toml(file: Path) -> Variant:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"it is not valid TOML ({error}).") from error
    for key in content:
        known("key of a variant", key, _KEYS)
    gates = content.pop("gates", None)
    if not isinstance(gates, Mapping):
        raise InputError(
            "a variant needs a table [gates], with a line for each gate such as "
            'i = {h = "pointwise"} or f = 0.9.'
        )
    about = {"name": file.stem, "family": "lstm", **content}
    return Variant(gates={k: _gate(k, gate) for k, gate in gates.items()}, **about)


def _gate(name: str, given: Any) -> Gate:
    if not isinstance(given, Mapping):
        return Gate(constant=given)
    for key in given:
        known(f"term of gate {name}", key, _GATE)
    try:
        return Gate(**given)
    except InputError as error:
        raise InputError(f"gate {name}: {error}") from error


def _python(file: Path, name: str) -> Variant:
    if not name:
        raise InputError(f"say which variant in it, such as {file}:MINE.")
    spec = spec_from_file_location(f"slimrnn_own_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(
            f"it cannot be run ({type(error).__name__}: {error})."
        ) from error
    found = getattr(module, name, None)
    if not isinstance(found, Variant):
        there = [k for k, v in vars(module).items() if isinstance(v, Variant)]
        raise InputError(
            f"{name} is no slimrnn.Variant in it; allowed: "
            f"{', '.join(there) or 'none, for it has no Variant'}."
        )
    return found
