"""Losses of regressions: targets with a scale of their own, and sound."""

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


@keras.saving.register_keras_serializable(package="slimrnn")
class ErrorToSignalRatio(keras.losses.Loss):
    """The error-to-signal ratio of sound, with pre-emphasis, and its DC term.

    ``sum(p(y - outputs)²) / sum(p(y)²) + dc * mean(y - outputs)² / mean(y²)``, where
    the filter ``p(s)[t] = s[t] - pre_emphasis * s[t - 1]`` weighs high frequencies
    more, and the mean of an error is that over a sequence's time. The sums are over a
    batch: one quiet sequence in it is no division by zero (Wright, Damskägg, Juvela and
    Välimäki, Applied Sciences 10(3), 2020; Wright and Välimäki, arXiv 1911.08922).

    Args:
        pre_emphasis: the filter's coefficient: 0.95, 0.85 in 1911.08922, 0 for none.
        dc: weight of the second term.
        epsilon: added to both energies, so that silence has a gradient too.
        options: of ``keras.losses.Loss``.

    Call:
        y_true, y_pred: (B, T) or (B, T, k). sample_weight: (B,), (B, T) or (B, T, 1);
        steps of weight 0, such as a burn-in, count neither as error nor as signal.

    Example:
        >>> import numpy as np
        >>> y = np.array([[[1.0], [-1.0], [1.0], [-1.0]]])
        >>> round(float(ErrorToSignalRatio()(y, 0.9 * y)), 6)
        0.01
    """

    def __init__(
        self,
        pre_emphasis: float = 0.95,
        dc: float = 1.0,
        epsilon: float = 1e-8,
        name: str = "error_to_signal_ratio",
        **options: Any,
    ):
        super().__init__(name=name, **options)
        self.pre_emphasis, self.dc, self.epsilon = pre_emphasis, dc, epsilon

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The ratio of the batch; Keras would weigh means, which a ratio is not."""
        y, error, weight = _signals(y_true, y_pred, sample_weight, self.dtype)
        wrong, signal = energies(y, error, weight, self.pre_emphasis)
        count = ops.sum(weight)
        steps = ops.maximum(ops.sum(weight, axis=1), self.epsilon)
        offset = ops.sum(weight * error, axis=1) / steps
        power = ops.sum(weight * ops.square(y)) / ops.maximum(count, self.epsilon)
        ratio = wrong / (signal + self.epsilon * (1 + count))
        dc = ops.mean(ops.square(offset)) / (power + self.epsilon)
        return ratio + self.dc * dc

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The ratio of the batch, all steps of it."""
        return self(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """What makes the same loss again."""
        own = {name: getattr(self, name) for name in ("pre_emphasis", "dc", "epsilon")}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="slimrnn")
class ErrorToSignalRatioMetric(keras.metrics.Metric):
    """``sum(p(y - outputs)²) / sum(p(y)²)`` over all batches, as the loss has it.

    Args:
        pre_emphasis: the filter's coefficient.
        options: of ``keras.metrics.Metric``.
    """

    def __init__(self, pre_emphasis: float = 0.95, name: str = "esr", **options: Any):
        super().__init__(name=name, **options)
        self.pre_emphasis = pre_emphasis
        self.wrong = self.add_weight(name="wrong", initializer="zeros")
        self.signal = self.add_weight(name="signal", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch's energies."""
        found = _signals(y_true, y_pred, sample_weight, self.dtype)
        wrong, signal = energies(*found, self.pre_emphasis)
        self.wrong.assign_add(wrong)
        self.signal.assign_add(signal)

    def result(self) -> Any:
        """The ratio so far; 0 before anything was seen."""
        return self.wrong / ops.maximum(self.signal, keras.config.epsilon() ** 2)

    def get_config(self) -> dict[str, Any]:
        """What makes the same metric again."""
        return {**super().get_config(), "pre_emphasis": self.pre_emphasis}


def energies(y: Any, error: Any, weight: Any, coefficient: float) -> tuple[Any, Any]:
    """The energies of error and signal behind the pre-emphasis.

    Args:
        y: (B, T, k) the signal.
        error: (B, T, k) how far the outputs are from it.
        weight: (B, T, k) of each number.
        coefficient: of the filter.
    """

    def energy(signal: Any) -> Any:
        later = signal[:, 1:] - coefficient * signal[:, :-1]
        filtered = ops.concatenate([signal[:, :1], later], axis=1)
        return ops.sum(weight * ops.square(filtered))

    return energy(error), energy(y)


def _signals(y_true: Any, y_pred: Any, given: Any, dtype: Any) -> tuple[Any, Any, Any]:
    """(B, T, k) the signal, the error, and the weight of each number."""
    mask = getattr(y_pred, "_keras_mask", None)
    y, outputs = (ops.convert_to_tensor(x, dtype=dtype) for x in (y_true, y_pred))
    if len(outputs.shape) < 3:
        outputs = ops.expand_dims(outputs, -1)
    y = ops.reshape(y, ops.shape(outputs))
    weight = ops.ones_like(outputs)
    for each in (given, mask):
        if each is not None:
            each = ops.convert_to_tensor(each, dtype=dtype)
            while len(each.shape) < 3:
                each = ops.expand_dims(each, -1)
            weight = weight * each
    return y, y - outputs, weight
