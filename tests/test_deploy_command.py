"""`slimrnn export` and `slimrnn size`, without the rest of the command line."""

import argparse

import keras
import numpy as np
import pytest

import slimrnn
from deploy_problems import model_of, normal
from slimrnn import arguments
from slimrnn.deploy import command
from slimrnn.errors import InputError


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    model = model_of(slimrnn.SlimLSTM(4, "LSTM6"), keras.layers.Dense(2))
    model.save(folder / "model.keras")
    np.savez(folder / "data.npz", x_train=normal(6, 5, 5))
    np.save(folder / "data.npy", normal(6, 5, 5))
    np.savez(folder / "other.npz", y=normal(2))
    np.savez(folder / "objects.npz", x=np.array([{}, []], dtype=object))
    (folder / "text.keras").write_text("no model")
    return folder


def parsed(*line):
    parser = arguments.Parser(prog="slimrnn")
    commands = parser.add_subparsers(dest="command")
    command.add_export(commands)
    command.add_size(commands)
    return parser.parse_args([str(word) for word in line])


@pytest.mark.parametrize("data", ["data.npz", "data.npy"])
def test_export_of_int8(saved, data, tmp_path):
    out = tmp_path / "out"
    args = parsed(
        "export",
        saved / "model.keras",
        "--to",
        "c",
        "--dtype",
        "int8",
        "--calibrate",
        saved / data,
        "--out",
        out,
        "--name",
        "net",
    )
    assert str(out) in command.export(args)
    assert (out / "net.c").is_file()


def test_size(saved):
    table, legend = command.size(parsed("size", saved / "model.keras"))
    assert table.row_count == 2
    assert "Bytes" in legend


REFUSED = {
    "another format": ({"--to": "pdf", "--out": "{new}"}, "c, onnx, litert; received"),
    "int8 of ONNX": (
        {"--to": "onnx", "--out": "{new}", "--dtype": "int8"},
        "is for --to c",
    ),
    "float16": ({"--to": "c", "--out": "{new}", "--dtype": "float16"}, "'float16'"),
    "no data": ({"--to": "c", "--out": "{new}", "--dtype": "int8"}, "calibration"),
    "no such data": (
        {"--to": "c", "--out": "{new}", "--calibrate": "{saved}/none.npz"},
        "There is no file",
    ),
    "other arrays": (
        {"--to": "c", "--out": "{new}", "--calibrate": "{saved}/other.npz"},
        "has the arrays y; expected x_train or x",
    ),
    "objects": (
        {"--to": "c", "--out": "{new}", "--calibrate": "{saved}/objects.npz"},
        "plain numbers",
    ),
    "text as data": (
        {"--to": "c", "--out": "{new}", "--calibrate": "{saved}/text.keras"},
        "plain numbers",
    ),
    "a name": ({"--to": "c", "--out": "{new}", "--name": "1st"}, "C identifier"),
    "a folder": ({"--to": "c", "--out": "{saved}"}, "exists already"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_mistakes(saved, what, tmp_path):
    flags, sentence = REFUSED[what]
    places = {"saved": saved, "new": tmp_path / "new"}
    words = [word.format(**places) for pair in flags.items() for word in pair]
    with pytest.raises(InputError, match=sentence):
        command.export(parsed("export", saved / "model.keras", *words))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("file", "sentence"),
    [("none.keras", "There is no file"), ("text.keras", "is not a saved Keras model")],
)
def test_files_that_are_no_model(saved, file, sentence):
    with pytest.raises(InputError, match=sentence):
        command.size(argparse.Namespace(model=str(saved / file)))
