"""``.keras`` files are read without Keras, to what Keras makes of them."""

import itertools
import json
import subprocess
import sys
import textwrap
import zipfile

import keras
import numpy as np
import pytest

import slim22
import slimrnn
from problems import ROWS
from products import some
from slimrnn.errors import InputError
from slimrnn.ir import read
from slimrnn.ir.from_keras import from_keras, load

layers = keras.layers
ALL = {"return_sequences": True}
BIASED = [row for row in ROWS.values() if all(g.terms != ("bias",) for g in row.gates)]


def chain(*inside, shape=(None, 4), name="model"):
    return keras.Sequential([keras.Input(shape), *inside], name=name)


def functional():
    x = keras.Input((7, 4))
    y = layers.Masking(2.0)(x)
    y = chain(layers.Dense(5), layers.GRU(4, **ALL), name="inner")(y)
    y = layers.GRU(4, reset_after=False)(layers.LSTM(4, **ALL)(y))
    return keras.Model(x, layers.Dense(3, "softmax")(y))


def skipped():
    x = keras.Input((None, 4))
    y = layers.Dense(4)(layers.LSTM(3, **ALL)(x))
    return keras.Model(x, layers.Add()([y, layers.Rescaling(0.5)(x)]))


def adapted():
    front = layers.Normalization()
    front.adapt(np.random.default_rng(0).normal(3, 2, (20, 5, 4)))
    return chain(front, layers.LSTM(2))


def of_rows(rows, **options):
    return chain(*(slimrnn.layer(3, row, **ALL, **options) for row in rows))


def in_turn(*scales):
    """Constants that are vectors, and such that are one number."""
    pairs = zip(ROWS.values(), itertools.cycle(scales), strict=False)
    return chain(*(slimrnn.layer(3, row, time_scale=s, **ALL) for row, s in pairs))


MODELS = {
    "the table": lambda: of_rows(ROWS.values()),
    "no bias": lambda: of_rows(BIASED, use_bias=False),
    "time scales": lambda: in_turn((2, 30), 20),
    "time scales, turned round": lambda: in_turn(20, (2, 30)),
    "constants of one's own": lambda: of_rows(
        ["LSTM6", "LSTM_C6"], gate_constants={"f": 0.7}
    ),
    "a length": lambda: chain(slimrnn.SlimLSTM(3, "LSTM6"), shape=(40, 4)),
    "activations": lambda: chain(
        slimrnn.SlimGRU(3, "GRU1", "relu", "hard_sigmoid", **ALL),
        layers.LSTM(3, "hard_sigmoid", "relu", **ALL),
        layers.LSTM(3, recurrent_activation=slimrnn.activations.hard_sigmoid_keras2),
    ),
    "cells": lambda: chain(
        layers.RNN(layers.GRUCell(3), **ALL),
        layers.RNN(slimrnn.SlimMGUCell(3, "MGU2", time_scale=(2, 9)), **ALL),
        layers.SimpleRNN(2),
    ),
    "both directions": lambda: chain(
        layers.Bidirectional(layers.LSTM(3, **ALL), merge_mode="sum"),
        layers.Bidirectional(
            slimrnn.SlimGRU(3, reset_after=True, **ALL),
            backward_layer=slimrnn.SlimLSTM(3, "LSTM3", go_backwards=True, **ALL),
        ),
        layers.TimeDistributed(layers.Dense(2, use_bias=False)),
        layers.Flatten(),
        shape=(6, 4),
    ),
    "norms": lambda: chain(
        layers.Normalization(mean=[0.0, 1, 2, 3], variance=[1.0, 2, 3, 4]),
        layers.BatchNormalization(scale=False),
        layers.AveragePooling1D(2, strides=1, padding="same"),
        layers.LSTM(3),
        layers.Dropout(0.5),
        layers.LayerNormalization(center=False),
        layers.BatchNormalization(),
        layers.Dense(4),
        layers.ReLU(),
        layers.Softmax(),
    ),
    "slopes": lambda: chain(
        layers.Conv1D(3, 2, activation="swish"),
        layers.PReLU(shared_axes=[1]),
        layers.LSTM(3),
        layers.Dense(4, "leaky_relu"),
        layers.Dense(4, activation=layers.LeakyReLU(0.1)),
        layers.PReLU(),
        layers.Dense(4, slimrnn.activations.gelu_tanh),
        layers.ELU(0.5),
        layers.ReLU(negative_slope=0.2),
        layers.ReLU(6.0),
    ),
    "adapted": adapted,
    "words": lambda: chain(
        layers.Embedding(9, 3, mask_zero=True),
        layers.LSTM(3, zero_output_for_mask=True, **ALL),
        layers.LSTM(3),
        shape=(None,),
    ),
    "functional": functional,
    "skip": skipped,
    "the original's": lambda: chain(slim22.LSTMs(3, model="LSTM4")),
}


