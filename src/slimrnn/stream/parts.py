"""What a stream needs of each layer, read off Keras as data.

What is supported, and how Keras's own layers are rows of the table, stands in the
tables below.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from slimrnn.activations import KNOWN
from slimrnn.cells import SlimGRUCell, SlimLSTMCell, SlimMGUCell
from slimrnn.errors import InputError
from slimrnn.layers import SlimGRU, SlimLSTM, SlimMGU, SlimRNN
from slimrnn.native import library
from slimrnn.stream.chain import layers_of
from slimrnn.variants import FAMILIES, FULL, WEIGHTS, Gate, Variant, get

Array = np.ndarray

#: slim_layer's kinds, in the order of slimrnn.h
EMBEDDING, CELL, DENSE = range(3)

#: the rows of Keras's own cells; their weights are packed like ours
_KERAS_CELLS: dict[type, Variant] = {
    keras.layers.LSTMCell: get("LSTM"),
    keras.layers.GRUCell: get("GRU"),
    # h = 0 * h + 1 * g(W x + U (1 * h) + b)
    keras.layers.SimpleRNNCell: Variant(
        "SimpleRNN", "mgu", {"f": Gate(constant=1.0), "c": FULL}
    ),
}
_SLIM_CELLS = (SlimLSTMCell, SlimGRUCell, SlimMGUCell)

#: layers that hand on what they get, except in training
_NOTHING = (
    keras.layers.InputLayer,
    keras.layers.Identity,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ActivityRegularization,
)

_CELL_ACTIVATIONS = {function: known.name for function, known in KNOWN.items()}
_DENSE_ACTIVATIONS = {**_CELL_ACTIVATIONS, keras.activations.softmax: "softmax"}
#: by number, as slimrnn.h has them
_NUMBERS = {name: k for k, name in enumerate((*library.ACTIVATIONS, "softmax"))}

#: settings of a recurrent layer that cannot be streamed; those of the second table are
#: so only where steps are masked: there, Keras's outputs are not the states
_ALWAYS = {"go_backwards": ""}
_MASKED = {
    **_ALWAYS,
    "stateful": " behind mask_zero",
    "zero_output_for_mask": " behind mask_zero",
}


@dataclass(frozen=True)
class Part:
    """What C needs of a layer: see ``slim_layer`` in slimrnn.h."""

    kind: int
    inputs: int
    outputs: int
    weights: tuple[Array | None, ...]  # float32, in the places that C has for them
    activation: str = "linear"
    mask_zero: bool = False
    cell: library.Cell | None = None
    reset_bias: Array | None = None
    states: tuple[str, ...] = ()

    @property
    def work(self) -> int:
        """How many weights a step reads."""
        if self.kind == EMBEDDING:
            return self.outputs
        return sum(w.size for w in self.weights if w is not None)

    def describe(self, layer: library.Layer, states: dict[str, Array]) -> None:
        """Write it into C's structure."""
        layer.kind, layer.inputs, layer.outputs = self.kind, self.inputs, self.outputs
        layer.activation = _NUMBERS[self.activation]
        layer.mask_zero = self.mask_zero
        if self.cell is not None:
            layer.cell = ctypes.pointer(self.cell)
        layer.reset_bias = library.address(self.reset_bias)
        for k, array in enumerate(self.weights):
            layer.weights[k] = library.address(array)
        for k, array in enumerate(states.values()):
            layer.states[k] = library.address(array)


def parts_of(model: Any) -> list[Part]:
    """The layers that compute something."""
    parts: list[Part] = []
    for layer in layers_of(model):
        if type(layer) in _NOTHING:
            continue
        if type(layer) is keras.layers.Activation:
            _fold(parts, layer)
            continue
        read = _READERS.get(type(layer))
        if read is None:
            names = ", ".join(kind.__name__ for kind in _READERS)
            raise InputError(
                f"A stream cannot have the layer {_name(layer)}; allowed: {names}, "
                f"Activation after Dense, and layers that only act in training."
            )
        _check(layer, first=not parts, masked=bool(parts) and parts[0].mask_zero)
        parts.append(read(layer))
    if not parts:
        raise InputError("A stream needs a layer that computes something; it has none.")
    return parts


