"""What ONNX and LiteRT files share: how they are written, and when they are not."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import slimrnn
from exported_models import ALL, CASES, FUNCTIONS, UNITS, ZEROS
from slimrnn.deploy import EXPORTERS
from slimrnn.deploy.graph.full_lstm import full_gates
from slimrnn.deploy.graph.metadata import summary
from slimrnn.errors import InputError
from slimrnn.ir.from_keras import from_keras

pytestmark = pytest.mark.backend_free

#: those that write one file
FORMATS = [name for name, exporter in EXPORTERS.items() if exporter.ending]
MODEL = CASES["LSTM6"].model


@pytest.fixture(params=FORMATS)
def written(request):
    """An exporter that works here."""
    exporter = EXPORTERS[request.param]
    if exporter.obstacle:
        pytest.skip(exporter.obstacle)
    return exporter


def refused(written, model, path, **options):
    """The sentence of a refusal, which writes nothing."""
    before = sorted(path.parent.glob("*"))
    with pytest.raises(InputError) as error:
        written.load()(model, path, **options)
    assert sorted(path.parent.glob("*")) == before
    return str(error.value)


def test_an_existing_file_is_kept(written, tmp_path):
    path = tmp_path / "model"
    path.write_text("mine")
    assert "exists already" in refused(written, MODEL, path)
    assert path.read_text() == "mine"
    written.load()(MODEL, path, overwrite=True)
    assert path.read_bytes() != b"mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_never_replaced(written, tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    assert "is a folder" in refused(written, MODEL, path, overwrite=True)


@pytest.mark.parametrize("name", ["GRU, bias True, after True", "LSTM, bias True"])
def test_the_text_of_a_file_says_where_r_multiplies(name):
    text = summary(from_keras(CASES[name].model), "All")
    assert ("rₜ ⊙ nₜ" in text) == ("GRU" in name)
    assert "g = tanh, σ = sigmoid" in text


def test_no_folder(written, tmp_path):
    assert "no folder" in refused(written, MODEL, tmp_path / "none" / "model")


def test_an_unknown_form(written, tmp_path):
    if not written.modes:
        pytest.skip("the model alone decides what the file holds")
    message = refused(written, MODEL, tmp_path / "model", mode="whole")
    assert "'whole'" in message
    assert all(mode in message for mode in written.modes)


def test_a_missing_package(written, tmp_path, monkeypatch):
    if not written.needs:
        pytest.skip("it needs no package")
    loaded = [name for name in sys.modules if name.startswith(written.needs)]
    for module in {*loaded, *written.needs}:
        monkeypatch.setitem(sys.modules, module, None)
    message = refused(written, MODEL, tmp_path / "model")
    assert f"pip install 'slimrnn[{written.extra}]'" in message


def test_no_model(written, tmp_path):
    assert "no file model.keras" in refused(written, "model.keras", tmp_path / "model")


def test_an_unsupported_layer(written, tmp_path):
    layer = slimrnn.SlimLSTM(4, **ALL, **ZEROS)
    norm = keras.layers.UnitNormalization(name="norm")
    model = keras.Sequential([keras.Input((None, 3)), layer, norm])
    assert "norm" in refused(written, model, tmp_path / "model")


WITHOUT_TENSORFLOW = """
import pathlib, sys, slimrnn
from slimrnn import backends
backends.start()
import keras
from slimrnn.deploy.graph.litert import to_litert
from slimrnn.deploy.graph.onnx import to_onnx
layer = slimrnn.SlimLSTM(4, "LSTM6", recurrent_initializer="zeros")
model = keras.Sequential([keras.Input((None, 3)), layer])
before = set(sys.modules)
for write, mode in ((to_onnx, "scan"), (to_litert, "step")):
    write(model, pathlib.Path(sys.argv[1], mode), mode=mode)
print([name for name in set(sys.modules) - before if "tensorflow" in name])
"""


def test_no_tensorflow(tmp_path):
    if why := " ".join(EXPORTERS[name].obstacle for name in FORMATS).strip():
        pytest.skip(why)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("constant", "function", "bias"),
    [
        (0.4, "sigmoid", np.log(0.4 / 0.6)),
        (1.0, "sigmoid", 40.0),
        (0.0, "sigmoid", -40.0),
        (0.7, "hard_sigmoid", 1.2),
        (0.7, "hard_sigmoid_keras2", 1.0),
        (0.5, "tanh", np.arctanh(0.5)),
        (0.7, "relu", 0.7),
        (-0.7, "linear", -0.7),
        (1.1, "sigmoid", None),
        (-0.1, "hard_sigmoid", None),
        (-0.1, "relu", None),
    ],
)
def test_a_constant_gate_as_a_bias(constant, function, bias):
    layer = slimrnn.SlimLSTM(
        4,
        "LSTM6",
        gate_constants={"f": constant, "i": 0.5, "o": 0.5},
        recurrent_activation=FUNCTIONS[function],
        **ZEROS,
    )
    layer.build((None, None, 3))
    (cell,) = from_keras(layer).recurrent()
    if bias is None:
        with pytest.raises(InputError, match=f"f = {constant}"):
            full_gates(cell)
        return
    gate = full_gates(cell)["f"]
    np.testing.assert_allclose(gate.bias, np.full(4, bias), rtol=1e-6)
    assert not gate.kernel.any()
    assert not gate.recurrent_kernel.any()


def test_a_vector_as_a_diagonal():
    (cell,) = from_keras(CASES["LSTM4"].model).recurrent()
    vector = cell.cell.weights["recurrent_vector"][:UNITS]
    np.testing.assert_array_equal(
        full_gates(cell)["i"].recurrent_kernel, np.diag(vector)
    )
