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
        "inverse": "σ⁻¹({})",
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
        "inverse": r"\sigma^{{-1}}({})",
    },
}


def equation(
    name: str, gate: Gate, style: Style, *, of: str, function: str, reset: str
) -> str:
    """The equation of one gate.

    Args:
        name: the gate's.
        gate: its terms.
        style: ``"unicode"`` or ``"latex"``.
        of: the gate whose weights it uses: itself, or that whose sums it shares.
        function: its activation: s, or of the candidate g or a name.
        reset: the gate that multiplies the h which this one reads, if any.
    """
    sign = NOTATION[style]
    left = sign["gate"].format(name) if function == "s" else sign["candidate"]
    if gate.constant is not None:
        return f"{left} = {gate.constant:g}"
    if gate.complement:
        f = sign["gate"].format(gate.complement)
        if gate.shift:
            f = sign["s"].format(f"{sign['inverse'].format(f)} - {gate.shift:g}")
        return f"{left} = 1 - {f}"
    h = sign["reset"].format(reset) if reset else sign["h"]
    terms = [
        *([sign["x"].format(of)] if gate.x == "full" else []),
        *([sign[gate.h].format(of, h=h)] if gate.h != "none" else []),
        *([sign["bias"].format(name)] if gate.bias else []),
    ]
    total = " + ".join(terms)
    if function == "s":
        return f"{left} = {sign['s'].format(total)}"
    return f"{left} = {applied(f'g({total})', function)}"


def applied(text: str, function: str | None) -> str:
    """An equation with ``g(...)``, in which this activation takes g's place.

    Example:
        >>> applied("h = o * g(c)", "linear"), applied("h = o * g(c)", None)
        ('h = o * c', 'h = o * g(c)')
    """
    if function in (None, "g"):
        return text
    before, _, inside = text.partition("g(")
    if not inside:
        return text
    if function == "linear":
        return before + inside.removesuffix(")")
    return f"{before}{function}({inside}"
