"""What a step takes, and what is refused in a sentence."""

import keras
import numpy as np
import pytest

import slimrnn
from layer_problems import normal, randomised
from slimrnn.errors import InputError
from slimrnn.native import library
from streams import WORDS, assert_state, layer_of, stream_of

pytestmark = pytest.mark.usefixtures("eager", "caller")
layers = keras.layers


CONVERTED = {
    "float64": lambda x: x.astype("float64"),
    "float16": lambda x: x.astype("float16"),
    "whole": lambda x: x.astype("int64"),
    "list": lambda x: x.tolist(),
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "swapped bytes": lambda x: x.astype(">f4"),
    "tensor": keras.ops.convert_to_tensor,
    "read-only": lambda x: np.broadcast_to(x[:1], x.shape),
    "by columns": np.asfortranarray,
    "a subclass": lambda x: x.view(np.recarray),
    "with metadata": lambda x: x.astype(np.dtype("f4", metadata={"unit": "V"})),
    "not aligned": lambda x: np.frombuffer(b"0" + x.tobytes(), "f4", x.size, 1).reshape(
        x.shape
    ),
    "memoryview": memoryview,
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


@pytest.mark.backend_free
@pytest.mark.parametrize("kind", [int, np.uint8, np.int64, np.int32, np.array])
def test_one_index(kind):
    layer = layers.Embedding(WORDS, 3)
    layer.build((None,))
    stream = stream_of(layer)
    np.testing.assert_array_equal(stream.step(kind(2)), stream.step([2])[0])


@pytest.mark.backend_free
@pytest.mark.parametrize("number", [0.5, 1, np.float32(0.5), np.array(2.0)])
def test_one_number_where_there_is_one_feature(number):
    layer = layer_of("LSTM6", 1, 5)
    expected = stream_of(layer).step([[number]])[0]
    np.testing.assert_array_equal(stream_of(layer).step(number), expected)


@pytest.mark.backend_free
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


def words(*inside):
    embedding = layers.Embedding(WORDS, 4, mask_zero=True)
    return keras.Sequential([layers.Input((None,)), embedding, *inside])


def alone(layer):
    layer.build((None, None, 4))
    return layer


REFUSED_MODELS = {
    "another object": (lambda: 6, "received int"),
    "no such file": (lambda: "none.keras", "no file none.keras"),
    "Bidirectional": (
        lambda: words(layers.Bidirectional(layers.LSTM(3))),
        "one step at a time; .*needs the whole sequence",
    ),
    "go_backwards": (
        lambda: alone(slimrnn.SlimLSTM(3, go_backwards=True)),
        "one step at a time; .*go_backwards=True",
    ),
    "zeros for masked steps": (
        lambda: words(layers.LSTM(3, zero_output_for_mask=True)),
        "zero_output_for_mask=True.*allowed is False",
    ),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("what", REFUSED_MODELS)
def test_models_that_are_refused(what):
    make, sentence = REFUSED_MODELS[what]
    with pytest.raises(InputError, match=sentence):
        stream_of(make())


@pytest.mark.backend_free
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


@pytest.mark.backend_free
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


@pytest.mark.backend_free
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


@pytest.mark.backend_free
@pytest.mark.parametrize("what", REFUSED_STATES)
def test_states_that_are_refused(what):
    given, sentence = REFUSED_STATES[what]
    stream = stream_of(layer_of("LSTM6", 3, 4), 2)
    stream.step(normal(2, 3))
    before = stream.state
    with pytest.raises(InputError, match=sentence):
        stream.state = given
    assert_state(stream.state[0], before[0])


@pytest.mark.backend_free
@pytest.mark.parametrize("steps", [0, -1, 2.5, None])
def test_numbers_of_steps_that_are_refused(steps):
    stream = stream_of(layer_of("LSTM6", 4, 5))
    with pytest.raises(InputError, match="steps must be a whole number"):
        stream.measure(steps)


@pytest.mark.backend_free
def test_without_the_native_library(monkeypatch):
    monkeypatch.setattr(library, "find", lambda: (None, "there was no compiler"))
    with pytest.raises(InputError, match="there was no compiler"):
        slimrnn.Stream(layer_of("LSTM6", 4, 5))


BLOCKS = {
    "no axis of steps": (1, np.ones(4, "f4"), "shape .T, 1, 4. or .T, 4."),
    "another batch": (2, np.ones((5, 3, 4)), r"shape \(T, 2, 4\) \(features"),
    "one number": (1, 3.0, "shape"),
    "texts": (1, [["a"] * 4], "float32, or real numbers"),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("what", BLOCKS)
def test_blocks_that_are_refused(what):
    batch, x, sentence = BLOCKS[what]
    stream = stream_of(layer_of("LSTM6", 4, 5), batch)
    with pytest.raises(InputError, match=sentence):
        stream.run(x)
    assert not stream.state[0]["h"].any()


@pytest.mark.backend_free
def test_shapes_of_blocks():
    stream = stream_of(layer_of("LSTM6", 1, 5))
    for shape in ((7, 1, 1), (7, 1), (7,), (0,)):
        x = np.linspace(0, 1, 7)[: shape[0]].reshape(shape)
        stream.reset()
        expected = [stream.step(one) for one in x]
        stream.reset()
        found = stream.run(x)
        assert found.shape == (len(x), *((1, 5) if len(shape) == 3 else (5,)))
        np.testing.assert_array_equal(found, np.reshape(expected, found.shape))


@pytest.mark.backend_free
def test_a_block_with_an_index_outside_changes_nothing():
    stream = stream_of(words(layers.LSTM(3)))
    before = stream.state
    for bad in (np.array([1, 2, WORDS]), np.array([1, -1], "int32")):
        with pytest.raises(InputError, match="which the Embedding does not have"):
            stream.run(bad)
    for found, mine in zip(stream.state, before, strict=True):
        assert_state(found, mine)
    assert stream.run(np.array([1, 2], "int32")).shape == (2, 3)
