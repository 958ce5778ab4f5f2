"""A layer in Keras's words, whatever it was read from: what all readers hand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.weights import RecurrentWeights

Array = np.ndarray

#: the kind of ``x[:, -1]``, an operation of Keras that is no layer
LAST = "GetItem"


@dataclass(frozen=True)
class Described:
    """A layer, in the words of Keras 3.

    Attributes:
        kind: Keras's class; that of a cell for a ``keras.layers.RNN``.
        name: the layer's.
        settings: Keras's arguments; those left out have Keras's defaults. Activations
            are names.
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
