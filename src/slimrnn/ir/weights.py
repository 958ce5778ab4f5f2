"""A recurrent layer's cell with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.data import Data, finite, frozen, one_of
from slimrnn.variants import ACTIVATIONS, CellSpec, Variant
from slimrnn.variants.activations import SIGMOID
from slimrnn.variants.gates import TIE_SCALARS

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class RecurrentWeights(Data):
    """A recurrent layer's cell and weights.

    Args:
        spec: what the cell computes, with the layer's own constants and without what is
            not there.
        weights: by name, packed and shaped as ``variant.shapes(m, n)`` says.

    Raises:
        InputError: weights of other names, types or shapes, numbers that are not
            finite, an unknown activation.
    """

    spec: CellSpec
    weights: Mapping[str, Array]

    def __post_init__(self) -> None:
        what = f"The cell of {self.variant.name}"
        for function in self.spec.functions:
            one_of(f"{what} has the activation", function.name, ACTIVATIONS)
        wanted = self.variant.shapes(1, 1)
        if set(self.weights) != set(wanted):
            raise InputError(
                f"{what} must have the weights {', '.join(wanted)}; received "
                f"{', '.join(map(str, self.weights)) or 'none'}."
            )
        kernel = frozen(what, "kernel", self.weights["kernel"], (None, None))
        shapes = self.variant.shapes(
            len(kernel), kernel.shape[1] // wanted["kernel"][1]
        )
        self._hold(
            weights={
                name: frozen(what, name, self.weights[name], shape)
                for name, shape in shapes.items()
            }
        )
        finite(what, list(self.variant.constants.values()))

    @property
    def variant(self) -> Variant:
        """The terms of each gate."""
        return self.spec.variant

    @property
    def tie(self) -> tuple[float, float] | None:
        """What scales and translates a tie, as numbers of float32; None: nothing."""
        if TIE_SCALARS not in self.weights:
            return None
        zeta, nu = map(float, SIGMOID.function(self.weights[TIE_SCALARS]))
        return zeta, nu

    @property
    def features(self) -> int:
        """M."""
        return self.weights["kernel"].shape[0]

    @property
    def units(self) -> int:
        """N."""
        return self.weights["kernel"].shape[1] // len(self.variant.blocks("kernel"))
