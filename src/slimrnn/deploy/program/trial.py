"""A model tried on some steps before it is written: what comes out must be finite."""

from __future__ import annotations

import numpy as np

from slimrnn.deploy.program import inputs, simulator
from slimrnn.deploy.program import program as programs
from slimrnn.deploy.program.program import Program
from slimrnn.errors import InputError
from slimrnn.ir.layers import Embedding
from slimrnn.ir.model import Model

Array = np.ndarray


def tried(model: Model) -> Model:
    """The model, if float32 holds its outputs.

    Raises:
        InputError: they are not finite.
    """
    vectors(programs.float32(model), invented(model))
    return model


def invented(model: Model) -> Array:
    """Data for the self test where none is given."""
    rng = np.random.default_rng(0)
    first, most = model.layers[0], tested_steps(model)
    steps = min(model.steps or most, most)
    if isinstance(first, Embedding):
        words = len(first.table)
        least = int(first.mask_zero and words > 1)
        return rng.integers(least, words, (1, steps))
    shape = (1, steps, model.inputs)
    return rng.normal(size=shape).astype("float32")


def tested_steps(model: Model) -> int:
    """Of the self test: some that come out."""
    return model.least_steps + _STEPS - 1


_STEPS = 8


def vectors(program: Program, x: Array) -> tuple[Array, Array]:
    """Some steps (T, m), and the outputs that belong to them (T, n)."""
    streams = not program.model.why_no_stream()
    if not streams:  # such C knows no masks
        x = _unmasked(program.model, x)
    x = x[:1, : tested_steps(program.model)]
    given = inputs.given(program, x)
    with np.errstate(all="ignore"):
        outputs = simulator.run(program, given, each=streams)[0]
    if not np.isfinite(outputs).all():
        raise InputError(
            f"The model {program.model.name} gives numbers that are not finite in "
            f"{program.dtype}; its weights are too large: train it to smaller ones."
        )
    return given.reshape(given.shape[1], -1), np.atleast_2d(outputs)


def _unmasked(model: Model, x: Array) -> Array:
    """The steps of a sequence that are not masked: (1, T, m), or (1, T)."""
    mask = inputs.mask_of(model, x)
    if mask is None:
        return x
    most = mask.sum(-1).argmax()
    if not mask[most].any():
        raise InputError("All steps of the data are masked; give some that are not.")
    return x[most : most + 1, mask[most]]
