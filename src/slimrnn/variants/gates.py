"""What a gate and a family of cells are.

Sizes: ``m`` features of the input, ``n`` units.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from slimrnn.errors import InputError
from slimrnn.utils.checks import one_of

InputTerm = Literal["full", "none"]
RecurrentTerm = Literal["full", "pointwise", "none"]


@dataclass(frozen=True)
class Gate:
    """The terms of one gate, its constant, or the gate that it follows.

    A gate computes ``s(W x + U h + b)`` with the terms that it has; ``s`` is
    the recurrent activation (the activation ``g`` for the candidate).

    Args:
        x: ``"full"``: the product ``W x`` with an (m, n) matrix; ``"none"``.
        h: ``"full"``: the product ``U h`` with an (n, n) matrix;
            ``"pointwise"``: ``u * h`` with an (n,) vector; ``"none"``.
        bias: whether there is an (n,) bias.
        constant: the gate's fixed value; then it can have no terms.
        complement: the gate f that this one is ``1 - f`` of: a tie, without terms.
        shift: of a tie, what is taken from f's pre-activation before: of a sigmoid
            ``1 - s(a - shift)``, and of any value f the number whose odds are
            ``exp(shift)`` times those of ``1 - f``. From 0 on.
        scaled: of a tie, whether two trained numbers scale and translate it:
            ``sigmoid(zeta) * (1 - f) + sigmoid(nu)``; the weight ``tie_scalars``.
        shared: whether ``W x + U h`` are the candidate's, without its bias: a gate
            that costs its own bias and no product.

    Raises:
        InputError: a term is not one of those above, the constant is not a
            finite number, a constant gate, a tie or a shared gate has terms that it
            cannot have, or there is nothing at all.

    Example:
        >>> Gate(h="pointwise", bias=True).terms
        ('recurrent_vector', 'bias')
    """

    x: InputTerm = "none"
    h: RecurrentTerm = "none"
    bias: bool = False
    constant: float | None = None
    complement: str = ""
    shift: float = 0.0
    shared: bool = False
    scaled: bool = False

    def __post_init__(self) -> None:
        one_of("a gate's x", self.x, ("full", "none"))
        one_of("a gate's h", self.h, ("full", "pointwise", "none"))
        for name in ("bias", "shared", "scaled"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(
                    f"A gate's {name} must be True or False, received "
                    f"{getattr(self, name)!r}."
                )
        if self.constant is not None and not _is_finite(self.constant):
            raise InputError(
                f"A gate's constant must be a finite number, received "
                f"{self.constant!r}."
            )
        if not _is_finite(self.shift) or self.shift < 0:
            raise InputError(
                f"A gate's shift must be a finite number from 0 on, received "
                f"{self.shift!r}."
            )
        kinds = {
            "the constant": self.constant,
            "the complement of": self.complement or None,
            "shared": self.shared or None,
            "terms": ", ".join(k for k in self.terms if k != TIE_SCALARS) or None,
        }
        found = {kind: value for kind, value in kinds.items() if value is not None}
        if not found:
            raise InputError(
                "A gate needs at least one term (x, h or bias), a constant or a gate "
                "that it follows; received none of them."
            )
        if len(found) > 1 and not (self.shared and self.terms == ("bias",)):
            raise InputError(
                f"A gate is a constant, a complement, or has terms (a shared one its "
                f"bias alone); received "
                f"{' together with '.join(f'{k} {v}' for k, v in found.items())}."
            )
        if self.shared and not self.bias:
            raise InputError(
                "A gate that shares the candidate's sums needs a bias of its own; "
                "received none."
            )
        for name in ("shift", "scaled"):
            if getattr(self, name) and not self.complement:
                raise InputError(
                    f"A gate's {name} is that of a complement; received {name}="
                    f"{getattr(self, name)} without one."
                )
        for name in ("constant", "shift"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """The names of the weights that this gate has a share of."""
        present = {
            "kernel": self.x == "full",
            "recurrent_kernel": self.h == "full",
            "recurrent_vector": self.h == "pointwise",
            "bias": self.bias,
            TIE_SCALARS: self.scaled,
        }
        return tuple(name for name, there in present.items() if there)

    @property
    def is_static(self) -> bool:
        """Whether the gate is by itself the same at each step: a constant, or s(b)."""
        return self.constant is not None or (
            self.terms == ("bias",) and not self.shared
        )

    @property
    def ratio(self) -> float:
        """Of a tie: by what its odds are divided, beside those of ``1 - f``."""
        return math.exp(-self.shift)

    def tied(self, f: Any, scalars: Any = None) -> Any:
        """The value of a tie to a gate that is worth f.

        Args:
            f: the other gate's value.
            scalars: of a scaled one, sigmoid(zeta) and sigmoid(nu); without them, the
                complement that they scale.
        """
        value = 1 - f if not self.shift else (1 - f) / (1 - f + self.ratio * f)
        return value if scalars is None else scalars[0] * value + scalars[1]

    def tied_slope(self, f: Any, scalars: Any = None) -> Any:
        """Its derivative by f."""
        slope = -self.ratio / (1 - f + self.ratio * f) ** 2 if self.shift else -1.0
        return slope if scalars is None else scalars[0] * slope


@dataclass(frozen=True)
class Family:
    """How gates become the next state: what the variants of a family share.

    Args:
        name: ``"lstm"``, ``"gru"``, ``"mgu"``, ``"gru_after"`` or ``"mgu_after"``.
        gates: the gates' names in the order in which weights are packed; the
            one called :data:`CANDIDATE` is the cell input.
        states: the names of the states; the first one is the output.
        rule: how the candidate enters the state: ``"accumulate"``: the gates i and f
            add it to a cell state c, and o gives h; ``"mix"``: one gate, ``update``,
            weighs the old h and the candidate.
        reset: the gate that multiplies h in the candidate's recurrent term.
        product: the gate ``n = U h + b``, without an activation, that the reset gate
            multiplies instead: Keras's ``reset_after``.
        base: the family whose layers compute it; empty for itself.
        update: the gate that mixes h with the candidate.
        keeps: whether the update gate weighs the old h (Keras's GRU) or the
            candidate (the MGU's paper).
        forget: the gate whose bias starts at 1.
        pair: the two gates of which one can be tied to the other.
        unicode: the state's equations.
        latex: the same.
    """

    name: str
    gates: tuple[str, ...]
    states: tuple[str, ...]
    rule: Literal["accumulate", "mix"]
    unicode: tuple[str, ...]
    latex: tuple[str, ...]
    reset: str = ""
    product: str = ""
    base: str = ""
    update: str = ""
    keeps: bool = False
    forget: str = ""
    pair: tuple[str, ...] = ()


CANDIDATE = "c"

_FAMILIES = (
    Family(
        "lstm",
        gates=("i", "f", "c", "o"),
        states=("h", "c"),
        rule="accumulate",
        forget="f",
        pair=("i", "f"),
        unicode=("cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ c̃ₜ", "hₜ = oₜ ⊙ g(cₜ)"),
        latex=(
            r"c_t = f_t \odot c_{t-1} + i_t \odot \tilde c_t",
            r"h_t = o_t \odot g(c_t)",
        ),
    ),
    # Keras's convention. The papers let z weigh the candidate instead; the
    # functions are the same, since s(-a) = 1 - s(a): negate z's weights.
    Family(
        "gru",
        gates=("z", "r", "c"),
        states=("h",),
        rule="mix",
        reset="r",
        update="z",
        keeps=True,
        unicode=("hₜ = zₜ ⊙ hₜ₋₁ + (1 - zₜ) ⊙ c̃ₜ",),
        latex=(r"h_t = z_t \odot h_{t-1} + (1 - z_t) \odot \tilde c_t",),
    ),
    Family(
        "mgu",
        gates=("f", "c"),
        states=("h",),
        rule="mix",
        reset="f",
        update="f",
        unicode=("hₜ = (1 - fₜ) ⊙ hₜ₋₁ + fₜ ⊙ c̃ₜ",),
        latex=(r"h_t = (1 - f_t) \odot h_{t-1} + f_t \odot \tilde c_t",),
    ),
)


def _after(family: Family) -> Family:
    """The family that resets the product of h instead of h."""
    gates = (*family.gates, "n")
    name = f"{family.name}_after"
    return replace(family, name=name, gates=gates, product="n", base=family.name)


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (*_FAMILIES, *(_after(f) for f in _FAMILIES if f.reset))
}

TIE_SCALARS = "tie_scalars"  # (2,): zeta and nu before the sigmoid
WEIGHTS = ("kernel", "recurrent_kernel", "recurrent_vector", "bias", TIE_SCALARS)
#: how they start: sigmoid(1) = 0.73 and sigmoid(-4) = 0.018, FastGRNN's own
TIE_START = (1.0, -4.0)


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
