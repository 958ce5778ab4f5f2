"""Sweeps: every trial ends exactly once, whatever happens on the way."""

import io
import json
import re
import shutil
from dataclasses import replace

import keras
import pytest
from rich.console import Console

from processes import held
from slimrnn import cli
from slimrnn.cli.dashboard import Dashboard
from slimrnn.cli.reproduce import side_by_side
from slimrnn.errors import InputError
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Record, Run
from slimrnn.experiments.sweep import published, scheduler
from slimrnn.experiments.sweep.optuna_search import JOURNAL, Search
from slimrnn.experiments.sweep.process_pool import Ended
from slimrnn.experiments.sweep.scheduler import Sweep
from slimrnn.experiments.sweep.study import Study
from sweeps import Pretending, Quiet, pretend, study_of

pytestmark = pytest.mark.backend_free

# -- the sweep's own logic ------------------------------------------------------------


def test_every_trial_ends_once(tmp_path):
    pool, watcher = pretend(tmp_path / "a", study_of())
    assert sorted(pool.started) == sorted(x.key() for x in study_of().trials())
    assert watcher.total == 4
    assert sorted(told for told in watcher.told if told[0] == "done") == [
        *[("done", 1)] * 2,
        *[("done", 2)] * 2,
    ]
    again, watcher = pretend(tmp_path / "a", study_of())
    assert again.started == []  # nor a second time
    assert len(watcher.told) == 4


FATES = {
    # how seed 2 ends each time, retries: attempts, the status in the end
    ("crashed", "ended"): (1, 2, "done"),
    ("failed", "timeout", "ended"): (2, 3, "done"),
    ("failed", "failed"): (1, 2, "failed"),
    ("crashed",): (0, 1, "failed"),
    ("refused",): (5, 1, "failed"),
    ("lost", "lost", "lost", "ended"): (0, 4, "done"),
}


@pytest.mark.parametrize("fate", FATES, ids=" ".join)
def test_a_trial_that_fails_is_tried_again(tmp_path, fate):
    retries, attempts, status = FATES[fate]
    study = study_of(grid={"variant": ["LSTM6"], "seed": [1, 2]})
    pool, _ = pretend(tmp_path / "a", study, {"2": fate}, retries=retries)
    key = next(x.key() for x in study.trials() if x.seed == 2)
    assert pool.started.count(key) == attempts
    (run,) = [run for run in scheduler.runs(tmp_path / "a") if run.config["seed"] == 2]
    assert run.result["status"] == status
    if status == "failed":
        assert run.result["reason"] == "For a reason."
        again, _ = pretend(tmp_path / "a", study, retries=retries)
        assert again.started == []
        more, _ = pretend(tmp_path / "a", study, retries=retries + 9)
        assert more.started == ([] if fate == ("refused",) else [key])


def test_a_full_disk_ends_the_sweep(tmp_path):
    study = study_of()
    with pytest.raises(InputError, match="make room"):
        pretend(tmp_path / "a", study, {"2": ["disk"]})
    pool, _ = pretend(tmp_path / "a", study)
    assert len(pool.started) == len(set(pool.started)) >= 1
    assert {run.result["status"] for run in scheduler.runs(tmp_path / "a")} == {"done"}


def test_two_sweeps_in_one_folder(tmp_path, capsys):
    folder = tmp_path / "a"
    scheduler.save(folder, study_of(), {"backend": "jax", "command": ""})
    backend = keras.backend.backend()
    with held(folder, scheduler.LOCKED_AS) as other:
        assert cli.main(["sweep", "--resume", str(folder), "--backend", backend]) == 2
        assert f"in use by process {other.pid} on" in capsys.readouterr().err


def test_a_sweep_of_an_earlier_version_goes_on(tmp_path):
    """Its settings were fewer, and its folders are called by another digest."""
    study = study_of()
    pretend(tmp_path, study)
    for k, run in enumerate(scheduler.runs(tmp_path)):
        earlier = dict(run.config)
        assert earlier.pop("standardize") == "auto"
        (run.path / "config.json").write_text(json.dumps(earlier))
        run.path.rename(f"{run.path}"[:-12] + f"{k:012}")
    unfinished, *_ = tmp_path.glob("trials/*")
    (unfinished / "result.json").unlink()
    pool, watcher = pretend(tmp_path, study)
    assert len(pool.started) == 1
    assert [what for what, _ in watcher.told if what == "done"] == ["done"] * 4
    found = scheduler.runs(tmp_path, study.trials())
    assert [run.path.name[-12:] for run in found] == [f"{k:012}" for k in (2, 3, 0, 1)]
    assert {run.config["standardize"] for run in found} == {"auto"}
    other = {**found[0].config, "seed": 9}
    refused = pytest.raises(InputError, match="with other settings")
    with refused, Record(unfinished).open(other, {}):
        pass


