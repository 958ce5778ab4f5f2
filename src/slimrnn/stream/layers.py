"""What a stream needs of each layer, read off Keras as data.

Which layers are supported stands in the table below.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import keras_layers
from slimrnn.ir.keras_graph import layers_of
from slimrnn.ir.keras_layers import ACTIVATIONS, PASSIVE, RECURRENT, named
from slimrnn.native import library
from slimrnn.variants import ACTIVATIONS as CELL_ACTIVATIONS
from slimrnn.variants import WEIGHTS, CellSpec

Array = np.ndarray

#: slim_layer's kinds, in the order of slimrnn.h
EMBEDDING, CELL, DENSE = range(3)

#: by number, as slimrnn.h has them
_NUMBERS = {name: k for k, name in enumerate((*CELL_ACTIVATIONS, "softmax"))}

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
        layer.reset_bias = library.buffer(self.reset_bias)
        for k, array in enumerate(self.weights):
            layer.weights[k] = library.buffer(array)
        for k, array in enumerate(states.values()):
            layer.states[k] = library.buffer(array)


def parts_of(model: Any) -> list[Part]:
    """The layers that compute something."""
    parts: list[Part] = []
    for layer in layers_of(model):
        if type(layer) in PASSIVE:
            continue
        if type(layer) is keras.layers.Activation:
            _fold(parts, layer)
            continue
        read = _READERS.get(type(layer))
        if read is None:
            names = ", ".join(kind.__name__ for kind in _READERS)
            raise InputError(
                f"A stream cannot have the layer {named(layer)}; allowed: {names}, "
                f"Activation after Dense, and layers that only act in training."
            )
        _check(layer, first=not parts, masked=bool(parts) and parts[0].mask_zero)
        parts.append(read(layer))
    if not parts:
        raise InputError("A stream needs a layer that computes something; it has none.")
    return parts


def _check(layer: Any, first: bool, masked: bool) -> None:
    """Refuse a layer of a supported kind whose settings cannot be streamed."""
    name = named(layer)
    keras_layers.check(layer)
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
    read = keras_layers.recurrence(layer)
    spec = CellSpec(
        read.variant,
        CELL_ACTIVATIONS[read.activation],
        CELL_ACTIVATIONS[read.recurrent_activation],
        read.reset_after,
    )
    return Part(
        CELL,
        read.features,
        read.units,
        tuple(read.weights.get(name) for name in WEIGHTS),
        cell=library.cell(spec, read.features, read.units),
        reset_bias=read.reset_bias,
        states=spec.family.states,
    )


def _dense(layer: Any) -> Part:
    kernel = keras_layers.array(layer.kernel)
    bias = keras_layers.array(layer.bias) if layer.use_bias else None
    activation = keras_layers.activation(layer, layer.activation, ACTIVATIONS)
    inputs, outputs = kernel.shape
    return Part(DENSE, inputs, outputs, (kernel, bias), activation)


def _embedding(layer: Any) -> Part:
    table = keras_layers.array(layer.embeddings)
    rows, outputs = table.shape
    return Part(EMBEDDING, rows, outputs, (table,), mask_zero=layer.mask_zero)


_READERS: dict[type, Callable[[Any], Part]] = {
    keras.layers.Embedding: _embedding,
    **dict.fromkeys(RECURRENT, _recurrent),
    keras.layers.Dense: _dense,
}


def _fold(parts: list[Part], layer: Any) -> None:
    """Give an Activation layer to the Dense before it."""
    activation = keras_layers.activation(layer, layer.activation, ACTIVATIONS)
    if activation == "linear":
        return
    if not parts or parts[-1].kind != DENSE or parts[-1].activation != "linear":
        raise InputError(
            f"A stream can have an Activation only after a Dense without activation; "
            f"{named(layer)} stands elsewhere. Use a layer's argument activation=."
        )
    parts[-1] = replace(parts[-1], activation=activation)
