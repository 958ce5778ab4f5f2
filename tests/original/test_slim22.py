"""slim22's class: its arguments, weights, configuration and mistakes."""

import inspect
import json
import warnings

import keras
import numpy as np
import pytest

import slim22
import slimrnn
from original import INDEX, WEIGHTS, assert_close, golden, layer_of, network
from slim22 import MODELS, LSTMs
from slimrnn.activations import hard_sigmoid_keras2


@pytest.mark.parametrize("model", MODELS)
def test_saved_and_loaded(model, tmp_path):
    net = network(model, INDEX[f"{model}-training"])
    x = golden(f"{model}-training")["X"][:4]
    net.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    assert again.layers[1].get_config()["model"] == model
    # Called, not compiled, which takes TensorFlow longer than all the rest.
    found, expected = (keras.ops.convert_to_numpy(each(x)) for each in (again, net))
    np.testing.assert_array_equal(found, expected)
    net.save_weights(tmp_path / "net.weights.h5")
    fresh = network(model, INDEX[f"{model}-training"])
    fresh.load_weights(tmp_path / "net.weights.h5")
    for ours, theirs in zip(fresh.get_weights(), net.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_signature_is_the_originals():
    parameters = inspect.signature(LSTMs).parameters.values()
    given = {p.name: p.default for p in parameters if p.kind != p.VAR_KEYWORD}
    theirs = inspect.signature(keras.layers.LSTM).parameters
    ours_only = ["implementation", "model"]
    assert list(given) == [
        *list(theirs)[: list(theirs).index("seed")],
        "implementation",
        *list(theirs)[list(theirs).index("return_sequences") : -2],
        "model",
    ]
    changed = {k for k in given if k not in ours_only and given[k] != theirs[k].default}
    assert changed == {"recurrent_activation"}
    assert given["recurrent_activation"] == "hard_sigmoid"
    assert (given["implementation"], given["model"]) == (1, "LSTM1")
    assert LSTMs(3, "relu").get_config()["activation"] == "relu"


@pytest.mark.parametrize("model", MODELS)
def test_configuration_round_trip(model):
    layer = LSTMs(
        5,
        "sigmoid",
        recurrent_regularizer="l2",
        bias_constraint="non_neg",
        activity_regularizer="l1",
        dropout=0.1,
        implementation=2,
        go_backwards=True,
        model=model,
        name="mine",
    )
    config = layer.get_config()
    json.dumps(config)
    assert config["model"] == model
    assert {"name", "units", "engine", *inspect.signature(LSTMs).parameters} <= {
        *config,
        "kwargs",
    }
    again = LSTMs.from_config(config)
    assert again.get_config() == config
    assert again.cell.variant == slimrnn.get(model)


def test_the_hard_sigmoid_is_keras_2s_by_name_and_what_was_given_otherwise():
    keras3 = keras.activations.hard_sigmoid
    for given, meant in (
        ("hard_sigmoid", hard_sigmoid_keras2),
        (keras3, keras3),
        ("sigmoid", keras.activations.sigmoid),
    ):
        layer = LSTMs(3, activation=given, recurrent_activation=given)
        for found in (layer, LSTMs.from_config(layer.get_config())):
            assert found.cell.activation is meant
            assert found.cell.recurrent_activation is meant
    assert LSTMs(3).get_config()["recurrent_activation"] == "hard_sigmoid"


class Shape(keras.initializers.Initializer):
    """Notes each shape that it is asked to fill."""

    def __init__(self):
        self.shapes = []

    def __call__(self, shape, dtype=None):
        self.shapes.append(tuple(shape))
        return keras.ops.full(shape, 2.0, dtype=dtype)


@pytest.mark.parametrize("model", MODELS)
def test_one_initialiser_over_each_packed_weight(model):
    case, seen = golden(f"{model}-tanh"), [Shape(), Shape(), Shape()]
    roles = ("kernel_initializer", "recurrent_initializer", "bias_initializer")
    options = dict(zip(roles, seen, strict=True))
    if model == "LSTM":
        options["unit_forget_bias"] = False  # where it is True, Keras 2 had two as well
    layer = layer_of(f"{model}-tanh", **options)
    layer.build(case["x"].shape)
    for weight, initializer in zip(WEIGHTS, seen, strict=True):
        assert initializer.shapes == [case[f"weight_{weight}"].shape]


@pytest.mark.parametrize("model", MODELS)
def test_the_forget_bias_starts_at_0_but_for_the_lstm(model):
    layer = LSTMs(3, model=model)
    layer.build((None, 5, 2))
    expected = np.zeros(layer.get_weights()[2].shape)
    if model == "LSTM":
        expected[3:6] = 1
    np.testing.assert_array_equal(layer.get_weights()[2], expected)


@pytest.mark.parametrize("model", MODELS[1:])
def test_use_bias_false_is_ignored_with_a_warning(model):
    with pytest.warns(UserWarning, match=f"use_bias=False is ignored.*{model} keeps"):
        layer = LSTMs(3, use_bias=False, model=model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = LSTMs.from_config(layer.get_config())
    again.build((None, 5, 2))
    assert len(again.get_weights()) == 3


def test_use_bias_false_works_for_the_lstm():
    layer = LSTMs(3, use_bias=False, model="LSTM")
    layer.build((None, 5, 2))
    assert [w.shape for w in layer.get_weights()] == [(2, 12), (3, 12)]


@pytest.mark.parametrize("implementation", [0, 1, 2])
def test_implementation_changes_nothing(implementation):
    name = "LSTM5-tanh"
    case, layer = golden(name), layer_of(name, implementation=implementation)
    layer.build(case["x"].shape)
    layer.set_weights([case[f"weight_{w}"] for w in WEIGHTS])
    outputs = keras.ops.convert_to_numpy(layer(case["x"])[0])
    assert_close(outputs, case["hs"], name)
    assert layer.get_config()["implementation"] == implementation


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_dropout_in_training_only(model, unroll):
    keras.utils.set_random_seed(1)
    layer = LSTMs(6, dropout=0.5, recurrent_dropout=0.5, unroll=unroll, model=model)
    x = np.random.default_rng(1).normal(size=(4, 7, 3)).astype("float32")
    plain, again, dropped = (
        keras.ops.convert_to_numpy(layer(x, training=training))
        for training in (False, False, True)
    )
    np.testing.assert_array_equal(plain, again)
    assert abs(dropped - plain).max() > 1e-3


def test_the_originals_own_call():
    # Its driver gives input_shape to a layer that is not the first one.
    with pytest.warns(UserWarning, match="input_shape"):
        layer = LSTMs(
            implementation=1,
            units=7,
            activation="sigmoid",
            input_shape=(500,),
            model="LSTM3",
        )
    embedding = keras.layers.Embedding(10, 4)
    net = keras.Sequential([embedding, layer, keras.layers.Dense(1)])
    assert net(np.zeros((2, 5), "int32")).shape == (2, 1)


def test_in_both_directions():
    x = np.random.default_rng(1).normal(size=(2, 5, 3)).astype("float32")
    both = keras.layers.Bidirectional(LSTMs(4, model="LSTM5a"))
    outputs = keras.ops.convert_to_numpy(both(x))
    for place, layer in (
        (np.s_[:4], both.forward_layer),
        (np.s_[4:], both.backward_layer),
    ):
        assert layer.cell.variant.name == "LSTM5a"
        alone = keras.ops.convert_to_numpy(layer(x))
        np.testing.assert_allclose(outputs[:, place], alone, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "nearest"), [("LSTM7", "LSTM"), ("lstm_4a", "LSTM4a"), (None, "LSTM")]
)
def test_an_unknown_model(model, nearest):
    with pytest.raises(slimrnn.InputError) as error:
        LSTMs(3, model=model)
    assert f"Unknown model {model!r}; the nearest is {nearest}" in str(error.value)
    assert str(error.value).endswith(f"Allowed: {', '.join(sorted(MODELS))}.")


@pytest.mark.parametrize("other", ["LSTM_C6", "GRU", "MGU2"])
def test_models_that_the_original_never_had(other):
    with pytest.raises(slimrnn.InputError, match="Allowed: LSTM, LSTM1"):
        LSTMs(3, model=other)


def test_names_in_any_case_and_the_alias():
    assert slim22.variant("lstm5A").name == "LSTM5a"
    assert slim22.variant("LSTM0").name == "LSTM"
