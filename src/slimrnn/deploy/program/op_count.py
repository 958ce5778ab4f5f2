# ruff: noqa: D102 (a backend's methods are described in step.Backend)
"""How much work a step is: the backend that counts."""

from __future__ import annotations

from collections import Counter
from typing import Any

from slimrnn.deploy.program.arithmetic import Arithmetic
from slimrnn.deploy.program.program import Lowered
from slimrnn.deploy.program.step import emit_step


class Counted:
    """A value that counts what is done with it."""

    __array_ufunc__ = None  # NumPy's scalars leave the operation to this class

    def __init__(self, counter: OpCounter):
        self.counter = counter

    def _done(self, *_: Any) -> Counted:
        self.counter.add("operations")
        return self

    def _divided(self, *_: Any) -> Counted:
        self.counter.add("divisions")
        return self

    __truediv__ = __floordiv__ = _divided
    __add__ = __rsub__ = __mul__ = __rmul__ = __rshift__ = _done


class OpCounter:
    """Counts a step of a cell.

    ``counts`` has: ``macs`` in blocks of four rows and ``macs alone`` in rows that are
    left over, ``blocks`` of four rows and rows ``alone``, ``products``, elements that
    are ``set`` before products, and of the loops over units ``loops``, ``passes``,
    ``operations``, ``divisions``, ``numbers`` read or written, and each function by
    its name.
    """

    def __init__(self, cell: Lowered, arithmetic: Arithmetic):
        self.units = cell.outputs
        self.columns = {"x": arithmetic.columns(cell.inputs)}
        self.padded_units = arithmetic.columns(self.units)
        self.counts: Counter[str] = Counter()
        self.times = 1
        emit_step(cell.structure, self, arithmetic.formulas(self._call))

    def add(self, what: str, count: int = 1) -> None:
        """Count something, as often as the loop that it is in has passes."""
        self.counts[what] += count * self.times

    def _call(self, name: str, value: Any) -> Any:
        self.add(name)
        return value

    def start(self, slot: int, count: int, weight: str, block: int) -> None:
        self.add("set", count * self.units)

    def product(
        self, slot: int, count: int, weight: str, block: int, vector: str
    ) -> None:
        columns = self.columns.get(vector, self.padded_units)
        self.counts.update(product_counts(count * self.units, columns))

    def loop(self) -> None:
        self.add("loops")
        self.times = self.units
        self.add("passes")

    def end(self) -> None:
        self.times = 1

    def _read(self) -> Counted:
        self.add("numbers")
        return Counted(self)

    def sum(self, slot: int) -> Counted:
        return self._read()

    def weight(self, weight: str, block: int) -> Counted:
        return self._read()

    def state(self, name: str) -> Counted:
        return self._read()

    def let(self, name: str, value: Any) -> Any:
        return value

    def store(self, name: str | int, value: Any) -> None:
        self.add("numbers")


def product_counts(rows: int, columns: int) -> dict[str, int]:
    """The work of a product."""
    return {
        "products": 1,
        "blocks": rows // 4,
        "alone": rows % 4,
        "macs": rows // 4 * 4 * columns,
        "macs alone": rows % 4 * columns,
    }
