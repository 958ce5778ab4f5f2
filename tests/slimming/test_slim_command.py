"""Slimming by its command, and mistakes in sentences."""

import argparse

import keras
import numpy as np
import pytest
from test_slimming import FEATURES, TIME, X, trained

import slimrnn
from layer_problems import UNITS, normal
from problems import ROWS
from slimrnn.cli import flags
from slimrnn.cli import slim as command
from slimrnn.errors import InputError
from slimrnn.slimming import Options, rebuild
from slimrnn.slimming.training import slim

layers = keras.layers


GOOD = np.zeros((4, TIME, FEATURES), "float32"), np.array([0, 1, 2, 3])
# What is wrong, and what the sentence must name.
MISTAKES = {
    "another family": (["GRU3"], {}, ["family lstm", "GRU3"]),
    "unknown row": (["LSTM7x"], {}, ["'LSTM7x'", "nearest"]),
    "no such constants": (
        ["LSTM6"],
        {"gate_constants": "best"},
        ["'variant'", "'best'"],
    ),
    "no such gate": (["LSTM6"], {"gate_constants": {"z": 1.0}}, ["'z'", "i, f, o"]),
    "no epochs": (["LSTM6", GOOD], {"epochs": 0}, ["epochs", "0", "1 or more"]),
    "no rate": (["LSTM6", GOOD], {"learning_rate": 0}, ["learning rate", "above 0"]),
    "cold": (["LSTM6", GOOD], {"temperature": 0}, ["temperature", "above 0"]),
    "too much": (["LSTM6", GOOD], {"mix": 1.5}, ["mix", "1.5", "from 0"]),
    "all held": (["LSTM6", GOOD], {"validation": 1}, ["validation", "at most"]),
    "no pair": (["LSTM6", X], {}, ["pair of arrays"]),
    "no steps": (["LSTM6", (X[:, 0], np.zeros(5, int))], {}, ["pair of arrays"]),
    "features": (["LSTM6", (X[..., :2], np.zeros(5, int))], {}, ["2 feat", "3 feat"]),
    "tokens": (["LSTM6", (np.ones((4, 3), int), np.zeros(4, int))], {}, ["token ids"]),
    "classes": (["LSTM6", (X, np.arange(5))], {}, ["0 to 4", "4 classes"]),
    "targets": (["LSTM6", (X, normal(5, 3))], {}, ["(5, 4)"]),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_a_sentence(mistake):
    arguments, options, words = MISTAKES[mistake]
    options = {"validation": 0.5, **options}  # there are few sequences
    with pytest.raises(InputError) as error:
        slim(trained(layers.LSTM(UNITS)), *arguments, **options)
    for word in words:
        assert word.lower() in str(error.value).lower()


@pytest.mark.backend_free
def test_only_what_can_be_slimmed():
    dense = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    with pytest.raises(InputError, match="no recurrent layer"):
        rebuild(dense, "LSTM6")
    with pytest.raises(InputError, match=r"built keras\.Sequential"):
        rebuild(layers.LSTM(3), "LSTM6")
    with pytest.raises(InputError, match="more in gate i"):
        rebuild(trained(slimrnn.SlimLSTM(UNITS, "LSTM6")), "LSTM")


def carried_out(*words):
    parser = flags.Parser(prog="slimrnn")
    command.add(parser.add_subparsers(dest="command"))
    args = parser.parse_args(["slim", *map(str, words)])
    assert isinstance(args, argparse.Namespace)
    return command.run(args)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A trained model of the digits, and one without a recurrent layer."""
    folder = tmp_path_factory.mktemp("models")
    model = keras.Sequential(
        [
            keras.Input((8, 8)),
            layers.LSTM(UNITS),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save(folder / "lstm.keras")
    dense = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(10)])
    dense.save(folder / "dense.keras")
    (folder / "text.keras").write_text("no model")
    (folder / "lstm.h5").write_text("another format")
    (folder / "there.keras").write_text("something")
    return folder


def test_the_command_slims(saved, tmp_path, capsys):
    out = tmp_path / "slim.keras"
    model = saved / "lstm.keras"
    code = carried_out(
        *(model, "--to", "lstm4a", "--dataset", "digits", "--epochs", 1, "--out", out)
    )
    assert code == 0
    shown = capsys.readouterr().out
    assert "epoch 1/1" in shown
    full, row = ROWS["LSTM"], ROWS["LSTM4a"]
    for count in (full.parameters(8, UNITS), row.parameters(8, UNITS)):
        assert f"{count:,}" in shown
    loaded = keras.models.load_model(out, safe_mode=True)
    assert loaded.layers[0].variant.name == "LSTM4a"
    assert [file.name for file in tmp_path.iterdir()] == ["slim.keras"]


DIGITS = ["--dataset", "digits"]
REFUSED = {
    "no recurrent layer": ("dense.keras", "LSTM6", DIGITS, "no recurrent layer"),
    "another family": ("lstm.keras", "MGU", DIGITS, "family"),
    "unknown row": ("lstm.keras", "LSTN4", DIGITS, "nearest is LSTM4"),
    "no model": ("text.keras", "LSTM6", DIGITS, "cannot be read as a Keras model"),
    "not there": ("no.keras", "LSTM6", DIGITS, "There is no file"),
    "another ending": ("lstm.h5", "LSTM6", DIGITS, "cannot be read as a Keras model"),
    "no such data": ("lstm.keras", "LSTM6", ["--dataset", "digitz"], "digits"),
    "no epochs": ("lstm.keras", "LSTM6", [*DIGITS, "--epochs", "0"], "epochs"),
    "half a constant": (
        *("lstm.keras", "LSTM6", [*DIGITS, "--gate-constants", "f=", "i=1"]),
        "NAME=VALUE",
    ),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("mistake", REFUSED)
def test_the_command_refuses_and_writes_nothing(mistake, saved, tmp_path):
    model, row, more, word = REFUSED[mistake]
    out = tmp_path / "slim.keras"
    with pytest.raises(InputError, match=word.replace(".", r"\.")):
        carried_out(saved / model, "--to", row, *more, "--out", out)
    assert not list(tmp_path.iterdir())


@pytest.mark.backend_free
@pytest.mark.parametrize("out", ["there.keras", "no/slim.keras", "slim.txt"])
def test_the_command_refuses_an_output(out, saved):
    before = sorted(file.name for file in saved.iterdir())
    with pytest.raises(InputError, match=r"exists already|There is no folder|must end"):
        carried_out(
            *(saved / "lstm.keras", "--to", "LSTM6", *DIGITS, "--out", saved / out)
        )
    assert sorted(file.name for file in saved.iterdir()) == before


@pytest.mark.backend_free
def test_the_command_shows_the_defaults(capsys):
    with pytest.raises(SystemExit):
        carried_out("--help")
    shown = " ".join(capsys.readouterr().out.split())
    for name in ("epochs", "learning_rate", "temperature", "mix", "seed"):
        assert f"--{name.replace('_', '-')}" in shown
        assert f"(default: {getattr(Options, name)})" in shown
