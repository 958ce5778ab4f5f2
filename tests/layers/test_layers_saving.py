"""Configurations and files: what is written down comes back as it was."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import slimrnn
from layer_problems import (
    CELLS,
    EVERYTHING,
    FEATURES,
    KINDS,
    UNITS,
    X,
    arrays,
    assert_same,
    built,
    make,
    randomised,
)
from problems import OWN, ROWS
from products import some
from slimrnn.activations import hard_sigmoid_keras2

OPTIONS = {
    "gate constants": ("LSTM4a", {"gate_constants": {"f": 0.59}}),
    "Keras 2's sigmoid": ("LSTM5", {"recurrent_activation": hard_sigmoid_keras2}),
    "functions": ("GRU1", {"activation": "relu", "recurrent_activation": "softsign"}),
    "dropout": ("MGU2", {"dropout": 0.25, "recurrent_dropout": 0.5, "seed": 4}),
    "no bias": ("LSTM4", {"use_bias": False}),
    "no forget bias": ("LSTM5", {"unit_forget_bias": False}),
    "backwards": ("LSTM10", {"go_backwards": True, "zero_output_for_mask": True}),
    "unrolled": ("GRU3", {"unroll": True}),
    "everything": ("LSTM", EVERYTHING),
    "engine": ("LSTM6", {"engine": "ops"}),
    "frozen": ("LSTM6", {"trainable": False}),
    "half": ("LSTM11", {"dtype": "mixed_bfloat16"}),
    "weights' options": (
        "LSTM5",
        {
            "kernel_initializer": keras.initializers.RandomUniform(seed=3),
            "recurrent_vector_initializer": "ones",
            "recurrent_vector_regularizer": keras.regularizers.L1(0.01),
            "recurrent_vector_constraint": keras.constraints.MaxNorm(3),
            "bias_regularizer": "l2",
            "activity_regularizer": keras.regularizers.L2(0.5),
        },
    ),
}


def plain_config(layer):
    return json.loads(json.dumps(layer.get_config()))


def assert_back(layer):
    """The layer's configuration is plain, complete, and makes the same layer."""
    config = plain_config(layer)
    twin = type(layer).from_config(json.loads(json.dumps(config)))
    assert plain_config(twin) == config
    twin.build(X.shape)
    assert [w.shape for w in twin.weights] == [w.shape for w in layer.weights]
    twin.set_weights(layer.get_weights())
    return twin


@pytest.mark.parametrize("name", ROWS)
def test_a_row_comes_back_from_its_configuration(name):
    layer = built(name)
    twin = assert_back(layer)
    assert twin.variant == layer.variant == ROWS[name]
    stored = plain_config(layer)["variant"]
    assert stored == (ROWS[name].get_config() if ROWS[name] in OWN else name)


@pytest.mark.parametrize("case", OPTIONS)
def test_options_come_back_from_the_configuration(case):
    name, options = OPTIONS[case]
    layer = built(name, **options)
    twin = assert_back(layer)
    config, usual = layer.get_config(), make(name).get_config()
    assert {k for k in config if config[k] != usual[k]} - {"name"} == set(options)
    if case not in ("unrolled", "engine", "frozen"):
        assert_same(twin(X), layer(X))


@pytest.mark.parametrize("family", CELLS)
def test_a_cell_comes_back_from_its_configuration(family):
    own = next(row for row in OWN if row.family == family)
    cell = CELLS[family](UNITS, own, dropout=0.5, name="mine")
    cell.build((None, FEATURES))
    assert assert_back(cell).variant == own
    layer = slimrnn.SlimRNN(cell, return_sequences=True, engine="ops")
    layer.build(X.shape)
    twin = assert_back(layer)
    assert twin.cell.variant == own
    assert twin.engine == "ops"
    assert_same(twin(X), layer(X))


def test_regularisers_and_constraints_come_back_as_they_were():
    name, options = OPTIONS["weights' options"]
    twin = assert_back(built(name, **options))
    assert twin.recurrent_vector_constraint.max_value == 3
    np.testing.assert_allclose(twin.recurrent_vector_regularizer.l1, 0.01)
    np.testing.assert_allclose(twin.activity_regularizer.l2, 0.5)
    assert isinstance(twin.recurrent_vector_initializer, keras.initializers.Ones)


def model_of_many():
    """One model with layers of each family and of several options, side by side."""
    inputs = keras.Input((None, FEATURES))
    masked = keras.layers.Masking()(inputs)
    layers = [make(name) for name in ("LSTM11", "GRU1", "MGU", "OwnLSTM")]
    for case in ("gate constants", "Keras 2's sigmoid", "backwards", "dropout"):
        name, options = OPTIONS[case]
        layers.append(make(name, **options))
    layers.append(keras.layers.Bidirectional(make("OwnGRU", units=2)))
    layers.append(keras.layers.RNN(slimrnn.SlimLSTMCell(UNITS, OWN[0])))
    outputs = [layer(masked) for layer in layers]
    return randomised(keras.Model(inputs, keras.ops.concatenate(outputs, axis=-1)))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A file with the model, its layers' configurations, and its outputs for X."""
    folder = tmp_path_factory.mktemp("saved")
    model = model_of_many()
    model.save(folder / "model.keras")
    np.save(folder / "x.npy", X)
    return folder, [plain_config(x) for x in model.layers], arrays(model(X))


def test_a_saved_model_computes_the_same(saved):
    folder, configs, expected = saved
    model = keras.models.load_model(folder / "model.keras", safe_mode=True)
    assert [plain_config(x) for x in model.layers] == configs
    assert_same(model(X), expected)


ELSEWHERE = """
import {}, {}, numpy
model = keras.models.load_model("model.keras")
y = keras.ops.convert_to_numpy(model(numpy.load("x.npy")))
numpy.save("{}.npy", y)
"""


ORDERS = (("keras", "slimrnn"), ("slimrnn.layers", "keras"))


@pytest.mark.parametrize("order", some(lambda order: order[0] == "keras", ORDERS))
def test_a_new_process_only_has_to_import_slimrnn_to_load_a_model(order, saved):
    folder, _, expected = saved
    command = [sys.executable, "-c", ELSEWHERE.format(*order, order[0])]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert_same(np.load(folder / f"{order[0]}.npy"), expected[0])


def test_a_saved_optimizer_goes_on_where_it_stopped(tmp_path):
    y = np.zeros((len(X), UNITS))
    model = keras.Sequential([keras.Input(X.shape[1:]), make("LSTM5")])
    model.compile("adam", "mse")
    model.train_on_batch(X, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        each.train_on_batch(X, y)
    assert_same(loaded.get_weights(), model.get_weights())


@pytest.mark.parametrize("name", KINDS.values())
def test_weights_alone_are_saved(name, tmp_path):
    inputs = keras.Input((None, FEATURES))
    models = (keras.Sequential([inputs, make(name)]) for _ in range(2))
    model, other = (randomised(m, values=k) for k, m in enumerate(models))
    file = tmp_path / "w.weights.h5"
    model.save_weights(file)
    assert any((a != b).any() for a, b in _weights(model, other))
    other.load_weights(file)
    assert all((a == b).all() for a, b in _weights(model, other))


def _weights(*models):
    return zip(*(model.get_weights() for model in models), strict=True)
