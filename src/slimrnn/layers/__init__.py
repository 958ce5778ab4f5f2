"""The layers and cells for Keras: its surface, computed by an engine."""

from slimrnn.layers.cells import SlimGRUCell, SlimLSTMCell, SlimMGUCell
from slimrnn.layers.losses import (
    ErrorToSignalRatio,
    ErrorToSignalRatioMetric,
    MeanStandardizedError,
)
from slimrnn.layers.rnn import LAYERS, SlimGRU, SlimLSTM, SlimMGU, SlimRNN, layer

__all__ = [
    "LAYERS",
    "ErrorToSignalRatio",
    "ErrorToSignalRatioMetric",
    "MeanStandardizedError",
    "SlimGRU",
    "SlimGRUCell",
    "SlimLSTM",
    "SlimLSTMCell",
    "SlimMGU",
    "SlimMGUCell",
    "SlimRNN",
    "layer",
]
