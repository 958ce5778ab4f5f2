"""Training: the loss falls, dropout, and other number formats."""

import keras
import numpy as np
import pytest

import slimrnn
from layer_problems import (
    BATCH,
    FEATURES,
    FEW,
    KINDS,
    UNITS,
    X,
    arrays,
    assert_same,
    built,
    make,
    normal,
    plain,
)
from problems import ROWS
from products import some
from slimrnn import reference

BACKEND = keras.backend.backend()
Y = normal(BATCH, UNITS, seed=9)


@pytest.mark.parametrize("name", some(lambda x: x == "LSTM6", ["LSTM6", "OwnLSTM"]))
def test_fit_evaluate_and_predict(name):
    keras.utils.set_random_seed(1)
    x = normal(32, 6, FEATURES)
    labels = (x[:, :, 0].sum(1) > 0).astype("int32")
    model = keras.Sequential([make(name), keras.layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    history = model.fit(x, labels, batch_size=16, epochs=8, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]
    predicted = model.predict(x, batch_size=16, verbose=0)
    expected = -np.log(predicted[np.arange(32), labels]).mean()
    loss = model.evaluate(x, labels, batch_size=16, verbose=0)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    assert (predicted.argmax(1) == labels).mean() > 0.7


def test_whole_numbers_and_doubles_may_go_in():
    x = np.arange(X.size).reshape(X.shape) % 7
    expected = arrays(built("LSTM4")(x.astype("float32")))[0]
    for dtype in ("int32", "int64", "float64", "uint8"):
        assert_same(built("LSTM4")(x.astype(dtype)), expected)
    model = keras.Sequential([built("LSTM4")])
    model.compile("sgd", "mse")
    loss = model.train_on_batch(x.astype("int32"), Y)
    np.testing.assert_allclose(loss, np.mean((expected - Y) ** 2), rtol=1e-4)


def hold(name, **options):
    """A cell that only holds or passes on: h = W x + u h, W the unit matrix.

    Without a mask of dropout its outputs are its inputs (u = 0), or its initial state
    at each step (u = 1, inputs 0).
    """
    u = options.pop("u")
    layer = slimrnn.SlimLSTM(
        64,
        name,
        activation="linear",
        gate_constants={"f": 0.0},
        time_scale=None,
        return_sequences=True,
        **options,
    )
    layer.build((None, None, 64))
    _, recurrent, bias = layer.get_weights()
    unit = np.eye(64) if recurrent.ndim == 2 else np.ones(64)
    layer.set_weights([np.eye(64), u * unit, np.zeros_like(bias)])
    return layer


@pytest.fixture(params=["whole sequence", "unrolled", "plain Keras"])
def way(request):
    """Three ways to compute a layer with dropout."""
    ways = {
        "whole sequence": lambda layer: layer,
        "unrolled": _unrolled,
        "plain Keras": lambda layer: plain(layer, (None, None, 64)),
    }
    return ways[request.param]


def _unrolled(layer):
    twin = type(layer).from_config({**layer.get_config(), "unroll": True})
    twin.build((None, None, 64))
    twin.set_weights(layer.get_weights())
    return twin


@pytest.mark.parametrize("name", ["LSTM6", "LSTM_C6"])
def test_dropout_of_the_input(way, name):
    layer = way(hold(name, u=0.0, dropout=0.25, seed=1))
    ones = np.ones((32, 3, 64), "float32")
    np.testing.assert_allclose(arrays(layer(ones, training=False))[0], 1)
    (found,) = arrays(layer(ones, training=True))
    assert (np.isclose(found, 0) | np.isclose(found, 1 / 0.75)).all()
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    np.testing.assert_array_equal(found[:, 0], found[:, 2])
    assert abs(found.mean() - 1) < 0.05  # 2048 draws
    assert abs(found.mean(axis=(1, 2)) - 1).max() > 0.01, "each row is the same"
    assert abs(found - arrays(layer(ones, training=True))[0]).max() > 1


@pytest.mark.parametrize("name", ["LSTM6", "LSTM_C6"])
def test_dropout_of_the_state(way, name):
    layer = way(hold(name, u=1.0, recurrent_dropout=0.5, seed=1))
    zeros, states = np.zeros((32, 3, 64), "f"), 2 * [np.ones((32, 64), "float32")]
    held = layer(zeros, initial_state=states, training=False)
    np.testing.assert_allclose(arrays(held)[0], 1)
    (found,) = arrays(layer(zeros, initial_state=states, training=True))
    mask = found[:, 0]
    assert set(np.unique(mask)) == {0.0, 2.0}
    np.testing.assert_array_equal(found[:, 1], mask**2)
    np.testing.assert_array_equal(found[:, 2], mask**3)
    assert abs(mask.mean() - 1) < 0.1


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", ["LSTM4", "GRU1", "MGU2"])
def test_a_seed_reproduces_dropout_as_plain_keras_draws_it(name):
    options = {"dropout": 0.5, "recurrent_dropout": 0.5, "seed": 7}
    layers = [built(name, **options) for _ in range(2)]
    first, again = (arrays(layer(X, training=True))[0] for layer in layers)
    np.testing.assert_array_equal(first, again)
    assert abs(first - arrays(layers[0](X))[0]).max() > 0.01
    assert_same(plain(layers[0])(X, training=True), first)


def test_dropout_draws_anew_in_each_compiled_step():
    model = keras.Sequential([built("LSTM5", dropout=0.5, recurrent_dropout=0.5)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    losses = []
    for _ in range(3):
        model.reset_metrics()
        losses.append(float(model.train_on_batch(X, Y)))
    assert len(set(losses)) == 3
    still = [float(model.test_on_batch(X, Y)) for _ in range(2)]
    expected = np.mean((arrays(built("LSTM5")(X))[0] - Y) ** 2)
    np.testing.assert_allclose(still, expected, rtol=1e-5)


def test_dropout_leaves_the_callers_tensor_as_it_was():
    tensor = keras.ops.convert_to_tensor(X.copy())
    built("LSTM5", dropout=0.5)(tensor, training=True)
    np.testing.assert_array_equal(arrays(tensor)[0], X)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", FEW)
def test_half_precision(name):
    half = built(name, dtype="mixed_bfloat16")
    outputs = half(X)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    assert {w.dtype for w in half.weights} == {"float32"}
    found = arrays(keras.ops.cast(outputs, "float32"))[0]
    expected = arrays(built(name)(X))[0]
    assert abs(found - expected).max() < 0.03  # 8 bits
    assert abs(found - expected).max() > 0


@pytest.mark.parametrize("name", some(lambda x: x == "LSTM5", ["LSTM5", "GRU1"]))
def test_half_precision_learns_as_single(name):
    weights = {}
    for dtype in ("mixed_bfloat16", "float32"):
        layer = built(name, dtype=dtype)
        before = layer.get_weights()
        model = keras.Sequential([layer])
        model.compile("sgd", "mse")
        assert np.isfinite(model.train_on_batch(X, Y))
        after = layer.get_weights()
        weights[dtype] = [a - b for a, b in zip(after, before, strict=True)]
    for half, single in zip(*weights.values(), strict=True):
        assert abs(single).max() > 0
        assert abs(half - single).max() < 0.06 * abs(single).max()


@pytest.mark.skipif(BACKEND == "jax", reason="JAX has no doubles unless started so")
@pytest.mark.parametrize("name", KINDS.values())
def test_double_precision(name):
    layer = built(name, dtype="float64")
    found = layer(X)
    assert keras.backend.standardize_dtype(found.dtype) == "float64"
    weights = {w.name: w.numpy() for w in layer.weights}
    assert {w.dtype.name for w in weights.values()} == {"float64"}
    expected = reference.run(ROWS[name], X.astype("float64"), weights).outputs[:, -1]
    # On torch keras.ops.matmul rounds to single precision (keras issue 23704).
    assert_same(found, expected, 1e-6 if BACKEND == "torch" else 1e-14)
    model = keras.Sequential([layer])
    model.compile("sgd", "mse", run_eagerly=True)
    loss = model.train_on_batch(X, Y)
    np.testing.assert_allclose(loss, np.mean((expected - Y) ** 2), rtol=1e-5)
    for before, after in zip(weights.values(), layer.get_weights(), strict=True):
        assert abs(after - before).max() > 0
