"""`slimrnn export` and `slimrnn size`, without the rest of the command line."""

import argparse
import json
import re

import keras
import numpy as np
import pytest

import slimrnn
from deploy_problems import model_of, normal
from slimrnn.cli import export, inputs, size
from slimrnn.cli.main import main, parser
from slimrnn.errors import InputError
from slimrnn.variants import TABLE

pytestmark = pytest.mark.backend_free


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    model = model_of(slimrnn.SlimLSTM(4, "LSTM6"), keras.layers.Dense(2))
    model.save(folder / "model.keras")
    np.savez(folder / "data.npz", x_train=normal(6, 5, 5))
    np.save(folder / "data.npy", normal(6, 5, 5))
    np.save(folder / "narrow.npy", normal(6, 5, 4))
    np.savez(folder / "other.npz", y=normal(2))
    np.savez(folder / "objects.npz", x=np.array([{}, []], dtype=object))
    (folder / "text.keras").write_text("no model")
    content = bytearray((folder / "model.keras").read_bytes())
    middle = content.index(b"model.weights.h5") + 800
    content[middle : middle + 64] = bytes(64)
    (folder / "damaged.keras").write_bytes(content)
    return folder


def loaded(file):
    return inputs.load(argparse.Namespace(model=str(file), torch="", architecture=None))


def parsed(*line):
    return parser(("export", "size")).parse_args([str(word) for word in line])


@pytest.mark.parametrize("data", ["data.npz", "data.npy"])
def test_export_of_int8(saved, data, tmp_path):
    out = tmp_path / "out"
    line = f"export {saved}/model.keras --to c --dtype int8 --calibrate {saved}/{data}"
    args = parsed(*f"{line} --out {out} --name net".split())
    line, cost, *scores = export.export(args)
    assert str(out) in line
    assert re.match(r"Flash [\d,]+ bytes, RAM \d+ bytes .* a step is 48 mul", cost)
    assert not scores  # sequences alone have no test
    assert (out / "net.c").is_file()


def test_export_reports_what_integers_lose(tmp_path):
    file = tmp_path / "model.keras"
    softmax = keras.layers.Dense(10, "softmax")
    model_of(slimrnn.SlimLSTM(4, "LSTM6"), softmax, features=8).save(file)
    line = ["export", file, "--to", "c", "--dtype", "int8", "--dataset", "digits"]
    *_, score = export.export(parsed(*line, "--out", tmp_path / "fw"))
    found = re.fullmatch(
        r"Test accuracy on digits: (0\.\d+) in float32, (0\.\d+) in int8\.", score
    )
    assert abs(float(found[1]) - float(found[2])) < 0.05
    main = (tmp_path / "fw" / "main.c").read_text()
    assert "model_quantize(x, q);" in main
    assert "class %d" in main


@pytest.mark.parametrize(
    ("to", "mode", "file"),
    [
        ("onnx", None, "net.onnx"),
        ("onnx", "step", "net.onnx"),
        ("litert", "lstm", "net.tflite"),
        ("tflite", "step", "net.tflite"),
    ],
)
def test_export_of_a_file(saved, to, mode, file, tmp_path):
    pytest.importorskip("onnx" if to == "onnx" else "ai_edge_litert")
    line = ["export", saved / "model.keras", "--to", to, "--out", tmp_path / "new"]
    line += ["--name", "net", *(["--mode", mode] if mode else [])]
    (shown,) = export.export(parsed(*line))
    assert str(tmp_path / "new" / file) in shown
    assert [path.name for path in (tmp_path / "new").iterdir()] == [file]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_size(saved):
    """As it is, LSTM6, and as the only row that is slimmer; in two dtypes."""
    table, legend = size.table(size.measured(loaded(saved / "model.keras")))
    assert list(table.columns[0].cells) == ["as it is", "", "LSTM_C6", ""]
    assert list(table.columns[1].cells) == 2 * ["float32", "int8"]
    assert "Bytes" in legend


def test_size_of_a_choice_for_a_program(saved, tmp_path, capsys):
    own = tmp_path / "own.toml"
    own.write_text('[gates]\ni = 0.5\nf = 0.5\no = 1\nc = {x = "full", h = "full"}\n')
    line = ["size", saved / "model.keras", "--to", "LSTM_C6", own, "--json"]
    assert main([str(word) for word in line]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["as it is", "LSTM_C6", "own"]
    macs = {name: each["float32"]["macs"] for name, each in found.items()}
    assert macs == {"as it is": 36, "LSTM_C6": 20, "own": 36}
    assert found["own"]["int8"]["flash"] == sum(
        found["own"]["int8"][part] for part in ("tables", "code")
    )


def test_size_as_every_slimmer_row(tmp_path):
    path = tmp_path / "gru.keras"
    model_of(keras.layers.GRU(4, reset_after=False), keras.layers.Dense(2)).save(path)
    table, *_ = size.table(size.measured(loaded(path)))
    rows = [row.name for row in TABLE if row.family in ("gru", "mgu")]
    assert [cell for cell in table.columns[0].cells if cell] == ["as it is", *rows[1:]]


#: flags, and what the sentence says
REFUSED = {
    "another format": (
        "--to pdf",
        "'pdf'; the nearest is .* Allowed: arduino, c, esp-idf, litert",
    ),
    "int8 of ONNX": (
        "--to onnx --dtype int8",
        "--dtype is for --to c or arduino or esp-idf or wasm; received --to onnx",
    ),
    "calibration of ONNX": (
        "--to onnx --calibrate {saved}/data.npz",
        "--dataset are for --to c or arduino or esp-idf or wasm with --dtype int8;",
    ),
    "data of another shape": (
        "--to c --dtype int8 --calibrate {saved}/narrow.npy",
        "4 features a step, and the model takes 5",
    ),
    "a mode of C": (
        "--to c --mode scan",
        "--mode is for --to onnx or litert; received --to c",
    ),
    "another mode": ("--to litert --mode scan", "'scan'; the nearest is step"),
    "a name of ONNX": ("--to onnx --name a/b", "C identifier"),
    "float16": ("--to c --dtype float16", "'float16'"),
    "no data": ("--to c --dtype int8", "calibration"),
    "no such data": ("--to c --calibrate {saved}/none.npz", "does not exist"),
    "other arrays": ("--to c --calibrate {saved}/other.npz", "lacks x_train"),
    "objects": (
        "--to c --calibrate {saved}/objects.npz",
        "holds pickled Python objects",
    ),
    "text as data": (
        "--to c --calibrate {saved}/text.keras",
        "no .npz file or a damaged one",
    ),
    "a name": ("--to c --name 1st", "C identifier"),
    "a folder": ("--to c --out {saved}", "exists already"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_mistakes(saved, what, tmp_path):
    flags, sentence = REFUSED[what]
    line = f"export {saved}/model.keras --out {tmp_path}/new {flags}"
    with pytest.raises(InputError, match=sentence):
        export.export(parsed(*line.format(saved=saved).split()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("none.keras", "There is no file"),
        ("text.keras", "cannot be read as a Keras model"),
        ("damaged.keras", "cannot be read as a Keras model"),
    ],
)
def test_files_that_are_no_model(saved, file, sentence):
    with pytest.raises(InputError, match=sentence):
        loaded(saved / file)
