"""Streams: as the engine over the sequence, bit for bit, and as Keras's layers."""

import gc
import itertools
import threading
import weakref

import keras
import numpy as np
import pytest

import slimrnn
from layer_problems import normal, randomised
from problems import ROWS
from slimrnn import native
from slimrnn.activations import FUNCTIONS
from slimrnn.errors import InputError
from slimrnn.native import library
from slimrnn.variants import FAMILIES

pytestmark = pytest.mark.usefixtures("eager")
layers = keras.layers
BATCHES = (1, 2, 3, 5)
SIZES = ((1, 1), (3, 7), (17, 33), (32, 100))  # features, units
BATCH, TIME, FEATURES, UNITS, WORDS = 3, 7, 5, 9, 6


def stream_of(model, batch_size=1):
    """A stream, or a skip where there is no native engine."""
    if native.reason():
        pytest.skip(native.reason())
    return slimrnn.Stream(model, batch_size)


def taken(stream, x):
    """The outputs of all steps, (B, T, n)."""
    return np.stack([stream.step(x[:, t]) for t in range(x.shape[1])], axis=1)


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


# Bit for bit ---------------------------------------------------------------------


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("name", ROWS)
def test_a_stream_is_the_engine(name, activation):
    names = list(FUNCTIONS)
    start = names.index(activation)
    for k, batch in enumerate(BATCHES):
        features, units = SIZES[(start + k) % len(SIZES)]
        recurrent = names[(start + k) % len(names)]
        layer = layer_of(
            name,
            features,
            units,
            activation=FUNCTIONS[activation],
            recurrent_activation=FUNCTIONS[recurrent],
        )
        x = normal(batch, 11, features, seed=k)
        initial = {
            state: 0.5 * normal(batch, units, seed=j)
            for j, state in enumerate(FAMILIES[ROWS[name].family].states)
        }
        stream = stream_of(layer, batch)
        stream.state = [initial]
        expected = engine(layer, x, initial)
        np.testing.assert_array_equal(taken(stream, x), expected.outputs)
        assert_state(stream.state[0], expected.states)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", ROWS)
def test_index_0_keeps_the_states(name, batch):
    model = keras.Sequential(
        [
            layers.Embedding(WORDS, FEATURES, mask_zero=True),
            slimrnn.layer(UNITS, ROWS[name], return_sequences=True, **ZEROS),
            slimrnn.SlimLSTM(4, "LSTM5", **ZEROS),
        ]
    )
    for layer, width in zip(model.layers, (None, FEATURES, UNITS), strict=True):
        layer.build((None, None, width))
    embedding, *recurrent = randomised(model).layers
    indices = np.random.default_rng(batch).integers(0, 3, (batch, 20))
    stream = stream_of(model, batch)
    outputs = taken(stream, indices)
    x = keras.ops.convert_to_numpy(embedding.embeddings)[indices]
    for layer, state in zip(recurrent, stream.state, strict=True):
        result = engine(layer, x, mask=indices != 0)
        assert_state(state, result.states)
        x = result.outputs
    np.testing.assert_array_equal(outputs, x)


@pytest.mark.parametrize("isa", ["avx512", "avx2", "baseline", "neon"])
def test_every_instruction_set(isa):
    layer = layer_of("LSTM5", 17, 33)
    stream_of(layer)
    if isa not in native.isas():
        pytest.skip(f"this processor or this build has no {isa}")
    used, x = native.isa(), normal(3, 9, 17)
    try:
        native.use_isa(isa)
        stream = stream_of(layer, 3)
        expected = engine(layer, x).outputs
    finally:
        native.use_isa(used)
    np.testing.assert_array_equal(taken(stream, x), expected)


@pytest.mark.parametrize("name", ["LSTM6", "GRU3", "MGU"])
def test_ten_thousand_steps(name):
    layer = layer_of(name, 3, 5)
    x = normal(1, 10_000, 3)
    stream, expected = stream_of(layer), engine(layer, x)
    np.testing.assert_array_equal(taken(stream, x), expected.outputs)
    assert_state(stream.state[0], expected.states)


# Against Keras -------------------------------------------------------------------

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


