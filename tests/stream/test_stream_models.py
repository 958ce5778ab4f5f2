"""Streams of Keras's layers and models against Keras."""

import itertools

import keras
import numpy as np
import pytest

import slimrnn
from deploy_problems import FUNCTIONS
from layer_problems import normal, randomised
from problems import ROWS
from products import each_once
from streams import BATCH, DESTROYED, FEATURES, TIME, UNITS, WORDS, stream_of, taken

pytestmark = pytest.mark.usefixtures("eager")
layers = keras.layers


FLAGS = (False, True)
HARD = {"activation": "relu", "recurrent_activation": "hard_sigmoid"}
RECURRENT = {
    **{
        f"{kind.__name__} bias={bias}": lambda kind=kind, bias=bias, **o: kind(
            UNITS, use_bias=bias, **o
        )
        for kind, bias in itertools.product(
            (layers.LSTM, layers.GRU, layers.SimpleRNN), FLAGS
        )
    },
    **{
        f"GRU reset before, bias={bias}": lambda bias=bias, **o: layers.GRU(
            UNITS, reset_after=False, use_bias=bias, **o
        )
        for bias in FLAGS
    },
    "LSTM, hard": lambda **o: layers.LSTM(UNITS, **HARD, **o),
    "GRU, hard": lambda **o: layers.GRU(UNITS, **HARD, **o),
    "SimpleRNN, linear": lambda **o: layers.SimpleRNN(UNITS, activation=None, **o),
    "RNN of an LSTMCell": lambda **o: layers.RNN(layers.LSTMCell(UNITS), **o),
    "RNN of a GRUCell": lambda **o: layers.RNN(layers.GRUCell(UNITS), **o),
    "RNN of a slim cell": lambda **o: layers.RNN(slimrnn.SlimMGUCell(UNITS), **o),
    "SlimRNN": lambda **o: slimrnn.SlimRNN(slimrnn.SlimGRUCell(UNITS), **o),
    "slim, no bias": lambda **o: slimrnn.layer(UNITS, "LSTM4a", use_bias=False, **o),
    "slim, own constant": lambda **o: slimrnn.layer(
        UNITS, "LSTM6", gate_constants={"f": 0.59}, **o
    ),
}
FRONTS = {
    "numbers": lambda: [layers.Input((None, FEATURES))],
    "words": lambda: [layers.Input((None,)), layers.Embedding(WORDS, FEATURES)],
    "masked words": lambda: [
        layers.Input((None,)),
        layers.Embedding(WORDS, FEATURES, mask_zero=True),
    ],
}


def inputs_of(front, time=TIME):
    if front == "numbers":
        return normal(BATCH, time, FEATURES)
    return np.random.default_rng(1).integers(0, WORDS, (BATCH, time)).astype("int32")


