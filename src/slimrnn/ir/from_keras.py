"""The reader of Keras models: any that is a chain, on any backend."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from slimrnn.errors import InputError
from slimrnn.ir import graph, hdf5
from slimrnn.ir.chain import model_of, steps_of
from slimrnn.ir.data import finite
from slimrnn.ir.described import Described
from slimrnn.ir.keras_layers import described
from slimrnn.ir.model import Model
from slimrnn.utils import foreign


def load(path: Path) -> Any:
    """The Keras model of a ``.keras`` file; nothing in the file is run.

    Raises:
        InputError: one that is no Keras model, or has numbers that are not finite.
    """
    with foreign.reading(path, hdf5.KERAS_MODEL):
        names = foreign.check_archive(path)
        arrays = [name for name in names if name.endswith(".h5")]
        stored = hdf5.numbers_in(path, *arrays) if arrays else 0
        with _weights_up_to(_COPIES * stored):
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    for weight in model.weights:
        if not weight.path.isprintable():
            raise InputError(f"{path} has a weight called {weight.path!r}.")
        finite(f"The weight {weight.path} of {path}", weight)
    return model


#: a wrapper builds the layer that it copies as well, which is not in the file
_COPIES = 4


@contextmanager
def _weights_up_to(most: int) -> Iterator[None]:
    """Lets layers make so many weights, and no more.

    A configuration may say any sizes, and a backend that cannot have them may end the
    process.
    """
    layer, left = keras.layers.Layer, most
    made = layer.add_weight

    def add_weight(self: Any, shape: Any = None, *about: Any, **more: Any) -> Any:
        nonlocal left
        left -= math.prod(shape or ())
        if left < 0:
            raise InputError(
                f"the layer {self.name} wants weights of the shape {shape}, and the "
                f"file has fewer numbers"
            )
        return made(self, shape, *about, **more)

    layer.add_weight = add_weight
    try:
        yield
    finally:
        layer.add_weight = made


def from_file(path: Path) -> Model:
    """The model of a ``.keras`` file."""
    origin = f"Keras {keras.__version__}, {path.suffix}"
    return replace(from_keras(load(path)), origin=origin)


def from_keras(model: Any) -> Model:
    """A Keras model as data.

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
    layers = list(_layers_of(model))
    shape: Any = getattr(model, "input_shape", None) or ()
    return model_of(model.name, layers, steps_of(shape, layers))


def _layers_of(model: Any) -> Iterator[Described]:
    """The layers of a model, in order; models inside it are opened."""
    if not isinstance(model, keras.layers.Layer):
        raise InputError(
            f"Give a Keras layer, a keras.Sequential or a functional model that is a "
            f"chain; received {type(model).__name__}."
        )
    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            yield from _layers_of(layer)
    elif isinstance(model, keras.Model):
        yield from _chain(model)
    else:
        yield described(model)


def _chain(model: keras.Model) -> Iterator[Described]:
    """The layers of a functional model, each fed by the one before alone."""
    try:
        config = model.get_config()
    except NotImplementedError:
        config = {}
    known = {layer.name: layer for layer in model.layers}
    for link in graph.links(model.name, config):
        if link.operation:
            yield link.operation
        elif link.name in known:
            yield from _layers_of(known[link.name])
        else:
            raise InputError(
                f"The model {model.name} has the operation {link.name}, which is not a "
                f"layer; make a keras.Sequential of its layers."
            )
