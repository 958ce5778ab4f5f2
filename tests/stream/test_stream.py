"""Streams are the engine over the sequence, bit for bit; their states."""

import gc
import threading
import weakref

import keras
import numpy as np
import pytest

import slimrnn
from layer_problems import normal, randomised
from problems import ROWS
from products import each_once
from slimrnn import native
from slimrnn.activations import FUNCTIONS
from slimrnn.errors import InputError
from slimrnn.variants import FAMILIES
from streams import (
    FEATURES,
    UNITS,
    WORDS,
    ZEROS,
    assert_state,
    engine,
    layer_of,
    stream_of,
    taken,
)

pytestmark = [pytest.mark.backend_free, pytest.mark.usefixtures("eager")]
layers = keras.layers
BATCHES = (1, 2, 3, 5)
SIZES = ((1, 1), (3, 7), (17, 33), (32, 100))  # features, units


@pytest.mark.parametrize(("name", "activation"), each_once(ROWS, FUNCTIONS))
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


@pytest.mark.parametrize(("name", "batch"), each_once(ROWS, BATCHES))
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


def test_silence_first():
    _, stream = pair()
    stream.prewarm(5000)
    found = stream.state
    stream.reset()
    stream.run(np.zeros((5000, 2, FEATURES)))
    for mine, other in zip(stream.state, found, strict=True):
        assert_state(mine, other)
    with pytest.raises(InputError, match="steps must be a whole number from 1"):
        stream.prewarm(0)


def test_measuring_leaves_the_states_alone():
    _, stream = pair()
    x = normal(2, 3, FEATURES)
    taken(stream, x)
    before = stream.state
    assert stream.measure(100) > 0
    for found, mine in zip(stream.state, before, strict=True):
        assert_state(found, mine)


def test_garbage_is_freed():
    stream = stream_of(layer_of("LSTM6", 4, 5))
    handle = weakref.ref(stream._step.handle)
    del stream
    gc.collect()
    assert handle() is None


def test_a_closed_stream():
    stream = stream_of(layer_of("LSTM6", 4, 5))
    y = stream.step(np.ones((1, 4)))
    stream.close()
    stream.close()
    ones = np.ones((1, 4))
    calls = (lambda: stream.step(ones), lambda: stream.run(ones), stream.measure)
    for call in (*calls, lambda: stream.prewarm(3)):
        with pytest.raises(InputError, match="closed"):
            call()
    np.testing.assert_array_equal(stream.state[0]["h"], y)
