"""Keras's layers in memory, described; and the cell of a recurrent one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

import slim22
from slimrnn.activations import NAMES, OF_LAYERS
from slimrnn.errors import InputError
from slimrnn.ir.cells import cell_of, keras_cell
from slimrnn.ir.data import one_of
from slimrnn.ir.described import Described
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.layers import SlimGRU, SlimLSTM, SlimMGU, SlimRNN
from slimrnn.layers.cells import SlimGRUCell, SlimLSTMCell, SlimMGUCell
from slimrnn.layers.packed import PackedCell
from slimrnn.variants import ACTIVATIONS as FACTS
from slimrnn.variants import CellSpec

Array = np.ndarray

#: Keras's own cells, by the layer's class
_KERAS_CELLS: dict[type, str] = {
    keras.layers.LSTMCell: "LSTM",
    keras.layers.GRUCell: "GRU",
    keras.layers.SimpleRNNCell: "SimpleRNN",
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

#: the activations of any other layer, by function
ACTIVATIONS: Mapping[Any, str] = {
    **NAMES,
    keras.activations.softmax: "softmax",
    keras.activations.leaky_relu: "leaky_relu",
    **{function: name for name, function in OF_LAYERS.items()},
}


def described(layer: Any) -> Described:
    """A layer in memory, with its weights."""
    kind = type(layer).__name__
    own = type(layer) not in (*RECURRENT, getattr(keras.layers, kind, None))
    if not isinstance(layer, keras.layers.InputLayer):
        check(layer)
    try:
        settings = dict(layer.get_config())
    except NotImplementedError:
        settings = {}
    if hasattr(layer, "activation"):
        function = layer.activation
        settings["activation"] = (
            described(function)
            if isinstance(function, keras.layers.Layer)
            else activation(function, ACTIVATIONS)
        )
    more = _MORE.get(type(layer), _weights)(layer)
    return Described(
        f"{kind}, a class of your own" if own else kind,
        layer.name,
        features=_features(layer),
        masks=bool(layer.supports_masking),
        **{"settings": settings, **more},
    )


def _features(layer: Any) -> int | None:
    """How many numbers the layer gets."""
    try:
        return int(layer.input.shape[-1])
    except (AttributeError, TypeError, IndexError):
        return None


def _weights(layer: Any) -> dict[str, Any]:
    return {"weights": [array(weight) for weight in layer.weights]}


def _pair(layer: Any) -> dict[str, Any]:
    return {"inner": (described(layer.forward_layer), described(layer.backward_layer))}


#: what else is described, by the type of a layer; of others, the weights
_MORE: dict[type, Callable[[Any], dict[str, Any]]] = {
    **dict.fromkeys(RECURRENT, lambda layer: {"cell": recurrence(layer)}),
    keras.layers.Normalization: lambda layer: {
        "weights": [array(layer.mean), array(layer.variance)],
        "settings": {"invert": layer.invert, "epsilon": keras.config.epsilon()},
    },
    keras.layers.Bidirectional: _pair,
    keras.layers.TimeDistributed: lambda layer: {"inner": (described(layer.layer),)},
}


def recurrence(layer: Any) -> RecurrentWeights:
    """What a recurrent layer computes."""
    cell = layer.cell
    used = (getattr(cell, f"{what}activation", None) for what in ("", "recurrent_"))
    g, s = (activation(f, NAMES) if f else "linear" for f in used)
    if type(cell) in _KERAS_CELLS:
        functions = {"activation": g, "recurrent_activation": s}
        settings = {**cell.get_config(), **functions}
        weights = [array(weight) for weight in cell.weights]
        kind = _KERAS_CELLS[type(cell)]
        return keras_cell(Described(kind, layer.name, settings, weights))
    if type(cell) not in _SLIM_CELLS:
        kinds = (*_KERAS_CELLS, *_SLIM_CELLS)
        raise InputError(
            f"The cell {named(cell)} cannot be read; allowed: "
            f"{', '.join(kind.__name__ for kind in kinds)}."
        )
    spec, packed = spec_of(layer), cell.packed_weights()
    found = {name: array(packed[name]) for name in spec.variant.shapes(1, 1)}
    return cell_of(named(layer), spec, found)


def spec_of(layer: Any) -> CellSpec:
    """What a slim layer computes, built or not."""
    functions = layer.cell.activation, layer.cell.recurrent_activation
    known = [activation(function, NAMES) for function in functions]
    for name in known:
        one_of(f"The layer {named(layer)} has the activation", name, FACTS)
    return CellSpec(layer.cell.spec.variant, *(FACTS[name] for name in known))


def check(layer: Any) -> None:
    """Refuse a layer without weights, and one that does not compute in float32."""
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


def activation(function: Any, known: Mapping[Any, str]) -> str:
    """The name of an activation; one that is not known gets none that is."""
    if function in known:
        return known[function]
    name = getattr(function, "__name__", str(function))
    return f"{name}, a function of your own" if name in known.values() else name


def array(tensor: Any) -> Array:
    """A copy, as float32 of NumPy."""
    return np.array(keras.ops.convert_to_numpy(tensor), "float32", order="C")


def named(layer: Any) -> str:
    """What a message calls a layer."""
    return f"{layer.name} ({type(layer).__name__})"
