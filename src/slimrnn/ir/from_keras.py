"""The reader of Keras models: any that is a chain, on any backend."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import keras_layers
from slimrnn.ir.keras_graph import layers_of
from slimrnn.ir.keras_layers import ACTIVATIONS, PASSIVE, RECURRENT, named
from slimrnn.ir.layers import (
    Activation,
    Affine,
    Bidirectional,
    Dense,
    Embedding,
    Layer,
    Masking,
    Recurrent,
)
from slimrnn.ir.model import Model
from slimrnn.layers import SlimRNN

#: from here on, x / deviation - mean / deviation would lose digits
_CANCELS = 8


_DAMAGED = (
    *(ValueError, TypeError, KeyError, OSError, EOFError),
    *(zipfile.BadZipFile, zlib.error),
)


def load(file: str | os.PathLike) -> Any:
    """The Keras model of a file; nothing in the file is run.

    Raises:
        InputError: no such file, or one that is no Keras model.
    """
    path = Path(file)
    if not path.is_file():
        raise InputError(f"There is no file {path}; give a model saved by model.save.")
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise InputError(
            f"{path} is not a saved Keras model; give a .keras file, as "
            f"model.save('NAME.keras') writes it."
        )
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except _DAMAGED as error:
        first = str(error).strip().partition("\n")[0]
        raise InputError(
            f"{path} cannot be read as a Keras model ({first})."
        ) from error


def from_keras(model: Any) -> Model:
    """A Keras model as data.

    Args:
        model: a built layer, ``keras.Sequential``, or functional model that is a chain.

    Raises:
        InputError: a layer, an activation or a setting that is not supported, layers
            without weights yet, weights that are not finite, a chain that
            ``slimrnn.ir.model.Model`` refuses.

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
    shape: Any = getattr(model, "input_shape", None) or ()
    of_indices = any(isinstance(layer, Embedding) for layer in reading.layers[:1])
    steps = shape[1] if len(shape) == (2 if of_indices else 3) else None
    return Model(model.name, tuple(reading.layers), steps, reading.flatten)


class _Importer:
    """The layers so far, and what the next one gets."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.sequence = True  # whether there is an output for each step
        self.mask = False  # whether a mask comes with it
        self.astray = ""  # the layer that handed the mask on in the wrong order
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
                f"The layer {named(layer)} cannot be read; allowed: {names}, and "
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
        table = keras_layers.array(layer.embeddings)
        self.layers.append(Embedding(layer.name, table, layer.mask_zero))
        self.mask = layer.mask_zero

    def masking(self, layer: Any) -> None:
        width, value = self.width(layer), float(layer.mask_value)
        self.layers.append(Masking(layer.name, width, value))
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
            self.layers.append(Activation(layer.name, self.width(layer), name))

    def flattened(self, layer: Any) -> None:
        self.flatten = self.sequence

    def recurrent(self, layer: Any) -> None:
        found = self.direction(layer)
        if found.masked and found.turns and not isinstance(layer, SlimRNN):
            self.astray = named(layer)
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
        forward, backward = (self.direction(inner) for inner in pair)
        self.layers.append(
            Bidirectional(layer.name, forward, backward, layer.merge_mode)
        )
        self.after(forward.return_sequences)

    def direction(self, layer: Any) -> Recurrent:
        keras_layers.check(layer)
        if self.mask and self.astray:
            raise InputError(
                f"{named(layer)} gets the mask of {self.astray}, which hands it on in "
                f"the order of its inputs, while its outputs are in the opposite one; "
                f"allowed there are slimrnn's layers, which turn the mask."
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