def test_a_damaged_trial_does_not_stop_the_others(tmp_path):
    study = study_of()
    pretend(tmp_path, study)
    damaged, missing, *_ = sorted(tmp_path.glob("trials/*"))
    (damaged / "config.json").write_text('{"variant": "LSTM"}')
    (damaged / "result.json").unlink()
    shutil.rmtree(missing)
    shutil.copytree(scheduler.runs(tmp_path)[-1].path, f"{missing} copy")
    pool, watcher = pretend(tmp_path, study)
    assert missing.name in pool.started
    assert [what for what, _ in watcher.told if what == "failed"]
    assert len(scheduler.runs(tmp_path)) == 4


# -- the search ----------------------------------------------------------------------


def searched():
    space = {"learning_rate": {"low": 0.0001, "high": 1.0, "log": True}}
    space |= {"activation": ["tanh", "relu"]}
    return study_of(search=space, points=5)


def points(folder):
    """The points of each variant as (learning rate, activation, seed)."""
    names = ("learning_rate", "activation", "seed")
    found = {}
    for run in scheduler.runs(folder):
        point = tuple(run.config[name] for name in names)
        found.setdefault(run.config["variant"], set()).add(point)
    return found


def test_a_search_gives_each_variant_as_many_points(tmp_path):
    pytest.importorskip("optuna", reason="Optuna is not installed")
    study = searched()
    tmp_path.joinpath("a").mkdir()
    source = Search(study, tmp_path / "a")
    assert source.total == 20
    pretend(tmp_path / "a", study, source=source)
    found = points(tmp_path / "a")
    assert {name: len(x) for name, x in found.items()} == {"LSTM6": 10, "GRU3": 10}
    for each in found.values():
        assert {seed for *_, seed in each} == {1, 2}
        assert len({point[:2] for point in each}) == 5
    journal = (tmp_path / "a" / "optuna.journal").read_text().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in journal)


@pytest.mark.parametrize("after", [1, 3, 8, 13])
def test_a_search_that_was_killed_proposes_the_same(tmp_path, after):
    """As when the process dies while trials run: nobody tells Optuna."""
    pytest.importorskip("optuna", reason="Optuna is not installed")
    study = searched()

    class Dying(Pretending):
        def start(self, key, job):
            if len(self.started) == after:
                raise RuntimeError("killed")
            super().start(key, job)

    for name in ("whole", "killed"):
        tmp_path.joinpath(name).mkdir()
    pretend(tmp_path / "whole", study, source=Search(study, tmp_path / "whole"))
    killed = tmp_path / "killed"
    dying = Sweep(killed, Search(study, killed), Dying(), Quiet(), {"backend": "jax"})
    with pytest.raises(RuntimeError):
        dying.run()
    pool, _ = pretend(killed, study, source=Search(study, killed))
    assert points(killed) == points(tmp_path / "whole")
    assert len(pool.started) == len(set(pool.started)) <= 20 - after + 2


def test_a_search_avoids_what_diverged(tmp_path):
    pytest.importorskip("optuna", reason="Optuna is not installed")
    from slimrnn.experiments.sweep import optuna_search

    diverged = Run(tmp_path, {}, {}, [], {"status": "diverged", "val_accuracy": 0.9})
    good = Run(tmp_path, {}, {}, [], {"status": "done", "val_mae": 3.0})
    assert optuna_search._score(diverged) < optuna_search._score(good) == -3.0


def test_a_search_trains_a_deleted_trial_again(tmp_path):
    pytest.importorskip("optuna")
    study = study_of(search={"learning_rate": [0.1, 0.2, 0.3]}, points=2)
    pretend(tmp_path, study, source=Search(study, tmp_path))
    trials = {path.name for path in tmp_path.glob("trials/*")}
    gone, *_ = tmp_path.glob("trials/*")
    shutil.rmtree(gone)
    journal = tmp_path / JOURNAL
    journal.write_bytes(journal.read_bytes() + b'{"half')
    pool, _ = pretend(tmp_path, study, source=Search(study, tmp_path))
    assert pool.started == [gone.name]
    assert {path.name for path in tmp_path.glob("trials/*")} == trials
    journal.write_text("no journal\n")
    with pytest.raises(InputError, match="cannot be read as the journal"):
        Search(study, tmp_path)


