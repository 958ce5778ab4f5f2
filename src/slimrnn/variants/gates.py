"""What a gate and a family of cells are.

Sizes: ``m`` features of the input, ``n`` units.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any, Literal

from slimrnn.errors import InputError

InputTerm = Literal["full", "none"]
RecurrentTerm = Literal["full", "pointwise", "none"]


@dataclass(frozen=True)
class Gate:
    """The terms of one gate, or its constant.

    A gate computes ``s(W x + U h + b)`` with the terms that it has; ``s`` is
    the recurrent activation (the activation ``g`` for the candidate).

    Args:
        x: ``"full"``: the product ``W x`` with an (m, n) matrix; ``"none"``.
        h: ``"full"``: the product ``U h`` with an (n, n) matrix;
            ``"pointwise"``: ``u * h`` with an (n,) vector; ``"none"``.
        bias: whether there is an (n,) bias.
        constant: the gate's fixed value; then it can have no terms.

    Raises:
        InputError: a term is not one of those above, the constant is not a
            finite number, a constant gate has terms, or there is neither.

    Example:
        >>> Gate(h="pointwise", bias=True).terms
        ('recurrent_vector', 'bias')
    """

    x: InputTerm = "none"
    h: RecurrentTerm = "none"
    bias: bool = False
    constant: float | None = None

    def __post_init__(self):
        one_of("a gate's x", self.x, ("full", "none"))
        one_of("a gate's h", self.h, ("full", "pointwise", "none"))
        if not isinstance(self.bias, bool):
            raise InputError(
                f"A gate's bias must be True or False, received {self.bias!r}."
            )
        if self.constant is None:
            if not self.terms:
                raise InputError(
                    "A gate needs at least one term (x, h or bias) or a constant; "
                    "received none of them."
                )
            return
        if not _is_finite(self.constant):
            raise InputError(
                f"A gate's constant must be a finite number, received "
                f"{self.constant!r}."
            )
        if self.terms:
            raise InputError(
                f"A gate is a constant or has terms, not both; received the constant "
                f"{self.constant} together with {', '.join(self.terms)}."
            )
        object.__setattr__(self, "constant", float(self.constant))

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of the weights that this gate has a share of."""
        present = {
            "kernel": self.x == "full",
            "recurrent_kernel": self.h == "full",
            "recurrent_vector": self.h == "pointwise",
            "bias": self.bias,
        }
        return tuple(name for name, there in present.items() if there)

    @property
    def is_static(self) -> bool:
        """Whether the gate is the same at each step: a constant, or s(b)."""
        return self.x == self.h == "none"


@dataclass(frozen=True)
class Family:
    """How gates become the next state: what the rows of a family share.

    Args:
        name: ``"lstm"``, ``"gru"`` or ``"mgu"``.
        gates: the gates' names in the order in which weights are packed; the
            one called :data:`CANDIDATE` is the cell input.
        states: the names of the states; the first one is the output.
        rule: how the candidate enters the state: ``"accumulate"``: the gates i and f
            add it to a cell state c, and o gives h; ``"mix"``: one gate, ``update``,
            weighs the old h and the candidate.
        reset: the gate that multiplies h in the candidate's recurrent term.
        update: the gate that mixes h with the candidate.
        keeps: whether the update gate weighs the old h (Keras's GRU) or the
            candidate (the MGU's paper).
        forget: the gate whose bias starts at 1.
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
    update: str = ""
    keeps: bool = False
    forget: str = ""


CANDIDATE = "c"

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "lstm",
            gates=("i", "f", "c", "o"),
            states=("h", "c"),
            rule="accumulate",
            forget="f",
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
}

WEIGHTS = ("kernel", "recurrent_kernel", "recurrent_vector", "bias")


def one_of(what: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Refuse a value that is not one of those allowed."""
    if value not in allowed:
        raise InputError(
            f"{what[0].upper()}{what[1:]} must be one of {', '.join(allowed)}; "
            f"received {value!r}."
        )


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
