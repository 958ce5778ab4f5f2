"""Sweeps: every trial ends exactly once, whatever happens on the way."""

import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from processes import start
from slimrnn import cli
from slimrnn.errors import InputError
from slimrnn.experiments import pool as pools
from slimrnn.experiments import reproduction, sweep
from slimrnn.experiments import study as studies
from slimrnn.experiments.live import Screen
from slimrnn.experiments.pool import Ended
from slimrnn.experiments.search import JOURNAL, Search
from slimrnn.experiments.settings import Settings
from slimrnn.experiments.store import Record, Run
from slimrnn.experiments.study import Study
from slimrnn.experiments.sweep import Grid, Sweep
from slimrnn.variants import get

KILLS = 20
TRIALS = {"variant": ["LSTM6", "GRU3"], "seed": [1, 2]}
EPOCHS = 30
SETTINGS = {"units": 32, "epochs": EPOCHS, "batch_size": 64, "dropout": 0.2}


def study_of(**given):
    return Study(**{"settings": SETTINGS, "grid": TRIALS, **given})


def figures(run):
    """All that a trial found, without its times."""
    lines = [{k: v for k, v in x.items() if k != "seconds"} for x in run.metrics]
    times = ("seconds_per_epoch", "prediction_seconds")
    return lines, {k: v for k, v in run.result.items() if k not in times}


def by_key(folder):
    return {run.path.name: figures(run) for run in sweep.runs(folder)}


class Pretending:
    """A pool in which trials end as a script says, with no process at all."""

    def __init__(self, script=(), places=2):
        self.script = {key: list(ends) for key, ends in dict(script).items()}
        self.places = places
        self.running = {}
        self.started = []

    @property
    def free(self):
        return self.places - len(self.running)

    def start(self, key, job):
        assert key not in self.running
        self.started.append(key)
        self.running[key] = job

    def wait(self, seconds):
        if not self.running:
            return []
        key = next(iter(self.running))
        job = self.running.pop(key)
        seed = str(job.settings["seed"])
        outcome = self.script[seed].pop(0) if self.script.get(seed) else "ended"
        if outcome == "ended":
            try:
                self.train(job)
            except InputError as error:
                return [Ended(key, "refused", str(error))]
        return [Ended(key, outcome, "" if outcome == "ended" else "For a reason.")]

    def train(self, job):
        with Record(Path(job.path)).open(job.settings, {}) as record:
            record.add({"epoch": 1, "loss": 1.0})
            record.finish({"status": "done", "val_accuracy": _score(job.settings)})

    def stop(self):
        self.running.clear()


def _score(settings):
    """The best learning rate is 0.01."""
    return 1 / (1 + abs(settings["learning_rate"] - 0.01))


class Quiet:
    """A watcher that keeps what it is told."""

    def __init__(self):
        self.told = []

    def begins(self, total):
        self.total = total

    def started(self, settings, path):
        self.told.append(("started", settings.seed))

    def tick(self):
        pass

    def retried(self, settings, ended):
        self.told.append(("again", settings.seed))

    def ended(self, settings, run):
        self.told.append((run.result["status"], settings.seed))


def pretend(folder, study, script=(), **given):
    """A sweep without processes; what was started, and what the watcher was told."""
    folder.mkdir(exist_ok=True)
    pool, watcher = Pretending(script), Quiet()
    source = given.pop("source", None) or Grid(study)
    Sweep(folder, source, pool, watcher, {"backend": "jax"}, **given).run()
    return pool, watcher


# -- studies -----------------------------------------------------------------------


