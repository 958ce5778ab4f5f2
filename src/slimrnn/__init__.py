"""Slim recurrent layers for Keras 3: fewer parameters, less time, fewer bytes.

>>> import slimrnn
>>> slimrnn.get("LSTM6").formula()
'mn + n² + n'
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from slimrnn import variants
from slimrnn.errors import InputError
from slimrnn.utils.optional import lazy
from slimrnn.variants import Gate, Variant, get

if TYPE_CHECKING:
    from slimrnn.layers import SlimGRU, SlimLSTM, SlimMGU, SlimRNN, layer
    from slimrnn.layers.cells import SlimGRUCell, SlimLSTMCell, SlimMGUCell
    from slimrnn.slimming.training import slim
    from slimrnn.stream import Stream

__version__ = "0.1.0"

# Imported when first asked for: they import Keras and with it a framework, which
# takes seconds, and `slimrnn variants` needs neither.
__getattr__, __dir__ = lazy(
    __name__,
    {
        "layers.cells": ("SlimLSTMCell", "SlimGRUCell", "SlimMGUCell"),
        "layers": ("SlimLSTM", "SlimGRU", "SlimMGU", "SlimRNN", "layer"),
        "slimming.training": ("slim",),
        "stream": ("Stream",),
    },
    ("data", "deploy", "ir", "loggers", "native", "slimming", "torch"),
)

__all__ = [
    "Gate",
    "InputError",
    "SlimGRU",
    "SlimGRUCell",
    "SlimLSTM",
    "SlimLSTMCell",
    "SlimMGU",
    "SlimMGUCell",
    "SlimRNN",
    "Stream",
    "Variant",
    "get",
    "layer",
    "slim",
    "variants",
]


# Keras finds the layers of a saved model only once they are imported.
if sys.modules.get("keras"):
    import_module("slimrnn.layers")
