"""The ``ops`` engine: a whole sequence on any Keras backend, with its own gradient.

The loop over time holds only what is truly sequential. The input's projection is one
product before it, the matrices' gradients one product each after it; the backward
loop carries the gradients of the states and adds up those of the vectors.

Memory is time: each tensor of T * B * n floats costs its first touch besides the way
to memory and back. So the forward pass writes a gate's value over its projected
input, and the backward pass its gradient over that.

Shapes: outside x is (B, T, m); in here time comes first, (T, B, ...). n is the number
of units, h and c are (B, n).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import keras
from keras import ops

from slimrnn.engines import scan
from slimrnn.engines.registry import Engine
from slimrnn.variants import WEIGHTS, CellSpec, shapes, step
from slimrnn.variants.activations import SIGMOID
from slimrnn.variants.gates import TIE_SCALARS

Tensor = Any
Tensors = Sequence[Tensor]

# XLA computes a relu and torch a sigmoid best by an operation of that name.
OWN = {"relu": ops.relu}
if keras.backend.backend() == "torch":
    OWN["sigmoid"] = ops.sigmoid
#: a parallel scan over time pays from so many steps on, and up to so many states
LONG, NARROW = 256, 32
columns, join = partial(step.columns, ops), partial(step.join, ops)
function = partial(step.function, ops, OWN)


def bound(cell: CellSpec, given: Mapping[str, Tensor]) -> step.Step:
    """A cell bound to its weights, on Keras's backend."""
    return step.Step(cell, given, ops, OWN)


def run(
    cell: CellSpec,
    x: Tensor,
    states: Tensors,
    weights: Mapping[str, Tensor],
    *,
    mask: Tensor | None = None,
    recurrent_mask: Tensor | None = None,
    return_sequences: bool = False,
    unroll: bool = False,
) -> tuple[Tensor | None, Tensors]:
    """Run a cell over a whole sequence.

    Args:
        cell: what to compute.
        x: the input, (B, T, m).
        states: the initial states, (B, n) each: h, and c where the family has it.
        weights: the packed weights by name, shaped as ``Variant.shapes`` says.
        mask: (B, T) booleans; a False step repeats the states before it.
        recurrent_mask: (B, n), multiplied with h wherever a gate reads it (dropout).
        return_sequences: whether each step's h is wanted.
        unroll: whether each step is written out, instead of a loop.

    Returns:
        h of each step, (B, T, n), or None; and the last states.

    Raises:
        InputError: a shape that does not fit.
    """
    arrays = shapes.named(cell.variant, x, states, weights, mask, recurrent_mask)
    shapes.check(cell.variant, arrays)
    inputs = {"x": x, **dict(zip(cell.family.states, states, strict=True)), **weights}
    if mask is not None:
        # Nothing of a masked step may count, not even a NaN.
        inputs["x"] = ops.where(mask[..., None], x, ops.zeros_like(x))
        inputs["mask"] = ops.cast(mask, x.dtype)
    if recurrent_mask is not None:
        inputs["recurrent_mask"] = recurrent_mask
    if mask is None and not unroll and at_once_pays(cell, x, states[0]):
        return _at_once(cell, inputs, return_sequences)
    loop = scan.unrolled if unroll else scan.scan
    sequence = _Sequence(cell, tuple(inputs), return_sequences, loop)
    function = (
        scan.with_gradient(sequence.forward, sequence.backward)
        if cell.differentiable
        else lambda *tensors: sequence.forward(*tensors)[0]
    )
    outputs = tuple(function(*inputs.values()))
    if return_sequences:
        return swap(outputs[0]), outputs[1:]
    return None, outputs


def at_once_pays(cell: CellSpec, x: Tensor, state: Tensor) -> bool:
    """Whether a parallel scan over time is faster than the loop.

    On JAX, where no gate reads h, for long sequences whose batch leaves the processor
    idle: `python -m benchmarks.parallel_scan` measures it.
    """
    (_, steps), (batch, units) = x.shape[:2], state.shape
    known = isinstance(steps, int) and isinstance(batch, int)  # no graph to be exported
    if cell.reads_h or keras.backend.backend() != "jax" or not known:
        return False
    return steps >= LONG and batch * units <= NARROW


def _at_once(cell: CellSpec, given: Mapping[str, Tensor], return_sequences: bool):
    """All steps at once; the framework differentiates it."""
    states = tuple(given[name] for name in cell.family.states)
    z = ops.matmul(swap(given["x"]), given["kernel"])

    def both(one, two):
        return one[0] * two[0], two[0] * one[1] + two[1]

    def over_time(a, b):
        return ops.associative_scan(both, (a, b), axis=0)

    each = bound(cell, given).at_once(states, z, over_time)
    return swap(each[0]) if return_sequences else None, tuple(s[-1] for s in each)


