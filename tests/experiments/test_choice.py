"""The choice at a budget: fair rounds, finals over seeds, killed and resumed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from rich.console import Console

from made_data import few_digits
from products import some
from slimrnn import cli
from slimrnn.cli import front
from slimrnn.experiments.analysis.choice import candidates, untested, verdict
from slimrnn.experiments.analysis.summary import COSTS
from slimrnn.experiments.run.store import Record, Run
from slimrnn.experiments.sweep import choice, scheduler
from slimrnn.experiments.sweep.choice import Choice
from slimrnn.experiments.sweep.scheduler import Sweep
from slimrnn.experiments.sweep.study import Study
from slimrnn.experiments.sweep.worker import _Silent
from sweeps import Pretending, Quiet, trained

pytestmark = pytest.mark.backend_free

pytest.importorskip("optuna", reason="Optuna is not installed")

VARIANTS = ["LSTM", "LSTM6", "GRU3", "MGU3"]
LEVEL = {"LSTM": 0.7, "LSTM6": 0.9, "GRU3": 0.8, "MGU3": 0.85}


class Made(Pretending):
    """Trials whose score is that of the variant and of the learning rate alone."""

    def train(self, job):
        settings = job.settings
        name, rate = settings["variant"], settings["learning_rate"]
        score = LEVEL[name] - abs(np.log10(rate / 0.01)) / 20
        score -= 0.5 * (name == "LSTM6" and settings["seed"] == 3)
        with Record(Path(job.path)).open(settings, {}) as record:
            for epoch in range(1, settings["epochs"] + 1):
                record.add({"epoch": epoch, "loss": 1.0, "val_accuracy": score})
            ends = {"val_int8_accuracy": score, "test_int8_accuracy": score}
            ends |= {"test_accuracy": score, "flash": 3000, "ram": 200, "macs": 900}
            ends |= {"instructions": 5000 - 1000 * (name == "MGU3")}
            record.finish({"status": "done", "layer_parameters": 100, **ends})


class Killed(Exception):
    """Ends a sweep in the middle of a trial."""


class Dying(Made):
    """Is killed when it has started so many trials."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def train(self, job):
        if len(self.started) > self.after:
            raise Killed
        super().train(job)


def study_of(**given):
    settings = {"units": 8, "epochs": 8, "int8": True, "keep": "best", "seed": 1}
    search = {"learning_rate": {"low": 0.001, "high": 0.1, "log": True}}
    search |= {"time_scale": ["auto", "none"]}
    grid = {"variant": VARIANTS}
    given = {"points": 2, "minutes": 9.0, **given}
    return Study(settings=settings, grid=grid, search=search, **given)


def choose(folder, study, pool):
    folder.mkdir(exist_ok=True)
    source = Choice(study, folder, pool.free)
    Sweep(folder, source, pool, Quiet(), {"backend": "jax"}).run()
    return scheduler.runs(folder)


def points(runs):
    """Of each variant, the points that were tried with the seed 1."""
    found = {}
    for run in runs:
        if run.config["seed"] == 1:
            point = run.config["learning_rate"], run.config["time_scale"]
            found.setdefault(run.config["variant"], set()).add(point)
    return found


def test_all_variants_are_tried_at_the_same_points_and_the_best_with_seeds(tmp_path):
    runs = choose(tmp_path / "a", study_of(), Made())
    tried = points(runs)
    assert sorted(tried) == sorted(VARIANTS)
    assert len({frozenset(own) for own in tried.values()}) == 1
    assert len(tried["LSTM"]) == 2
    seeds = {name: set() for name in VARIANTS}
    for run in runs:
        seeds[run.config["variant"]].add(run.config["seed"])
    assert seeds.pop("LSTM") == {1}
    assert set(map(frozenset, seeds.values())) == {frozenset({1, 2, 3, 4, 5})}
    best, *others = candidates(runs)
    assert (best.variant, best.collapsed) == ("MGU3", 0)
    assert best.on_front
    assert {each.variant: each.collapsed for each in others}["LSTM6"] == 1
    assert others[-1].variant == "LSTM"
    assert not others[-1].is_finalist
    assert verdict([best, *others]).startswith("Take MGU3 with 8 units")


def test_who_is_no_finalist_has_no_test_score_to_choose_by(tmp_path):
    runs = choose(tmp_path / "a", study_of(), Made())
    shown = {run.path: run for run in untested(runs)}
    finalists = {run.path for each in candidates(runs)[:3] for run in each.runs}
    for run in runs:
        tested = "test_int8_accuracy" in shown[run.path].result
        assert tested == (run.path in finalists)
        assert "val_int8_accuracy" in shown[run.path].result


def test_the_time_ends_the_rounds_but_not_the_first(tmp_path):
    runs = choose(tmp_path / "a", study_of(minutes=1e-6), Made())
    assert {len(own) for own in points(runs).values()} == {1}
    assert {run.config["seed"] for run in runs} == {1, 2, 3}


@pytest.mark.parametrize("after", some(lambda after: after == 10, (3, 10)))
def test_a_choice_that_was_killed_goes_on_as_if_never_stopped(tmp_path, after):
    whole = choose(tmp_path / "whole", study_of(), Made())
    with pytest.raises(Killed):
        choose(tmp_path / "killed", study_of(), Dying(after))
    again = Made()
    runs = choose(tmp_path / "killed", study_of(), again)
    assert {run.path.name for run in runs} == {run.path.name for run in whole}
    assert len(again.started) == len(set(again.started)) <= len(whole) - after + 2


