"""The description that every writer works from, and what it refuses."""

import keras
import numpy as np
import pytest

import slimrnn
from deploy_problems import WORDS, model_of
from layer_problems import assert_same, normal
from slimrnn.deploy.program import program, simulator
from slimrnn.errors import InputError
from slimrnn.ir.from_keras import from_keras
from slimrnn.ir.layers import (
    Affine,
    Bidirectional,
    Dense,
    Embedding,
    Masking,
    Recurrent,
)

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


LAST_STEPS = {
    "x[:, -1]": ({"return_sequences": True}, lambda y: y[:, -1]),
    "x[:, -1, :]": ({"return_sequences": True}, lambda y: y[:, -1, :]),
    "x[..., -1, :]": ({"return_sequences": True}, lambda y: y[..., -1, :]),
    "the last h": ({"return_state": True}, lambda y: y[1]),
}


@pytest.mark.parametrize("how", LAST_STEPS)
def test_the_last_step(how):
    settings, last = LAST_STEPS[how]
    inputs = keras.Input((7, 3))
    hidden = last(layers.LSTM(2, **settings)(inputs))
    model = keras.Model(inputs, layers.Dense(4)(hidden))
    found, x = from_keras(model), normal(2, 7, 3)
    assert [type(layer) for layer in found.layers] == [Recurrent, Dense]
    assert_same(simulator.run(program.float32(found), x), model.predict(x, verbose=0))


@pytest.mark.backend_free
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


@pytest.mark.backend_free
def test_the_digest_is_of_the_weights():
    model = model_of(layers.LSTM(2))
    before = from_keras(model).digest()
    assert from_keras(model).digest() == before
    weights = model.get_weights()
    weights[0][0, 0] += 1
    model.set_weights(weights)
    assert from_keras(model).digest() != before


def built(*inside, shape=(None, None, 4)):
    model = keras.Sequential([*inside])
    model.build(shape)
    return model


def called(**how):
    """A functional model whose LSTM is called with more than its input."""
    inputs = keras.Input((None, 5))
    return keras.Model(inputs, layers.LSTM(3)(inputs, **how))


def with_layers(call):
    """A functional model of what is called with its input."""
    inputs = keras.Input((None, 4))
    return keras.Model(inputs, call(inputs))


def with_initial_state():
    x, h = layers.Input((None, 4)), layers.Input((3,))
    return keras.Model([x, h], layers.GRU(3)(x, initial_state=h))


def with_mask(mask_zero, value=None):
    """A GRU that is given a mask: an input of the model, or where x is no value."""
    x, mask = layers.Input((None,)), layers.Input((None,), dtype="bool")
    inputs = [x, mask] if value is None else x
    mask = mask if value is None else keras.ops.not_equal(x, value)
    embedded = layers.Embedding(WORDS, 4, mask_zero=mask_zero)(x)
    return keras.Model(inputs, layers.GRU(3)(embedded, mask=mask))


def filled(value):
    model = model_of(layers.LSTM(3), layers.Dense(2))
    model.set_weights([np.full_like(w, value) for w in model.get_weights()])
    return model


def quantized():
    model = built(layers.Dense(3))
    model.quantize("int8")
    return model


class OwnModel(keras.Model):
    pass


class OwnLSTM(layers.LSTM):
    pass


REFUSED = {
    "an initial state": (
        lambda: called(initial_state=[keras.ops.ones((1, 3))] * 2),
        "not a chain",
    ),
    "an initial state as an input": (with_initial_state, "not a chain"),
    "a constant mask": (lambda: called(mask=np.ones((1, 4), bool)), "not a chain"),
    "a mask given": (lambda: with_mask(False), "not a chain"),
    "another mask given": (lambda: with_mask(True), "not a chain"),
    "a mask of zeros": (lambda: with_mask(False, 0), "not a chain"),
    "a mask of ones": (lambda: with_mask(True, 1), "not a chain"),
    "branches": (
        lambda: with_layers(lambda x: layers.Dense(2)(x) + layers.Dense(2)(x)),
        "not a chain",
    ),
    "an operation": (
        lambda: with_layers(lambda x: layers.Dense(2)(keras.ops.tanh(x))),
        "not a layer",
    ),
    "two outputs": (
        lambda: with_layers(lambda x: [layers.Dense(2, name=n)(x) for n in "ab"]),
        r"has 2 outputs \(a, b\); allowed is one: .*get_layer",
    ),
    "a subclassed model": (OwnModel, "not a chain"),
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
    "weights that are no numbers": (
        lambda: filled(np.nan),
        r"lstm.*\(LSTM\).*not finite, as after a training",
    ),
    "infinite weights": (lambda: filled(np.inf), "not finite, as after a training"),
    "a constant beyond float32": (
        lambda: model_of(slimrnn.SlimLSTM(3, "LSTM6", gate_constants={"f": 1e39})),
        "not finite",
    ),
    "two masks": (
        lambda: model_of(layers.Masking(0.0), layers.Masking(1.0), layers.LSTM(3)),
        "once",
    ),
    "a second Embedding": (
        lambda: built(
            layers.Embedding(WORDS, 4), layers.Embedding(3, 3), shape=(None, None)
        ),
        "must be the first layer",
    ),
    "no model": (lambda: "LSTM", "received str"),
    "an empty model": (lambda: keras.Sequential(name="no"), "model no has no layer"),
    "nothing to compute": (lambda: layers.Dropout(0.5), "no layer that computes"),
    "a layer": (
        lambda: model_of(layers.UpSampling1D(2), layers.LSTM(2)),
        r"UpSampling1D.*cannot be read; allowed: Embedding.*Dropout",
    ),
    "a subclass": (lambda: built(OwnLSTM(3)), "OwnLSTM"),
    "stacked cells": (
        lambda: built(layers.RNN([layers.LSTMCell(3), layers.LSTMCell(3)])),
        r"StackedRNNCells.*allowed: LSTMCell",
    ),
    "not built": (lambda: slimrnn.SlimLSTM(3), "no weights yet"),
    "not built inside": (lambda: keras.Sequential([layers.LSTM(3)]), "no weights yet"),
    "an activation": (
        lambda: model_of(layers.LSTM(3), layers.Dense(2, "log_sigmoid")),
        "log_sigmoid.*allowed: tanh.*softmax",
    ),
    "an activation of a cell": (
        lambda: built(layers.LSTM(3, activation="softmax")),
        "softmax.*allowed: tanh",
    ),
    "a recurrent activation": (
        lambda: built(slimrnn.SlimLSTM(3, "LSTM5", recurrent_activation="gelu")),
        "gelu.*allowed: tanh",
    ),
    "behind Flatten": (
        lambda: model_of(
            layers.LSTM(3, return_sequences=True),
            layers.Flatten(),
            layers.LayerNormalization(),
            steps=4,
        ),
        "after Flatten; allowed there is a Dense",
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
        lambda: model_of(layers.LSTM(3, dtype="float64", unit_forget_bias=False)),
        "float64; allowed is float32",
    ),
    "half": (lambda: built(layers.Dense(3, dtype="mixed_bfloat16")), "in bfloat16"),
    "quantized": (quantized, r"quantized \(int8\)"),
}


@pytest.mark.backend_free
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
