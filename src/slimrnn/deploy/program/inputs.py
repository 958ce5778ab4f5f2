"""What a model is given: checked, as integers, and which steps of it are masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from slimrnn.data.adapter import Adapter, Takes
from slimrnn.data.dataset import Dataset
from slimrnn.data.sequences import Sequences
from slimrnn.deploy.program.program import Program
from slimrnn.errors import InputError
from slimrnn.ir.layers import Affine, Embedding, Layer, Masking
from slimrnn.ir.model import Model

Array = np.ndarray
SOME = 200  # sequences of a data set, to determine scales


def takes(model: Model) -> Takes:
    """What a model takes, as data are fitted to it."""
    first = next((x for x in model.layers if x.makes_mask), None)
    return Takes(
        model.steps,
        None if model.takes_indices else model.inputs,
        len(model.layers[0].table) if isinstance(model.layers[0], Embedding) else None,
        first is not None,
        first.value if isinstance(first, Masking) else None,
        model.return_sequences and model.gives_each and not model.flatten,
    )


def check(model: Model, x: Any) -> Array:
    """The data as an array that the model can take.

    Args:
        model: what is to take them.
        x: an array; or sequences, which are padded as the model expects; or a data
            set, of which some to train on are taken.

    Raises:
        InputError: another shape or type, no steps, or numbers that are not finite.
    """
    if isinstance(x, Dataset):
        x = x.train.x
        some = np.linspace(0, len(x) - 1, min(SOME, len(x)))  # it may be sorted
        x = x.take(some.astype(int))
    if isinstance(x, Sequences):
        x = Adapter.fit(takes(model), "the file of data", x).padded(x)
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise InputError(
            "The data are no array: their sequences have unequal lengths; pad them."
        ) from error
    shape = "(sequences, steps)"
    if not model.takes_indices:
        shape = f"(sequences, steps, {model.inputs})"
    wanted = 2 if model.takes_indices else 3
    fits = array.ndim == wanted and (
        model.takes_indices or array.shape[-1] == model.inputs
    )
    if not fits or not array.size or array.dtype.kind not in "iufb":
        raise InputError(
            f"The data must be numbers of the shape {shape}; received {array.dtype} "
            f"{array.shape}."
        )
    if not model.steps_of(array.shape[1]):
        raise InputError(
            f"The data have {array.shape[1]} steps, and the model's Conv1D takes "
            f"{model.least_steps} at least."
        )
    first = model.layers[0]
    if isinstance(first, Embedding):
        return _indices(len(first.table), array)
    array = array.astype("float32")
    if not np.isfinite(array).all():
        raise InputError("The data have numbers that are not finite; leave them out.")
    return array


def _indices(words: int, array: Array) -> Array:
    """The indices of an Embedding's table of so many words."""
    whole = np.isfinite(array) & (array == np.floor(array))
    wrong = ~(whole & (array >= 0) & (array < words))
    if wrong.any():
        raise InputError(
            f"The data must be whole numbers from 0 to {words - 1}, as the Embedding "
            f"knows them; received {array[wrong][0]}."
        )
    return array.astype("int64")


def given(program: Program, x: Array) -> Array:
    """What the program takes: of integers, what the device's NAME_quantize makes."""
    if not program.arithmetic.scaled or program.model.takes_indices:
        return x
    values = x.astype("float32")
    for layer in program.input_affine:
        values = affine(layer, values)
    values = np.clip(values * np.float32(1 / program.input_scale), -127, 127)
    values = np.where(np.isnan(values), np.float32(0), values)
    return np.trunc(values + np.where(values < 0, -0.5, 0.5).astype("f4")).astype("i1")


def affine(layer: Affine, values: Array) -> Array:
    """Rescaling and Normalization."""
    return layer.scale * values + layer.offset


def nearest_index(layer: Embedding, x: Array) -> Array:
    """The nearest index that the table has, as in all exported files."""
    return np.clip(x, 0, len(layer.table) - 1)


#: which steps a layer keeps, of what it is given
_MASKS: dict[type, Callable[[Any, Array], Array | None]] = {
    Embedding: lambda layer, x: (
        nearest_index(layer, x) != 0 if layer.mask_zero else None
    ),
    Masking: lambda layer, x: (x != np.float32(layer.value)).any(-1),
}
#: what may stand before all other layers
_FRONT: dict[type, Callable[[Any, Array], Array]] = {
    Affine: affine,
    Masking: lambda layer, x: x,
}


def masked(layer: Layer, values: Array, mask: Array | None) -> Array | None:
    """(B, T), False where a step is skipped: the mask so far, and the layer's own."""
    keeps = _MASKS.get(type(layer))
    own = keeps(layer, values) if keeps else None
    return own if mask is None else mask if own is None else mask & own


def front(model: Model, x: Array) -> tuple[Array, Array | None]:
    """What comes out of the layers before all others, and which steps are kept."""
    mask = None
    for layer in model.layers:
        mask = masked(layer, x, mask)
        if type(layer) not in _FRONT:
            break
        x = _FRONT[type(layer)](layer, x)
    return x, mask


def mask_of(model: Model, x: Array) -> Array | None:
    """(B, T), False where the model skips a step; None where it skips none."""
    return front(model, x)[1]
