"""What a recurrent cell computes, before any weight: the one specification of it.

The engines, the IR, the exporters and the C library hold it; sizes are not a part of
it, since the weights have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from slimrnn.variants.activations import ACTIVATIONS, LINEAR, SIGMOID, TANH, Activation
from slimrnn.variants.gates import CANDIDATE, FAMILIES, TIE_SCALARS, Family
from slimrnn.variants.variant import Variant

Gates = tuple[str, ...]


@dataclass(frozen=True)
class CellSpec:
    """A variant with its functions.

    Args:
        variant: the terms of each gate; held with its ties to constants as constants.
        activation: g, of the candidate and of c where they have none of their own.
        recurrent_activation: s, of the gates.

    Example:
        >>> from slimrnn import get
        >>> CellSpec(get("LSTM5a")).saved
        ('projected', 'h')
    """

    variant: Variant
    activation: Activation = TANH
    recurrent_activation: Activation = SIGMOID

    def __post_init__(self) -> None:
        object.__setattr__(self, "variant", self.variant.folded())

    @property
    def family(self) -> Family:
        """The variant's family."""
        return FAMILIES[self.variant.family]

    @property
    def differentiable(self) -> bool:
        """Whether the slopes of all activations are known."""
        return all(function.slope is not None for function in self.functions)

    @property
    def functions(self) -> tuple[Activation, ...]:
        """The activations: of the candidate, of the gates, of the state."""
        return (self.used(CANDIDATE), self.recurrent_activation, self.of_state)

    def used(self, gate: str) -> Activation:
        """The activation of a gate."""
        if gate == self.family.product:
            return LINEAR
        if gate != CANDIDATE:
            return self.recurrent_activation
        return self._or_own(self.variant.candidate_activation)

    @property
    def of_state(self) -> Activation:
        """The activation of c in ``h = o * g(c)``."""
        return self._or_own(self.variant.state_activation)

    def _or_own(self, name: str | None) -> Activation:
        return self.activation if name is None else ACTIVATIONS[name]

    @cached_property
    def time_varying(self) -> Gates:
        """The gates that change from step to step."""
        return tuple(
            k
            for k, gate in self.variant.items()
            if not gate.is_static and not gate.complement
        )

    @cached_property
    def projected(self) -> Gates:
        """The gates with a product with x."""
        return self.variant.blocks("kernel")

    @cached_property
    def recurrent(self) -> Gates:
        """The gates with a recurrent matrix and no product with x."""
        full = self.variant.blocks("recurrent_kernel")
        return tuple(k for k in full if k not in self.projected)

    @property
    def groups(self) -> tuple[Gates, ...]:
        """The gates with matrices, as their values are saved: together."""
        return tuple(g for g in (self.projected, self.recurrent) if g)

    @cached_property
    def reads_h(self) -> bool:
        """Whether a gate reads h; without, all steps can be computed at once."""
        return any(gate.h != "none" for _, gate in self.variant.items())

    @cached_property
    def vector_only(self) -> Gates:
        """The time-varying gates without a matrix: cheaper computed again than saved.

        Saving one costs the first touch of T * B * n floats besides their way to
        memory and back; a sigmoid of a pointwise product costs less.
        """
        others = {*self.projected, *self.recurrent, *self.variant.shared}
        return tuple(k for k in self.time_varying if k not in others)

    @cached_property
    def after_reset(self) -> Gates:
        """The gates that read h after the reset gate."""
        return (CANDIDATE,) if self.family.reset and not self.family.product else ()

    @cached_property
    def summed(self) -> tuple[tuple[str, str], ...]:
        """(weight, gate) of the vectors whose gradients the backward loop adds up.

        A scaled tie has two: ``zeta`` and ``nu``, for each unit still.
        """
        others = {*self.projected, *self.recurrent}
        if self.variant.shared:  # then its sums are not its own
            others.remove(CANDIDATE)
        vectors = self.variant.blocks("recurrent_vector")
        biases = self.variant.blocks("bias")
        return (
            *(("recurrent_vector", k) for k in vectors),
            *(("bias", k) for k in biases if k not in others),
            *((w, k) for k in self.variant.blocks(TIE_SCALARS) for w in ("zeta", "nu")),
        )

    @cached_property
    def saved(self) -> tuple[str, ...]:
        """What the forward pass saves of each step for the backward pass, by name.

        ``projected`` and ``recurrent``: the values of these gates side by side; then
        the states before the step. c is left out where the backward pass can do
        without: the forget gate is constant and h = g(c). ``shared``: as ``projected``.
        """
        names = ["projected", *(["recurrent"] if self.recurrent else []), "h"]
        names += ["shared"] if self.variant.shared else []
        if self.family.rule == "accumulate":
            constants = self.variant.constants
            if "f" not in constants or constants.get("o") != 1.0:
                names.append("c")
        return tuple(names)
