"""What a layer computes, before any tensor: a variant, its size, its functions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from slimrnn.activations import Activation
from slimrnn.variants import CANDIDATE, FAMILIES, Family, Variant

Gates = tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """A variant with its size and functions: all that is known before any tensor."""

    variant: Variant
    units: int
    activation: Activation
    recurrent_activation: Activation

    @property
    def family(self) -> Family:
        """The variant's family."""
        return FAMILIES[self.variant.family]

    @property
    def differentiable(self) -> bool:
        """Whether the slopes of both activations are known."""
        return None not in (self.activation.slope, self.recurrent_activation.slope)

    def used(self, gate: str) -> Activation:
        """The activation of a gate."""
        return self.activation if gate == CANDIDATE else self.recurrent_activation

    @cached_property
    def moving(self) -> Gates:
        """The gates that change from step to step."""
        return tuple(k for k, gate in self.variant.items() if not gate.is_static)

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
        """The gates with matrices, as their values are kept: together."""
        return tuple(g for g in (self.projected, self.recurrent) if g)

    @cached_property
    def light(self) -> Gates:
        """The moving gates without any matrix: cheaper to compute again than to keep.

        Keeping one costs the first touch of T * B * n floats besides their way to
        memory and back; a sigmoid of a pointwise product costs less.
        """
        heavy = {*self.projected, *self.recurrent}
        return tuple(k for k in self.moving if k not in heavy)

    @cached_property
    def after_reset(self) -> Gates:
        """The gates that read h behind the reset gate."""
        return (CANDIDATE,) if self.family.reset else ()

    @cached_property
    def summed(self) -> tuple[tuple[str, str], ...]:
        """(weight, gate) of the vectors whose gradients the backward loop adds up."""
        matrices = (*self.projected, *self.recurrent)
        vectors = self.variant.blocks("recurrent_vector")
        biases = self.variant.blocks("bias")
        return (
            *(("recurrent_vector", k) for k in vectors),
            *(("bias", k) for k in biases if k not in matrices),
        )

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """What the forward pass keeps of each step, by name.

        ``projected`` and ``recurrent``: the values of these gates side by side; then
        the states before the step. c is left out where the backward pass can do
        without: the forget gate is constant and h = g(c).
        """
        names = ["projected", *(["recurrent"] if self.recurrent else []), "h"]
        if "c" in self.family.states:
            constants = self.variant.constants
            if "f" not in constants or constants.get("o") != 1.0:
                names.append("c")
        return tuple(names)
