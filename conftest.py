"""Before any test imports Keras: the backend is the one installed, as for a user."""

from slimrnn import backends
from slimrnn.native import BACKENDS

backend = backends.start().backend

# What another backend needs cannot be imported, not even for its doctests.
collect_ignore = [
    f"src/slimrnn/native/{name}.py" for name in BACKENDS if name != backend
]
