# ruff: noqa: D102 (a machine's methods are told in cell.Machine)
"""The backend that takes a step with NumPy: the simulator of the C."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from slimrnn.deploy.program.step import Structure

Array = np.ndarray


def product(sums: Array, matrix: Array, scale: Array | None, x: Array) -> Array:
    """``sums + matrix x`` for each row of a batch, as the C adds it up.

    Args:
        sums: (B, rows) float32, or whole numbers.
        matrix: (rows, columns).
        scale: (rows,) the multipliers of integers; None for float32.
        x: (B, columns).
    """
    if scale is None:
        for k in range(matrix.shape[1]):
            sums = sums + matrix[:, k] * x[:, k : k + 1]
        return sums
    # float64 holds these sums without rounding, and has a fast product.
    total = (x.astype(float) @ matrix.T.astype(float)).astype("int64")
    return sums + ((total * scale + (1 << 31)) >> 32)


class Simulator:
    """Does a step for a batch of streams at once.

    Args:
        structure: of the cell.
        units: n.
        tables: by name; matrices are (rows, columns).
        vectors: ``x``, and the states before the step, (B, ...) each; the states
            after it are written over them.
    """

    def __init__(
        self,
        structure: Structure,
        units: int,
        tables: Mapping[str, Array],
        vectors: dict[str, Array],
    ):
        self.units, self.tables, self.vectors = units, tables, vectors
        slots = len(structure.slots) + structure.resets_after
        h = vectors["h"]
        self.sums = np.zeros((len(h), slots * units), h.dtype)

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
        self.sums[:, slots] = product(
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
