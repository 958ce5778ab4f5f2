"""What a model is given: checked, as integers, and which steps of it are masked."""

from __future__ import annotations

from typing import Any

import numpy as np

from slimrnn.deploy.program.program import Program
from slimrnn.errors import InputError
from slimrnn.ir.model import Affine, Embedding, Masking, Model

Array = np.ndarray


def check(description: Model, x: Any) -> Array:
    """The data as an array that the model can take.

    Raises:
        InputError: another shape or type, no steps, or numbers that are not finite.
    """
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise InputError(
            "The data are no array: their sequences have unequal lengths; pad them."
        ) from error
    shape = "(sequences, steps)"
    if not description.takes_indices:
        shape = f"(sequences, steps, {description.inputs})"
    wanted = 2 if description.takes_indices else 3
    fits = array.ndim == wanted and (
        description.takes_indices or array.shape[-1] == description.inputs
    )
    if not fits or not array.size or array.dtype.kind not in "iufb":
        raise InputError(
            f"The data must be numbers of the shape {shape}; received {array.dtype} "
            f"{array.shape}."
        )
    first = description.layers[0]
    if isinstance(first, Embedding):
        return _indices(len(first.table), array)
    array = array.astype("float32")
    if not np.isfinite(array).all():
        raise InputError("The data has numbers that are not finite; leave them out.")
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


def integers(program: Program, x: Array) -> Array:
    """What the device's ``NAME_quantize`` makes of x: int8, rounded to the nearest."""
    if program.description.takes_indices:
        return x
    values = x.astype("float32")
    for affine in program.input_affine:
        values = affine.scale * values + affine.offset
    values = np.clip(values * np.float32(1 / program.input_scale), -127, 127)
    return np.trunc(values + np.where(values < 0, -0.5, 0.5).astype("f4")).astype("i1")


def mask_of(description: Model, x: Array) -> Array | None:
    """(B, T), False where the model skips a step; None where it skips none."""
    values = x
    for layer in description.layers:
        if isinstance(layer, Affine):
            values = layer.scale * values + layer.offset
        elif isinstance(layer, Masking):
            return (values != np.float32(layer.value)).any(-1)
        elif isinstance(layer, Embedding):
            return x != 0 if layer.mask_zero else None
        else:
            break
    return None
