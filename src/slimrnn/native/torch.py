"""The native engine in torch: two custom operations, the one the other's gradient.

``torch.compile`` and ``torch.export`` see the operations. A call of such an operation
takes half a millisecond of Python, so that otherwise the same functions run as one
``torch.autograd.Function``.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from slimrnn.native import library
from slimrnn.variants.gates import WEIGHTS

#: tensors that have numbers, where subclasses may have none or hide them
_REAL = (Tensor, torch.nn.Parameter)

library.find()  # before torch.compile asks, which cannot look for files


@torch.compiler.assume_constant_result
def _describe(cell, features: int, units: int) -> tuple[int, ...]:
    """By ctypes, which is nothing that torch.compile could look into."""
    return library.describe(cell, features, units)


def run(cell, arrays, return_sequences, again=None):
    """See ``slimrnn.engines.native.run``; arrays: by name, checked.

    ``again(x, states, weights, mask)`` computes all steps' h and the last states in
    torch's own operations, for the gradient of a gradient; without, it is refused.
    """
    numbers = _describe(cell, arrays["x"].shape[-1], arrays["initial h"].shape[-1])
    given = {name: array.contiguous() for name, array in arrays.items()}
    x, mask = given.pop("x"), given.pop("mask", None)
    recurrent_mask = given.pop("recurrent_mask", None)
    states = [a for name, a in given.items() if name not in WEIGHTS]
    packed = [a for name, a in given.items() if name in WEIGHTS]
    tensors = [x, *packed, *states]
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    rest = (mask, recurrent_mask, list(numbers), return_sequences, keep)
    if torch.compiler.is_compiling() or any(type(t) not in _REAL for t in tensors):
        outputs, last, _ = _forward(x, packed, states, *rest)
    else:
        outputs, last, _ = _Eager.apply(x, again, len(packed), *rest, *packed, *states)
    return outputs if return_sequences else None, list(last.unbind(0))


def _by_name(cell: library.Cell, x, weights, states, mask, recurrent_mask):
    """The inputs by the library's names."""
    gates = cell.gate[: cell.gates]
    names = [k for i, k in enumerate(WEIGHTS) if any(g.terms[i] for g in gates)]
    return {
        "x": x,
        **dict(zip(names, weights, strict=True)),
        **_of_states("initial", states),
        "mask": mask,
        "recurrent_mask": recurrent_mask,
    }


def _of_states(what: str, states) -> dict[str, Tensor]:
    """By name: h, and c where there are two."""
    return {f"{what} {k}": state for k, state in zip("hc", states, strict=False)}


