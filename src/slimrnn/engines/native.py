"""The native engine as an operation of JAX or torch.

It is differentiated and compiled like any other.

TensorFlow has no such operation: it would have to be a Python function inside the
graph, which XLA cannot compile and no saved model can hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import keras

from slimrnn.engines.registry import Engine, Request
from slimrnn.errors import InputError
from slimrnn.native import BACKENDS, library
from slimrnn.variants import ACTIVATIONS, CellSpec, shapes

Tensor = Any


def run(
    cell: CellSpec,
    x: Tensor,
    states: Sequence[Tensor],
    weights: Mapping[str, Tensor],
    *,
    mask: Tensor | None = None,
    recurrent_mask: Tensor | None = None,
    return_sequences: bool = False,
    unroll: bool = False,
) -> tuple[Tensor | None, Sequence[Tensor]]:
    """Run a cell over a whole sequence: see ``slimrnn.engines.ops.run``.

    Raises:
        InputError: a shape or a type that the library could not take; where shapes are
            traced, as in ``jax.jit``, it is raised then.
    """
    arrays = shapes.named(cell.variant, x, states, weights, mask, recurrent_mask)
    shapes.check(cell.variant, arrays)
    for name, array in arrays.items():
        dtype = keras.backend.standardize_dtype(array.dtype)
        if name != "mask" and dtype != "float32":
            raise InputError(
                f"{name} must be float32 for the native engine; received {dtype}."
            )
    return _bridge.run(cell, arrays, return_sequences)


def obstacle(request: Request) -> str | None:
    """What keeps the engine from running, or None."""
    missing, cell = library.find()[1], request.cell
    if missing:
        return missing
    if request.backend not in BACKENDS:
        return (
            "a native call in its graph could be neither compiled by XLA nor saved "
            "with a model"
        )
    if cell is not None:
        for function in cell.functions:
            if function.name not in ACTIVATIONS:
                return (
                    f"the activation {function} is not one of {', '.join(ACTIVATIONS)}"
                )
    if request.dtype != "float32":
        return f"it computes in float32 and not in {request.dtype}"
    if request.device != "cpu":
        return f"the input is not on the CPU but on {request.device}"
    return "unroll=True asks for a step at a time" if request.unroll else None


_backend = keras.backend.backend()
_bridge: Any = (
    import_module(f"slimrnn.native.{_backend}") if _backend in BACKENDS else None
)

ENGINE = Engine("native", "in C", obstacle, run)
