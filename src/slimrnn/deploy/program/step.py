"""One step of any cell: the order of its work, derived from the terms of its variant.

The work is handed to a :class:`Backend`. One writes it down in C, another does it with
NumPy, a third counts it, a fourth makes operators of it, in float32 or in integers: so
the cell stands here once for all exporters.

A gate with a matrix has a *slot*: n sums, beside those of the other gates in ``sums``.
All other terms of a gate belong to one unit each, and so does the new state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from slimrnn.variants import CANDIDATE, CellSpec, Gate, Variant

#: the fraction bits of integers: of a sum, and of what lies between -1 and 1
SUM_BITS, ONE_BITS = 12, 15
MATRICES = ("kernel", "recurrent_kernel")


@dataclass(frozen=True)
class Structure:
    """What two layers have in common that are one routine.

    Attributes:
        spec: what the cell computes.
        bits: of integers, the fraction bits of the state c, and of h where nothing
            bounds it.
        saturates: of integers, whether c can reach the end of its range.
        wide: of integers, whether c has 32 bits; else 16.
        tie: what scales and translates a tie, as numbers of float32.
    """

    spec: CellSpec
    bits: int = 0
    saturates: bool = False
    wide: bool = False
    tie: tuple[float, float] | None = None

    @property
    def variant(self) -> Variant:
        """The terms of each gate."""
        return self.spec.variant

    @property
    def candidate_bits(self) -> int:
        """Of integers, the fraction bits of the candidate."""
        return SUM_BITS if self.spec.used(CANDIDATE).name == "linear" else ONE_BITS

    @property
    def h_bits(self) -> int:
        """Of integers, the fraction bits of h: those of c where h = o * c."""
        if self.spec.family.rule == "mix":
            return self.candidate_bits
        return self.bits if self.spec.of_state.name == "linear" else ONE_BITS

    @property
    def slots(self) -> tuple[str, ...]:
        """The gates that have a matrix, in the order of packing."""
        return tuple(
            name
            for name, gate in self.variant.items()
            if any(term in MATRICES for term in gate.terms)
        )

    def blocks(self, weight: str) -> tuple[str, ...]:
        """The gates with a block in a table: ``"gate"`` is that of static gates."""
        if weight == "gate":
            return tuple(
                name
                for name, gate in self.variant.items()
                if gate.is_static and gate.constant is None
            )
        static = self.blocks("gate")
        return tuple(n for n in self.variant.blocks(weight) if n not in static)

    @property
    def reset(self) -> str:
        """The gate that multiplies h, or U h, in the candidate; empty for none."""
        name, reader = self.spec.family.reset, self.spec.family.product or CANDIDATE
        if not name or self.variant[name].constant == 1:
            return ""
        return name if self.variant[reader].h != "none" else ""

    @property
    def resets_before(self) -> bool:
        """Whether the product takes ``r * h``, and so must wait for r."""
        return bool(self.reset) and self.variant[CANDIDATE].h == "full"


class Backend(Protocol):
    """What carries a step out. Slots and blocks are counted in gates of n rows."""

    def start(self, slot: int, count: int, weight: str, block: int) -> None:
        """Set slots to blocks of a bias; to 0 where ``weight`` is empty."""

    def product(
        self, slot: int, count: int, weight: str, block: int, vector: str
    ) -> None:
        """Add a product of blocks of a matrix with a vector to slots."""

    def loop(self) -> None:
        """What follows is done for each unit."""

    def end(self) -> None:
        """The loop ends."""

    def sum(self, slot: int) -> Any:
        """A slot's sum."""

    def weight(self, weight: str, block: int) -> Any:
        """A block's number for this unit."""

    def state(self, name: str) -> Any:
        """A state before this step."""

    def let(self, name: str, value: Any) -> Any:
        """Give a value a name."""

    def store(self, name: str | int, value: Any) -> None:
        """Set a state, ``reset_h``, or a slot by its number."""


def emit_step(structure: Structure, backend: Backend, formulas: Any) -> None:
    """Emit one step.

    Args:
        structure: of the cell.
        backend: what carries it out.
        formulas: of the arithmetic, see :mod:`slimrnn.deploy.program.formulas`.
    """
    _Step(structure, backend, formulas).emit()