def assert_as_keras(model, x):
    """Each step's output is that of the model over the sequence."""
    expected = keras.ops.convert_to_numpy(randomised(model)(x))
    found = taken(stream_of(model, len(x)), x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_layers(kind):
    layer = RECURRENT[kind](return_sequences=True)
    front = "masked words"
    assert_as_keras(keras.Sequential([*FRONTS[front](), layer]), inputs_of(front))


@pytest.mark.backend_free
@pytest.mark.parametrize("activation", [None, *FUNCTIONS])
@pytest.mark.parametrize("units", [1, 17])
@pytest.mark.parametrize("how", ["argument", "Activation", "no bias"])
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
def test_dense(activation, units, how):
    behind, activation = how == "Activation", FUNCTIONS.get(activation)
    head = [
        layers.Dense(
            units, activation=None if behind else activation, use_bias=how != "no bias"
        ),
        *([layers.Dropout(0.5), layers.Activation(activation)] if behind else []),
    ]
    model = keras.Sequential([*FRONTS["numbers"](), *head])
    assert_as_keras(model, inputs_of("numbers"))


def stack():
    return [
        layers.Dropout(0.5),
        layers.LSTM(4, return_sequences=True, dropout=0.3),
        layers.ActivityRegularization(0.1),
        layers.Activation("linear"),
        slimrnn.SlimGRU(6, return_sequences=True, recurrent_dropout=0.3),
        layers.Dense(5, activation="tanh"),
        layers.GRU(3, return_sequences=True),
        layers.Dense(2, activation="softmax"),
    ]


def functional(front):
    first, *rest = FRONTS[front]()
    tensor = first
    for layer in [*rest, *stack()]:
        tensor = layer(tensor)
    return keras.Model(first, tensor)


MODELS = {
    "sequential": lambda front: keras.Sequential([*FRONTS[front](), *stack()]),
    "functional": functional,
    "nested": lambda front: keras.Sequential(
        [*FRONTS[front](), keras.Sequential(stack()[:4]), *stack()[4:]]
    ),
    "sequential in functional": lambda front: keras.Sequential(
        [functional(front), keras.Sequential(stack()[:2]), layers.Dense(1)]
    ),
}


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("kind", "front"),
    [
        *((kind, "masked words") for kind in MODELS),
        ("sequential", "numbers"),
        ("functional", "words"),
    ],
)
@pytest.mark.filterwarnings(DESTROYED)
def test_models(kind, front):
    assert_as_keras(MODELS[kind](front), inputs_of(front))


