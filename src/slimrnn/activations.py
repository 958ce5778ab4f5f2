"""The activations as Keras's functions.

Their facts are in ``slimrnn.variants.activations``. Other functions work too, by the
framework's own differentiation.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops

from slimrnn.variants.activations import ACTIVATIONS, HARD_SIGMOIDS, Activation
from slimrnn.variants.activations import OF_LAYERS as _OF_LAYERS


@keras.saving.register_keras_serializable(package="slimrnn")
def hard_sigmoid_keras2(x):
    """Keras 2's hard sigmoid: ``clip(0.2 x + 0.5, 0, 1)``.

    Keras 3's is ``clip(x / 6 + 0.5, 0, 1)``; the original slim layers were published
    with this one.

    Example:
        >>> float(hard_sigmoid_keras2(1.0))
        0.699999988079071
    """
    x = ops.convert_to_tensor(x)
    return ops.clip(HARD_SIGMOIDS["hard_sigmoid_keras2"] * x + 0.5, 0.0, 1.0)


@keras.saving.register_keras_serializable(package="slimrnn")
def gelu_tanh(x):
    """GELU by its approximation; ``keras.activations.gelu`` is the function itself.

    Example:
        >>> float(gelu_tanh(1.0))
        0.8411920070648193
    """
    return keras.activations.gelu(x, approximate=True)


#: name -> Keras's function, of those that layers beside the cells have
OF_LAYERS: dict[str, Callable] = {
    name: getattr(keras.activations, name, gelu_tanh) for name in _OF_LAYERS
}
#: name -> Keras's function
FUNCTIONS: dict[str, Callable] = {
    name: getattr(keras.activations, name, hard_sigmoid_keras2) for name in ACTIVATIONS
}
#: Keras's function -> name
NAMES: dict[Callable, str] = {function: name for name, function in FUNCTIONS.items()}


def describe(function: Callable) -> Activation:
    """The facts of a function of Keras; its slope is None where it is not known."""
    if function in NAMES:
        return ACTIVATIONS[NAMES[function]]
    name = getattr(function, "__name__", str(function))
    return Activation(name, lambda x, _: function(x))
