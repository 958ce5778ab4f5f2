"""The gate algebra: what a gate, a family and a variant are.

Sizes: ``m`` features of the input, ``n`` units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from slimrnn.equations import NOTATION, Style, equation
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
        _one_of("a gate's x", self.x, ("full", "none"))
        _one_of("a gate's h", self.h, ("full", "pointwise", "none"))
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
            reset="f",
            update="f",
            unicode=("hₜ = (1 - fₜ) ⊙ hₜ₋₁ + fₜ ⊙ c̃ₜ",),
            latex=(r"h_t = (1 - f_t) \odot h_{t-1} + f_t \odot \tilde c_t",),
        ),
    )
}

WEIGHTS = ("kernel", "recurrent_kernel", "recurrent_vector", "bias")


@dataclass(frozen=True)
class Variant:
    """One row: a recurrent cell as the terms of its gates.

    Args:
        name: how it is called.
        family: ``"lstm"``, ``"gru"`` or ``"mgu"``.
        gates: a :class:`Gate` for each gate of the family, by name (a mapping),
            or in the family's order (a sequence).
        source: where it was published.

    Raises:
        InputError: an unknown family, a missing or unknown gate, a cell input
            without the product with x.

    Example:
        >>> mine = Variant("Mine", "lstm", {
        ...     "i": Gate(h="pointwise"), "f": Gate(constant=0.9),
        ...     "c": Gate(x="full", h="pointwise"), "o": Gate(constant=1.0)})
        >>> mine.parameters(features=32, units=100)
        3400
        >>> mine.shapes(features=32, units=100)["recurrent_vector"]
        (200,)
    """

    name: str
    family: str
    gates: tuple[Gate, ...]
    source: str = ""

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name:
            raise InputError(
                f"A variant's name must be a text, received {self.name!r}."
            )
        _one_of("a variant's family", self.family, tuple(FAMILIES))
        object.__setattr__(self, "gates", self._ordered(self.gates))
        if self[CANDIDATE].x != "full":
            raise InputError(
                f"The cell input {CANDIDATE} of {self.name} must have the product "
                f"with the input (x='full'), received {self[CANDIDATE]}."
            )

    def _ordered(self, gates) -> tuple[Gate, ...]:
        names = FAMILIES[self.family].gates
        if not isinstance(gates, Mapping):
            gates = tuple(gates)
            if len(gates) != len(names):
                raise InputError(
                    f"{self.name} is of the family {self.family} and needs the gates "
                    f"{', '.join(names)}; received {len(gates)} gates."
                )
            gates = dict(zip(names, gates, strict=True))
        if set(gates) != set(names):
            raise InputError(
                f"{self.name} is of the family {self.family} and needs exactly the "
                f"gates {', '.join(names)}; received {', '.join(map(str, gates))}."
            )
        for key, gate in gates.items():
            if not isinstance(gate, Gate):
                raise InputError(
                    f"Gate {key} of {self.name} must be a slimrnn.Gate, received "
                    f"{gate!r}."
                )
        return tuple(gates[key] for key in names)

    def __getitem__(self, gate: str) -> Gate:
        return self.gates[FAMILIES[self.family].gates.index(gate)]

    def items(self) -> Iterable[tuple[str, Gate]]:
        """Pairs of gate name and gate, in the order of packing."""
        return zip(FAMILIES[self.family].gates, self.gates, strict=True)

    @property
    def constants(self) -> dict[str, float]:
        """The constant gates and their values."""
        return {
            name: gate.constant
            for name, gate in self.items()
            if gate.constant is not None
        }

    def blocks(self, weight: str) -> tuple[str, ...]:
        """The gates that have a block of this weight, in the order of packing."""
        return tuple(name for name, gate in self.items() if weight in gate.terms)

    def shapes(self, features: int, units: int) -> dict[str, tuple[int, ...]]:
        """The shape of each weight that the variant has, by name.

        The blocks of its gates lie side by side along the last axis.
        """
        leading = {"kernel": (features,), "recurrent_kernel": (units,)}
        return {
            weight: (*leading.get(weight, ()), len(self.blocks(weight)) * units)
            for weight in WEIGHTS
            if self.blocks(weight)
        }

    def parameters(self, features: int, units: int) -> int:
        """The number of trainable parameters of a layer."""
        return sum(math.prod(s) for s in self.shapes(features, units).values())

    def formula(self) -> str:
        """The number of parameters as a formula in m and n.

        Example:
            >>> from slimrnn import get
            >>> get("LSTM4a").formula()
            'mn + n² + 2n'
        """
        counts = {weight: len(self.blocks(weight)) for weight in WEIGHTS}
        terms = (
            (counts["kernel"], "mn"),
            (counts["recurrent_kernel"], "n²"),
            (counts["recurrent_vector"] + counts["bias"], "n"),
        )
        return " + ".join(f"{k if k > 1 else ''}{term}" for k, term in terms if k)

    def equations(self, style: Style = "unicode") -> list[str]:
        """The equations of one step, one text each.

        Args:
            style: ``"unicode"`` or ``"latex"``.

        Example:
            >>> from slimrnn import get
            >>> for line in get("LSTM4a").equations():
            ...     print(line)
            iₜ = σ(u_i ⊙ hₜ₋₁)
            fₜ = 0.96
            c̃ₜ = g(W_c xₜ + U_c hₜ₋₁ + b_c)
            oₜ = 1
            cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ c̃ₜ
            hₜ = oₜ ⊙ g(cₜ)
        """
        _one_of("style", style, tuple(NOTATION))
        family = FAMILIES[self.family]
        return [
            *(
                equation(
                    name,
                    gate,
                    style,
                    is_candidate=name == CANDIDATE,
                    reset=family.reset if name == CANDIDATE else "",
                )
                for name, gate in self.items()
            ),
            *getattr(family, style),
        ]

    def with_constants(self, constants: Mapping[str, float] | None) -> Variant:
        """The same variant with other values for its constant gates.

        Raises:
            InputError: a gate that is not constant in this variant.
        """
        if not constants:
            return self
        if not isinstance(constants, Mapping):
            raise InputError(
                f"gate_constants must be a mapping of gate to number, such as "
                f'{{"f": 0.59}}; received {constants!r}.'
            )
        for name in constants:
            if name not in self.constants:
                allowed = ", ".join(self.constants) or "none: it has no constant gate"
                raise InputError(
                    f"gate_constants names {name!r}, which is not a constant gate of "
                    f"{self.name}; allowed: {allowed}."
                )
        return replace(
            self,
            gates={
                name: Gate(constant=constants[name]) if name in constants else gate
                for name, gate in self.items()
            },
        )

    def without_bias(self) -> Variant:
        """The same variant with no bias in any gate (Keras's ``use_bias=False``).

        Raises:
            InputError: a gate consists of its bias alone.
        """
        for name, gate in self.items():
            if gate.terms == ("bias",):
                raise InputError(
                    f"use_bias=False leaves nothing of gate {name} of {self.name}, "
                    f"which is s(b); keep use_bias=True or use a variant with "
                    f"constant gates."
                )
        gates = {name: replace(gate, bias=False) for name, gate in self.items()}
        return replace(self, gates=gates)

    def get_config(self) -> dict[str, Any]:
        """A plain description, from which :meth:`from_config` rebuilds it."""
        return {
            "name": self.name,
            "family": self.family,
            "gates": {name: asdict(gate) for name, gate in self.items()},
            "source": self.source,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Variant:
        """The variant that :meth:`get_config` described."""
        try:
            gates = {name: Gate(**gate) for name, gate in config["gates"].items()}
            return cls(config["name"], config["family"], gates, config["source"])
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"Not the description of a variant: {config!r} ({error}); expected "
                f"what Variant.get_config() returns."
            ) from error


def _one_of(what: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(
            f"{what[0].upper()}{what[1:]} must be one of {', '.join(allowed)}; "
            f"received {value!r}."
        )


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
