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

from slimrnn.variants import CellSpec

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
    """Run a cell over a whole sequence: see ``slimrnn.engines.ops.run``."""
    return _bridge.run(
        cell, x, tuple(states), dict(weights), mask, recurrent_mask, return_sequences
    )


_bridge = import_module(f"slimrnn.native.{keras.backend.backend()}")
