"""How a gate is written down: its equation from its terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from slimrnn.variants.gates import CANDIDATE

if TYPE_CHECKING:
    from slimrnn.variants.gates import Family, Gate
    from slimrnn.variants.variant import Variant

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
        "product": "{}ₜ ⊙ {}ₜ",
        "bias": "b_{}",
        "s": "σ({})",
        "inverse": "σ⁻¹({})",
        "tie": "1 - {}",
        "scaled": "σ(ζ) (1 - {}) + σ(ν)",
    },
    "latex": {
        "gate": "{}_t",
        "candidate": r"\tilde c_t",
        "x": "W_{} x_t",
        "full": "U_{} {h}",
        "pointwise": r"u_{} \odot {h}",
        "h": "h_{t-1}",
        "reset": r"({}_t \odot h_{{t-1}})",
        "product": r"{}_t \odot {}_t",
        "bias": "b_{}",
        "s": r"\sigma({})",
        "inverse": r"\sigma^{{-1}}({})",
        "tie": "1 - {}",
        "scaled": r"\sigma(\zeta) (1 - {}) + \sigma(\nu)",
    },
}


def equation(
    name: str,
    gate: Gate,
    style: Style,
    *,
    of: str,
    function: str,
    resets: Family | None,
) -> str:
    """The equation of one gate.

    Args:
        name: the gate's.
        gate: its terms.
        style: ``"unicode"`` or ``"latex"``.
        of: the gate whose weights it uses: itself, or that whose sums it shares.
        function: its activation: s, or of the candidate g or a name.
        resets: of a candidate, the family whose reset gate acts on it.
    """
    sign = NOTATION[style]
    left = sign["candidate" if name == CANDIDATE else "gate"].format(name)
    if gate.constant is not None:
        return f"{left} = {gate.constant:g}"
    if gate.complement:
        f = sign["gate"].format(gate.complement)
        if gate.shift:
            f = sign["s"].format(f"{sign['inverse'].format(f)} - {gate.shift:g}")
        return f"{left} = {sign['scaled' if gate.scaled else 'tie'].format(f)}"
    reset, product = (resets.reset, resets.product) if resets else ("", "")
    h = sign["reset"].format(reset) if reset and not product else sign["h"]
    terms = [
        *([sign["x"].format(of)] if gate.x == "full" else []),
        *([sign[gate.h].format(of, h=h)] if gate.h != "none" else []),
        *([sign["product"].format(reset, product)] if product else []),
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


def brief(variant: Variant) -> str:
    """The gates in short, those of the same form together."""
    forms: dict[str, list[str]] = {}
    for name, gate in variant.items():
        own = variant.candidate_activation if name == CANDIDATE else None
        form = f"{own}({_form(gate)})" if own else _form(gate)
        forms.setdefault(form, []).append(name)
    parts = [f"{','.join(names)}={form}" for form, names in forms.items()]
    if variant.state_activation:
        parts.append(f"h=o⊙{variant.state_activation}(c)")
    return "  ".join(parts)


def _form(gate: Gate) -> str:
    if gate.constant is not None:
        return f"{gate.constant:g}"
    if gate.complement:
        tie = f"1-{gate.complement}" + (f" shifted {gate.shift:g}" * bool(gate.shift))
        return f"σ(ζ)({tie})+σ(ν)" if gate.scaled else tie
    signs = {
        "kernel": "Wx",
        "recurrent_kernel": "Uh",
        "recurrent_vector": "u⊙h",
        "bias": "b",
    }
    terms = [signs[term] for term in gate.terms]
    return "+".join([*(["c's"] if gate.shared else []), *terms])
