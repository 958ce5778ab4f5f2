"""Layers in Keras's words, one after the other, as layers of the IR.

This is the one table of what can be read: Keras's layers in memory, its files of all
versions, and formats that speak of layers as Keras does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from slimrnn.errors import InputError
from slimrnn.ir import over_time_readers, step_readers
from slimrnn.ir.data import finite
from slimrnn.ir.described import Described
from slimrnn.ir.model import Model
from slimrnn.ir.over_time_readers import CONVOLUTIONS, of_all_steps
from slimrnn.ir.so_far import SoFar

#: layers that hand on what they get, except in training
PASSIVE = (
    *("InputLayer", "Identity", "Dropout", "SpatialDropout1D", "AlphaDropout"),
    *("GaussianDropout", "GaussianNoise", "ActivityRegularization"),
)

_READERS = {**step_readers.READERS, **over_time_readers.READERS}


def model_of(
    name: str,
    layers: Iterable[Described],
    steps: int | None = None,
    folded: bool = True,
    **others: Any,
) -> Model:
    """The layers as a model."""
    chain = SoFar(steps, folded)
    for layer in layers:
        for part in layer.parts():
            _take(chain, part)
    steps = chain.whole if steps is None else steps
    return Model(name, tuple(chain.layers), steps, chain.flatten, **others)


def steps_of(shape: Sequence[Any], layers: Sequence[Described]) -> int | None:
    """T, where a model's input of this shape fixes it: (B, T, m), or (B, T) indices."""
    of_indices = any(layer.kind == "Embedding" for layer in layers[:2])
    return shape[1] if len(shape) == (2 if of_indices else 3) else None


def _take(chain: SoFar, layer: Described) -> None:
    """Read one layer more."""
    if not chain.layers and layer.features:
        chain.features = layer.features
    if layer.kind in PASSIVE:
        return
    if chain.flatten and layer.kind != "Dense":
        raise InputError(
            f"The layer {layer} stands after Flatten; allowed there is a Dense, or "
            f"nothing more."
        )
    read = of_all_steps if chain.flatten else _READERS.get(layer.kind)
    if read is None:
        raise InputError(
            f"The layer {layer} cannot be read; allowed: {', '.join(_READERS)}, "
            f"and layers that only act in training, such as Dropout."
        )
    if any(chain.zeros) and layer.kind not in CONVOLUTIONS:
        raise InputError(f"The layer {layer} follows ZeroPadding1D; allowed is Conv1D.")
    chain.mask = chain.mask and layer.masks
    for array in layer.weights:
        finite(f"The layer {layer}", array)
    read(chain, layer)
