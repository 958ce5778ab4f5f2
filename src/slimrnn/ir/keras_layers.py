"""A trained layer as data: its row of the table and its weights, read off Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

import slim22
from slimrnn.activations import NAMES
from slimrnn.errors import InputError
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.layers import SlimGRU, SlimLSTM, SlimMGU, SlimRNN
from slimrnn.layers.cells import SlimGRUCell, SlimLSTMCell, SlimMGUCell
from slimrnn.layers.packed import PackedCell
from slimrnn.variants import ACTIVATIONS as FACTS
from slimrnn.variants import CellSpec, Gate, Variant, get
from slimrnn.variants.table import FULL

Array = np.ndarray

#: the rows of Keras's own cells; their weights are packed like ours
_KERAS_CELLS: dict[type, Variant] = {
    keras.layers.LSTMCell: get("LSTM"),
    keras.layers.GRUCell: get("GRU"),
    # h = 0 * h + 1 * g(W x + U (1 * h) + b)
    keras.layers.SimpleRNNCell: Variant(
        "SimpleRNN", "mgu", {"f": Gate(constant=1.0), "c": FULL}
    ),
}
_SLIM_CELLS = (SlimLSTMCell, SlimGRUCell, SlimMGUCell, PackedCell)

#: the layers that hold one of these cells
RECURRENT: tuple[type, ...] = (
    *(SlimLSTM, SlimGRU, SlimMGU, SlimRNN, slim22.LSTMs),
    keras.layers.LSTM,
    keras.layers.GRU,
    keras.layers.SimpleRNN,
    keras.layers.RNN,
)

#: layers that hand on what they get, except in training
PASSIVE: tuple[type, ...] = (
    keras.layers.InputLayer,
    keras.layers.Identity,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ActivityRegularization,
)

#: the activations of any other layer, by function
ACTIVATIONS = {**NAMES, keras.activations.softmax: "softmax"}


def recurrence(layer: Any) -> RecurrentWeights:
    """What a recurrent layer computes.

    Args:
        layer: one of the types of :data:`RECURRENT`, built.

    Raises:
        InputError: a cell or an activation that is not known.
    """
    cell = layer.cell
    if type(cell) in _SLIM_CELLS:
        variant, found = cell.spec.variant, cell.packed_weights()
    elif type(cell) in _KERAS_CELLS:
        variant = _KERAS_CELLS[type(cell)]
        variant = variant if cell.use_bias else variant.without_bias()
        found = {name: getattr(cell, name) for name in variant.shapes(1, 1)}
    else:
        kinds = (*_KERAS_CELLS, *_SLIM_CELLS)
        raise InputError(
            f"The cell {named(cell)} cannot be read; allowed: "
            f"{', '.join(kind.__name__ for kind in kinds)}."
        )
    weights = {name: array(found[name]) for name in variant.shapes(1, 1)}
    reset_after = bool(getattr(cell, "reset_after", False))
    reset_bias = None
    if reset_after and cell.use_bias:
        weights["bias"], reset_bias = _two_biases(weights["bias"])
    used = (cell.activation, getattr(cell, "recurrent_activation", None))
    g, s = (activation(layer, f, NAMES) if f else "linear" for f in used)
    spec = CellSpec(variant, FACTS[g], FACTS[s], reset_after)
    try:
        return RecurrentWeights(spec, weights, reset_bias)
    except InputError as error:
        raise InputError(f"The layer {named(layer)} cannot be read. {error}") from error


def _two_biases(biases: Array) -> tuple[Array, Array]:
    """The biases (2, 3n) of a GRU with reset_after: of all gates, and behind r.

    z and r add both of theirs; of the candidate, r resets the second one.
    """
    outer, inner = biases
    n = len(inner) // 3
    outer[: 2 * n] += inner[: 2 * n]
    return outer, inner[2 * n :]


def check(layer: Any) -> None:
    """Refuse a layer without weights, and one that does not compute in float32.

    Raises:
        InputError: see above.
    """
    name = named(layer)
    if not layer.built:
        raise InputError(
            f"The layer {name} has no weights yet; call the model, or build it with "
            f"the shape of its input, first."
        )
    for dtype in (layer.compute_dtype, getattr(layer, "cell", layer).compute_dtype):
        if dtype != "float32":
            raise InputError(
                f"The layer {name} computes in {dtype}; allowed is float32: build it "
                f"with dtype='float32' and give it the same weights."
            )
    if getattr(layer, "quantization_mode", None):
        raise InputError(
            f"The layer {name} is quantized ({layer.quantization_mode}); float32 "
            f"weights are needed: give the model from before it was quantized."
        )


def activation(layer: Any, function: Any, known: Mapping[Any, str]) -> str:
    """The name of an activation.

    Args:
        layer: whose it is.
        function: Keras's.
        known: those that are allowed.

    Raises:
        InputError: none of them.
    """
    name = known.get(function)
    if name is None:
        received = getattr(function, "__name__", function)
        raise InputError(
            f"The activation {received} of the layer {named(layer)} is not known "
            f"outside Keras; allowed: {', '.join(known.values())}."
        )
    return name


def array(tensor: Any) -> Array:
    """A copy, as float32 of NumPy."""
    return np.array(keras.ops.convert_to_numpy(tensor), "float32", order="C")


def named(layer: Any) -> str:
    """What a message calls a layer."""
    return f"{layer.name} ({type(layer).__name__})"
