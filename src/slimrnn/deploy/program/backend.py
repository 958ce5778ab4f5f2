# ruff: noqa: D102 (a backend's methods are described in step.Backend)
"""The backend that takes a step with NumPy: the simulator of the C."""

from __future__ import annotations

from typing import Any

import numpy as np

from slimrnn.deploy.program.arithmetic import Arithmetic
from slimrnn.deploy.program.program import Lowered

Array = np.ndarray


class Simulator:
    """Does a step for a batch of streams at once.

    Args:
        cell: of a program.
        arithmetic: the program's.
        vectors: ``x``, and the states before the step, (B, ...) each; the states
            after it are written over them.
    """

    def __init__(
        self, cell: Lowered, arithmetic: Arithmetic, vectors: dict[str, Array]
    ):
        self.units, self.tables, self.vectors = cell.outputs, cell.tables, vectors
        self.add_product = arithmetic.product.simulator
        structure, h = cell.structure, vectors["h"]
        self.sums = np.zeros((len(h), len(structure.slots) * self.units), h.dtype)

    def _rows(self, first: int, count: int) -> slice:
        return slice(first * self.units, (first + count) * self.units)

    def start(self, slot: int, count: int, weight: str, block: int) -> None:
        given = self.tables[weight][self._rows(block, count)] if weight else 0
        self.sums[:, self._rows(slot, count)] = given

    def product(
        self, slot: int, count: int, weight: str, block: int, vector: str
    ) -> None:
        rows, scale = self._rows(block, count), self.tables.get(f"{weight}_scale")
        slots = self._rows(slot, count)
        self.sums[:, slots] = self.add_product(
            self.sums[:, slots],
            self.tables[weight][rows],
            None if scale is None else scale[rows],
            self.vectors[vector],
        )

    def loop(self) -> None:
        pass

    def end(self) -> None:
        pass

    def sum(self, slot: int) -> Array:
        return self.sums[:, self._rows(slot, 1)].copy()

    def weight(self, weight: str, block: int) -> Array:
        return self.tables[weight][self._rows(block, 1)].astype(self.sums.dtype)

    def state(self, name: str) -> Array:
        return self.vectors[name]

    def let(self, name: str, value: Any) -> Any:
        return value

    def store(self, name: str | int, value: Any) -> None:
        if isinstance(name, int):
            self.sums[:, self._rows(name, 1)] = value
        else:
            self.vectors[name] = np.broadcast_to(value, self.vectors["h"].shape)