class _Sequence:
    """The forward and the backward pass over inputs that are known by name."""

    def __init__(
        self,
        cell: CellSpec,
        names: tuple[str, ...],
        return_sequences: bool,
        scan: Callable,
    ):
        self.cell = cell
        self.names = names
        self.return_sequences = return_sequences
        self.scan = scan

    def forward(self, *tensors: Tensor) -> tuple[Tensors, Tensors]:
        """The outputs, and what the backward pass needs."""
        cell, given = self.cell, dict(zip(self.names, tensors, strict=True))
        one = bound(cell, given)

        def body(states, slices):
            z, *mask = slices
            new, kept = one.forward(states, z)
            return tuple(_choose(mask, new, states)), kept

        initial = tuple(given[name] for name in cell.family.states)
        projected = ops.matmul(swap(given["x"]), given["kernel"])
        xs = (projected, *_time_mask(given))
        reuse = (0,) if cell.differentiable else None
        last, kept = self.scan(body, initial, xs, reuse=reuse)
        outputs = last
        if self.return_sequences:
            h = kept[cell.saved.index("h")]
            outputs = (ops.concatenate([h[1:], last[0][None]], axis=0), *last)
        return outputs, (*last, *kept)

    def backward(self, tensors: Tensors, saved: Tensors, grads: Tensors):
        """The gradient of each input, or None, from the gradients of the outputs."""
        cell, count = self.cell, len(self.cell.family.states)
        given = dict(zip(self.names, tensors, strict=True))
        last, rows = _split(saved, count)
        kept = dict(zip(cell.saved, rows, strict=True))
        dys, dlast = _split(grads, int(self.return_sequences))
        masks = _time_mask(given)
        one = bound(cell, given)

        def body(carry, slices):
            dstates, after, sums = (
                carry[:count],
                carry[count : 2 * count],
                carry[2 * count :],
            )
            v = dict(zip(cell.saved, slices, strict=False))
            mask, dy = _split(slices[len(v) :], len(masks))
            if dy:
                dstates = (dstates[0] + dy[0], *dstates[1:])
            zeros = [ops.zeros_like(d) for d in dstates] if mask else dstates
            chosen = _choose(mask, dstates, zeros)
            before, rows, terms = one.backward(chosen, after, v)
            if mask:
                held = _choose(mask, zeros, dstates)
                before = [a + b for a, b in zip(before, held, strict=True)]
            sums = [a + ops.cast(b, a.dtype) for a, b in zip(sums, terms, strict=True)]
            # Going back, the states before this step are those after the next one.
            after = [
                v.get(name, a)
                for name, a in zip(cell.family.states, after, strict=True)
            ]
            return (*before, *after, *sums), rows

        zeros = _zeros_for_sums(dlast[0])
        carry = (*dlast, *last, *(zeros for _ in cell.summed))
        xs = (*kept.values(), *masks, *dys)
        reuse = tuple(range(len(cell.groups)))
        carry, rows = self.scan(body, carry, xs, reverse=True, reuse=reuse)
        sums = dict(zip(cell.summed, carry[2 * count :], strict=True))
        found = dict(zip(cell.family.states, carry, strict=False))
        found |= self._gradients(one, given, kept, rows, sums)
        return [found.get(name) for name in self.names]

    def _gradients(self, one: step.Step, given, kept, rows: Tensors, sums):
        """The gradients of x and of the weights, each matrix's as one product."""
        cell, dz = self.cell, rows[0]
        found = {
            "x": swap(ops.matmul(dz, ops.transpose(given["kernel"]))),
            "kernel": _outer(swap(given["x"]), dz),
        }
        blocks: dict[tuple[str, str], Tensor] = {}
        for gates, dpre in zip(cell.groups, rows, strict=False):
            total = ops.sum(dpre, axis=(0, 1))
            blocks |= {("bias", k): columns(total, gates, (k,)) for k in gates}
            for readers in one.matrices:
                mine = tuple(k for k in gates if k in readers)
                if mine:
                    behind = readers[0] in cell.after_reset
                    read = rows[-1] if behind else one.h_dropped(kept["h"])
                    product = _outer(read, columns(dpre, gates, mine))
                    for k in mine:
                        block = columns(product, mine, (k,))
                        blocks["recurrent_kernel", k] = block
        blocks |= {key: ops.sum(total, axis=0) for key, total in sums.items()}
        for tied in cell.variant.blocks(TIE_SCALARS):
            both = [ops.sum(blocks.pop((weight, tied))) for weight in ("zeta", "nu")]
            slope = SIGMOID.slope(one.tie, ops)
            blocks[TIE_SCALARS, tied] = ops.stack(both) * slope
        for weight in WEIGHTS[1:]:
            parts = [blocks[weight, k] for k in cell.variant.blocks(weight)]
            if parts:
                found[weight] = ops.cast(join(parts), dz.dtype)
        return found


def _split(items, count: int):
    return items[:count], items[count:]


def _choose(mask: Tensors, chosen: Tensors, other: Tensors) -> Tensors:
    """``chosen`` where the mask, if there is one, is not 0, else ``other``."""
    if not mask:
        return chosen
    return [ops.where(mask[0] > 0, a, b) for a, b in zip(chosen, other, strict=True)]


def _time_mask(given: Mapping[str, Tensor]) -> Tensors:
    return (swap(given["mask"])[..., None],) if "mask" in given else ()


def swap(tensor: Tensor) -> Tensor:
    """Time first, or batch first again."""
    return ops.swapaxes(tensor, 0, 1)


def _outer(a: Tensor, b: Tensor) -> Tensor:
    """The sum over time and batch of the outer products of a's and b's rows."""
    a, b = (ops.reshape(t, (-1, t.shape[-1])) for t in (a, b))
    return ops.matmul(ops.transpose(a), b)


def _zeros_for_sums(like: Tensor) -> Tensor:
    """Zeros to add up in: float32 at least, since half precision loses small terms."""
    dtype = keras.backend.standardize_dtype(like.dtype)
    is_half = dtype in ("float16", "bfloat16")
    return ops.zeros_like(like, dtype="float32" if is_half else dtype)


ENGINE = Engine("ops", "with keras.ops", lambda request: None, run)
