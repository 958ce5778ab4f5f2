"""The original's layout of an LSTM's weights: one array, one start, for all gates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from slimrnn.engines.ops import join
from slimrnn.layers.cells import SlimLSTMCell


@keras.saving.register_keras_serializable(package="slimrnn")
class PackedCell(SlimLSTMCell):
    """One step of a slim LSTM with its weights packed as the original packs them.

    `recurrent_kernel` holds, for the gates i, f, c, o in this order, n columns of a
    gate with a recurrent matrix, one column of a gate with a pointwise vector, and
    none of the others; `kernel` and `bias` hold the blocks of those gates that have
    them. One initialiser fills each array.

    Arguments, shapes and errors are those of `slimrnn.SlimLSTMCell`.

    Example:
        >>> cell = PackedCell(4, "LSTM5a")
        >>> cell.build((None, 3))
        >>> [tuple(weight.shape) for weight in cell.weights]
        [(3, 4), (4, 5), (8,)]
    """

    def _shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        shapes = super()._shapes(features)
        width = max(place.stop for place in self._places().values())
        shapes["recurrent_kernel"] = (self.units, width)
        order = ("kernel", "recurrent_kernel", "bias")
        return {name: shapes[name] for name in order if name in shapes}

    def _places(self) -> dict[str, slice]:
        """Each gate's columns in the packed recurrent kernel."""
        widths = {"full": self.units, "pointwise": 1, "none": 0}
        places, start = {}, 0
        for name, gate in self.spec.variant.items():
            stop = start + widths[gate.h]
            places[name] = slice(start, stop)
            start = stop
        return places

    def _initializer(self, weight: str) -> Callable:
        if weight == "bias" and self.unit_forget_bias:
            return super()._initializer(weight)
        word = weight.removesuffix("_kernel")
        return getattr(self, f"{word}_initializer")

    def packed_weights(self) -> dict[str, Any]:
        """The weights as the engines take them: matrices and vectors apart."""
        given = super().packed_weights()
        packed = given.pop("recurrent_kernel")
        places, row = self._places(), self.spec.variant
        matrices, vectors = (
            [packed[:, places[gate]] for gate in row.blocks(weight)]
            for weight in ("recurrent_kernel", "recurrent_vector")
        )
        if matrices:
            given["recurrent_kernel"] = join(matrices)
        if vectors:
            given["recurrent_vector"] = ops.reshape(ops.transpose(join(vectors)), (-1,))
        return given
