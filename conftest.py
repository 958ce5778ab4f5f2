"""Before any test imports Keras: the backend is the one installed, as for a user."""

import contextlib
import functools
import gc
import importlib.util
import os
from pathlib import Path

from slimrnn import backends
from slimrnn.native import BACKENDS

#: the fixtures and the table of tests/attack
pytest_plugins = ("attack_table",)


def known_to_xla(flag: str) -> bool:
    """Whether the XLA installed has a flag: it ends the process that names another."""
    jaxlib = importlib.util.find_spec("jaxlib")
    return jaxlib is not None and any(
        flag.encode() in library.read_bytes()
        for library in Path(jaxlib.origin).parent.glob("*_common.so")
    )


def share_the_context_of_programs():
    """JAX makes a context of MLIR for each program: a quarter of a small one's time.

    Where JAX has it elsewhere (it is private), the tests only take longer.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from jax._src.interpreters import mlir

        mlir.make_ir_context = functools.cache(mlir.make_ir_context)


# JAX compiles many small programs: fast rather than well, and in one process what need
# not be compiled in another.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if "XLA_FLAGS" not in os.environ and known_to_xla("xla_cpu_use_fusion_emitters"):
    os.environ["XLA_FLAGS"] = "--xla_cpu_use_fusion_emitters=false"
CACHE = Path(__file__).parent / ".pytest_cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# What shortens a traceback takes 20 ms for each error that a test expects.
os.environ.setdefault("JAX_TRACEBACK_FILTERING", "off")

# A test computes little: threads would only be in each other's way. Garbage is looked
# for among more objects at a time, since JAX and Keras make very many that live.
os.environ.setdefault("OMP_NUM_THREADS", "1")
gc.set_threshold(50_000)

backend = backends.start().backend
if backend == "jax":
    share_the_context_of_programs()

# What another backend needs cannot be imported, not even for its doctests.
collect_ignore = [
    f"src/slimrnn/native/{name}.py" for name in BACKENDS if name != backend
]
if importlib.util.find_spec("torch") is None:
    collect_ignore += ["src/slimrnn/torch"]
    collect_ignore += [f"src/slimrnn/{of}/torch_module.py" for of in ("ir", "slimming")]
if backend != "jax":
    collect_ignore += ["tests/native/two_devices.py"]
