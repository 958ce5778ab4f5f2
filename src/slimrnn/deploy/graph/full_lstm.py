"""A variant as the standard LSTM that other libraries have.

All its gates have all terms. A term that the row does not have is a weight of 0, a
pointwise vector is a diagonal matrix, a constant gate is a bias, and 1 - s(a) is s(-a).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slimrnn.deploy.graph.builder import Array
from slimrnn.errors import InputError
from slimrnn.ir.layers import Recurrent
from slimrnn.variants import CANDIDATE, Gate

#: from here on, an activation that only comes near to a value has it in float32
_FAR = 40.0


@dataclass(frozen=True)
class FullGate:
    """A gate with all terms: ``s(x kernel + h recurrent_kernel + bias)``; float32."""

    kernel: Array  # (m, n)
    recurrent_kernel: Array  # (n, n)
    bias: Array  # (n,)


def full_gates(layer: Recurrent) -> dict[str, FullGate]:
    """The gates of a layer as those of the standard LSTM, by name: i, f, c, o."""
    variant = layer.cell.variant
    if variant.family != "lstm":
        raise InputError(
            f"The layer {layer.name} is {variant.name}, of the family "
            f"{variant.family}, and no LSTM; allowed with mode='lstm' is the family "
            f"lstm. Use another mode."
        )
    if layer.masked:
        raise InputError(
            f"The layer {layer.name} is masked, and the standard LSTM skips no step; "
            f"use another mode, or a model without mask."
        )
    return full(layer)


def full(layer: Recurrent) -> dict[str, FullGate]:
    """The gates of a layer of any family with all terms, by name."""
    cell, variant = layer.cell, layer.cell.variant
    m, n = layer.inputs, layer.outputs
    gates: dict[str, FullGate] = {}
    split = variant.split(cell.weights)
    for name in sorted(split, key=lambda name: name == variant.tied):
        gate, blocks = variant[name], split[name]
        if gate.complement:
            gates[name] = _complement(layer, gate, gates[gate.complement])
            continue
        if gate.shared:
            blocks = {**split[CANDIDATE], "bias": blocks["bias"]}
        vector = np.diag(blocks.get("recurrent_vector", np.zeros(n, "float32")))
        bias = blocks.get("bias", np.zeros(n, "float32"))
        if gate.constant is not None:
            bias = np.full(n, _bias(layer, name, gate.constant), "float32")
        gates[name] = FullGate(
            blocks.get("kernel", np.zeros((m, n), "float32")),
            blocks.get("recurrent_kernel", vector),
            bias,
        )
    return gates


def _complement(layer: Recurrent, tie: Gate, other: FullGate) -> FullGate:
    """The gate whose value is the complement of another one's."""
    function = layer.cell.spec.recurrent_activation
    shifted = tie.shift and function.name != "sigmoid"
    if not function.is_gate or shifted or tie.scaled:
        raise InputError(
            f"The layer {layer.name} ties a gate to {tie.complement}, and no weights "
            f"of {function} give it{' scaled' * tie.scaled}; use another mode."
        )
    return FullGate(
        -other.kernel, -other.recurrent_kernel, np.float32(tie.shift) - other.bias
    )


def _bias(layer: Recurrent, gate: str, constant: float) -> float:
    """The bias that makes a gate constant, if its other weights are 0."""
    function = layer.cell.spec.recurrent_activation
    with np.errstate(all="ignore"):
        bias = np.clip(np.nan_to_num(function.inverse(constant)), -_FAR, _FAR)
    if abs(function.function(bias) - constant) > 1e-7:
        raise InputError(
            f"The constant gate {gate} = {constant:g} of the layer {layer.name} is no "
            f"value of {function}, so no bias gives it; use another mode."
        )
    return float(bias)
