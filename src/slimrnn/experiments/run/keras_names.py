"""The names that Keras knows of what a setting can be."""

from __future__ import annotations

from slimrnn import backends

# Bases and wrappers of other optimizers.
_NO_OPTIMIZERS = ("Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap")
# glu halves the last axis and threshold needs arguments: no layer can use them so.
_NO_ACTIVATIONS = ("get", "serialize", "deserialize", "glu", "threshold")
# Not for matrices.
_NO_STARTS = ("stft",)
KERAS_2 = "hard_sigmoid_keras2"  # an activation that Keras no longer has


def optimizers() -> dict[str, type]:
    """Keras's optimizers by their names in lower case."""
    with backends.quietly():
        import keras

    return {
        name.lower(): value
        for name, value in vars(keras.optimizers).items()
        if isinstance(value, type) and name not in _NO_OPTIMIZERS
    }


def activations() -> list[str]:
    """The activations that a layer can have."""
    with backends.quietly():
        import keras

    functions = vars(keras.activations).items()
    names = [k for k, v in functions if callable(v) and k not in _NO_ACTIVATIONS]
    return [*names, KERAS_2]


def initializers() -> list[str]:
    """The initializers of a matrix."""
    with backends.quietly():
        import keras

    return [
        name
        for name, value in vars(keras.initializers).items()
        if name.islower() and isinstance(value, type) and name not in _NO_STARTS
    ]
