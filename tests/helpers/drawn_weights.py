"""Initial weights by NumPy: JAX compiles a program for each shape that it fills."""

import sys
from types import SimpleNamespace

import keras
import numpy as np

from slimrnn.layers import initializers as by_blocks


def _generator(seed):
    if isinstance(seed, keras.random.SeedGenerator):
        seed = keras.ops.convert_to_numpy(seed.next())
    return np.random.default_rng(seed)


def _normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    return _generator(seed).normal(mean, stddev, shape).astype("float32")


def _truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    return np.clip(_normal(shape, mean, stddev, seed=seed), -2 * stddev, 2 * stddev)


def _uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    return _generator(seed).uniform(minval, maxval, shape).astype("float32")


DRAWS = {"normal": _normal, "truncated_normal": _truncated_normal, "uniform": _uniform}
OPS = {
    **{name: getattr(np, name) for name in ("diag", "sign", "transpose", "reshape")},
    "qr": np.linalg.qr,
    "cast": lambda x, dtype=None: np.asarray(x, "float32"),
    "ones": lambda shape, dtype=None: np.ones(shape, "float32"),
    "zeros": lambda shape, dtype=None: np.zeros(shape, "float32"),
    "concatenate": np.concatenate,
    "convert_to_numpy": np.asarray,
}
RANDOM, CONSTANT = (
    sys.modules[kind.__module__]
    for kind in (keras.initializers.Orthogonal, keras.initializers.Constant)
)
#: (module, the name in it, what stands for some of its functions)
REPLACED = (
    (RANDOM, "random", DRAWS),
    (RANDOM, "ops", OPS),
    (CONSTANT, "ops", OPS),
    (by_blocks, "ops", OPS),
)
KERAS = [(module, name, getattr(module, name)) for module, name, _ in REPLACED]


def by_numpy(patch):
    """Initializers of Keras draw and fill with NumPy, as long as the patch holds."""
    for module, name, functions in REPLACED:
        every = {**vars(getattr(module, name)), **functions}
        patch.setattr(module, name, SimpleNamespace(**every))


def by_keras(patch):
    """They do what they do for a user."""
    for module, name, function in KERAS:
        patch.setattr(module, name, function)
