"""RTNeural's JSON: read again, it computes what the model computes."""

import numpy as np
import pytest

from ir_models import affine, cell, conv1d, dense, masking, normal, recurrent
from problems import ROWS
from slimrnn import ir
from slimrnn.deploy import to_rtneural
from slimrnn.deploy.program import program, simulator
from slimrnn.errors import InputError
from slimrnn.ir.layers import Activation, Recurrent, Skip
from slimrnn.variants import get

pytestmark = pytest.mark.backend_free

EACH = {"return_sequences": True}


def gru(variant):
    return Recurrent("cell", cell(variant, 2, 4), **EACH)


def others(row):
    """Whether a row has functions of its own, which RTNeural's LSTM has not."""
    return row.candidate_activation or row.state_activation


MODELS = {
    **{
        name: [recurrent(2, 4, row, **EACH), dense(4, 2)]
        for name, row in ROWS.items()
        if row.family == "lstm" and not others(row)
    },
    **{
        name: [gru(get(name).with_reset_after()), dense(4, 1, "sigmoid")]
        for name in ("GRU", "GRU1", "GRU2", "GRU3")
    },
    "all around": [
        affine(2),
        conv1d(2, 2, activation="relu", dilation=2),
        recurrent(2, 3, "LSTM4", "first", **EACH),
        recurrent(3, 4, "LSTM", **EACH),
        Activation("f", 4, "relu"),
        dense(4, 1, bias=False),
        Skip("skip", np.ones(1, "float32")),
    ],
}


def outputs(model):
    return simulator.run(program.float32(model), normal(2, 20, 2))


@pytest.mark.parametrize("name", MODELS)
def test_read_again(name, tmp_path):
    model = ir.Model("small", MODELS[name])
    path = to_rtneural(model, tmp_path / "m.json")
    np.testing.assert_allclose(outputs(ir.read(path)), outputs(model), atol=1e-6)


REFUSED = {
    **{
        name: ([recurrent(2, 4, row, **EACH)], "has the activations .*linear")
        for name, row in ROWS.items()
        if row.family == "lstm" and others(row)
    },
    "a reset before": ([gru("GRU3")], "is of the family gru; .*reset_after=True"),
    "another family": ([recurrent(2, 4, "MGU")], "is of the family mgu"),
    "a constant beyond": (
        [recurrent(2, 4, get("LSTM6").with_constants({"f": 1.5}))],
        "no value of sigmoid",
    ),
    "a mask": ([masking(2), recurrent(2, 4, masked=True)], "nothing like .*Masking"),
    "a function": ([recurrent(2, 4), dense(4, 1, "hard_sigmoid")], "hard_sigmoid"),
    "strides": ([conv1d(2, 3, strides=2), recurrent(3, 4)], "has strides"),
    "a scale": (
        [recurrent(2, 2, **EACH), Skip("skip", normal(2))],
        "scales the input that it adds",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_it_lacks(what, tmp_path):
    layers, sentence = REFUSED[what]
    with pytest.raises(InputError, match=sentence):
        to_rtneural(ir.Model("small", layers), tmp_path / "m.json")
    assert not list(tmp_path.iterdir())