# -- the screen ----------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 140])
def test_the_screen_shows_what_runs(tmp_path, width):
    settings = Settings.of("LSTM6", epochs=9)
    path = tmp_path / "trial"
    with Record(path).open(settings.config(), {}) as record:
        record.add({"epoch": 3, "loss": 0.25, "val_accuracy": 0.875})
    text = io.StringIO()
    screen = Console(file=text, force_terminal=True, width=width, highlight=False)
    done = Run(path, {}, {}, [], {"status": "done", "val_accuracy": 0.5, "epochs": 9})
    others = [replace(settings, seed=seed) for seed in (2, 3)]
    with Dashboard(screen, tmp_path, 2, ["variant", "seed"]) as shown:
        shown.opens(4)
        shown.started(others[0], path)
        shown.started(settings, path)
        shown.retried(others[0], Ended("", "crashed", "For a reason."))
        shown.started(others[0], path)
        shown.ended(others[0], done)
        shown.ended(others[1], done)
        shown.tick()
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.getvalue())
    assert max(map(len, plain.splitlines())) <= width
    for part in ("3/9", "0.2500", "0.8750", "2 of 4 trials", "2 done", "For a reason."):
        assert part in plain
    assert "LSTM6 seed=2" in plain
    assert re.search(r"about \d+ s left", re.sub(r"\s+", " ", plain))


def test_a_line_for_each_trial_says_what_is_best(tmp_path, monkeypatch):
    clock = iter(range(0, 1000, 100))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    text = io.StringIO()
    trials = [
        Settings.of(name, learning_rate=rate, seed=2, gate_constants=constants)
        for name, rate, constants in (
            ("LSTM4", 0.01, None),
            ("LSTM6", 0.003, {"f": 0.5}),
            ("LSTM6", 0.1, {"f": 0.5}),
        )
    ]
    ends = [
        {"status": "done", "val_accuracy": 0.733},
        {"status": "done", "val_accuracy": 0.71049},
        {"status": "diverged", "reason": "The loss is not finite."},
    ]
    names = ["variant", "learning_rate", "gate_constants.f", "seed"]
    screen = Console(file=text, width=200, highlight=False)
    with Dashboard(screen, tmp_path, 1, names) as shown:
        shown.opens(18)
        for settings, result in zip(trials, ends, strict=True):
            shown.started(settings, tmp_path)
            shown.ended(settings, Run(tmp_path, {}, {}, [], result))
    first, second, third, last = text.getvalue().splitlines()
    best = "best .733 (LSTM4 .01)"
    assert first == (
        f"[1/18] LSTM4 learning_rate=0.01 seed=2  validation .733  {best}  28 min left"
    )
    assert second == (
        "[2/18] LSTM6 learning_rate=0.003 gate_constants.f=0.5 seed=2  "
        f"validation .710  {best}  27 min left"
    )
    assert "diverged: The loss is not finite.  best .733" in third
    assert "best validation 0.7330 by LSTM4 learning_rate=0.01 seed=2" in last


def test_published_and_obtained_stand_side_by_side(tmp_path):
    study = Study(
        settings={"variant": "LSTM"},
        notes=["Read with care."],
        published=[
            {"where": {"variant": name}, "result": {"test_accuracy": 0.9}}
            for name in ("LSTM", "LSTM6", "LSTM3", "GRU")
        ],
    )
    results = {
        "LSTM": [
            {"status": "done", "test_accuracy": x, "epochs": 5} for x in (0.5, 0.7)
        ],
        "LSTM6": [{"status": "done", "test_accuracy": 0.95, "epochs": 7}],
        "LSTM3": [{"status": "diverged"}],
    }
    runs = [
        Run(tmp_path, {"variant": name}, {}, [], result)
        for name, found in results.items()
        for result in found
    ]
    text = io.StringIO()
    for part in side_by_side(study, runs):
        Console(file=text, width=80).print(part)
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.getvalue().splitlines()]
    assert "LSTM: test accuracy 0.9000 0.6000 ± 0.1414 -0.3000 5" in lines
    assert "LSTM6: test accuracy 0.9000 0.9500 +0.0500 7" in lines
    assert "LSTM3: test accuracy 0.9000 diverged" in lines
    assert "GRU: test accuracy 0.9000 not run" in lines
    assert "Read with care." in lines


def test_the_list_of_studies(capsys):
    assert cli.main(["reproduce"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in published.names())
    assert cli.main(["reproduce", "lu-mnist"]) == 2
    assert (
        "Unknown study 'lu-mnist'; the nearest is lu-mnist-rows. Allowed: "
        in capsys.readouterr().err
    )
