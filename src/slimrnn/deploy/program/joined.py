"""Layers that become part of the ones beside them, before a model is quantized."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from slimrnn.ir.layers import (
    Activation,
    Affine,
    Conv1D,
    Dense,
    Layer,
    Masking,
    Recurrent,
)

Array = np.ndarray


def joined(layers: Sequence[Layer]) -> list[Layer]:
    """The layers that are left: they compute the same, within rounding.

    An Activation is that of the Dense or Conv1D before it. An Affine after some other
    layer, such as BatchNormalization, goes into the weights of the next one, where that
    is exact: the zeros around a Conv1D are none that an Affine with an offset gives.
    """
    found: list[Layer] = []
    first = next((k for k, x in enumerate(layers) if not isinstance(x, _FRONT)), 0)
    for place, layer in reversed([*enumerate(layers)]):
        after = found[0] if found else None
        if (
            isinstance(after, Activation)
            and isinstance(layer, (Dense, Conv1D))
            and layer.activation == "linear"
        ):
            layer = replace(layer, activation=after.activation)
            del found[0]
            after = found[0] if found else None
        into = _INTO.get(type(after)) if place > first else None
        taken = into(after, layer) if into and isinstance(layer, Affine) else None
        if taken is None:
            found.insert(0, layer)
        else:
            found[0] = taken
    return found


#: what int8 computes before it rounds the input
_FRONT = (Affine, Masking)


def _into_dense(layer: Dense, affine: Affine) -> Layer:
    return replace(
        layer,
        kernel=affine.scale[:, None] * layer.kernel,
        bias=_plus(layer.bias, affine.offset @ layer.kernel),
    )


def _into_convolution(layer: Conv1D, affine: Affine) -> Layer | None:
    if affine.offset.any() and layer.before + layer.after:
        return None
    each = layer.outputs // layer.groups
    scale, offset = (
        np.repeat(numbers.reshape(layer.groups, -1).T, each, axis=1)  # (m / groups, n)
        for numbers in (affine.scale, affine.offset)
    )
    return replace(
        layer,
        kernel=scale * layer.kernel,
        bias=_plus(layer.bias, (offset * layer.kernel).sum((0, 1))),
    )


def _into_cell(layer: Recurrent, affine: Affine) -> Layer | None:
    cell, variant = layer.cell, layer.cell.variant
    kernel, gates = cell.weights["kernel"], variant.blocks("kernel")
    weights = {**cell.weights, "kernel": affine.scale[:, None] * kernel}
    if affine.offset.any():
        biased = variant.blocks("bias")
        shared = any(gate.shared for _, gate in variant.items())
        if shared or not {*gates} <= {*biased}:
            return None
        parts = np.split(affine.offset @ kernel, len(gates))
        more = dict(zip(gates, parts, strict=True))
        none = np.zeros(cell.units, "float32")
        added = np.concatenate([more.get(gate, none) for gate in biased])
        weights["bias"] = weights["bias"] + added
    return replace(layer, cell=replace(cell, weights=weights))


def _plus(bias: Array | None, more: Array) -> Array:
    return more if bias is None else bias + more


#: a layer with an Affine before it as one; None where it would compute something else
_INTO: dict[type, Callable[[Any, Affine], Layer | None]] = {
    Dense: _into_dense,
    Conv1D: _into_convolution,
    Recurrent: _into_cell,
}