def drawn(model):
    """The model with other numbers than it starts with."""
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 0.9, w.shape) for w in model.get_weights()])
    for layer in model.layers:  # what Normalization was adapted to
        getattr(layer, "finalize_state", int)()
    return model


@pytest.mark.backend_free
@pytest.mark.parametrize("kind", some(lambda kind: "round" not in kind, MODELS))
def test_what_keras_has(kind, tmp_path):
    model, path = drawn(MODELS[kind]()), tmp_path / "m.keras"
    model.save(path)
    found = read(path)
    assert found == from_keras(model) == from_keras(load(path))
    assert found.origin == f"Keras {keras.__version__}, .keras"


@pytest.mark.backend_free
def test_no_framework_is_imported(tmp_path):
    path = tmp_path / "m.keras"
    MODELS["constants of one's own"]().save(path)
    code = f"""
        import sys
        from slimrnn.stream import Stream
        from slimrnn import native
        if not native.reason():
            assert Stream({str(path)!r}).step([1.0, 2.0, 3.0, 4.0]).shape == (3,)
        from slimrnn.ir import read
        read({str(path)!r})
        known = {{"keras", "jax", "torch", "tensorflow"}} & {{*sys.modules}}
        assert not known, known
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def changed(path, change):
    """The file with another configuration."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config["config"]["layers"])
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


REFUSED = {
    "a class of one's own": (
        lambda entries: entries[1].update(registered_name="mine>LSTM"),
        "LSTM, a class of your own",
    ),
    "a module of one's own": (
        lambda entries: entries[1].update(module="mine"),
        "a class of your own",
    ),
    "a Lambda": (
        lambda entries: entries[2].update(class_name="Lambda"),
        r"\(Lambda\) cannot be read",
    ),
    "a slope in a cell": (
        lambda entries: entries[1]["config"].update(activation="leaky_relu"),
        "the activation leaky_relu; allowed: tanh",
    ),
    "an activation of one's own": (
        lambda entries: entries[1]["config"].update(
            activation={
                "module": "mine",
                "class_name": "function",
                "config": "tanh",
                "registered_name": "tanh",
            }
        ),
        "tanh, a function of your own",
    ),
    "quantized": (
        lambda entries: entries[1]["config"].update(dtype="int8_from_float32"),
        "is of int8_from_float32; allowed is float32",
    ),
    "other weights": (lambda entries: entries[1].update(class_name="GRU"), "gru|GRU"),
    "entries that are none": (lambda entries: entries.append(3), "is damaged|cannot"),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("what", REFUSED)
def test_files_that_are_refused(what, tmp_path):
    path, (change, sentence) = tmp_path / "m.keras", REFUSED[what]
    chain(layers.LSTM(3), layers.Dense(2)).save(path)
    changed(path, change)
    with pytest.raises(InputError, match=sentence):
        read(path)


@pytest.mark.backend_free
def test_another_precision_is_said(tmp_path):
    path = tmp_path / "m.keras"
    chain(layers.SimpleRNN(3, dtype="float64")).save(path)
    assert read(path).translated == "float64 as float32"
