"""What the C exporter refuses, and that it writes nothing then."""

import keras
import numpy as np
import pytest

from deploy_problems import MODELS, WORDS, model_of
from slimrnn.deploy import to_c
from slimrnn.errors import InputError

pytestmark = pytest.mark.backend_free

layers = keras.layers


def large(factor):
    model = model_of(layers.LSTM(3), layers.Dense(2))
    model.set_weights([np.full_like(w, factor) for w in model.get_weights()])
    return model


REFUSED = {
    **{
        f"a name {name}": ({"name": name}, f"files beside it; received '{name}'")
        for name in ("Makefile", "makefile", "Main", "GNUmakefile")
    },
    "outputs that overflow": ({"model": lambda: large(3e38)}, "not finite in float32"),
    "no identifier": ({"name": "2fast"}, "C identifier.*'2fast'"),
    "a word of C": ({"name": "float"}, "C identifier.*'float'"),
    "a path": ({"name": "a/b"}, "C identifier"),
    "float16": ({"dtype": "float16"}, "'float16'; the nearest is float32"),
    "int8 without data": ({"dtype": "int8"}, "needs calibration data"),
    "other features": (
        {"dtype": "int8", "calibration": np.zeros((2, 3, 4))},
        r"\(sequences, steps, 5\); received float64 \(2, 3, 4\)",
    ),
    "no steps": (
        {"dtype": "int8", "calibration": np.zeros((0, 3, 5))},
        r"received float64 \(0, 3, 5\)",
    ),
    "a masked output of zero": (
        {
            "model": lambda: model_of(
                layers.Masking(0.0), layers.LSTM(2, zero_output_for_mask=True)
            )
        },
        "zero_output_for_mask=True",
    ),
    **{
        f"an index of {index}": (
            {"model": MODELS["words"], "dtype": "int8"}
            | {"calibration": np.full((2, 3), index)},
            f"whole numbers from 0 to 5.*received {index}",
        )
        for index in (WORDS, -1, 0.5)
    },
    "not finite": (
        {"dtype": "int8", "calibration": np.full((2, 3, 5), np.nan)},
        "not finite",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_arguments_that_are_refused(what, tmp_path):
    arguments, sentence = REFUSED[what]
    given = {"model": MODELS["LSTM"], **arguments}
    with pytest.raises(InputError, match=sentence):
        to_c(**{**given, "model": given["model"]()}, out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_folders_that_are_refused(tmp_path):
    model = MODELS["LSTM"]()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note").write_text("mine")
    (tmp_path / "empty").mkdir()
    for where in ("full", "empty", "full/note", "none/deeper"):
        with pytest.raises(InputError, match=r"exists already|no folder"):
            to_c(model, tmp_path / where)
    assert {file.name for file in tmp_path.rglob("*")} == {"full", "note", "empty"}