def test_a_study_file_is_the_product_of_its_lists(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text(
        'title = "A"\n[settings]\nunits = 4\n'
        '[grid]\nvariant = ["LSTM", "lstm6", "LSTM6"]\nseed = [1, 2]\n'
        "gate_constants.f = [0.4, 0.9]\n"
    )
    found = list(studies.read(file).trials())
    assert [(x.name, x.seed, x.gate_constants) for x in found] == [
        ("LSTM", 1, None),
        ("LSTM", 2, None),
        *[("LSTM6", seed, {"f": f}) for seed in (1, 2) for f in (0.4, 0.9)],
    ]
    assert {x.units for x in found} == {4}


def test_a_trial_is_known_by_its_settings(tmp_path):
    settings = Settings.of("LSTM6", units=4)
    key = settings.key()
    assert re.fullmatch(r"LSTM6-[0-9a-f]{12}", key)
    assert Settings.of("lstm6", units=4, data_dir=str(tmp_path)).key() == key
    for change in ({"units": 5}, {"seed": 2}, {"gate_constants": {"f": 0.3}}):
        assert replace(settings, **change).key() != key
    odd = replace(get("LSTM6"), name="../a b")
    assert Path(Settings.of(odd).key()).name == Settings.of(odd).key()


MISTAKES = {
    "[grid]\nvariant = 'LSTM'": "must be a list",
    "[grid]\nvariant = []": "must be a list",
    "[grid]\nspeed = [1]": "Unknown setting 'speed' in \\[grid\\]",
    "speed = 1": "Unknown in a study: speed",
    "[settings]\nunits = 4": "no variant",
    "[settings]\nvariant = 'LSTM'\n[grid]\nvariant = ['LSTM']": "in one of them",
    "grid = 3": "must be a table",
    "[grid": "not valid TOML",
    "match = 'time'\n[settings]\nvariant = 'LSTM'": "match must be one of",
    "[settings]\nvariant = 'LSTM'\n[search]\npoints = 3\nunits = {low = 9, high = 2}": (
        "a list of values or a range"
    ),
    "[settings]\nvariant = 'LSTM'\n[search]\nunits = [1, 2]": "number of points",
    "[settings]\nvariant = 'LSTM'\n[search]\npoints = 2\nseed = [1]": "not searched",
    "[search]\npoints = 2\nvariant = ['LSTM', 'LSTM6']": "not searched",
    "[settings]\nvariant = 'LSTM'\n[search]\npoints = 2\n"
    "dropout = {low = 0, high = 0.5, log = true}": "log needs a low end above 0",
    "[settings]\nvariant = 'LSTM'\n[search]\npoints = 2\n"
    "learning_rate = {low = 0.1, high = inf}": "a list of values or a range",
    "title = 3\n[settings]\nvariant = 'LSTM'": "title of a study must be a text",
    "notes = 'ab'\n[settings]\nvariant = 'LSTM'": "notes of a study must be a list",
    "[settings]\nvariant = 'LSTM'\n[[published]]\nwhere = {}": "published",
    "[settings]\nvariant = 'LSTM'\n'gate_constants.' = 1": "Unknown setting",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_study_is_told(tmp_path, text):
    file = tmp_path / "study.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=MISTAKES[text]) as error:
        studies.read(file)
    assert str(file) in str(error.value)


BAD_TRIALS = [
    ["variant=LSTX"],
    ["variant=LSTM6", "units=0"],
    ["variant=LSTM6", "learning_rate=fast"],
    ["variant=GRU3", "init=packed"],
    ["variant=LSTM", "gate_constants.f=0.5", "init=packd"],
    ["variant=LSTM6", "optimizer_options.speed=2"],
    ["variant=LSTM6", "head=sigmoid"],
    ["variant=LSTM6", "units"],
    ["variant=LSTM6", "gate_constants=5", "gate_constants.f=0.5"],
    ["variant=LSTM6", "dataset=1"],
    ["variant=LSTM6", "words=much"],
    ["variant=LSTM6", f"learning_rate={'9' * 400}"],
    ["variant=LSTM6", "variant=LSTM"],
]


@pytest.mark.parametrize("words", BAD_TRIALS, ids=" ".join)
def test_a_bad_trial_is_told_before_anything_is_written(tmp_path, capsys, words):
    out = tmp_path / "out"
    assert cli.main(["sweep", "--set", *words, "--out", str(out)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("slimrnn: ")
    assert "Traceback" not in err
    assert not out.exists()


@pytest.mark.parametrize("name", ["LSTM3", "LSTM5a", "LSTM6", "LSTM10", "GRU", "MGU2"])
def test_parameters_are_matched(name):
    given = {"units": 60, "variant": name, "dataset": "digits"}
    (settings,) = Study(settings=given, match="parameters").trials()
    wanted = get("LSTM").parameters(8, 60)
    count = get(name).parameters(8, settings.units)
    assert abs(count - wanted) <= 0.01 * wanted
    for units in (settings.units - 1, settings.units + 1):
        assert abs(get(name).parameters(8, units) - wanted) >= abs(count - wanted)


def test_what_cannot_be_matched_is_told():
    study = Study(settings={"units": 1, "variant": "LSTM2"}, match="parameters")
    with pytest.raises(InputError, match="give more units"):
        list(study.trials())


@pytest.mark.parametrize("name", reproduction.names())
def test_the_studies_of_the_library_are_whole(name, data_dir):
    """Each can be run as it stands, and its published results belong to its trials."""
    study = reproduction.read(name).changed({"data_dir": [str(data_dir)]})
    assert study.title
    assert study.source
    assert study.notes
    sweep.check(study)
    trials = [] if study.search else [x.config() for x in study.trials()]
    for entry in study.published:
        found = [x for x in trials if all(x[k] == v for k, v in entry["where"].items())]
        assert len(found) == 1, entry


# -- the sweep's own logic, without processes ----------------------------------------


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
    (run,) = [run for run in sweep.runs(tmp_path / "a") if run.config["seed"] == 2]
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
    assert {run.result["status"] for run in sweep.runs(tmp_path / "a")} == {"done"}


def test_two_sweeps_in_one_folder(tmp_path, capsys):
    folder = tmp_path / "a"
    sweep.save(folder, study_of(), {"backend": "jax", "command": ""})
    code = (
        "import sys, pathlib\nfrom slimrnn.experiments import files\n"
        "with files.held(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as other:
        assert other.stdout.readline() == "held\n"
        assert (
            cli.main(["sweep", "--resume", str(folder), "--backend", _backend()]) == 2
        )
        assert f"in use by process {other.pid} on" in capsys.readouterr().err


def _backend():
    import keras

    return keras.backend.backend()


# -- the search ----------------------------------------------------------------------


def searched():
    space = {"learning_rate": {"low": 0.0001, "high": 1.0, "log": True}}
    space |= {"activation": ["tanh", "relu"]}
    return study_of(search=space, points=5)


def points(folder):
    """The points of each variant as (learning rate, activation, seed)."""
    names = ("learning_rate", "activation", "seed")
    found = {}
    for run in sweep.runs(folder):
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
    from slimrnn.experiments import search

    diverged = Run(tmp_path, {}, {}, [], {"status": "diverged", "val_accuracy": 0.9})
    good = Run(tmp_path, {}, {}, [], {"status": "done", "val_mae": 3.0})
    assert search._score(diverged) < search._score(good) == -3.0


def test_all_that_is_given_with_set_counts(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(sweep, "check", lambda study: seen.append(list(study.trials())))
    monkeypatch.setattr(sweep.Sweep, "run", lambda self: None)
    given = ["--set", "variant=LSTM,LSTM6", "--set", "seed=1,2", "units=4"]
    assert cli.main(["sweep", *given, "--out", str(tmp_path / "out")]) == 0
    assert len(seen[0]) == 4


def test_one_gate_constant_concerns_the_variants_that_have_it():
    study = study_of(grid={"variant": ["LSTM", "LSTM6"]})
    trials = list(study.changed({"gate_constants.f": [0.5]}).trials())
    assert [x.gate_constants for x in trials] == [None, {"f": 0.5}]


def test_the_command_of_a_run_repeats_it():
    settings = Settings.of("LSTM6", gate_constants={"f": 0.5871234987})
    assert settings.command().endswith("f=0.5871234987")


def test_a_damaged_trial_does_not_stop_the_others(tmp_path):
    study = study_of()
    pretend(tmp_path, study)
    damaged, missing, *_ = sorted(tmp_path.glob("trials/*"))
    (damaged / "config.json").write_text('{"variant": "LSTM"}')
    (damaged / "result.json").unlink()
    shutil.rmtree(missing)
    shutil.copytree(sweep.runs(tmp_path)[-1].path, f"{missing} copy")
    pool, watcher = pretend(tmp_path, study)
    assert missing.name in pool.started
    assert [what for what, _ in watcher.told if what == "failed"]
    assert len(sweep.runs(tmp_path)) == 4


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


# -- with processes --------------------------------------------------------------------


def command(*argv):
    return [sys.executable, "-m", "slimrnn", *map(str, argv)]


def begin(folder, *more):
    """The command of the sweep, begun in a folder or gone on with."""
    if (folder / "study.json").exists():
        return command("sweep", "--resume", folder, *more)
    words = [f"{name}={','.join(map(str, x))}" for name, x in TRIALS.items()]
    words += [f"{name}={value}" for name, value in SETTINGS.items()]
    return command("sweep", "--set", *words, "--out", folder, *more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The sweep that nobody disturbed."""
    folder = tmp_path_factory.mktemp("sweep") / "whole"
    done = subprocess.run(begin(folder, "--workers", 2), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 trials ended · 4 done" in done.stdout
    assert (folder / "report.html").exists()
    assert (folder / "comparison.png").exists()
    return folder


def workers(process):
    """The processes of a sweep's trials, by /proc."""
    return [
        int(path.name)
        for path in Path("/proc").glob("[0-9]*")
        if _parent(path) == process.pid and b"slimrnn.experiments.worker" in _line(path)
    ]


def _parent(path):
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _line(path):
    try:
        return (path / "cmdline").read_bytes()
    except OSError:
        return b""


def _a_writer(folder, since):
    """A worker that is writing a checkpoint at this moment; None: none does."""
    with contextlib.suppress(OSError, ValueError):
        for unfinished in folder.glob("trials/*/checkpoint-*.tmp"):
            if unfinished.stat().st_mtime > since:
                holder = (unfinished.parent / ".holder.json").read_text()
                return json.loads(holder)["process"]
    return None


def _kill(process):
    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
        os.kill(process, signal.SIGKILL)


# For the trials' processes: a disk so slow that no computer, however fast, ends the
# sweep before it has been killed often enough; as fast as it is once a file says so.
SLOW_DISK = """
import os, random, sys, time
if "slimrnn.experiments.worker" in sys.orig_argv:
    def fsync(file, real=os.fsync):
        if not os.path.exists(os.environ["FAST_DISK"]):
            time.sleep(random.uniform(0, 2))
        real(file)
    os.fsync = fsync
"""


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_nothing_is_lost_by_being_killed(tmp_path, whole, monkeypatch):
    """Kills the sweep or its trials at random moments, also in a checkpoint's write."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_DISK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("FAST_DISK", str(tmp_path / "fast"))
    draw, folder, process = random.Random(5), tmp_path / "killed", None
    for whom in ["a writer", "a trial", "the sweep", "a trial"] * (KILLS // 4):
        if process is None or process.poll() is not None:
            process = start(begin(folder, "--workers", 2, "--retries", KILLS))
        victims = []
        while not (victims := victims or workers(process)):
            assert process.poll() is None, "it ended before it could be killed so often"
        if whom == "a writer":
            _kill(_wait_for(partial(_a_writer, folder, time.time()), 120))
            continue
        time.sleep(draw.uniform(0, 2.5))
        _kill(process.pid if whom == "the sweep" else draw.choice(victims))
        if whom == "the sweep":
            process.wait()
            _wait_for_the_end_of(workers(process) + victims)
    process.kill()
    process.wait()
    (tmp_path / "fast").touch()
    done = subprocess.run(
        begin(folder, "--workers", 2, "--retries", KILLS),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert by_key(folder) == by_key(whole)
    for run in sweep.runs(folder):
        assert [x["epoch"] for x in run.metrics] == list(range(1, EPOCHS + 1))
        assert not list(run.path.glob("*.tmp"))
    attempts = [len(_lines(path)) for path in folder.glob("trials/*/attempts.jsonl")]
    assert sum(attempts) >= KILLS // 2


def _lines(path):
    return path.read_text().splitlines()


def _wait_for_the_end_of(processes):
    _wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))


def _wait_for(what, seconds=30):
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.0005)
    return found


def test_ctrl_c_says_how_to_go_on(tmp_path):
    folder = tmp_path / "stopped"
    process = start(begin(folder, "--workers", 2))
    _wait_for(lambda: list(folder.glob("trials/*/metrics.jsonl")), 120)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"go on with: slimrnn sweep --resume {folder}" in err
    assert "Traceback" not in err + out
    assert not workers(process)
    assert not list(folder.glob("trials/*/*.tmp"))


ENDS = {
    "a hang": (["--timeout", "0.5"], "longer than the timeout of 0.5 s"),
    "no memory": (["--memory", "0.02"], ""),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_ends_a_trial_does_not_end_the_sweep(tmp_path, end):
    flags, reason = ENDS[end]
    flags = [*flags, "--retries", "0"]
    done = subprocess.run(begin(tmp_path / "a", *flags), capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "4 of 4 trials ended · 4 failed" in done.stdout
    for run in sweep.runs(tmp_path / "a"):
        assert run.result["status"] == "failed"
        assert reason in run.result["reason"] != ""
        (attempt,) = (run.path / "attempts.jsonl").read_text().splitlines()
        assert json.loads(attempt)["reason"] == run.result["reason"]


def test_threads_are_shared_out():
    cores = pools.cores()
    environments = [
        pools._environment(pools.Job({}, "", "jax", 1, threads=pool._threads))
        for pool in (pools.Processes(1), pools.Processes(cores), pools.Processes(1, 3))
    ]
    found = [{e[name] for name in pools.THREADS} for e in environments]
    assert found == [{str(cores)}, {"1"}, {"3"}]


# -- the screen ------------------------------------------------------------------------


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
    with Screen(screen, tmp_path, workers=2) as shown:
        shown.begins(4)
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
    assert re.search(r"about \d+ s left", re.sub(r"\s+", " ", plain))


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
    for part in reproduction.side_by_side(study, runs):
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
    assert all(name in out for name in reproduction.names())
    assert cli.main(["reproduce", "lu-mnist"]) == 2
    assert "Unknown study 'lu-mnist'; allowed: " in capsys.readouterr().err


def test_a_folder_without_a_sweep(tmp_path, capsys):
    assert cli.main(["sweep", "--resume", str(tmp_path)]) == 2
    assert "holds no sweep" in capsys.readouterr().err
    (tmp_path / "study.json").write_text('{"study": [')
    assert cli.main(["sweep", "--resume", str(tmp_path)]) == 2
    assert "study.json is not valid JSON" in capsys.readouterr().err