@pytest.mark.parametrize(
    "activation",
    [None, "tanh", "sigmoid", "relu", "linear", "softmax", "hard_sigmoid"],
)
@pytest.mark.parametrize("units", [1, 17])
@pytest.mark.parametrize("how", ["argument", "Activation", "no bias"])
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
def test_dense(activation, units, how):
    behind = how == "Activation"
    head = [
        layers.Dense(
            units,
            activation=None if behind else activation,
            use_bias=how != "no bias",
        ),
        *([layers.Dropout(0.5), layers.Activation(activation)] if behind else []),
    ]
    model = keras.Sequential([*FRONTS["numbers"](), *head])
    assert_as_keras(model, inputs_of("numbers"))


#: what Keras says of models inside models; all the same, it hands the mask on
DESTROYED = "ignore:Layer .* was passed an input with a mask attached"


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


@pytest.mark.parametrize("batch", [1, 2])
def test_embedding_alone(batch):
    layer = layers.Embedding(WORDS, 3)
    layer.build((None,))
    table = keras.ops.convert_to_numpy(randomised(layer).embeddings)
    x = np.arange(batch, dtype="int32")
    np.testing.assert_array_equal(stream_of(layer, batch).step(x), table[x])


# Shapes and types ----------------------------------------------------------------

CONVERTED = {
    "float64": lambda x: x.astype("float64"),
    "float16": lambda x: x.astype("float16"),
    "whole": lambda x: x.astype("int64"),
    "list": lambda x: x.tolist(),
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "swapped bytes": lambda x: x.astype(">f4"),
    "tensor": keras.ops.convert_to_tensor,
    "read-only": lambda x: np.broadcast_to(x[:1], x.shape),
}


@pytest.mark.parametrize("shape", [(1, 4), (4,), (3, 4)])
@pytest.mark.parametrize("how", CONVERTED)
def test_what_a_step_takes(how, shape):
    layer = layer_of("LSTM6", 4, 5)
    batch = 3 if shape[0] == 3 else 1
    x = np.ones(shape, "float32")
    expected = stream_of(layer, batch).step(x)
    assert (expected.dtype, expected.shape) == ("float32", (*shape[:-1], 5))
    found = stream_of(layer, batch).step(CONVERTED[how](x))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", [int, np.uint8, np.int64, np.int32, np.array])
def test_one_index(kind):
    layer = layers.Embedding(WORDS, 3)
    layer.build((None,))
    stream = stream_of(layer)
    np.testing.assert_array_equal(stream.step(kind(2)), stream.step([2])[0])


def test_outputs_are_the_callers():
    stream = stream_of(layer_of("LSTM6", 4, 5))
    first = stream.step(np.ones(4, "float32"))
    kept = first.copy()
    second = stream.step(np.ones(4, "float32"))
    np.testing.assert_array_equal(first, kept)
    assert (second != first).all()
    first[...] = np.nan
    assert np.isfinite(stream.step(np.ones(4, "float32"))).all()


def test_weights_are_copied():
    layer = layer_of("LSTM6", 4, 5)
    stream, x = stream_of(layer), np.ones((1, 4), "float32")
    kept = stream.state
    first = stream.step(x)
    randomised(layer, 4)
    stream.state = kept
    np.testing.assert_array_equal(stream.step(x), first)


# States --------------------------------------------------------------------------


def pair(batch=2):
    """A model with two recurrent layers, and its stream."""
    model = keras.Sequential(
        [
            layers.Input((None, FEATURES)),
            layers.LSTM(UNITS, return_sequences=True),
            slimrnn.SlimMGU(4, return_sequences=True),
            layers.Dense(3),
        ]
    )
    return model, stream_of(randomised(model), batch)


def test_the_state_has_every_recurrent_layer():
    _, stream = pair()
    shapes = [{name: a.shape for name, a in s.items()} for s in stream.state]
    assert shapes == [{"h": (2, UNITS), "c": (2, UNITS)}, {"h": (2, 4)}]
    assert not any(a.any() for s in stream.state for a in s.values())


def test_states_are_restored():
    _, stream = pair()
    x = normal(2, 12, FEATURES)
    taken(stream, x[:, :5])
    kept = stream.state
    expected, after = taken(stream, x[:, 5:]), stream.state
    stream.state = kept
    np.testing.assert_array_equal(taken(stream, x[:, 5:]), expected)
    for found, mine in zip(stream.state, after, strict=True):
        assert_state(found, mine)


