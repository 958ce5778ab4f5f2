"""Targets for each step: read, padded, split, scored; trained, exported, answered."""

import csv

import keras
import numpy as np
import pytest

import slimrnn
from made_data import is_one_sentence, some
from slimrnn import data
from slimrnn.cli import main
from slimrnn.data.adapter import Adapter
from slimrnn.data.scoring import baselines, per_sequence
from slimrnn.deploy.evaluate import evaluate_int8
from slimrnn.errors import InputError
from slimrnn.experiments.run.store import Run

LENGTHS = np.array([3, 6, 4, 5] * 6)
OFFSETS = np.concatenate([[0], np.cumsum(LENGTHS)])
FRAMES = np.random.default_rng(0).normal(size=(24, 6, 2))
STEPS = np.random.default_rng(1).normal(size=(OFFSETS[-1], 2))
TOKENS = np.where(np.arange(6) < LENGTHS[:, None], 7, 0)
ROWS = {"a": STEPS[:, 0], "b": STEPS[:, 1], "of": np.repeat(range(24), LENGTHS)}
UP = np.where(STEPS[:, 0] > 0, "up", "down")
#: arrays -> classes, numbers a step, sequences of unequal length
ARRAYS = {
    "classes": ({"x": FRAMES, "y": (FRAMES[..., 0] > 0).astype(int)}, 2, 2, False),
    "numbers": ({"x": FRAMES, "y": FRAMES[..., :1]}, None, 1, False),
    "one-hot": (
        {"x": FRAMES, "y": np.eye(3)[np.full((24, 6), [0, 1, 2] * 2)]},
        3,
        3,
        0,
    ),
    "forced": ({"x": FRAMES, "y": FRAMES[..., 0]}, None, 1, False),
    "unequal": ({"x": STEPS, "y": STEPS, "x_offsets": OFFSETS}, None, 2, True),
    "tokens": ({"x": TOKENS, "y": TOKENS * 0 + [0, 1, 2] * 2}, 3, 3, True),
}
#: choice -> task, steps of a sequence
COLUMNS = {
    "groups": ({"target": "b", "group": "of"}, "regression", (3, 6)),
    "windows": ({"target": "up", "window": 5}, "classification", (5, 5)),
    "forecast": ({"target": "a", "window": 4, "horizon": 2}, "regression", (4, 4)),
}


def load(tmp_path, kind):
    np.savez(tmp_path / "mine.npz", **ARRAYS[kind][0])
    return data.load(file=tmp_path / "mine.npz", each_step=kind == "forced")


@pytest.mark.backend_free
@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays(tmp_path, kind):
    _, classes, outputs, ragged = ARRAYS[kind]
    found = load(tmp_path, kind)
    assert (found.each_step, found.classes, found.outputs) == (True, classes, outputs)
    assert found.ragged == ragged
    assert "at each step" in str(found)
    for part in (*found.split(0.3), found.test):
        assert (part.y.lengths == part.x.lengths).all()
        assert part.targets.ndim == (1 if classes else 2)
    cut = data.load(file=tmp_path / "mine.npz", each_step=True, length=3).test
    assert len(cut.x.steps) == len(cut.y.steps) == 3 * len(cut)
    assert (cut.y.steps == found.test.y.last(3).steps).all()


@pytest.mark.backend_free
@pytest.mark.parametrize("kind", COLUMNS)
def test_columns(kind):
    choice, task, (least, most) = COLUMNS[kind]
    found = data.load(frame={**ROWS, "up": UP}, each_step=True, features="a", **choice)
    part, name = found.test, choice["target"]
    assert (found.task, found.each_step) == (task, True)
    assert (part.x.lengths.min(), part.x.lengths.max()) == (least, most)
    column, horizon = {**ROWS, "up": UP == "up"}[name], choice.get("horizon", 0)
    place = np.searchsorted(np.sort(ROWS["a"]), part.x.steps[:, 0] - 1e-6)
    place = np.argsort(ROWS["a"])[place]
    np.testing.assert_allclose(part.targets.ravel(), column[place + horizon], rtol=1e-6)
    if horizon:
        assert baselines(found)["the last value"] > 0


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"y": FRAMES[:, 1:, :1]}, "one target a step"),
        ({"y": np.zeros((24, 6, 2, 2))}, r"\(N, T, k\)"),
    ],
)
def test_targets_that_do_not_fit(tmp_path, change, said):
    np.savez(tmp_path / "mine.npz", **{"x": FRAMES, **change})
    with pytest.raises(InputError, match=said) as error:
        data.load(file=tmp_path / "mine.npz")
    assert is_one_sentence(str(error.value))


