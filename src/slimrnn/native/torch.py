"""The native engine in torch: two custom operations, the one the other's gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from slimrnn.native import library
from slimrnn.variants.gates import WEIGHTS

library.find()  # before torch.compile asks, which cannot look for files


@torch.compiler.assume_constant_result
def _describe(cell, features: int, units: int) -> tuple[int, ...]:
    """By ctypes, which is nothing that torch.compile could look into."""
    return library.describe(cell, features, units)


def run(cell, x, states, weights, mask, recurrent_mask, return_sequences):
    """See ``slimrnn.engines.native.run``."""
    numbers = _describe(cell, x.shape[-1], states[0].shape[-1])
    names = [name for name in WEIGHTS if name in weights]
    packed = [weights[name].contiguous() for name in names]
    states = [state.contiguous() for state in states]
    if mask is not None:
        mask = mask.contiguous()
    if recurrent_mask is not None:
        recurrent_mask = recurrent_mask.contiguous()
    tensors = [x, *packed, *states]
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    outputs, last, _ = _forward(
        x.contiguous(),
        packed,
        states,
        mask,
        recurrent_mask,
        list(numbers),
        return_sequences,
        keep,
    )
    return outputs if return_sequences else None, list(last.unbind(0))


def _by_name(cell: library.Cell, weights: list[Tensor]) -> list[Tensor | None]:
    """The weights in the library's order, None where the cell has none."""
    found = iter(weights)
    gates = cell.gate[: cell.gates]
    return [
        next(found) if any(gate.terms[k] for gate in gates) else None
        for k in range(len(WEIGHTS))
    ]


@torch.library.custom_op("slimrnn::forward", mutates_args=(), device_types="cpu")
def _forward(
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
        size = library.get().slim_tape_size(described, *x.shape[:2])
        tape = torch.from_numpy(library.acquire(size))
    library.forward(
        described,
        x,
        _by_name(described, weights),
        states,
        mask=mask,
        recurrent_mask=recurrent_mask,
        outputs=outputs if sequences else None,
        last=list(last.unbind(0)),
        tape=tape if keep else None,
    )
    return outputs, last, tape


def _empty(x: Tensor, states: list[Tensor], sequences: bool, tape: int):
    batch, units = states[0].shape
    return (
        x.new_empty((batch, x.shape[1], units) if sequences else (0,)),
        x.new_empty((len(states), batch, units)),
        x.new_empty((tape,)),
    )


@_forward.register_fake
def _(x, weights, states, mask, recurrent_mask, cell, sequences, keep):
    # The batch and the length may be symbols; the tape is linear in the batch, and
    # affine in the length.
    if not keep:
        return _empty(x, states, sequences, 0)
    size, described = library.get().slim_tape_size, library.from_numbers(tuple(cell))
    once, twice = (size(described, 1, time) for time in (1, 2))
    tape = x.shape[0] * (once + (x.shape[1] - 1) * (twice - once))
    return _empty(x, states, sequences, tape)


@torch.library.custom_op("slimrnn::backward", mutates_args=(), device_types="cpu")
def _backward(
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
    dx, dweights = found[0], found[1 : 1 + len(weights)]
    library.backward(
        described,
        (
            x,
            _by_name(described, weights),
            states,
            {"mask": mask, "recurrent_mask": recurrent_mask, "tape": tape},
        ),
        {
            "doutputs": doutputs,
            "dlast": [] if dlast is None else list(dlast.unbind(0)),
        },
        {
            "dx": dx if of_x else None,
            "dweights": _by_name(described, dweights),
            "dstates": found[1 + len(weights) :],
        },
    )
    return found


def _backward_empty(x, weights, states, of_x) -> list[Tensor]:
    dx = torch.empty_like(x) if of_x else x.new_empty((0,))
    return [dx, *map(torch.empty_like, weights), *map(torch.empty_like, states)]


@_backward.register_fake
def _(x, weights, states, mask, recurrent_mask, tape, doutputs, dlast, cell, of_x):
    return _backward_empty(x, weights, states, of_x)


def _save(ctx, inputs, output):
    x, weights, states, mask, recurrent_mask, cell, sequences, _ = inputs
    ctx.save_for_backward(x, *weights, *states, mask, recurrent_mask, output[2])
    ctx.mark_non_differentiable(output[2])
    ctx.set_materialize_grads(False)
    ctx.cell, ctx.sequences, ctx.counts = cell, sequences, (len(weights), len(states))


def _differentiate(ctx, doutputs, dlast, _):
    x, *rest = ctx.saved_tensors
    count, states = ctx.counts
    weights, states = rest[:count], rest[count : count + states]
    mask, recurrent_mask, tape = rest[-3:]
    of_x = ctx.needs_input_grad[0]
    dx, *found = _backward(
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
    dweights, dstates = found[:count], found[count:]
    return dx if of_x else None, dweights, dstates, None, None, None, None, None


_forward.register_autograd(_differentiate, setup_context=_save)
