"""Small layers with random weights, and plain Keras over the same cells."""

import keras
import numpy as np

import slimrnn
from problems import ROWS

BATCH, TIME, FEATURES, UNITS = 4, 6, 3, 5

#: one row for each structure that an engine or a cell could treat in its own way
KINDS = {
    "full": "LSTM",
    "light gates": "LSTM5",
    "static gates": "LSTM3",
    "constant gates": "LSTM6",
    "elementwise": "LSTM11",
    "gru": "GRU1",
    "mgu": "MGU",
    "user's own": "OwnLSTM",
}
#: fewer, where the kind of gates makes no difference
FEW = ("LSTM5", "GRU1", "MGU", "OwnLSTM")
CELLS = {
    "lstm": slimrnn.SlimLSTMCell,
    "gru": slimrnn.SlimGRUCell,
    "mgu": slimrnn.SlimMGUCell,
}
FLAGS = ("go_backwards", "return_sequences", "return_state", "stateful", "unroll")
EVERYTHING = {"return_sequences": True, "return_state": True}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


X = normal(BATCH, TIME, FEATURES)
STATES = [0.5 * normal(BATCH, UNITS, seed=k) for k in (1, 2)]


def make(name, units=UNITS, **options):
    """The layer of a row, also of a row that is not in the table; no weights yet.

    Its constants are the row's.
    """
    return slimrnn.layer(units, ROWS[name], **{"time_scale": None, **options})


def built(name, shape=X.shape, values=3, **options):
    """The same with random weights."""
    layer = make(name, **options)
    layer.build(shape)
    return randomised(layer, values)


def randomised(layer, values=3, deviation=0.5):
    """The layer or model after giving random values to all its weights."""
    pairs = enumerate(layer.get_weights(), start=100 * values)
    layer.set_weights([deviation * normal(*w.shape, seed=k) for k, w in pairs])
    return layer


def plain(layer, shape=X.shape):
    """Keras's own loop over a copy of the layer's cell, differentiated by Keras."""
    cell = type(layer.cell).from_config(layer.cell.get_config())
    flags = {name: getattr(layer, name) for name in (*FLAGS, "zero_output_for_mask")}
    twin = keras.layers.RNN(cell, dtype=layer.dtype_policy, **flags)
    twin.build(shape)
    twin.set_weights(layer.get_weights())
    return twin


def states_of(layer):
    """Initial states of the number that the layer takes."""
    return STATES[: len(layer.state_size)]


def arrays(tensors):
    """A tensor, or a list of them, as a list of NumPy arrays."""
    flat = tensors if isinstance(tensors, (list, tuple)) else [tensors]
    return [keras.ops.convert_to_numpy(t) for t in flat]


def assert_same(found, expected, tolerance=1e-6):
    """Each tensor is close to its fellow, as a share of the largest element."""
    found, expected = arrays(found), arrays(expected)
    assert [a.shape for a in found] == [b.shape for b in expected]
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        scale = max(1.0, abs(b).max(initial=0))
        np.testing.assert_allclose(
            a, b, rtol=0, atol=tolerance * scale, err_msg=f"output {k}"
        )


def train(model, x, targets, steps=3, run_eagerly=False):
    """The losses of a few steps on one batch, each before its update."""
    model.compile(keras.optimizers.SGD(0.2), "mse", run_eagerly=run_eagerly)
    losses = []
    for _ in range(steps):
        model.reset_metrics()
        losses.append(model.train_on_batch(x, targets, return_dict=True))
    return losses
