"""A layer in Keras's words, whatever it was read from: what all readers hand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.weights import RecurrentWeights

Array = np.ndarray

#: the kind of ``x[:, -1]``, an operation of Keras that is no layer
LAST = "GetItem"


#: the kinds that do the same with each number by itself
_OF_NUMBERS = ("Activation", "ReLU", "LeakyReLU", "ELU", "Formula")
#: the kinds whose activation comes last of all that they do
_WITH_FUNCTION = ("Dense", "Activation", "Conv1D", "Convolution1D")
#: activations of Keras with a parameter, as layers
_FUNCTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "leaky_relu": ("LeakyReLU", {"negative_slope": 0.2})
}


@dataclass(frozen=True)
class Described:
    """A layer, in the words of Keras 3.

    Attributes:
        kind: Keras's class; that of a cell for a ``keras.layers.RNN``.
        name: the layer's.
        settings: Keras's arguments; those left out have Keras's defaults. Activations
            are names, or layers.
        weights: in Keras's order.
        inner: the layers that a wrapper has: of TimeDistributed, of Bidirectional.
        cell: of a recurrent layer, where the reader knows it already.
        features: how many numbers the layer gets; None where that is not known.
        masks: whether it hands a mask on.
    """

    kind: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: Sequence[Array] = ()
    inner: tuple[Described, ...] = ()
    cell: RecurrentWeights | None = None
    features: int | None = None
    masks: bool = True

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"

    @property
    def is_of_numbers(self) -> bool:
        """Whether it does the same with each number by itself."""
        given = [self.get(key, 0) for key in ("scale", "offset")]
        alike = all(np.size(numbers) == 1 for numbers in given)
        return self.kind in _OF_NUMBERS or (self.kind == "Rescaling" and alike)

    def parts(self) -> tuple[Described, ...]:
        """The layer, and what its activation is where that is a layer of its own."""
        given = self.get("activation")
        if self.kind not in _WITH_FUNCTION:
            return (self,)
        if isinstance(given, str) and given in _FUNCTIONS:
            kind, settings = _FUNCTIONS[given]
            given = Described(kind, f"{self.name}_{given}", settings)
        if not isinstance(given, Described):
            return (self,)
        settings = {**self.settings, "activation": "linear"}
        return replace(self, settings=settings), given

    def get(self, setting: str, usual: Any = None) -> Any:
        """A setting, or Keras's default."""
        return self.settings.get(setting, usual)

    def arrays(self, *names: str) -> list[Array]:
        """The weights, which must be as many as the names."""
        if len(self.weights) != len(names):
            raise InputError(
                f"The layer {self} has {len(self.weights)} weights; expected "
                f"{len(names)}: {', '.join(names) or 'none'}."
            )
        return list(self.weights)

    @property
    def units(self) -> int:
        """Of a recurrent layer whose cell is known, the units."""
        assert self.cell is not None
        return self.cell.units

    def matrix(self) -> tuple[Array, Array | None]:
        """The kernel and, where it is used, the bias."""
        if not self.get("use_bias", True):
            return self.arrays("kernel")[0], None
        kernel, bias = self.arrays("kernel", "bias")
        return kernel, bias


def numbers(what: object, given: Any) -> Array:
    """The numbers of a setting as float32; Keras's files say arrays by a class."""
    if isinstance(given, Mapping):
        given = dict(given.get("config", {})).get("value")
    try:
        return np.asarray(given, "float32")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The layer {what} has {given!r} where numbers stand."
        ) from error