def _run_forward(
    x: Tensor,
    weights: list[Tensor],
    states: list[Tensor],
    mask: Tensor | None,
    recurrent_mask: Tensor | None,
    cell: list[int],
    sequences: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """All steps' h (or nothing), the last states as one tensor, and the tape."""
    described = library.from_numbers(tuple(cell))
    outputs, last, tape = _empty(x, states, sequences, 0)
    if keep:
        size = library.elements(described, x.shape[0], x.shape[1], "tape")
        tape = torch.from_numpy(library.acquire(size))
    inputs = _by_name(described, x, weights, states, mask, recurrent_mask)
    results = {**_of_states("last", last), "outputs": outputs if sequences else None}
    library.forward(described, {**inputs, **results, "tape": tape if keep else None})
    return outputs, last, tape


def _empty(x: Tensor, states: list[Tensor], sequences: bool, tape: int):
    batch, units = states[0].shape
    return (
        x.new_empty((batch, x.shape[1], units) if sequences else (0,)),
        x.new_empty((len(states), batch, units)),
        x.new_empty((tape,)),
    )


_forward = torch.library.custom_op(
    "slimrnn::forward", _run_forward, mutates_args=(), device_types="cpu"
)


@_forward.register_fake
def _(x, weights, states, mask, recurrent_mask, cell, sequences, keep):
    # The batch and the length may be symbols; the tape is linear in the batch, and
    # affine in the length.
    if not keep:
        return _empty(x, states, sequences, 0)
    described = library.from_numbers(tuple(cell))
    once, twice = (library.elements(described, 1, time, "tape") for time in (1, 2))
    tape = x.shape[0] * (once + (x.shape[1] - 1) * (twice - once))
    return _empty(x, states, sequences, tape)


def _run_backward(
    x: Tensor,
    weights: list[Tensor],
    states: list[Tensor],
    mask: Tensor | None,
    recurrent_mask: Tensor | None,
    tape: Tensor,
    doutputs: Tensor | None,
    dlast: Tensor | None,
    cell: list[int],
    of_x: bool,
) -> list[Tensor]:
    """The gradients of x (or nothing), of each weight and of each state."""
    described = library.from_numbers(tuple(cell))
    found = _backward_empty(x, weights, states, of_x)
    inputs = _by_name(described, x, weights, states, mask, recurrent_mask)
    dx, dweights, dstates = found[0], found[1 : -len(states)], found[-len(states) :]
    results = _by_name(described, dx if of_x else None, dweights, dstates, None, None)
    library.backward(
        described,
        {
            **inputs,
            "tape": tape,
            "doutputs": doutputs,
            **_of_states("dlast", () if dlast is None else dlast),
            **{f"d{k}": a for k, a in results.items() if a is not None},
        },
    )
    return found


def _backward_empty(x, weights, states, of_x) -> list[Tensor]:
    dx = torch.empty_like(x) if of_x else x.new_empty((0,))
    return [dx, *map(torch.empty_like, weights), *map(torch.empty_like, states)]


_backward = torch.library.custom_op(
    "slimrnn::backward", _run_backward, mutates_args=(), device_types="cpu"
)


@_backward.register_fake
def _(x, weights, states, mask, recurrent_mask, tape, doutputs, dlast, cell, of_x):
    return _backward_empty(x, weights, states, of_x)


def _save(ctx, inputs, output):
    x, weights, states, mask, recurrent_mask, cell, sequences, _ = inputs
    ctx.save_for_backward(x, *weights, *states, mask, recurrent_mask, output[2])
    ctx.mark_non_differentiable(output[2])
    ctx.set_materialize_grads(False)
    ctx.cell, ctx.sequences, ctx.counts = cell, sequences, (len(weights), len(states))


def _saved(ctx):
    x, *rest = ctx.saved_tensors
    count, states = ctx.counts
    return x, rest[:count], rest[count : count + states], *rest[-3:]


def _differentiate(backward, ctx, doutputs, dlast, _):
    x, weights, states, mask, recurrent_mask, tape = _saved(ctx)
    of_x = ctx.needs_input_grad[0]
    dx, *found = backward(
        x,
        weights,
        states,
        mask,
        recurrent_mask,
        tape,
        doutputs.contiguous() if ctx.sequences and doutputs is not None else None,
        None if dlast is None else dlast.contiguous(),
        ctx.cell,
        of_x,
    )
    dweights, dstates = found[: len(weights)], found[len(weights) :]
    return dx if of_x else None, dweights, dstates, None, None, None, None, None


_forward.register_autograd(partial(_differentiate, _backward), setup_context=_save)


class _Eager(torch.autograd.Function):
    """The two without a dispatcher; the tensors that are lists there come last."""

    @staticmethod
    def forward(
        ctx, x, again, count, mask, recurrent_mask, cell, sequences, keep, *tensors
    ):
        lists = list(tensors[:count]), list(tensors[count:])
        inputs = (x, *lists, mask, recurrent_mask, cell, sequences, keep)
        output = _run_forward(*inputs)
        _save(ctx, inputs, output)
        ctx.again = again
        return output

    @staticmethod
    def backward(ctx, *grads):
        # Where a gradient of the gradient may follow, the operation would refuse it.
        twice = torch.is_grad_enabled()
        if twice and ctx.again:
            dx, *found = _differentiate_again(ctx, *grads)
        else:
            backward = _backward if twice else _run_backward
            dx, dweights, dstates, *_ = _differentiate(backward, ctx, *grads)
            found = [*dweights, *dstates]
        return dx, None, None, None, None, None, None, None, *found


def _differentiate_again(ctx, doutputs, dlast, _):
    """The gradients of x, of each weight and of each state, as torch computes them."""
    x, weights, states, mask, *_ = _saved(ctx)
    cell = library.from_numbers(tuple(ctx.cell))
    named = _by_name(cell, x, weights, states, None, None)
    packed = {name: array for name, array in named.items() if name in WEIGHTS}
    with torch.enable_grad():
        outputs, last = ctx.again(x, states, packed, mask)
        pairs = (outputs, doutputs), (torch.stack(last), dlast)
    given = [(y, dy) for y, dy in pairs if dy is not None]
    inputs = [x, *weights, *states]
    found = torch.autograd.grad(
        [y for y, _ in given],
        [each for each in inputs if each.requires_grad],
        [dy for _, dy in given],
        create_graph=True,
        allow_unused=True,
    )
    rest = iter(found)
    return [next(rest) if each.requires_grad else None for each in inputs]
