"""One step of any variant, forward and backward: the table's algebra as tensors.

There is no case for a variant here. What is computed follows from the terms of its
gates; how gates become a state follows from its family: through a cell state c
(LSTM), or by mixing h with a candidate (GRU, MGU).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from types import MappingProxyType
from typing import Any

from slimrnn.variants.activations import SIGMOID, Activation
from slimrnn.variants.gates import CANDIDATE, TIE_SCALARS
from slimrnn.variants.spec import CellSpec, Gates

Tensor = Any
Tensors = Sequence[Tensor]
#: activations that a framework computes best by a function of its own
Own = Mapping[str, Callable[[Tensor], Tensor]]


def function(ops: Any, own: Own, activation: Activation, x: Tensor) -> Tensor:
    """An activation of a tensor."""
    best = own.get(activation.name)
    return best(x) if best else activation.function(x, ops)


def columns(ops: Any, packed: Tensor, have: Gates, want: Gates) -> Tensor:
    """The columns of the gates ``want`` of a tensor packed for gates ``have``."""
    if want == have:
        return packed
    n, first = packed.shape[-1] // len(have), have.index(want[0])
    if have[first : first + len(want)] == want:
        return packed[..., first * n : (first + len(want)) * n]
    return join(ops, [columns(ops, packed, have, (k,)) for k in want])


def join(ops: Any, parts: Sequence[Tensor]) -> Tensor:
    """The parts side by side, as one tensor."""
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)


class Step:
    """A cell bound to its weights: one step forward, one step backward.

    What does not change with time is computed here, once, before the loop.

    Args:
        cell: what to compute.
        given: the packed weights and, if there is dropout, ``recurrent_mask``, by name.
        ops: the framework's functions by NumPy's names, such as ``keras.ops``.
        own: see :data:`Own`.
    """

    def __init__(
        self,
        cell: CellSpec,
        given: Mapping[str, Tensor],
        ops: Any,
        own: Own = MappingProxyType({}),
    ):
        self.cell, self.ops, self.own = cell, ops, own
        self.recurrent_mask = given.get("recurrent_mask")
        variant = cell.variant

        def block(weight: str, *gates: str) -> Tensor:
            return self._columns(given[weight], variant.blocks(weight), gates)

        full = variant.blocks("recurrent_kernel")
        groups = (
            tuple(k for k in full if k not in cell.after_reset),
            tuple(k for k in full if k in cell.after_reset),
        )
        #: gates that read the same -> their recurrent matrices, side by side
        self.matrices = {k: block("recurrent_kernel", *k) for k in groups if k}
        vectors = variant.blocks("recurrent_vector")
        self.vectors = {k: block("recurrent_vector", k) for k in vectors}
        # A bias added in the loop costs nothing; before it, a way through memory.
        self.biases = {k: block("bias", k) for k in variant.blocks("bias")}
        # Along a new first axis: one operation for all of these gates, and each one's
        # share is contiguous.
        self.stacked_vectors = self._stack(self.vectors)
        self.stacked_biases = self._stack(self.biases)
        #: what scales and translates a tie
        self.tie = None
        if TIE_SCALARS in given:
            self.tie = SIGMOID.function(given[TIE_SCALARS], ops)
        static: dict[str, Any] = {
            k: self._function(cell.used(k), self.biases[k])
            if gate.constant is None
            else gate.constant
            for k, gate in variant.items()
            if gate.is_static
        }
        self.static = self._with_tied(static)
        rules = {
            "accumulate": (self._accumulate, self._accumulate_back),
            "mix": (self._mix, self._mix_back),
        }
        self._forward, self._backward = rules[cell.family.rule]

    def forward(self, states: Tensors, z: Tensor) -> tuple[Tensors, Tensors]:
        """The states after a step, and the gates' values by name.

        Args:
            states: before the step.
            z: the projected input, (B, projected gates * n).
        """
        new, v = self._forward(states, z)
        found = dict(zip(self.cell.family.states, states, strict=True))
        found["projected"] = self._join([v[k] for k in self.cell.projected])
        if self.cell.recurrent:
            found["recurrent"] = self._join([v[k] for k in self.cell.recurrent])
        if self.cell.variant.shared:
            found["shared"] = self._join([v[k] for k in self.cell.variant.shared])
        return new, tuple(found[name] for name in self.cell.saved)

    def at_once(self, states: Tensors, z: Tensor, scan: Callable) -> Tensors:
        """The states after each step, where no gate reads h: (T, B, n) each.

        Then the state that is kept is a * before + b, with a and b known for all steps.

        Args:
            states: before the first step.
            z: the projected input of all steps, (T, B, projected gates * n).
            scan: (a, b) -> for each step, the product of all a up to it, and the state
                that zeros became; both are (T, B, n).
        """
        cell = self.cell
        new, v = self._forward([self.ops.zeros_like(s) for s in states], z)
        b = new[-1]
        accumulates = cell.family.rule == "accumulate"
        a = v["f"] if accumulates else self._shares(v)[0]
        since, from_zeros = scan(a * self.ops.ones_like(b), b)
        kept = since * states[-1] + from_zeros
        if not accumulates:
            return (kept,)
        return times(v["o"], self._function(cell.of_state, kept)), kept

    def backward(self, dstates: Tensors, after: Tensors, saved: Mapping[str, Tensor]):
        """The gradients of a step.

        Returns:
            The gradients of the states before the step; those of the
            pre-activations of each of ``Cell.groups``, and what the gates after a
            reset gate read, if a matrix does; the terms of the sums ``Cell.summed``.
        """
        cell, h_read = self.cell, self.h_dropped(saved["h"])
        v = dict(self.static)
        kept = zip(
            ("projected", "recurrent", "shared"),
            (cell.projected, cell.recurrent, cell.variant.shared),
            strict=True,
        )
        for name, gates in kept:
            v |= {k: self._columns(saved[name], gates, (k,)) for k in gates}
        v = self._with_tied({**v, **self._vector_only(h_read)})
        before, dpre, reset = self._backward(dstates, after, saved, v, h_read)
        dsums = self._sums(dpre)
        terms = []
        for weight, k in cell.summed:
            if weight == "recurrent_vector":
                terms.append(dsums[k] * (reset if k in cell.after_reset else h_read))
            elif weight == "zeta":
                tie = cell.variant[k]
                terms.append(dpre[k] * tie.tied(v[tie.complement]))
            else:
                terms.append(dpre[k])
        rows = [self._join([dsums[k] for k in group]) for group in cell.groups]
        if any(k in cell.after_reset for gates in self.matrices for k in gates):
            rows.append(reset)
        return before, tuple(rows), tuple(terms)

    def _accumulate(self, states, z):
        h, c = states
        gates = self._gates(self.cell.time_varying, z, self.h_dropped(h))
        v = self._with_tied({**self.static, **gates})
        new = times(v["f"], c) + times(v["i"], v[CANDIDATE])
        return (times(v["o"], self._function(self.cell.of_state, new)), new), v

    def _accumulate_back(self, dstates, after, saved, v, h_read):
        dh, dc = dstates
        use_c, activation = "c" in saved, self.cell.of_state
        activated = self._function(activation, after[1]) if use_c else after[0]
        dc = dc + times(v["o"], dh) * activation.slope(activated, self.ops)
        dvalues = {"i": dc * v[CANDIDATE], CANDIDATE: times(v["i"], dc)}
        dvalues["o"] = dh * activated
        if use_c:
            dvalues["f"] = dc * saved["c"]
        dtied = {}
        if tied := self.cell.variant.tied:
            gate = self.cell.variant[tied]
            dtied = {tied: dvalues.pop(tied)}
            if gate.complement in dvalues:
                slope = gate.tied_slope(v[gate.complement], self.tie)
                dvalues[gate.complement] += dtied[tied] * slope
        dpre = {**self._slopes(dvalues, v), **dtied}
        return (
            (self.h_dropped(self._through(self._sums(dpre), dh)), times(v["f"], dc)),
            dpre,
            h_read,
        )

    def _mix(self, states, z):
        (h,) = states
        family, h_read = self.cell.family, self.h_dropped(h)
        first = tuple(k for k in self.cell.time_varying if k != CANDIDATE)
        v = {**self.static, **self._gates(first, z, h_read)}
        reset = times(v[family.reset], v[family.product] if family.product else h_read)
        v |= self._values((CANDIDATE,), z, reset, family.product)
        old, new = self._shares(v)
        return (times(old, h) + times(new, v[CANDIDATE]),), v

    def _mix_back(self, dstates, after, saved, v, h_read):
        (dh,) = dstates
        family, h = self.cell.family, saved["h"]
        old, new = self._shares(v)
        dpre = self._slopes({CANDIDATE: times(new, dh)}, v)
        product = v[family.product] if family.product else h_read
        dreset = dpre[CANDIDATE] if family.product else self._through(dpre, dh)
        dproduct = times(v[family.reset], dreset)
        change = h - v[CANDIDATE] if family.keeps else v[CANDIDATE] - h
        dvalues = {family.update: dh * change}
        dvalues[family.reset] = dvalues.get(family.reset, 0) + dreset * product
        if family.product:
            dvalues[family.product] = dproduct
        others = self._slopes(dvalues, v)
        dseen = self._through(others, dh)
        dseen = dseen if family.product else dproduct + dseen
        before = times(old, dh) + self.h_dropped(dseen)
        return (before,), {**dpre, **others}, times(v[family.reset], product)

    def _shares(self, v: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The shares of the old h and of the candidate in the new h."""
        update = v[self.cell.family.update]
        return (update, 1 - update) if self.cell.family.keeps else (1 - update, update)

    def _with_tied(self, v: dict[str, Any]) -> dict[str, Any]:
        """The gates' values with that of a gate that is tied to one of them."""
        tied = self.cell.variant.tied
        gate = self.cell.variant[tied] if tied else None
        if gate is None or gate.complement not in v:
            return v
        return {**v, tied: gate.tied(v[gate.complement], self.tie)}

    def _sums(self, dpre: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The gradients of the gates' sums: the candidate's are in shared gates too."""
        shared = self.cell.variant.shared
        if not shared:
            return dpre
        own = {k: d for k, d in dpre.items() if k not in shared}
        own[CANDIDATE] = reduce(add, [dpre[k] for k in (CANDIDATE, *shared)])
        return own

    def _function(self, activation: Activation, x: Tensor) -> Tensor:
        return function(self.ops, self.own, activation, x)

    def _columns(self, packed: Tensor, have: Gates, want: Gates) -> Tensor:
        return columns(self.ops, packed, have, want)

    def _join(self, parts: Sequence[Tensor]) -> Tensor:
        return join(self.ops, parts)

    def h_dropped(self, h: Tensor) -> Tensor:
        """What the gates see of h: all, or what recurrent dropout leaves."""
        return h if self.recurrent_mask is None else h * self.recurrent_mask

    def _stack(self, blocks: Mapping[str, Tensor]) -> Tensor | None:
        """The light gates' blocks, (gates, 1, n), or None where no gate has one."""
        found = [blocks[k] for k in self.cell.vector_only if k in blocks]
        if not found:
            return None
        zeros = self.ops.zeros_like(found[0])
        return self.ops.stack([blocks.get(k, zeros) for k in self.cell.vector_only])[
            :, None
        ]

    def _vector_only(self, read: Tensor) -> dict[str, Tensor]:
        """The values of the gates without a matrix, (B, n) each."""
        if not self.cell.vector_only:
            return {}
        pre = read * self.stacked_vectors
        if self.stacked_biases is not None:
            pre = pre + self.stacked_biases
        values = self._function(self.cell.recurrent_activation, pre)
        product = self.cell.family.product  # which has no activation
        return {
            k: pre[j] if k == product else values[j]
            for j, k in enumerate(self.cell.vector_only)
        }

    def _gates(self, gates: Gates, z: Tensor, read: Tensor) -> dict[str, Tensor]:
        """The values of gates, all the light ones among them, that read this h."""
        matrices = tuple(k for k in gates if k not in self.cell.vector_only)
        return {**self._vector_only(read), **self._values(matrices, z, read)}

    def _values(
        self, gates: Gates, z: Tensor, read: Tensor, behind: str = ""
    ) -> dict[str, Tensor]:
        """The values of gates with a matrix that read this h, (B, n) each.

        Behind a product, what is read is its value, already reset.
        """
        cell = self.cell
        full = tuple(k for k in gates if cell.variant[k].h == "full")
        product = read @ self.matrices[full] if full else None
        values = {}
        for k in gates:
            terms = []
            of = CANDIDATE if cell.variant[k].shared else k
            if of in cell.projected:
                terms.append(self._columns(z, cell.projected, (of,)))
            if of in full:
                terms.append(self._columns(product, full, (of,)))
            if of in self.vectors:
                terms.append(read * self.vectors[of])
            if behind:
                terms.append(read)
            if k in self.biases:
                terms.append(self.biases[k])
            values[k] = self._function(cell.used(k), reduce(add, terms))
        return values

    def _slopes(self, dvalues: Mapping[str, Tensor], v: Mapping[str, Tensor]):
        """The gradients of pre-activations from those of the gates' values."""
        return {
            k: d * self.cell.used(k).slope(v[k], self.ops)
            for k, d in dvalues.items()
            if k not in self.cell.variant.constants
        }

    def _through(self, dpre: Mapping[str, Tensor], like: Tensor) -> Tensor:
        """The gradient, shaped like ``like``, of what these gates read."""
        terms = [d * self.vectors[k] for k, d in dpre.items() if k in self.vectors]
        for gates, matrix in self.matrices.items():
            if gates[0] in dpre:
                terms.append(
                    self._join([dpre[k] for k in gates]) @ self.ops.transpose(matrix)
                )
        return reduce(add, terms) if terms else self.ops.zeros_like(like)


def times(gate: Tensor | float, tensor: Tensor) -> Tensor:
    """The product with a gate; a gate that is always open costs nothing."""
    return tensor if isinstance(gate, float) and gate == 1.0 else gate * tensor