def test_padded_steps_do_not_count():
    """In a loss, a metric, a score: each sequence counts alike."""
    x = some("frames", LENGTHS)
    y = data.Sequences(x.values.sum(1, keepdims=True), x.offsets)
    part = data.Part(x, y)
    model = keras.Sequential(
        [
            keras.Input((None, 2)),
            slimrnn.SlimGRU(3, return_sequences=True),
            keras.layers.Dense(1),
        ]
    )
    model.compile(loss="mae", weighted_metrics=["mae"])
    adapter = Adapter.of(model, data.Dataset("mine", part, part))
    answers = adapter.answers(model, part)
    own = [model.predict(x.take([i]).padded(), verbose=0)[0] for i in range(4)]
    for i, alone in enumerate(own):
        np.testing.assert_allclose(answers[i, : LENGTHS[i]], alone, atol=1e-5)
    scores = per_sequence(answers, part)
    errors = [abs(alone - y.take([i]).steps).mean() for i, alone in enumerate(own)]
    np.testing.assert_allclose(scores[:4], errors, atol=1e-5)
    batches = data.Batches(part, 5, shuffle=False, group=True)
    found = model.evaluate(batches, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(scores.mean(), rel=1e-4)
    assert found["mae"] == pytest.approx(scores.mean(), rel=1e-4)


@pytest.mark.parametrize(
    "kind", [pytest.param("classes", marks=pytest.mark.exhaustive), "unequal"]
)
def test_a_model_is_trained_slimmed_and_exported_as_it_is(tmp_path, kind, monkeypatch):
    """train, slim, evaluate, predict, size, export; a stream answers at each step."""
    found = load(tmp_path, kind)
    monkeypatch.chdir(tmp_path)
    of = ["--data", "mine.npz"]
    fit = ["--epochs", "2", "--learning-rate", "0.05"]
    lines = [
        ["train", "LSTM", *of, *fit, "--units", "4", "--timing", "0", "--out", "run"],
        ["slim", "run/model.keras", "--to", "LSTM6", *of, *fit, "--out", "small.keras"],
        ["evaluate", "small.keras", *of, "--int8"],
        ["predict", "small.keras", *of, "--out", "said.csv"],
        ["size", "small.keras"],
        ["export", "small.keras", "--to", "c", "--out", "whole"],
        ["export", "small.keras", "--to", "c", "--dtype", "int8", *of, "--out", "ints"],
    ]
    for line in lines:
        assert main(line) == 0, line
    run = Run.read(tmp_path / "run")
    name = f"test_{found.metric}"
    assert run.test_scores().mean() == pytest.approx(run.result[name], rel=1e-4)
    always = next(v for k, v in run.result.items() if k.startswith("always"))
    assert always == pytest.approx(next(iter(baselines(found).values())))
    model = keras.saving.load_model("small.keras")
    one = found.test.x.take([0])
    answers = Adapter.of(model, found).answers(model, found.test)[0]
    stream = slimrnn.Stream(model)
    streamed = [stream.step(x) for x in one.padded()[0]]
    np.testing.assert_allclose(streamed, answers[: len(streamed)], atol=1e-5)
    with open("said.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(data.load_sequences(file="mine.npz").steps)
    assert float(rows[1]["output 0"]) == pytest.approx(
        float(
            Adapter.of(model, found).answers(
                model, data.Part(data.load_sequences(file="mine.npz"), np.zeros(24))
            )[0, 1, 0]
        ),
        abs=1e-5,
    )
    scored = evaluate_int8(model, found)
    assert scored.count == found.test.targets.size
    floats = per_sequence(
        Adapter.of(model, found).answers(model, found.test), found.test
    )
    assert scored.float32 == pytest.approx(floats.mean(), abs=1e-3)
    assert abs(scored.lost) < (10 if found.classes else 0.1)


@pytest.mark.backend_free
def test_a_model_of_one_answer_is_refused():
    part = data.Part(data.Sequences(FRAMES), data.Sequences(FRAMES[..., :1]))
    for outputs in (np.zeros((24, 1)), np.zeros((24, 3, 1))):
        with pytest.raises(InputError, match="does not answer at each"):
            part.per_target(outputs)
