"""The description that every writer works from, and what it refuses."""

import keras
import numpy as np
import pytest

import slimrnn
from deploy_problems import WORDS, model_of
from slimrnn.errors import InputError
from slimrnn.ir.from_keras import from_keras
from slimrnn.ir.model import Affine, Bidirectional, Dense, Embedding, Masking, Recurrent

layers = keras.layers


def kinds(model):
    return [type(layer) for layer in from_keras(model).layers]


def functional(*inside, shape=(None, 5)):
    inputs = x = keras.Input(shape)
    for layer in inside:
        x = layer(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize("make", [model_of, functional])
def test_a_chain(make):
    model = make(
        layers.Rescaling(0.5),
        layers.Masking(-1.0),
        layers.Dropout(0.1),
        slimrnn.SlimLSTM(4, "LSTM6", return_sequences=True),
        layers.TimeDistributed(layers.Dense(3)),
        layers.GRU(2),
        layers.Activation("linear"),
        layers.Dense(6, "relu"),
    )
    found = from_keras(model)
    wanted = [Affine, Masking, Recurrent, Dense, Recurrent, Dense]
    assert [type(layer) for layer in found.layers] == wanted
    assert [layer.inputs for layer in found.layers] == [5, 5, 5, 4, 3, 2]
    assert [layer.outputs for layer in found.layers] == [5, 5, 4, 3, 2, 6]
    assert found.masked
    assert not found.return_sequences
    assert found.why_no_stream() == ""


def test_an_embedding_and_both_directions():
    model = functional(
        layers.Embedding(WORDS, 3, mask_zero=True),
        layers.Bidirectional(slimrnn.SlimLSTM(4)),
        shape=(None,),
    )
    found = from_keras(model)
    assert [type(layer) for layer in found.layers] == [Embedding, Bidirectional]
    assert found.takes_indices
    assert found.outputs == 8
    assert "Bidirectional" in found.why_no_stream()


def test_the_steps():
    found = from_keras(
        model_of(layers.LSTM(2, return_sequences=True), layers.Flatten(), steps=7)
    )
    assert (found.steps, found.return_sequences, found.flatten) == (7, True, True)
    assert from_keras(model_of(layers.LSTM(2), layers.Flatten())).flatten is False


def test_the_constants_are_the_layer_s_own():
    layer = slimrnn.SlimLSTM(4, "LSTM6", gate_constants={"f": 0.59})
    (found,) = from_keras(model_of(layer)).recurrent()
    assert found.cell.variant.constants["f"] == 0.59


def test_the_digest_is_of_the_weights():
    model = model_of(layers.LSTM(2))
    before = from_keras(model).digest()
    assert from_keras(model).digest() == before
    weights = model.get_weights()
    weights[0][0, 0] += 1
    model.set_weights(weights)
    assert from_keras(model).digest() != before


def called(**how):
    """A functional model whose LSTM is called with more than its input."""
    inputs = keras.Input((None, 5))
    return keras.Model(inputs, layers.LSTM(3)(inputs, **how))


def diverged():
    model = model_of(layers.LSTM(3), layers.Dense(2))
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    return model


REFUSED = {
    "an initial state": (
        lambda: called(initial_state=[keras.ops.ones((1, 3))] * 2),
        "not a chain",
    ),
    "a constant mask": (lambda: called(mask=np.ones((1, 4), bool)), "not a chain"),
    "steps rescaled": (
        lambda: model_of(layers.Rescaling(np.ones((5, 1))), layers.LSTM(3), steps=5),
        r"shape \(5, 1\); allowed: one for all",
    ),
    "steps normalized": (
        lambda: model_of(
            layers.Normalization(axis=1, mean=np.ones(5), variance=np.ones(5)),
            layers.LSTM(3),
            steps=5,
        ),
        r"shape \(1, 5, 1\); allowed: one for all",
    ),
    "weights that are no numbers": (diverged, "not finite, as after a training"),
    "a constant beyond float32": (
        lambda: model_of(slimrnn.SlimLSTM(3, "LSTM6", gate_constants={"f": 1e39})),
        "not finite",
    ),
    "two masks": (
        lambda: model_of(layers.Masking(0.0), layers.Masking(1.0), layers.LSTM(3)),
        "once",
    ),
    "no model": (lambda: "LSTM", "received str"),
    "a layer": (
        lambda: model_of(layers.Conv1D(3, 2), layers.LSTM(2)),
        r"Conv1D.*cannot be exported; allowed: Embedding.*Dropout",
    ),
    "no recurrent layer": (lambda: model_of(layers.Dense(2)), "no recurrent layer"),
    "not built": (lambda: keras.Sequential([layers.LSTM(3)]), "no weights yet"),
    "an activation": (
        lambda: model_of(layers.LSTM(3), layers.Dense(2, "gelu")),
        "gelu.*allowed: tanh",
    ),
    "behind Flatten": (
        lambda: model_of(
            layers.LSTM(3, return_sequences=True),
            layers.Flatten(),
            layers.Dense(2),
            steps=4,
        ),
        "behind Flatten",
    ),
    "softmax over steps": (
        lambda: model_of(layers.LSTM(3), layers.Softmax(axis=0)),
        "axis=0",
    ),
    "another layer distributed": (
        lambda: model_of(
            layers.TimeDistributed(layers.LayerNormalization()), layers.LSTM(3)
        ),
        "LayerNormalization",
    ),
    "float64": (
        lambda: model_of(layers.LSTM(3, dtype="float64")),
        "float64; allowed is float32",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_models_that_are_refused(what):
    make, sentence = REFUSED[what]
    with pytest.raises(InputError, match=sentence):
        from_keras(make())


@pytest.mark.parametrize(
    ("mean", "variance"),
    [([1.0, 2, 3, 4, 5], [1.0, 4, 9, 0, 2]), ([293.15] * 5, [0.09] * 5)],
)
def test_normalization_is_keras_s(mean, variance):
    """Also where the mean is far larger than the deviation."""
    layer = layers.Normalization(mean=mean, variance=variance)
    *affine, _ = from_keras(model_of(layer, layers.LSTM(2))).layers
    x = np.random.default_rng(0).normal(mean, np.sqrt(variance), (3, 5)).astype("f4")
    expected = keras.ops.convert_to_numpy(layer(x)).reshape(x.shape)
    for one in affine:
        x = one.scale * x + one.offset
    np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-6)
