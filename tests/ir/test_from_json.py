"""What the JSON of audio plug-ins says beside its layers."""

import json

import numpy as np
import pytest

from ir_models import normal
from json_models import guitarml, nam, rtneural
from slimrnn import ir
from slimrnn.deploy.program import program, simulator
from slimrnn.errors import InputError

pytestmark = pytest.mark.backend_free


def run(model, x):
    return simulator.run(program.float32(model), x)


def written(path, content):
    path.write_text(json.dumps(content))
    return path


def dense(kernel, bias, activation=""):
    shape = [None, None, len(bias)]
    weights = [kernel.tolist(), bias.tolist()]
    return {
        "type": "dense",
        "activation": activation,
        "shape": shape,
        "weights": weights,
    }


def test_gains_and_skip_of_aida_x(tmp_path):
    """Gain in, the model, the input added, gain out."""
    content = rtneural()
    content["layers"].append(dense(normal(4, 1), normal(1)))
    plain = ir.read(written(tmp_path / "plain.json", content))
    content |= {"in_skip": 1, "in_gain": 6.0, "out_gain": -3.0, "metadata": {}}
    found = ir.read(written(tmp_path / "m.aidax", content))
    x, (gain, out) = normal(2, 9, 3), (10 ** (6 / 20), 10 ** (-3 / 20))
    expected = out * (run(plain, np.float32(gain) * x) + gain * x[..., :1])
    np.testing.assert_allclose(run(found, x), expected, atol=2e-6)
    assert found.origin == "AIDA-X, JSON"
    assert "gain of 1.995" in found.translated


def test_other_layers_of_rtneural(tmp_path):
    content = {
        "in_shape": [None, None, 2],
        "layers": [
            dense(normal(2, 3), normal(3), "tanh"),
            {
                **{"type": "batchnorm", "activation": "", "shape": [None, None, 3]},
                "weights": [abs(normal(3, seed=k)).tolist() for k in range(4)],
                "epsilon": 0.01,
            },
            {"type": "activation", "activation": "relu", "shape": [3], "weights": []},
        ],
    }
    path = written(tmp_path / "m.json", content)
    gamma, beta, mean, variance = (abs(normal(3, seed=k)) for k in range(4))
    x = normal(2, 5, 2)
    y = np.tanh(x @ normal(2, 3) + normal(3))
    expected = np.maximum((y - mean) / np.sqrt(variance + 0.01) * gamma + beta, 0)
    found = ir.read(path, recurrent=False)
    np.testing.assert_allclose(run(found, x), expected, atol=1e-5)


WRONG = {
    "another layer": (
        lambda: {"in_shape": [1], "layers": [{"type": "prelu", "shape": [1]}]},
        "type prelu; allowed: dense",
    ),
    "another architecture": (lambda: {**nam(), "architecture": "WaveNet"}, "WaveNet"),
    "too few numbers": (lambda: {**nam(), "weights": [0.5] * 20}, "sizes want more"),
    "too many": (lambda: {**nam(), "weights": [0.5] * 40}, "are used by 1 layers"),
    "no units": (
        lambda: {**nam(), "config": {"input_size": 1, "hidden_size": -2}},
        "hidden_size must be from 1 to 65536; received -2",
    ),
    "other sizes": (
        lambda: {**guitarml(), "model_data": {"unit_type": "LSTM", "hidden_size": 7}},
        "hidden_size is 7, and the weights have 4",
    ),
    "another unit": (
        lambda: {**guitarml(), "model_data": {"unit_type": "SRU"}},
        "unit_type is SRU; allowed: LSTM, GRU, RNN",
    ),
    "something else": (lambda: {"name": "x"}, "JSON of no known model: it has name"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_refused(what, tmp_path):
    make, sentence = WRONG[what]
    with pytest.raises(InputError, match=sentence):
        ir.read(written(tmp_path / "m.json", make()))