def test_what_is_read_is_a_copy():
    _, stream = pair()
    before = stream.state
    stream.step(normal(2, FEATURES))
    assert not before[0]["h"].any()
    stream.state[0]["h"][...] = np.nan
    assert np.isfinite(stream.step(normal(2, FEATURES))).all()


def test_reset_begins_anew():
    _, stream = pair()
    x = normal(2, 6, FEATURES)
    first = taken(stream, x)
    assert (taken(stream, x) != first).any()
    stream.reset()
    np.testing.assert_array_equal(taken(stream, x), first)


def test_streams_are_independent():
    model, one = pair()
    other = stream_of(model, 2)
    x = [normal(2, 9, FEATURES, seed=k) for k in (1, 2)]
    expected = [taken(stream_of(model, 2), each) for each in x]
    for t in range(9):
        for stream, each, mine in zip((one, other), x, expected, strict=True):
            np.testing.assert_array_equal(stream.step(each[:, t]), mine[:, t])


@pytest.mark.parametrize("units", [20, 500])  # with and without Python's lock
def test_threads_with_streams_of_their_own(units):
    layer = layer_of("LSTM6", 8, units)
    x = [normal(1, 200, 8, seed=k) for k in range(4)]
    found = [None] * 4

    def work(k, stream):
        found[k] = taken(stream, x[k])

    threads = [
        threading.Thread(target=work, args=(k, stream_of(layer))) for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mine, each in zip(found, x, strict=True):
        np.testing.assert_array_equal(mine, engine(layer, each).outputs)


def test_measuring_leaves_the_states_alone():
    _, stream = pair()
    x = normal(2, 3, FEATURES)
    taken(stream, x)
    before = stream.state
    assert 0 < stream.measure(100) < 1
    for found, mine in zip(stream.state, before, strict=True):
        assert_state(found, mine)


def test_garbage_is_freed():
    stream = stream_of(layer_of("LSTM6", 4, 5))
    handle = weakref.ref(stream._handle)
    del stream
    gc.collect()
    assert handle() is None


def test_a_closed_stream():
    stream = stream_of(layer_of("LSTM6", 4, 5))
    y = stream.step(np.ones((1, 4)))
    stream.close()
    stream.close()
    for call in (lambda: stream.step(np.ones((1, 4))), stream.measure):
        with pytest.raises(InputError, match="closed"):
            call()
    np.testing.assert_array_equal(stream.state[0]["h"], y)


# Mistakes ------------------------------------------------------------------------


def built(*parts, shape=(None, None, 4)):
    model = keras.Sequential([*parts])
    model.build(shape)
    return model


def words(*parts):
    return built(layers.Embedding(WORDS, 4, mask_zero=True), *parts, shape=(None, None))


def branched():
    x = layers.Input((None, 4))
    return keras.Model(x, layers.Dense(2)(x) + layers.Dense(2)(x))


def with_operation():
    x = layers.Input((None, 4))
    return keras.Model(x, layers.Dense(2)(keras.ops.tanh(x)))


def with_two_outputs():
    x = layers.Input((None, 4))
    y = layers.Dense(2)(x)
    return keras.Model(x, [y, layers.Dense(2)(y)])


def with_initial_state():
    x, h = layers.Input((None, 4)), layers.Input((3,))
    return keras.Model([x, h], layers.GRU(3)(x, initial_state=h))


def with_mask(mask_zero):
    x, mask = layers.Input((None,)), layers.Input((None,), dtype="bool")
    embedded = layers.Embedding(WORDS, 4, mask_zero=mask_zero)(x)
    return keras.Model([x, mask], layers.GRU(3)(embedded, mask=mask))


def with_mask_of(value, mask_zero):
    x = layers.Input((None,))
    mask = keras.ops.not_equal(x, value)
    embedded = layers.Embedding(WORDS, 4, mask_zero=mask_zero)(x)
    return keras.Model(x, layers.GRU(3)(embedded, mask=mask))


class OwnModel(keras.Model):
    pass


class OwnLSTM(layers.LSTM):
    pass


REFUSED_MODELS = {
    "no layer": (lambda: "LSTM6", "received str"),
    "not built": (lambda: slimrnn.SlimLSTM(3), "no weights yet"),
    "not built inside": (lambda: keras.Sequential([layers.LSTM(3)]), "no weights yet"),
    "empty": (lambda: keras.Sequential(), "it has none"),
    "nothing": (lambda: layers.Dropout(0.5), "it has none"),
    "Conv1D": (lambda: built(layers.Conv1D(3, 2)), r"Conv1D.*allowed: Embedding"),
    "Bidirectional": (
        lambda: built(layers.Bidirectional(layers.LSTM(3))),
        r"Bidirectional.*allowed",
    ),
    "subclass": (lambda: built(OwnLSTM(3)), "OwnLSTM"),
    "stacked cells": (
        lambda: built(layers.RNN([layers.LSTMCell(3), layers.LSTMCell(3)])),
        r"StackedRNNCells.*allowed: LSTMCell",
    ),
    "activation of a Dense": (
        lambda: built(layers.Dense(3, "gelu")),
        r"gelu.*allowed.*softmax",
    ),
    "activation of a cell": (
        lambda: built(layers.LSTM(3, activation="softmax")),
        r"softmax.*allowed: tanh",
    ),
    "recurrent activation": (
        lambda: built(slimrnn.SlimLSTM(3, "LSTM5", recurrent_activation="gelu")),
        r"gelu.*allowed: tanh",
    ),
    "Activation first": (lambda: built(layers.Activation("relu")), "elsewhere"),
    "Activation behind an LSTM": (
        lambda: built(layers.LSTM(3), layers.Activation("relu")),
        r"after a Dense.*activation=",
    ),
    "Activation behind another": (
        lambda: built(layers.Dense(3, "relu"), layers.Activation("relu")),
        "without activation",
    ),
    "go_backwards": (
        lambda: built(slimrnn.SlimLSTM(3, go_backwards=True)),
        r"go_backwards=True.*allowed is False",
    ),
    "stateful mask": (
        lambda: built(
            layers.Embedding(WORDS, 4, mask_zero=True),
            layers.LSTM(3, stateful=True),
            shape=(1, 5),
        ),
        "stateful=True.*mask_zero",
    ),
    "zeros for masked steps": (
        lambda: words(layers.LSTM(3, zero_output_for_mask=True)),
        "zero_output_for_mask=True.*mask_zero",
    ),
    "second Embedding": (
        lambda: words(layers.Embedding(3, 3)),
        "must be the first layer",
    ),
    "float64": (lambda: built(layers.LSTM(3, dtype="float64")), "in float64"),
    "half": (lambda: built(layers.Dense(3, dtype="mixed_bfloat16")), "in bfloat16"),
    "branches": (branched, "not a chain"),
    "operation": (with_operation, "not a layer"),
    "two outputs": (with_two_outputs, "not a chain"),
    "initial state": (with_initial_state, "not a chain"),
    "a mask given": (lambda: with_mask(False), "not a chain"),
    "another mask given": (lambda: with_mask(True), "not a chain"),
    "a mask of zeros": (lambda: with_mask_of(0, False), "not a chain"),
    "a mask of ones": (lambda: with_mask_of(1, True), "not a chain"),
    "subclassed model": (OwnModel, "not a chain"),
}


@pytest.mark.parametrize("what", REFUSED_MODELS)
@pytest.mark.filterwarnings(DESTROYED, "ignore:Explicitly requested dtype float64")
def test_models_that_are_refused(what):
    make, sentence = REFUSED_MODELS[what]
    with pytest.raises(InputError, match=sentence):
        stream_of(make())


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`")
def test_a_quantized_model_is_refused():
    model = built(layers.Dense(3))
    model.quantize("int8")
    with pytest.raises(InputError, match=r"quantized \(int8\)"):
        stream_of(model)


@pytest.mark.parametrize("batch_size", [0, -1, 1.0, "1", None, True, 2**31])
def test_batch_sizes_that_are_refused(batch_size):
    with pytest.raises(InputError, match="batch size must be a whole number from 1"):
        stream_of(layer_of("LSTM6", 4, 5), batch_size)


REFUSED_INPUTS = {
    "too few": (1, np.ones((1, 3)), r"\(1, 4\) or \(4,\).*received \(1, 3\)"),
    "no axis": (1, 1.0, r"received \(\)"),
    "a sequence": (1, np.ones((1, 2, 4)), r"received \(1, 2, 4\)"),
    "another batch": (2, np.ones((1, 4)), r"\(2, 4\) \(features, batch_size=2\)"),
    "one of two": (2, np.ones(4), r"received \(4,\)"),
    "complex": (1, np.ones(4, complex), "received complex128"),
    "text": (1, "four", "received <U4"),
    "ragged": (1, [[1], [1, 2]], "must be an array; received list"),
    "nothing": (1, None, "received object"),
}


@pytest.mark.parametrize("what", REFUSED_INPUTS)
def test_inputs_that_are_refused(what):
    batch, x, sentence = REFUSED_INPUTS[what]
    stream = stream_of(layer_of("LSTM6", 4, 5), batch)
    with pytest.raises(InputError, match=sentence):
        stream.step(x)
    assert not stream.state[0]["h"].any()


OUTSIDE = "0 to 5. No state has changed"
REFUSED_INDICES = {
    "above": (np.array([1, 6], "int32"), rf"index 6.*{OUTSIDE}"),
    "below": (np.array([-1, 1], "int32"), rf"index -1.*{OUTSIDE}"),
    "int64": (np.array([1, 2**32]), rf"index 4294967296.*{OUTSIDE}"),
    "unsigned": (np.array([2**63, 1], "uint64"), OUTSIDE),
    "list": ([1, -7], rf"index -7.*{OUTSIDE}"),
    "huge": ([1, 2**70], "whole numbers.*received object"),
    "fraction": ([1.0, 2.0], r"whole numbers.*received float64.*astype"),
    "truth": ([True, False], r"whole numbers.*received bool"),
    "too many": (np.ones(3, "int32"), r"\(2,\) \(indices, batch_size=2\)"),
    "one of two": (1, r"received \(\)"),
}


@pytest.mark.parametrize("what", REFUSED_INDICES)
def test_indices_that_are_refused(what):
    x, sentence = REFUSED_INDICES[what]
    stream = stream_of(words(layers.LSTM(3), layers.Dense(2)), 2)
    stream.step([1, 2])
    before = stream.state
    with pytest.raises(InputError, match=sentence):
        stream.step(x)
    assert_state(stream.state[0], before[0])
    assert stream.measure(10) > 0


ROW = np.zeros((2, 4))
REFUSED_STATES = {
    "no list": (ROW, "received ndarray"),
    "too many": ([{"h": ROW}] * 2, "list of 1 dicts.*received 2"),
    "no dict": ([ROW], r"state\[0\] must be a dict with h, c"),
    "a name too few": ([{"h": ROW}], r"h, c; received 'h'"),
    "a name too many": ([{"h": ROW, "c": ROW, "d": ROW}], "'h, c, d'"),
    "shape": ([{"h": ROW, "c": ROW[:1]}], r"\['c'\].*\(2, 4\); received \(1, 4\)"),
    "text": ([{"h": ROW, "c": "zeros"}], "arrays of numbers"),
}


@pytest.mark.parametrize("what", REFUSED_STATES)
def test_states_that_are_refused(what):
    given, sentence = REFUSED_STATES[what]
    stream = stream_of(layer_of("LSTM6", 3, 4), 2)
    stream.step(normal(2, 3))
    before = stream.state
    with pytest.raises(InputError, match=sentence):
        stream.state = given
    assert_state(stream.state[0], before[0])


@pytest.mark.parametrize("steps", [0, -1, 2.5, None])
def test_numbers_of_steps_that_are_refused(steps):
    stream = stream_of(layer_of("LSTM6", 4, 5))
    with pytest.raises(InputError, match="steps must be a whole number"):
        stream.measure(steps)


def test_without_the_native_library(monkeypatch):
    monkeypatch.setattr(library, "find", lambda: (None, "there was no compiler"))
    with pytest.raises(InputError, match="there was no compiler"):
        slimrnn.Stream(layer_of("LSTM6", 4, 5))
