"""One description of a trained model, from which every writer works.

It holds data only: the cells as rows of the table, the weights as NumPy arrays. It is
read off any Keras model that is a chain, on any backend, and needs no Keras afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import keras_layers
from slimrnn.ir.keras_graph import layers_of
from slimrnn.ir.keras_layers import ACTIVATIONS, PASSIVE, RECURRENT, named
from slimrnn.ir.model import (
    MERGES,
    Activation,
    Affine,
    Bidirectional,
    Dense,
    Embedding,
    Layer,
    Masking,
    Model,
    Recurrent,
)

#: from here on, x / deviation - mean / deviation would lose digits
_CANCELS = 8


def from_keras(model: Any) -> Model:
    """The description of a trained model.

    Args:
        model: a built recurrent layer, ``keras.Sequential``, or functional model that
            is a chain.

    Raises:
        InputError: a layer, an activation or a setting that is not supported, layers
            without weights yet, or no recurrent layer.

    Example:
        >>> from slimrnn import SlimLSTM
        >>> model = keras.Sequential(
        ...     [keras.Input((None, 3)), SlimLSTM(4, "LSTM6"), keras.layers.Dense(2)])
        >>> [layer.outputs for layer in from_keras(model).layers]
        [4, 2]
    """
    reading = _Importer()
    for layer in layers_of(model):
        if type(layer) not in PASSIVE:
            reading.take(layer)
    found = Model(
        getattr(model, "name", "model"),
        tuple(reading.layers),
        _steps(model),
        reading.sequence,
        reading.flatten,
    )
    cells = list(found.recurrent())
    if not cells:
        raise InputError(
            f"The model {found.name} has no recurrent layer; there is nothing to run "
            f"step by step."
        )
    if name := found.not_finite():
        raise InputError(
            f"The layer {name} has numbers that are not finite, as after a training "
            f"that diverged; train it again, or give an earlier model."
        )
    makes = any(isinstance(layer, Masking) for layer in found.layers) or any(
        isinstance(layer, Embedding) and layer.mask_zero for layer in found.layers
    )
    if makes and not all(cell.masked for cell in cells):
        which = next(cell.name for cell in cells if not cell.masked)
        raise InputError(
            f"The model's mask does not reach the layer {which}; allowed is a mask "
            f"that reaches all recurrent layers."
        )
    return found


def _steps(model: Any) -> int | None:
    """T, where the model fixes it."""
    shape = getattr(model, "input_shape", None)
    return shape[1] if isinstance(shape, tuple) and len(shape) > 1 else None


class _Importer:
    """The layers so far, and what the next one gets."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.sequence = True  # whether there is an output for each step
        self.mask = False  # whether a mask comes with it
        self.flatten = False

    def take(self, layer: Any) -> None:
        """Read one layer more."""
        if self.flatten:
            raise InputError(
                f"The layer {named(layer)} stands behind Flatten; Flatten is allowed "
                f"at the end only."
            )
        read = _READERS.get(type(layer))
        if read is None:
            names = ", ".join(kind.__name__ for kind in _READERS)
            raise InputError(
                f"The layer {named(layer)} cannot be exported; allowed: {names}, and "
                f"layers that only act in training, such as Dropout."
            )
        keras_layers.check(layer)
        self.mask = self.mask and layer.supports_masking
        read(self, layer)

    def width(self, layer: Any) -> int:
        """How many numbers the layer gets at a step."""
        if self.layers:
            return self.layers[-1].outputs
        try:
            return int(layer.input.shape[-1])
        except (AttributeError, TypeError) as error:
            raise InputError(
                f"How many features the model has is not known at its layer "
                f"{named(layer)}; begin the model with keras.Input((None, features))."
            ) from error

    def embedding(self, layer: Any) -> None:
        if self.layers:
            raise InputError(
                f"An Embedding must be the first layer; {named(layer)} is not."
            )
        table = keras_layers.array(layer.embeddings)
        self.layers.append(Embedding(layer.name, table, layer.mask_zero))
        self.mask = layer.mask_zero

    def masking(self, layer: Any) -> None:
        others = (Embedding, Recurrent, Bidirectional, Masking)
        if any(isinstance(known, others) for known in self.layers):
            raise InputError(
                f"Masking must stand before the recurrent layers, once, and not behind "
                f"an Embedding; {named(layer)} does not."
            )
        value = float(layer.mask_value)
        self.layers.append(Masking(layer.name, value, self.width(layer)))
        self.mask = True

    def rescaling(self, layer: Any) -> None:
        self.affine(layer, layer.scale, layer.offset)

    def normalization(self, layer: Any) -> None:
        mean, variance = (keras_layers.array(a) for a in (layer.mean, layer.variance))
        deviation = np.maximum(np.sqrt(variance), keras.config.epsilon())
        if layer.invert:
            self.affine(layer, deviation, mean)
        elif abs(mean / deviation).max() < _CANCELS:
            self.affine(layer, 1 / deviation, -mean / deviation)
        else:
            self.affine(layer, 1, -mean)
            self.affine(layer, 1 / deviation, 0)

    def affine(self, layer: Any, scale: Any, offset: Any) -> None:
        width, arrays = self.width(layer), []
        for given in (scale, offset):
            array = np.asarray(given, "float32")
            if array.size != 1 and (array.size != width or array.shape[-1] != width):
                raise InputError(
                    f"{named(layer)} has numbers of the shape {array.shape}; allowed: "
                    f"one for all, or one for each of the {width} features (axis=-1)."
                )
            arrays.append(np.broadcast_to(array.reshape(-1), width).copy())
        self.layers.append(Affine(layer.name, *arrays))

    def dense(self, layer: Any) -> None:
        bias = keras_layers.array(layer.bias) if layer.use_bias else None
        function = keras_layers.activation(layer, layer.activation, ACTIVATIONS)
        self.layers.append(
            Dense(layer.name, keras_layers.array(layer.kernel), bias, function)
        )

    def distributed(self, layer: Any) -> None:
        if type(layer.layer) is not keras.layers.Dense:
            raise InputError(
                f"{named(layer)} is over {named(layer.layer)}; allowed is "
                f"TimeDistributed(Dense)."
            )
        keras_layers.check(layer.layer)
        self.dense(layer.layer)

    def activation(self, layer: Any) -> None:
        self.function(layer, layer.activation)

    def softmax(self, layer: Any) -> None:
        if layer.axis not in (-1, (-1,), [-1]):
            raise InputError(
                f"{named(layer)} has axis={layer.axis}; allowed is -1, the features."
            )
        self.function(layer, keras.activations.softmax)

    def function(self, layer: Any, function: Any) -> None:
        name = keras_layers.activation(layer, function, ACTIVATIONS)
        if name != "linear":
            self.layers.append(Activation(layer.name, name, self.width(layer)))

    def flattened(self, layer: Any) -> None:
        self.flatten = self.sequence

    def recurrent(self, layer: Any) -> None:
        found = self.direction(layer)
        self.layers.append(found)
        self.after(found.return_sequences)

    def bidirectional(self, layer: Any) -> None:
        pair = (layer.forward_layer, layer.backward_layer)
        for inner in pair:
            if type(inner) not in RECURRENT:
                raise InputError(
                    f"{named(layer)} is over {named(inner)}; allowed: "
                    f"{', '.join(kind.__name__ for kind in RECURRENT)}."
                )
        if layer.merge_mode not in MERGES:
            raise InputError(
                f"{named(layer)} has merge_mode={layer.merge_mode}; allowed: "
                f"{', '.join(MERGES)}."
            )
        forward, backward = (self.direction(inner) for inner in pair)
        if (forward.go_backwards, backward.go_backwards) != (False, True):
            raise InputError(
                f"{named(layer)} has a first layer that goes backwards; allowed is a "
                f"first layer that goes forwards and a second one that does not."
            )
        self.layers.append(
            Bidirectional(layer.name, forward, backward, layer.merge_mode)
        )
        self.after(forward.return_sequences)

    def direction(self, layer: Any) -> Recurrent:
        keras_layers.check(layer)
        if not self.sequence:
            raise InputError(
                f"The layer {named(layer)} gets no sequence; set return_sequences=True "
                f"on the recurrent layer before it."
            )
        return Recurrent(
            layer.name,
            keras_layers.recurrence(layer),
            bool(layer.return_sequences),
            bool(layer.go_backwards),
            self.mask,
            self.mask and bool(layer.zero_output_for_mask),
        )

    def after(self, return_sequences: bool) -> None:
        self.sequence = return_sequences
        self.mask = self.mask and return_sequences


_READERS: dict[type, Callable[[_Importer, Any], None]] = {
    keras.layers.Embedding: _Importer.embedding,
    keras.layers.Masking: _Importer.masking,
    keras.layers.Rescaling: _Importer.rescaling,
    keras.layers.Normalization: _Importer.normalization,
    **dict.fromkeys(RECURRENT, _Importer.recurrent),
    keras.layers.Bidirectional: _Importer.bidirectional,
    keras.layers.TimeDistributed: _Importer.distributed,
    keras.layers.Dense: _Importer.dense,
    keras.layers.Activation: _Importer.activation,
    keras.layers.Softmax: _Importer.softmax,
    keras.layers.Flatten: _Importer.flattened,
}
