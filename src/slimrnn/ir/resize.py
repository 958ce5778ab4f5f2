"""A model with other units: what it is made of, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from slimrnn.ir.layers import Dense, Layer, Recurrent
from slimrnn.ir.model import Model
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.variants import CellSpec


def resized(model: Model, units: int, spec: CellSpec | None = None) -> Model:
    """The chain with so many units in each recurrent layer, and 0 for its weights.

    Args:
        model: a chain whose other layers stand before the recurrent ones, or are Dense,
            or after a Dense.
        units: n.
        spec: of the cells, if not the same.

    Raises:
        InputError: a chain of other layers, which then do not fit.

    Example:
        >>> import keras
        >>> from slimrnn import SlimLSTM
        >>> from slimrnn.ir import read
        >>> model = keras.Sequential(
        ...     [keras.Input((None, 3)), SlimLSTM(4), keras.layers.Dense(2)])
        >>> [layer.outputs for layer in resized(read(model), 7).layers]
        [7, 2]
    """
    layers: list[Layer] = []
    for layer in model.layers:
        inputs = layers[-1].outputs if layers else layer.inputs
        resize = _RESIZE.get(type(layer))
        layers.append(resize(layer, inputs, units, spec) if resize else layer)
    return replace(model, layers=tuple(layers))


def _zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, "float32")


def _recurrent(
    layer: Recurrent, inputs: int, units: int, spec: CellSpec | None
) -> Recurrent:
    spec = spec or layer.cell.spec
    shapes = spec.variant.shapes(inputs, units)
    weights = {name: _zeros(*shape) for name, shape in shapes.items()}
    return replace(layer, cell=RecurrentWeights(spec, weights), initial=None)


_RESIZE: dict[type, Callable[[Any, int, int, CellSpec | None], Layer]] = {
    Recurrent: _recurrent,
    Dense: lambda layer, inputs, *_: replace(
        layer, kernel=_zeros(inputs, layer.outputs)
    ),
}
