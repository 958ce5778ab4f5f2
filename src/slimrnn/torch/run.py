"""A cell over a sequence of tensors: in C, or step by step in torch's operations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor
from torch.autograd import forward_ad

from slimrnn.errors import InputError
from slimrnn.native import library
from slimrnn.variants import CellSpec, shapes
from slimrnn.variants.step import Step


class _Ops:
    """What :class:`slimrnn.variants.step.Step` asks of a framework."""

    tanh, clip, sign = torch.tanh, torch.clamp, torch.sign
    zeros_like, ones_like = torch.zeros_like, torch.ones_like
    stack, concatenate = torch.stack, torch.cat
    maximum, transpose = torch.clamp, torch.t


_OWN = {"sigmoid": torch.sigmoid, "relu": torch.relu}


def run(
    cell: CellSpec,
    x: Tensor,
    states: list[Tensor],
    weights: Mapping[str, Tensor],
    mask: Tensor | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """A cell over a whole sequence, one direction.

    Args:
        cell: what to compute.
        x: (B, T, m).
        states: before it, (B, n) each: h, and c where the family has it.
        weights: packed, by name, shaped as ``Variant.shapes`` says.
        mask: (B, T) booleans; a False step repeats the states before it.

    Returns:
        h of each step, (B, T, n), and the states after the last one.

    Raises:
        InputError: a shape or a type that does not fit.
    """
    arrays = shapes.named(cell.variant, x, states, weights, mask, None)
    shapes.check(cell.variant, arrays)
    of_cpu = all(a.device.type == "cpu" for a in arrays.values())
    dtypes = {name: a.dtype for name, a in arrays.items() if name != "mask"}
    for name, dtype in dtypes.items():
        if dtype != weights["kernel"].dtype and not torch.is_autocast_enabled(
            x.device.type
        ):
            raise InputError(
                f"{name} must be {weights['kernel'].dtype}, as the weights are; "
                f"received {dtype}."
            )
    single = set(dtypes.values()) == {torch.float32}
    if of_cpu and single and not _looks_into() and not library.find()[1]:
        from slimrnn.native.torch import run as native_run

        outputs, last = native_run(cell, arrays, True, partial(_by_torch, cell))
        return outputs, last
    return _by_torch(cell, x, states, weights, mask)


def _looks_into() -> bool:
    """Whether torch looks into operations, which C does not let it."""
    return (
        torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or torch.jit.is_tracing()
        or torch.onnx.is_in_onnx_export()
    )


def _by_torch(cell, x, states, weights, mask):
    """The same, step by step in torch's own operations."""
    if mask is not None:  # nothing of a masked step may count, not even a NaN
        x = torch.where(mask[..., None], x, torch.zeros_like(x))
    step, outputs = Step(cell, weights, _Ops, _OWN), []
    for t, z in enumerate((x @ weights["kernel"]).unbind(1)):
        after = list(step.forward(states, z)[0])
        if mask is not None:
            pairs = zip(after, states, strict=True)
            after = [torch.where(mask[:, t, None], a, b) for a, b in pairs]
        states = after
        outputs.append(states[0])
    return torch.stack(outputs, 1), list(states)
