"""Before any test imports Keras: the backend is the one installed, as for a user."""

from slimrnn import backends
from slimrnn.engines import NATIVE_BACKENDS

backend = backends.start().backend

# What another backend needs cannot be imported, not even for its doctests.
collect_ignore = [
    f"src/slimrnn/native/{name}.py" for name in NATIVE_BACKENDS if name != backend
]
if backend not in NATIVE_BACKENDS:
    collect_ignore.append("src/slimrnn/engines/native.py")
