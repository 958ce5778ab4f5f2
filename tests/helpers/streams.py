"""Streams, and what the engine computes over the sequence in their place."""

import keras
import numpy as np
import pytest

import slimrnn
from layer_problems import randomised
from problems import ROWS
from slimrnn import native

BATCH, TIME, FEATURES, UNITS, WORDS = 3, 7, 5, 9, 6


#: what Keras says of models inside models; all the same, it hands the mask on
DESTROYED = "ignore:Layer .* was passed an input with a mask attached"


def stream_of(model, batch_size=1):
    """A stream, or a skip where there is no native engine."""
    if native.reason():
        pytest.skip(native.reason())
    return slimrnn.Stream(model, batch_size)


def taken(stream, x):
    """The outputs of all steps, (B, T, n); a block gives the same, bit for bit."""
    before = stream.state
    y = np.stack([stream.step(x[:, t]) for t in range(x.shape[1])], axis=1)
    after, stream.state = stream.state, before
    np.testing.assert_array_equal(stream.run(np.swapaxes(x, 0, 1)).swapaxes(0, 1), y)
    for found, mine in zip(stream.state, after, strict=True):
        assert_state(found, mine)
    return y


#: random values come later, and no compiler is asked for an orthogonal matrix
ZEROS = dict.fromkeys(("kernel_initializer", "recurrent_initializer"), "zeros")


def layer_of(name, features, units, **options):
    layer = slimrnn.layer(units, ROWS[name], **ZEROS, **options)
    layer.build((None, None, features))
    return randomised(layer)


def engine(layer, x, initial=None, mask=None):
    """The native engine over the sequence."""
    cell = layer.cell
    return native.run(
        cell.spec.variant,
        x,
        {w.name: keras.ops.convert_to_numpy(w) for w in layer.weights},
        initial,
        mask=mask,
        activation=cell.spec.activation.name,
        recurrent_activation=cell.spec.recurrent_activation.name,
    )


def assert_state(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