def test_hopeless_trials_are_separated_from_the_others(tmp_path):
    """A quarter of those that came so far, when enough have."""
    choose(tmp_path / "a", study_of(), Made())
    floors = json.loads((tmp_path / "a" / "trials" / "floors.json").read_text())
    assert set(floors) == {"2", "4"}
    assert LEVEL["LSTM"] - 0.1 < floors["2"] < LEVEL["LSTM6"]


def made(variant, scores, status="done"):
    return [
        Run(
            Path(f"{variant}{seed}"),
            {"variant": variant, "seed": seed, "units": 4, "int8": True},
            {},
            [],
            {"status": status, "val_int8_accuracy": score, "test_accuracy": score},
        )
        for seed, score in enumerate(scores, 1)
    ]


VERDICTS = {
    "surely": [*made("LSTM", [0.5, 0.51, 0.49]), *made("GRU", [0.9, 0.91, 0.9])],
    "not sure": [*made("LSTM", [0.5, 0.9, 0.8]), *made("GRU", [0.9, 0.6, 0.8])],
    "first guess": [*made("LSTM", [0.5]), *made("GRU", [0.9])],
    "Nothing was trained": made("LSTM", [None], status="diverged"),
}


@pytest.mark.parametrize("words", VERDICTS)
def test_the_verdict_says_how_sure_it_is(words):
    said = verdict(candidates(VERDICTS[words]))
    assert words in said
    assert said.count(".") - said.count("95 %.") == 1


@pytest.mark.parametrize(("width", "columns"), [(200, 11), (100, 10), (80, 8)])
def test_the_front_fits_the_screen(width, columns):
    runs = VERDICTS["surely"]
    for run in runs:
        run.result.update(dict.fromkeys(COSTS, 12345), layer_parameters=4321)
    table, *_ = front.parts(runs, (), width)
    assert Console(width=1000).measure(table).maximum <= width
    assert len(table.columns) == columns


def own_data(folder):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.normal(size=(60, 6, 2)).astype("float32") + y[:, None, None]
    np.savez(folder / "mine.npz", x=x, y=y)
    return folder / "mine.npz"


def test_the_command_writes_the_winner_and_the_front(tmp_path, capsys, monkeypatch):
    """A search in seconds, in processes, on a user's own data; and again resumed."""
    monkeypatch.setattr(choice, "SEEDS", ((2,),))
    out = tmp_path / "out"
    args = ["choose", "LSTM6", "LSTM", "--data", str(own_data(tmp_path))]
    args += ["--flash", "1.65KB", "--epochs", "1", "--minutes", "0.01"]
    args += ["--tries", "1", "--workers", "1", "--export", "c", "--out", str(out)]
    assert cli.main(args) == 0
    shown = capsys.readouterr().out
    assert "Take " in shown
    assert "Refused: LSTM takes 1," in shown
    (row,) = csv.DictReader((out / "front.csv").open())
    assert row["variant"] == "LSTM6"
    assert int(row["flash"]) <= 1.65 * 1024
    assert 0 <= float(row["int8_test_mean"]) <= 1
    model = keras.saving.load_model(out / "winner.keras")
    assert model.count_params() > 0
    for name in ("front.png", "report.html", "winner-c/model.c"):
        assert (out / name).stat().st_size > 0
    before = {path.name for path in (out / "trials").iterdir()}
    assert cli.main(["choose", "--resume", str(out)]) == 0
    assert {path.name for path in (out / "trials").iterdir()} == before
    assert "Take " in capsys.readouterr().out


BAD = {
    "--dataset digits": "Give a budget, such as --flash 4KB",
    "--flash 4KB --tries 0": "The tries must be a whole number of 1 or more",
    "--flash 4KB --minutes 0": "The minutes must be a number above 0",
    "--flash 4KB --export cc": "c",
    "--flash 4KX": "Unknown unit of flash=4KX",
    "--flash 0.5KB": "No variant fits. The smallest: IndRNN takes",
    "--resume nowhere --flash 4KB": "A resumed run keeps its settings",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_reported_before_anything_is_written(words, tmp_path, capsys):
    out = tmp_path / "out"
    place = [] if "--resume" in words else ["--out", str(out)]
    assert cli.main(["choose", *words.split(), *place]) == 2
    err = capsys.readouterr().err
    assert err.startswith("slimrnn: ")
    assert BAD[words] in err
    assert not out.exists()


@pytest.mark.parametrize(("floor", "epochs"), [(1.01, 1), (0.0, 3)])
def test_a_hopeless_trial_ends_where_that_is_seen(tmp_path, floor, epochs):
    settings = {"units": 4, "epochs": 3, "variant": "LSTM6", **few_digits(tmp_path)}
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / "floors.json").write_text(json.dumps({"1": floor}))
    (run,) = trained(tmp_path, _Silent(), settings, seed=[1])
    assert run.result["status"] == "done"
    assert run.result["epochs"] == epochs
    assert bool(run.result.get("pruned")) == (epochs == 1)