def _check(layer: Any, first: bool, masked: bool) -> None:
    """Refuse a layer of a supported kind whose settings cannot be streamed."""
    name = _name(layer)
    if not layer.built:
        raise InputError(
            f"The layer {name} has no weights yet; call the model, or build it with "
            f"the shape of its input, before streaming it."
        )
    for dtype in (layer.compute_dtype, getattr(layer, "cell", layer).compute_dtype):
        if dtype != "float32":
            raise InputError(
                f"A stream computes in float32, and the layer {name} in {dtype}; build "
                f"it with dtype='float32' and give it the same weights."
            )
    if getattr(layer, "quantization_mode", None):
        raise InputError(
            f"The layer {name} is quantized ({layer.quantization_mode}); a stream "
            f"takes float32 weights: stream the model before it is quantized."
        )
    if type(layer) is keras.layers.Embedding and not first:
        raise InputError(f"An Embedding must be the first layer; {name} is not.")
    for setting, behind in _MASKED.items() if masked else _ALWAYS.items():
        if getattr(layer, setting, False):
            raise InputError(
                f"The layer {name} has {setting}=True, which a stream cannot do"
                f"{behind}; allowed is False."
            )


def _recurrent(layer: Any) -> Part:
    """A recurrent layer, by its cell."""
    cell = layer.cell
    if type(cell) in _SLIM_CELLS:
        variant = cell.algebra.variant
    elif type(cell) in _KERAS_CELLS:
        variant = _KERAS_CELLS[type(cell)]
        variant = variant if cell.use_bias else variant.without_bias()
    else:
        kinds = (*_KERAS_CELLS, *_SLIM_CELLS)
        raise InputError(
            f"A stream cannot have the cell {_name(cell)}; allowed: "
            f"{', '.join(kind.__name__ for kind in kinds)}."
        )
    weights = {name: _array(getattr(cell, name)) for name in variant.shapes(1, 1)}
    reset_after = bool(getattr(cell, "reset_after", False))
    reset_bias = None
    if reset_after and cell.use_bias:
        weights["bias"], reset_bias = _two_biases(weights["bias"])
    features = len(weights["kernel"])
    used = (cell.activation, getattr(cell, "recurrent_activation", None))
    g, s = (_activation(layer, f, _CELL_ACTIVATIONS) if f else "linear" for f in used)
    return Part(
        CELL,
        features,
        cell.units,
        tuple(weights.get(name) for name in WEIGHTS),
        cell=library.cell(variant, features, cell.units, g, s, reset_after),
        reset_bias=reset_bias,
        states=FAMILIES[variant.family].states,
    )


def _two_biases(biases: Array) -> tuple[Array, Array]:
    """The biases (2, 3n) of a GRU with reset_after: of all gates, and behind r.

    z and r add both of theirs; of the candidate, r resets the second one.
    """
    outer, inner = biases
    n = len(inner) // 3
    outer[: 2 * n] += inner[: 2 * n]
    return outer, inner[2 * n :]


def _dense(layer: Any) -> Part:
    kernel = _array(layer.kernel)
    bias = _array(layer.bias) if layer.use_bias else None
    activation = _activation(layer, layer.activation, _DENSE_ACTIVATIONS)
    inputs, outputs = kernel.shape
    return Part(DENSE, inputs, outputs, (kernel, bias), activation)


def _embedding(layer: Any) -> Part:
    table = _array(layer.embeddings)
    rows, outputs = table.shape
    return Part(EMBEDDING, rows, outputs, (table,), mask_zero=layer.mask_zero)


_READERS: dict[type, Callable[[Any], Part]] = {
    keras.layers.Embedding: _embedding,
    **dict.fromkeys((SlimLSTM, SlimGRU, SlimMGU, SlimRNN), _recurrent),
    keras.layers.LSTM: _recurrent,
    keras.layers.GRU: _recurrent,
    keras.layers.SimpleRNN: _recurrent,
    keras.layers.RNN: _recurrent,
    keras.layers.Dense: _dense,
}


def _fold(parts: list[Part], layer: Any) -> None:
    """Give an Activation layer to the Dense before it."""
    activation = _activation(layer, layer.activation, _DENSE_ACTIVATIONS)
    if activation == "linear":
        return
    if not parts or parts[-1].kind != DENSE or parts[-1].activation != "linear":
        raise InputError(
            f"A stream can have an Activation only after a Dense without activation; "
            f"{_name(layer)} stands elsewhere. Use a layer's argument activation=."
        )
    parts[-1] = replace(parts[-1], activation=activation)


def _activation(layer: Any, function: Any, known: dict[Any, str]) -> str:
    """The name of an activation."""
    name = known.get(function)
    if name is None:
        received = getattr(function, "__name__", function)
        raise InputError(
            f"A stream cannot compute the activation {received} of the layer "
            f"{_name(layer)}; allowed: {', '.join(known.values())}."
        )
    return name


def _array(tensor: Any) -> Array:
    """A copy, as NumPy."""
    return np.array(keras.ops.convert_to_numpy(tensor), "float32", order="C")


def _name(layer: Any) -> str:
    return f"{layer.name} ({type(layer).__name__})"
