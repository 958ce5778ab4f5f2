"""docs/own-data.md is carried out, once; what comes out is what it says."""

import csv
import json
import re
import shlex
from pathlib import Path

import keras
import numpy as np
import pytest

import slimrnn
from slimrnn import data, ir
from slimrnn.cli import main
from slimrnn.data.adapter import Adapter
from slimrnn.experiments.run.store import Run
from slimrnn.ir.layers import Dense

pytestmark = pytest.mark.backend_free

pytest.importorskip("pandas")
PAGE = Path(__file__).parents[2] / "docs" / "own-data.md"
FORECAST = {"target": "temperature", "window": 24, "horizon": 6}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder in which the page's examples were run, one after the other."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for kind, text in re.findall(
            r"```(python|sh)\n(.*?)```", PAGE.read_text(), re.S
        ):
            if kind == "python":
                exec(text, {})
            for line in text.splitlines() if kind == "sh" else ():
                assert main(shlex.split(line)[1:]) == 0, line
    return folder


def result(folder):
    return json.loads((folder / "result.json").read_text())


def test_classes_have_their_names(done):
    found = result(done / "acts")
    assert found["test_accuracy"] > found["always the most frequent class"]
    with open(done / "acts-answers.csv") as file:
        said = {row["class"] for row in csv.DictReader(file)}
    assert said <= {"rest", "walk", "run"}
    assert len(said) > 1


def test_a_regression_takes_and_gives_the_users_units(done):
    """In Keras, as data, in a stream: standardizing is part of the model."""
    found = result(done / "weather")
    dataset = data.load(file=done / "weather.csv", **FORECAST)
    model = keras.saving.load_model(done / "weather" / "model.keras")
    assert isinstance(model.layers[1], keras.layers.Normalization)
    answers = Adapter.of(model, dataset).answers(model, dataset.test)
    error = np.abs(answers - dataset.test.y).mean()
    assert error == pytest.approx(found["test_mae"], rel=1e-4)
    assert error < found["always the mean"]
    assert isinstance(ir.read(model).layers[-1], Dense)
    stream = slimrnn.Stream(model)
    for step in dataset.test.x.values[0]:
        found = stream.step(step)
    np.testing.assert_allclose(found, answers[0], rtol=1e-4)


def test_scores_of_a_run_are_those_of_its_metric(done):
    run = Run.read(done / "weather")
    assert run.test_scores().mean() == pytest.approx(run.result["test_mae"], rel=1e-3)