def test_the_last_output_of_a_classifier():
    model = keras.Sequential(
        [
            *FRONTS["masked words"](),
            slimrnn.SlimLSTM(UNITS, "LSTM6"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    x = inputs_of("masked words")
    expected = keras.ops.convert_to_numpy(randomised(model)(x))
    found = taken(stream_of(model, BATCH), x)[:, -1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


FIRST = {
    "nothing": lambda: [],
    "Rescaling": lambda: [layers.Rescaling(0.1, offset=-1.0)],
    "Normalization": lambda: [
        layers.Normalization(mean=normal(FEATURES), variance=normal(FEATURES) ** 2)
    ],
    "Masking": lambda: [layers.Masking(-1.0)],
    "Conv1D": lambda: [layers.Conv1D(FEATURES, 3, padding="causal")],
    "all of them": lambda: [
        layers.Rescaling(2.0, offset=1.0),
        layers.Dense(FEATURES, activation="relu"),
        layers.Masking(0.0),
        layers.Activation("tanh"),
    ],
}
LAST = {
    "softmax": lambda: [layers.Activation("softmax")],
    "Activation": lambda: [layers.Activation("relu"), layers.Activation("sigmoid")],
    "Dense": lambda: [
        layers.Dense(3),
        layers.Dropout(0.5),
        layers.Activation("softmax"),
    ],
    "TimeDistributed": lambda: [
        layers.TimeDistributed(layers.Dense(4, activation="relu")),
        layers.LSTM(3, return_sequences=True),
    ],
}


@pytest.mark.backend_free
@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("first", FIRST)
@pytest.mark.filterwarnings("ignore:Layer .* does not support masking")
def test_what_stands_before_and_behind_the_cells(first, last):
    cell = slimrnn.SlimLSTM(UNITS, "LSTM5", return_sequences=True)
    parts = [*FRONTS["numbers"](), *FIRST[first](), cell, *LAST[last]()]
    x = inputs_of("numbers")
    x[1, :2] = x[2, -1] = x[0, 3] = -1.0  # at the start, at the end, in between
    assert_as_keras(keras.Sequential(parts), x)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("kind", "front"),
    [("Average", "masked words"), ("Average", "numbers"), ("Max", "numbers")],
)
def test_pools(kind, front):
    """A step gives the pool of the steps so far; the last one, Keras's."""
    cell = slimrnn.SlimLSTM(UNITS, "LSTM6", return_sequences=True)
    pool = getattr(layers, f"Global{kind}Pooling1D")()
    model = keras.Sequential([*FRONTS[front](), cell, pool, layers.Dense(2)])
    x = inputs_of(front)
    expected = keras.ops.convert_to_numpy(randomised(model)(x))
    found = taken(stream_of(model, BATCH), x)[:, -1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


WINDOWS = {
    f"{kind}, {taps} by {strides}": getattr(layers, f"{kind}Pooling1D")(taps, strides)
    for kind in ("Average", "Max")
    for taps, strides in ((2, 2), (3, 1), (2, 3))
} | {
    f"{padding}, {steps}={count}, groups={groups}": layers.Conv1D(
        6, 3, padding=padding, groups=groups, **{steps: count}
    )
    for padding in ("causal", "valid")
    for steps, count in (("strides", 1), ("strides", 3), ("dilation_rate", 2))
    for groups in (1, 2)
}


@pytest.mark.backend_free
@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_in_chunks_is_the_whole(name):
    """A step that gives nothing is None, and no row of a block."""
    window = type(WINDOWS[name]).from_config(WINDOWS[name].get_config())
    model = keras.Sequential(
        [
            layers.Input((None, 4)),
            window,
            layers.LayerNormalization(),
            slimrnn.SlimLSTM(UNITS, "LSTM6", return_sequences=True),
            layers.Conv1D(2, 2, padding="causal", activation="tanh"),
        ]
    )
    x = normal(BATCH, 20, 4)
    expected = keras.ops.convert_to_numpy(randomised(model)(x))
    stream, steps = stream_of(model, BATCH), x.swapaxes(0, 1)
    whole = stream.run(steps).swapaxes(0, 1)
    np.testing.assert_allclose(whole, expected, rtol=0, atol=1e-5)
    for sizes in ([1, 6, 2, 11], [19, 1]):
        stream.reset()
        blocks = np.split(steps, np.cumsum(sizes)[:-1])
        found = np.concatenate([stream.run(block) for block in blocks])
        np.testing.assert_array_equal(found.swapaxes(0, 1), whole)
    stream.reset()
    given = [y for y in map(stream.step, steps) if y is not None]
    np.testing.assert_array_equal(np.stack(given, 1), whole)


@pytest.mark.backend_free
@pytest.mark.parametrize(("row", "batch"), each_once(ROWS, (1, 3)))
def test_a_block_is_its_steps(row, batch):
    """Bit for bit, whatever is computed at once; layers as wide as many vectors too."""
    model = keras.Sequential(
        [
            layers.Input((None, 4)),
            layers.Masking(-1.0),
            slimrnn.layer(UNITS, ROWS[row], return_sequences=True),
            layers.Dense(150, "tanh"),
            slimrnn.layer(140, ROWS[row]),
        ]
    )
    x = normal(70, batch, 4)
    x[::7, 0] = -1.0
    stream = stream_of(randomised(model), batch)
    steps = np.stack([stream.step(each) for each in x])
    stepped = stream.state
    stream.reset()
    np.testing.assert_array_equal(stream.run(x), steps)
    for found, wanted in zip(stream.state, stepped, strict=True):
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("batch", [1, 2])
def test_embedding_alone(batch):
    layer = layers.Embedding(WORDS, 3)
    layer.build((None,))
    table = keras.ops.convert_to_numpy(randomised(layer).embeddings)
    x = np.arange(batch, dtype="int32")
    np.testing.assert_array_equal(stream_of(layer, batch).step(x), table[x])


@pytest.mark.backend_free
def test_a_long_run_goes_in_blocks_that_keep_what_they_gave(monkeypatch):
    layer = slimrnn.SlimLSTM(UNITS, "LSTM5", return_sequences=True)
    model = keras.Sequential([keras.Input((None, FEATURES)), layer])
    x = normal(41, FEATURES)
    wanted = slimrnn.Stream(model).run(x)
    monkeypatch.setattr("slimrnn.stream._BLOCK", 5 * FEATURES)
    stream = slimrnn.Stream(model)
    first = stream.run(x[:20])
    kept = first.copy()
    second = stream.run(x[20:])
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(np.concatenate([first, second]), wanted)
