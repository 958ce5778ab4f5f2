"""The loss of a regression whose targets have a scale of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="slimrnn")
class MeanStandardizedError(keras.losses.Loss):
    """``mean(((y - outputs) / scale)²)``: the squared error of standardized targets.

    Args:
        scale: the standard deviation of each target, (k,).
        options: of ``keras.losses.Loss``.

    Example:
        >>> loss = MeanStandardizedError([10.0])
        >>> float(loss([[30.0]], [[10.0]]))
        4.0
    """

    def __init__(
        self,
        scale: Sequence[float],
        name: str = "mean_standardized_error",
        **options: Any,
    ):
        super().__init__(name=name, **options)
        self.scale = [float(each) for each in scale]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The error of each sample, averaged over its targets."""
        y_pred = ops.convert_to_tensor(y_pred)
        difference = y_pred - ops.cast(y_true, y_pred.dtype)
        scale = ops.cast(ops.convert_to_tensor(self.scale), y_pred.dtype)
        return ops.mean(ops.square(difference / scale), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What makes the same loss again."""
        return {**super().get_config(), "scale": self.scale}
