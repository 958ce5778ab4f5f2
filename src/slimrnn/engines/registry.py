"""What an engine is: a name, what keeps it from running, and how it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slimrnn.variants import CellSpec


@dataclass(frozen=True)
class Request:
    """What is to be computed, and where.

    Args:
        backend: Keras's backend.
        cell: what is to be computed; None: any variant with Keras's activations.
        dtype: of the input.
        device: where the input lies, as the backend calls it.
        unroll: whether each step is to be written out.
    """

    backend: str
    cell: CellSpec | None = None
    dtype: str = "float32"
    device: str = "cpu"
    unroll: bool = False


@dataclass(frozen=True)
class Engine:
    """One way to compute a whole sequence.

    Args:
        name: how it is asked for.
        how: what it does, for a sentence: "whole sequences ...".
        obstacle: what keeps it from computing a request, in words; None: nothing.
        run: computes: see :func:`slimrnn.engines.ops.run`.
    """

    name: str
    how: str
    obstacle: Callable[[Request], str | None]
    run: Callable[..., tuple[Any, Any]]