class _Step:
    def __init__(self, structure: Structure, backend: Backend, formulas: Any):
        self.structure, self.backend, self.formulas = structure, backend, formulas
        self.variant = structure.variant
        self.family = structure.spec.family
        self.known: set[str] = set()  # the gates whose slots hold their values

    def emit(self) -> None:
        """Sums first, then what belongs to one unit."""
        structure, slots = self.structure, self.structure.slots
        for slot, count in _runs(slots, [g for g in slots if not self._gate(g).bias]):
            self.backend.start(slot, count, "", 0)
        self._blocks("bias", self.backend.start)
        self._blocks("kernel", self._product("x"))
        late = CANDIDATE if structure.resets_before else ""
        self._blocks("recurrent_kernel", self._product("h"), without=late)
        if structure.resets_before:
            self._reset_h()
            self._blocks("recurrent_kernel", self._product("reset_h"), only=late)
        self.backend.loop()
        names = [name for name in self.family.gates if self._reads(name)]
        gates: dict[str, Any] = {}
        for name in sorted(names, key=lambda name: name == self.variant.tied):
            gates[name] = self._value(name, gates)
        self._update(gates, self._candidate(gates) if self._reads_it() else None)
        self.backend.end()

    def _gate(self, name: str) -> Gate:
        return self.variant[name]

    def _product(self, vector: str) -> Callable[[int, int, str, int], None]:
        def emit(slot: int, count: int, weight: str, block: int) -> None:
            self.backend.product(slot, count, weight, block, vector)

        return emit

    def _blocks(
        self, weight: str, emit: Any, only: str = "", without: str = ""
    ) -> None:
        """Emit each run of slots whose blocks of a weight lie side by side too."""
        blocks, slots = self.structure.blocks(weight), self.structure.slots
        wanted = [g for g in blocks if g in slots and g != without]
        wanted = [only] if only else wanted
        for slot, count in _runs(slots, wanted, blocks):
            emit(slot, count, weight, blocks.index(slots[slot]))

    def _reset_h(self) -> None:
        """``reset_h = r * h``; where r is the update gate too, it is kept."""
        name, backend = self.structure.reset, self.backend
        backend.loop()
        reset = self._value(name, {})
        if name == self.family.update and name in self.structure.slots:
            backend.store(self.structure.slots.index(name), reset)
            self.known.add(name)
        backend.store("reset_h", self.formulas.times(reset, backend.state("h")))
        backend.end()

    def _value(self, name: str, others: dict[str, Any]) -> Any:
        """A gate's value; of a constant, the number."""
        gate, structure = self._gate(name), self.structure
        if gate.constant is not None:
            return gate.constant
        if gate.complement:
            other, tie = others[gate.complement], structure.tie
            if isinstance(other, float):
                return gate.tied(other, tie)
            value = self.formulas.complement(other, gate.ratio)
            value = self.formulas.scaled(value, *tie) if tie else value
            return self.backend.let(name, value)
        if gate.is_static:
            return self.backend.let(name, self._block("gate", name))
        if name in self.known:
            return self.backend.let(name, self.backend.sum(structure.slots.index(name)))
        value = self.formulas.activated(
            structure.spec.recurrent_activation.name,
            self._sum(name, self.backend.state("h")),
        )
        return self.backend.let(name, value)

    def _block(self, weight: str, name: str) -> Any:
        return self.backend.weight(weight, self.structure.blocks(weight).index(name))

    def _sum(self, name: str, h: Any) -> Any:
        """A gate's terms but those that wait for the reset gate."""
        gate, slots, terms = self._gate(name), self.structure.slots, []
        of = CANDIDATE if gate.shared else name
        if of in slots:
            terms.append(self.backend.sum(slots.index(of)))
        if gate.bias and name not in slots:
            terms.append(self._block("bias", name))
        if self._gate(of).h == "pointwise":
            u = self._block("recurrent_vector", of)
            terms.append(self.formulas.weighed(u, h, self.structure))
        return self.formulas.added(terms)

    def _reads(self, name: str) -> bool:
        """Whether the last loop needs a gate's value."""
        if name in (CANDIDATE, self.family.product):
            return False
        if name != self.family.reset or name == self.family.update:
            return True
        waits = bool(self.structure.reset) and not self.structure.resets_before
        return waits and self._reads_it()

    def _reads_it(self) -> bool:
        """Whether the new state depends on the candidate: a gate may be 0 for ever."""
        if self.family.rule == "accumulate":
            return self._gate("i").constant != 0
        return self._gate(self.family.update).constant != int(self.family.keeps)

    def _candidate(self, gates: dict[str, Any]) -> Any:
        h, reset = self.backend.state("h"), self.structure.reset
        if reset and self._gate(CANDIDATE).h == "pointwise":
            h = self.formulas.times(gates[reset], h)
        total = self._sum(CANDIDATE, h)
        if name := self.family.product:
            product = self._sum(name, self.backend.state("h"))
            product = self.formulas.reset(gates[reset] if reset else 1.0, product)
            total = self.formulas.added([total, product])
        function = self.structure.spec.used(CANDIDATE).name
        value = self.formulas.activated(function, total)
        return self.backend.let("g", value)

    def _update(self, gates: dict[str, Any], candidate: Any) -> None:
        """The new states."""
        backend, formulas = self.backend, self.formulas
        if self.family.rule == "mix":
            update, h = gates[self.family.update], backend.state("h")
            pair = (h, candidate) if self.family.keeps else (candidate, h)
            backend.store("h", formulas.between(update, *pair))
            return
        c = formulas.accumulated(
            gates["f"], backend.state("c"), gates["i"], candidate, self.structure
        )
        c = backend.let("c_new", c)
        backend.store("c", c)
        function = self.structure.spec.of_state.name
        output = formulas.activated_state(function, c, self.structure)
        backend.store("h", formulas.times(gates["o"], output))


def _runs(
    slots: Sequence[str], wanted: Iterable[str], blocks: Sequence[str] = ()
) -> list[tuple[int, int]]:
    """The places of the wanted ones among the slots, as (first, count).

    Those of a run lie side by side among the blocks too, where there are blocks.
    """
    runs: list[tuple[int, int]] = []
    block = -2
    for place in sorted(slots.index(name) for name in wanted):
        after = blocks.index(slots[place]) if blocks else block + 1
        if runs and sum(runs[-1]) == place and after == block + 1:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((place, 1))
        block = after
    return runs
