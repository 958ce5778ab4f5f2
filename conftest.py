"""Before any test imports Keras: the backend is the one installed, as for a user."""

import os
from pathlib import Path

from slimrnn import backends
from slimrnn.native import BACKENDS

# What JAX compiles in one process need not be compiled in another.
CACHE = Path(__file__).parent / ".pytest_cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

backend = backends.start().backend

# What another backend needs cannot be imported, not even for its doctests.
collect_ignore = [
    f"src/slimrnn/native/{name}.py" for name in BACKENDS if name != backend
]
