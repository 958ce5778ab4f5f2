"""What all kinds of layers have; :mod:`slimrnn.ir.layers` lists the kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slimrnn.ir.data import Data, arrays
from slimrnn.utils import checks
from slimrnn.variants import ACTIVATIONS as CELL_ACTIVATIONS
from slimrnn.variants.activations import OF_LAYERS

if TYPE_CHECKING:
    from slimrnn.ir.over_time import Recurrent

Array = np.ndarray

#: in the order of slimrnn.h
ACTIVATIONS = (*CELL_ACTIVATIONS, "softmax", *OF_LAYERS)


@dataclass(frozen=True, eq=False, repr=False)
class Layer(Data):
    """What all kinds of layers have."""

    name: str

    def __str__(self) -> str:
        return f"{self.name} ({type(self).__name__})"

    def __repr__(self) -> str:
        sizes = f"{self.inputs} to {self.outputs}, {self.parameters:,} parameters"
        return f"<{self.kind} {self.name}: {sizes}>"

    @property
    def kind(self) -> str:
        """What it is called: the variants of a recurrent layer, or its class."""
        variants = [each.cell.variant.name for each in self.recurrent()]
        return ", ".join(variants) or type(self).__name__

    @property
    def inputs(self) -> int:
        """M."""
        raise NotImplementedError

    @property
    def outputs(self) -> int:
        """n; as many as it gets, where a kind does not say."""
        return self.inputs

    @property
    def parameters(self) -> int:
        """How many numbers it holds."""
        return sum(array.size for array in arrays(self))

    @property
    def makes_mask(self) -> bool:
        """Whether it masks steps."""
        return False

    @property
    def turns(self) -> bool:
        """Whether its outputs stand in the opposite order of its inputs."""
        return False

    @property
    def takes_steps(self) -> bool:
        """Whether it looks at more than one step."""
        return bool(self.recurrent())

    @property
    def return_sequences(self) -> bool:
        """Whether it gives an output for each step, where it gets one."""
        return True

    def gives_steps(self, gets_steps: bool) -> bool:
        """Whether it gives a sequence, from whether it gets one."""
        return gets_steps and self.return_sequences

    @property
    def gives_each(self) -> bool:
        """Whether a step into it is a step out of it."""
        return True

    def steps_of(self, steps: int) -> int:
        """How many steps come out of so many."""
        return steps

    @property
    def why_no_step(self) -> str:
        """Why it cannot go one step at a time; empty where it can."""
        return ""

    def recurrent(self) -> tuple[Recurrent, ...]:
        """The recurrent layers in it: itself, or those of both directions."""
        return ()


@dataclass(frozen=True, eq=False, repr=False)
class AsWide(Layer):
    """A layer of ``width`` numbers, in and out."""

    width: int

    def __post_init__(self) -> None:
        checks.whole(f"width of {self}", self.width, least=1)

    @property
    def inputs(self) -> int:
        return self.width
