"""Before any test imports Keras: the backend is the one installed, as for a user."""

from slimrnn import backends
from slimrnn.engines import NATIVE_BACKENDS

backends.start()

# Of a framework that is not here, not even the doctests can be looked for.
collect_ignore = [
    f"src/slimrnn/engines/native_{name}.py"
    for name in NATIVE_BACKENDS
    if name not in backends.installed()
]
