# ruff: noqa: D102 (a backend's methods are described in step.Backend)
"""A cell's routine in C: what ``deploy.program.step`` emits, written down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slimrnn.deploy.program.arithmetic import Arithmetic
from slimrnn.deploy.program.c_expression import Text
from slimrnn.deploy.program.step import Structure, emit_step

Array = np.ndarray


@dataclass
class Routine:
    """A routine, and what it asks of the rest of the file.

    Attributes:
        lines: of its body.
        used: the functions that it calls.
        segments: of each matrix, the (block, count) of each product: those rows are
            laid out together.
    """

    lines: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    segments: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


def state_type(structure: Structure, arithmetic: Arithmetic, state: str) -> str:
    """The C type of a state's numbers."""
    return "int32_t" if structure.wide and state == "c" else arithmetic.vector


class Writer:
    """The backend that writes a step down.

    Args:
        structure: of the cell.
        arithmetic: of the program.
        padded: whether a layer with this routine has padded columns.
    """

    def __init__(self, structure: Structure, arithmetic: Arithmetic, padded: bool):
        self.arithmetic, self.routine = arithmetic, Routine()
        self.structure = structure
        self.states = structure.spec.family.states
        self.units = "padded" if padded else "n"
        self.depth = 1
        emit_step(structure, self, arithmetic.formulas(self._call))

    def _call(self, name: str, value: Any) -> Text:
        self.routine.used.add(name)
        return Text(f"{name}({value})")

    def _line(self, text: str) -> None:
        self.routine.lines.append("    " * self.depth + text)

    def start(self, slot: int, count: int, weight: str, block: int) -> None:
        to, rows = _at("sums", slot), _times(count)
        if weight:
            self._line(f"copy({to}, {_at(f'cell->{weight}', block)}, {rows});")
        else:
            self._line(f"clear({to}, {rows});")
        self.routine.used.add("copy" if weight else "clear")

    def product(
        self, slot: int, count: int, weight: str, block: int, vector: str
    ) -> None:
        self.routine.segments.setdefault(weight, []).append((block, count))
        self.routine.used.add("add_product")
        columns = "cell->inputs" if vector == "x" else self.units
        scale = _at(f"cell->{weight}_scale", block)
        self._line(
            f"add_product({_at('sums', slot)}, "
            f"{_at(f'cell->{weight}', block, f' * {columns}')}, "
            f"{f'{scale}, ' if self.arithmetic.scaled else ''}"
            f"{vector}, {_times(count)}, {columns});"
        )

    def loop(self) -> None:
        self._line("for (int j = 0; j < n; j++) {")
        self.depth += 1

    def end(self) -> None:
        self.depth -= 1
        self._line("}")

    def sum(self, slot: int) -> Text:
        return Text(_item("sums", slot))

    def weight(self, weight: str, block: int) -> Text:
        return self._wide(_item(f"cell->{weight}", block))

    def state(self, name: str) -> Text:
        if state_type(self.structure, self.arithmetic, name) == "int32_t":
            return Text(f"(int64_t){name}[j]")
        return self._wide(f"{name}[j]")

    def _wide(self, text: str) -> Text:
        """An element of a vector, as wide as a sum: an int may have 16 bits."""
        wide = self.arithmetic.sum != self.arithmetic.vector
        return Text(f"({self.arithmetic.sum}){text}" if wide else text)

    def let(self, name: str, value: Any) -> Text:
        self._line(f"const {self.arithmetic.sum} {name} = {value};")
        return Text(name)

    def store(self, name: str | int, value: Any) -> None:
        if isinstance(name, int):
            self._line(f"{_item('sums', name)} = {value};")
            return
        kind = state_type(self.structure, self.arithmetic, name)
        if self.arithmetic.sum == kind:
            self._line(f"{name}[j] = {value};")
        else:
            inside = value if value.is_atom else f"({value})"
            self._line(f"{name}[j] = ({kind}){inside};")


def _times(count: int) -> str:
    return f"{count} * n" if count > 1 else "n"


def _at(name: str, place: int, factor: str = "") -> str:
    """The address of a place, counted in gates."""
    return f"{name} + {_times(place)}{factor}" if place else name


def _item(name: str, place: int) -> str:
    """The element of unit j."""
    return f"{name}[{_times(place)} + j]" if place else f"{name}[j]"


def laid_out(
    matrix: Array,
    segments: Iterable[tuple[int, int]],
    units: int,
    arithmetic: Arithmetic,
) -> Array:
    """A matrix's numbers in the order in which the C reads them.

    Four rows go side by side, column by column; of integers, two columns of two rows.
    """
    width = arithmetic.columns(matrix.shape[1])
    padded = np.zeros((len(matrix), width), matrix.dtype)
    padded[:, : matrix.shape[1]] = matrix
    parts = [
        _interleaved(padded[block * units : (block + count) * units], arithmetic.pair)
        for block, count in sorted(segments)
    ]
    return np.concatenate(parts)


def _interleaved(matrix: Array, pair: int) -> Array:
    rows = len(matrix) // 4 * 4
    groups = matrix.shape[1] // pair
    fours = matrix[:rows].reshape(rows // 4, 4 // pair, pair, groups, pair)
    # (block, pair of rows, row, group of columns, column), to group, pair, column, row
    return np.concatenate(
        [fours.transpose(0, 3, 1, 4, 2).ravel(), matrix[rows:].ravel()]
    )
