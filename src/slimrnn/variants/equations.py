"""How a gate is written down: its equation from its terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from slimrnn.variants.gates import Gate

Style = Literal["unicode", "latex"]

NOTATION = {
    "unicode": {
        "gate": "{}ₜ",
        "candidate": "c̃ₜ",
        "x": "W_{} xₜ",
        "full": "U_{} {h}",
        "pointwise": "u_{} ⊙ {h}",
        "h": "hₜ₋₁",
        "reset": "({}ₜ ⊙ hₜ₋₁)",
        "bias": "b_{}",
        "s": "σ({})",
        "g": "g({})",
    },
    "latex": {
        "gate": "{}_t",
        "candidate": r"\tilde c_t",
        "x": "W_{} x_t",
        "full": "U_{} {h}",
        "pointwise": r"u_{} \odot {h}",
        "h": "h_{t-1}",
        "reset": r"({}_t \odot h_{{t-1}})",
        "bias": "b_{}",
        "s": r"\sigma({})",
        "g": "g({})",
    },
}


def equation(
    name: str, gate: Gate, style: Style, *, is_candidate: bool, reset: str
) -> str:
    """The equation of one gate.

    Args:
        name: the gate's.
        gate: its terms.
        style: ``"unicode"`` or ``"latex"``.
        is_candidate: whether it is the cell input, which has an activation of its own.
        reset: the gate that multiplies the h which this one reads, if any.
    """
    sign = NOTATION[style]
    left = sign["candidate"] if is_candidate else sign["gate"].format(name)
    if gate.constant is not None:
        return f"{left} = {gate.constant:g}"
    h = sign["reset"].format(reset) if reset else sign["h"]
    terms = [
        *([sign["x"].format(name)] if gate.x == "full" else []),
        *([sign[gate.h].format(name, h=h)] if gate.h != "none" else []),
        *([sign["bias"].format(name)] if gate.bias else []),
    ]
    return f"{left} = {sign['g' if is_candidate else 's'].format(' + '.join(terms))}"
