"""The activations whose slope the engines know.

Each of them has a slope that can be told from its output alone, so that a backward
pass needs no pre-activation. Other activations work too, by the framework's own
differentiation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="slimrnn")
def hard_sigmoid_keras2(x):
    """Keras 2's hard sigmoid: ``clip(0.2 x + 0.5, 0, 1)``.

    Keras 3's is ``clip(x / 6 + 0.5, 0, 1)``; the original slim layers were published
    with this one.

    Example:
        >>> float(hard_sigmoid_keras2(1.0))
        0.699999988079071
    """
    return ops.clip(0.2 * ops.convert_to_tensor(x) + 0.5, 0.0, 1.0)


@dataclass(frozen=True)
class Activation:
    """A function, and its slope as a function of its output ``y``."""

    name: str
    function: Callable[[Any], Any]
    slope: Any  # a callable, or None where it is not known


def _inside(y, slope):
    """``slope`` where 0 < y < 1, else 0."""
    return slope * ops.cast(ops.logical_and(y > 0, y < 1), y.dtype)


def _sigmoid(x):
    # XLA computes tanh as a rational function, and a sigmoid with exp and a division.
    is_torch = keras.backend.backend() == "torch"
    return ops.sigmoid(x) if is_torch else 0.5 * ops.tanh(0.5 * x) + 0.5


KNOWN = {
    keras.activations.tanh: Activation("tanh", ops.tanh, lambda y: 1 - y * y),
    keras.activations.sigmoid: Activation("sigmoid", _sigmoid, lambda y: y * (1 - y)),
    keras.activations.relu: Activation(
        "relu", ops.relu, lambda y: ops.cast(y > 0, y.dtype)
    ),
    keras.activations.linear: Activation(
        "linear", lambda x: x, lambda y: ops.ones_like(y)
    ),
    keras.activations.hard_sigmoid: Activation(
        "hard_sigmoid", ops.hard_sigmoid, lambda y: _inside(y, 1 / 6)
    ),
    hard_sigmoid_keras2: Activation(
        "hard_sigmoid_keras2", hard_sigmoid_keras2, lambda y: _inside(y, 0.2)
    ),
}


def describe(function: Callable) -> Activation:
    """The activation's description; its slope is None where it is not known."""
    name = getattr(function, "__name__", str(function))
    return KNOWN.get(function) or Activation(name, function, None)
