"""The algebra: a recurrent cell as the terms of its gates.

Sizes: ``m`` features of the input, ``n`` units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from slimrnn.errors import InputError
from slimrnn.utils.checks import one_of
from slimrnn.variants.activations import ACTIVATIONS
from slimrnn.variants.equations import NOTATION, Style, applied, brief, equation
from slimrnn.variants.gates import (
    CANDIDATE,
    FAMILIES,
    TIE_SCALARS,
    TIE_START,
    WEIGHTS,
    Gate,
)

_OWN = ("candidate_activation", "state_activation")


MOST_LETTERS = 100  # of a name, which folders are called by


@dataclass(frozen=True, repr=False)
class Variant:
    """A recurrent cell as the terms of its gates.

    Args:
        name: how it is called.
        family: ``"lstm"``, ``"gru"``, ``"mgu"``, or ``"gru_after"``, ``"mgu_after"``
            with a gate n: see :meth:`with_reset_after`.
        gates: a :class:`Gate` for each gate of the family, by name (a mapping),
            or in the family's order (a sequence).
        source: where it was published.
        candidate_activation: the candidate's own, a key of
            ``slimrnn.variants.ACTIVATIONS``; None: the layer's activation, g.
        state_activation: likewise of c in ``h = o * g(c)``.

    Raises:
        InputError: an unknown family or activation, a missing or unknown gate, a cell
            input without the product with x, a tie that leads to no other gate, a
            shared gate or a state's activation in a family that has none.

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
    gates: Any  # a mapping or a sequence when given, then a tuple[Gate, ...]
    source: str = ""
    candidate_activation: str | None = None
    state_activation: str | None = None

    def __post_init__(self) -> None:
        fits = isinstance(self.name, str) and 0 < len(self.name) <= MOST_LETTERS
        if not fits or not self.name.isprintable():
            raise InputError(
                f"A variant's name must be a text of 1 to {MOST_LETTERS} printable "
                f"characters, received {self.name!r}."
            )
        one_of("a variant's family", self.family, FAMILIES)
        object.__setattr__(self, "gates", self._ordered(self.gates))
        if self[CANDIDATE].x != "full":
            raise InputError(
                f"The cell input {CANDIDATE} of {self.name} must have the product "
                f"with the input (x='full'), received {self[CANDIDATE]}."
            )
        self._check_traits()

    def _check_traits(self) -> None:
        """Refuse ties that lead nowhere, and what the family does not have."""
        family = FAMILIES[self.family]
        pair, with_c = family.pair, "c" in family.states
        if family.product:
            product, candidate = self[family.product], self[CANDIDATE]
            if product.x != "none" or product.h == "none" or candidate.h != "none":
                raise InputError(
                    f"{self.name} is of the family {self.family}, in which the gate "
                    f"{family.product} reads h and not x, and {CANDIDATE} not h; "
                    f"received {product} and {candidate}."
                )
        for name, gate in self.items():
            if gate.complement:
                others = [k for k in pair if k != name and name in pair]
                if gate.complement not in others or self[gate.complement].complement:
                    allowed = " and ".join(pair) or "none: the update gate mixes both"
                    raise InputError(
                        f"Gate {name} of {self.name} is tied to "
                        f"{gate.complement!r}; one gate can be the complement of the "
                        f"other, without a circle, of {allowed}."
                    )
            if gate.shared and (name == CANDIDATE or not with_c):
                raise InputError(
                    f"Gate {name} of {self.name} shares the candidate's sums; allowed "
                    f"in the family lstm, for other gates than {CANDIDATE}."
                )
        for what in _OWN:
            if (own := getattr(self, what)) is not None:
                one_of(f"the {what} of {self.name}", own, ACTIVATIONS)
        if self.state_activation is not None and not with_c:
            raise InputError(
                f"{self.name} is of the family {self.family}, which has no state c, "
                f"and so no state_activation; received {self.state_activation!r}."
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

    def __repr__(self) -> str:
        return f"<Variant {self.name}: {brief(self)}; {self.formula()} parameters>"

    def _repr_html_(self) -> str:
        from slimrnn.utils.markup import tag
        from slimrnn.variants.drawing import svg  # which knows variants

        about = f"{self.name}: {self.formula()} parameters"
        equations = tag("pre", "\n".join(self.equations()))
        return tag("div", tag("b", about), equations, svg(self))

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

    @property
    def tied(self) -> str:
        """The gate that is the complement of another one; empty for none."""
        return next((name for name, gate in self.items() if gate.complement), "")

    @property
    def shared(self) -> tuple[str, ...]:
        """The gates that use the candidate's sums."""
        return tuple(name for name, gate in self.items() if gate.shared)

    def blocks(self, weight: str) -> tuple[str, ...]:
        """The gates that have a block of this weight, in the order of packing."""
        return self._blocks.get(weight, ())

    @cached_property
    def _blocks(self) -> dict[str, tuple[str, ...]]:
        return {
            weight: tuple(name for name, gate in self.items() if weight in gate.terms)
            for weight in WEIGHTS
        }

    def shapes(self, features: int, units: int) -> dict[str, tuple[int, ...]]:
        """The shape of each weight that the variant has, by name.

        The blocks of its gates lie side by side along the last axis.
        """
        leading = {"kernel": (features,), "recurrent_kernel": (units,)}
        width = dict.fromkeys(WEIGHTS, units) | {TIE_SCALARS: len(TIE_START)}
        return {
            weight: (*leading.get(weight, ()), len(self.blocks(weight)) * width[weight])
            for weight in WEIGHTS
            if self.blocks(weight)
        }

    def split(self, weights: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Each gate's blocks of packed weights, as views: gate -> weight -> array.

        Args:
            weights: NumPy arrays by name, shaped as :meth:`shapes` says.

        Example:
            >>> import numpy as np
            >>> from slimrnn import get
            >>> blocks = get("LSTM5a").split({"bias": np.arange(4.0)})
            >>> blocks["i"], blocks["f"], blocks["c"]
            ({'bias': array([0., 1.])}, {}, {'bias': array([2., 3.])})
        """
        import numpy as np  # here: the table does without it

        blocks: dict[str, dict[str, Any]] = {name: {} for name, _ in self.items()}
        for weight, packed in weights.items():
            gates = self.blocks(weight)
            parts = np.split(packed, len(gates), axis=-1)
            for gate, block in zip(gates, parts, strict=True):
                blocks[gate][weight] = block
        return blocks

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
            (counts[TIE_SCALARS] * len(TIE_START), ""),
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
        one_of("style", style, NOTATION)
        family = FAMILIES[self.family]
        return [
            *(
                equation(
                    name,
                    replace(self[CANDIDATE], bias=gate.bias) if gate.shared else gate,
                    style,
                    of=CANDIDATE if gate.shared else name,
                    function=self._function(name),
                    resets=family if name == CANDIDATE else None,
                )
                for name, gate in self.items()
            ),
            *(applied(line, self.state_activation) for line in getattr(family, style)),
        ]

    def _function(self, gate: str) -> str:
        """How an equation calls the activation of a gate."""
        if gate == CANDIDATE:
            return self.candidate_activation or "g"
        return "linear" if gate == FAMILIES[self.family].product else "s"

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
        fixed = {name: Gate(constant=value) for name, value in constants.items()}
        return self._with(fixed)

    def folded(self) -> Variant:
        """The same variant with the constant that a tie to a constant gate is."""
        tie = self[self.tied] if self.tied else None
        if not tie or tie.scaled or self[tie.complement].constant is None:
            return self
        value = tie.tied(self[tie.complement].constant)
        return self._with({self.tied: Gate(constant=value)})

    def with_reset_after(self) -> Variant:
        """The same variant with ``r ⊙ (U h + b)`` in its candidate, not ``U (r ⊙ h)``.

        It is what ``reset_after=True`` computes in Keras's GRU.

        Raises:
            InputError: a family without a reset gate, or a candidate without h.

        Example:
            >>> from slimrnn import get
            >>> for line in get("GRU3").with_reset_after().equations()[2:4]:
            ...     print(line)
            c̃ₜ = g(W_c xₜ + rₜ ⊙ nₜ + b_c)
            nₜ = U_n hₜ₋₁ + b_n
        """
        if FAMILIES[self.family].product:
            return self
        candidate, after = self[CANDIDATE], f"{self.family}_after"
        if after not in FAMILIES or candidate.h == "none":
            raise InputError(
                f"reset_after=True asks for a reset gate, and an h in the candidate; "
                f"{self.name} has none."
            )
        gates = {
            **dict(self.items()),
            CANDIDATE: replace(candidate, h="none"),
            FAMILIES[after].product: Gate(h=candidate.h, bias=candidate.bias),
        }
        return replace(self, family=after, gates=gates)

    def with_biases(self, gates: Iterable[str]) -> Variant:
        """The same variant with a bias alone in these gates: s(b), n numbers each."""
        return self._with({gate: Gate(bias=True) for gate in gates})

    def _with(self, gates: Mapping[str, Gate]) -> Variant:
        """The same variant with these gates in place of its own."""
        return replace(self, gates={**dict(self.items()), **gates}) if gates else self

    def without_bias(self) -> Variant:
        """The same variant with no bias in any gate (Keras's ``use_bias=False``).

        Raises:
            InputError: a gate consists of its bias alone.
        """
        for name, gate in self.items():
            if gate.terms == ("bias",):
                raise InputError(
                    f"use_bias=False leaves nothing of gate {name} of {self.name}, "
                    f"which {'shares its sums' if gate.shared else 'is s(b)'}; keep "
                    f"use_bias=True or use a variant with constant gates."
                )
        gates = tuple(replace(gate, bias=False) for gate in self.gates)
        return replace(self, gates=gates)

    def get_config(self) -> dict[str, Any]:
        """A plain description, from which :meth:`from_config` rebuilds it."""
        return {
            "name": self.name,
            "family": self.family,
            "gates": {name: asdict(gate) for name, gate in self.items()},
            "source": self.source,
            **{k: getattr(self, k) for k in _OWN if getattr(self, k) is not None},
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Variant:
        """The variant that :meth:`get_config` described."""
        try:
            gates = {name: Gate(**gate) for name, gate in config["gates"].items()}
            own = {k: config.get(k) for k in _OWN}
            return cls(config["name"], config["family"], gates, config["source"], **own)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"Not the description of a variant: {config!r} ({error}); expected "
                f"what Variant.get_config() returns."
            ) from error
