"""Before any test imports Keras: the backend is the one installed, as for a user."""

from slimrnn import backends

backends.start()
