"""Arrays that do not fit a layer are refused in the same sentence by each engine."""

import keras
import numpy as np
import pytest

from layer_problems import (
    BATCH,
    FEATURES,
    STATES,
    TIME,
    UNITS,
    X,
    arrays,
    built,
    normal,
)
from slimrnn import InputError, native
from slimrnn.native import BACKENDS

BACKEND = keras.backend.backend()
NATIVE = [] if native.reason() or BACKEND not in BACKENDS else ["native"]
ENGINES = ["ops", *NATIVE]


def states(*shape):
    return {"initial_state": [normal(*shape), normal(*shape)]}


#: x, the other arguments, and what is said
WRONG = {
    "features": (X[..., 1:], {}, f"x must have the shape {X.shape}"),
    "units": (X, states(BATCH, UNITS + 1), "initial h must have the shape"),
    "batch of states": (X, states(BATCH - 1, UNITS), "initial h must have the shape"),
    "rank of states": (X, states(UNITS), "initial h must have the shape"),
    "one state": (X, {"initial_state": STATES[:1]}, "must have 2 tensors (h, c)"),
    "steps": (
        X,
        {"mask": np.ones((BATCH, TIME - 1), bool)},
        "mask must have the shape",
    ),
    "batch of a mask": (
        X,
        {"mask": np.ones((2, TIME), bool)},
        "mask must have the shape",
    ),
    "rank of a mask": (X, {"mask": np.ones(TIME, bool)}, "mask must have the shape"),
}
#: what is repeated, and what that equals
REPEATED = {
    "states": (
        {"initial_state": [s[:1] for s in STATES]},
        {"initial_state": [np.repeat(s[:1], BATCH, axis=0) for s in STATES]},
    ),
    "mask": (
        {"mask": np.arange(TIME)[None] < 3},
        {"mask": np.repeat(np.arange(TIME)[None] < 3, BATCH, axis=0)},
    ),
    "words": (
        {"mask": np.arange(2 * TIME).reshape(1, TIME, 2).repeat(BATCH, 0) < 3},
        {"mask": np.arange(TIME)[None].repeat(BATCH, 0) < 2},
    ),
}


def eager(layer):
    return lambda x, **given: layer(x, **given)


def compiled(layer):
    if BACKEND == "jax":
        import jax

        return jax.jit(lambda x, **given: layer(x, **given))
    if BACKEND == "torch":
        import torch

        return torch.compile(layer, backend="aot_eager")
    import tensorflow as tf

    return tf.function(lambda x, **given: layer(x, **given))


@pytest.mark.parametrize("way", [eager, compiled])
@pytest.mark.parametrize("engine", ENGINES)
def test_what_does_not_fit_is_refused(engine, way):
    call = way(built("LSTM5", engine=engine))
    assert X.shape == (BATCH, TIME, FEATURES)
    for x, given, sentence in WRONG.values():
        with pytest.raises(InputError) as error:
            call(keras.ops.convert_to_tensor(x), **given)
        assert sentence in str(error.value)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", REPEATED)
def test_one_row_is_repeated_for_the_batch(case, engine):
    layer = built("LSTM5", engine=engine, return_sequences=True)
    found, expected = (arrays(layer(X, **given))[0] for given in REPEATED[case])
    np.testing.assert_array_equal(found, expected)
