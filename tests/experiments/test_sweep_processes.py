"""Sweeps in processes, which are killed, hang, or take too much."""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import keras
import pytest

import drawn_weights
from made_data import few_digits
from processes import children, start
from products import some
from slimrnn.experiments.run.store import Run
from slimrnn.experiments.sweep import process_pool as pools
from slimrnn.experiments.sweep import scheduler
from slimrnn.experiments.sweep.worker import _Silent
from sweeps import EPOCHS, SETTINGS, TRIALS, by_key, figures, study_of, trained

pytestmark = pytest.mark.backend_free


def command(*argv):
    return [sys.executable, "-m", "slimrnn", *map(str, argv)]


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """The sweep's settings."""
    return {**SETTINGS, **few_digits(tmp_path_factory.mktemp("data"))}


def begin(settings, folder, *more):
    """The command of the sweep, begun in a folder or gone on with."""
    if (folder / "study.json").exists():
        return command("sweep", "--resume", folder, *more)
    words = [f"variant={','.join(TRIALS['variant'])}"]
    words += [f"{name}={value}" for name, value in settings.items() if value]
    return command("sweep", "--set", *words, "--out", folder, *more)


@pytest.fixture(scope="module")
def whole(few, tmp_path_factory):
    """The sweep that nobody disturbed, in this process."""
    folder = tmp_path_factory.mktemp("sweep") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        drawn_weights.by_keras(patch)
        trained(folder, _Silent(), few, variant=TRIALS["variant"])
    return folder


def workers(process):
    """The processes of a sweep's trials."""
    found = []
    for pid in children(process.pid):
        with contextlib.suppress(OSError):  # it has just ended by itself
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            found += [pid] * (b"slimrnn.experiments.sweep.worker" in line)
    return found


def _a_writer(folder, since):
    """A worker that is writing a checkpoint at this moment; None: none does."""
    with contextlib.suppress(OSError, ValueError):
        for unfinished in folder.glob("trials/*/unfinished-checkpoint-*"):
            if unfinished.stat().st_mtime > since:
                holder = (unfinished.parent / ".holder.json").read_text()
                return json.loads(holder)["process"]
    return None


def _kill(process):
    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
        os.kill(process, signal.SIGKILL)


UNFINISHED = "trials/*/unfinished-*"
VICTIMS = 3 * ("a writer", "Ctrl-C", "the sweep", "a trial")
# For the trials' processes: a disk so slow that no computer, however fast, ends the
# sweep before it has been killed often enough; as fast as it is once a file says so.
SLOW_DISK = """
import os, random, sys, time
if "slimrnn.experiments.sweep.worker" in sys.orig_argv:
    def fsync(file, real=os.fsync):
        if not os.path.exists(os.environ["FAST_DISK"]):
            time.sleep(random.uniform(0, 2))
        real(file)
    os.fsync = fsync
"""


@pytest.mark.exhaustive
@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_nothing_is_lost_by_being_killed(tmp_path, few, whole, monkeypatch):
    """Kills the sweep or its trials at random moments, also in a checkpoint's write.

    Or it is stopped by Ctrl-C, and says how to go on.
    """
    (tmp_path / "sitecustomize.py").write_text(SLOW_DISK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("FAST_DISK", str(tmp_path / "fast"))
    draw, folder, process = random.Random(5), tmp_path / "killed", None
    options = ("--workers", 2, "--retries", len(VICTIMS))
    for whom in VICTIMS:
        if process is None or process.poll() is not None:
            process = start(begin(few, folder, *options))
        victims = []
        while not (victims := victims or workers(process)):
            assert process.poll() is None, "it ended before it could be killed so often"
        if whom == "a writer":
            _kill(_wait_for(partial(_a_writer, folder, time.time())))
            left = set(folder.glob(UNFINISHED))
            continue
        time.sleep(draw.uniform(0, 2.5))
        if whom == "Ctrl-C":
            _stop(process, folder)
            assert left.issuperset(folder.glob(UNFINISHED))
            continue
        _kill(process.pid if whom == "the sweep" else draw.choice(victims))
        if whom == "the sweep":
            process.wait()
            _wait_for_the_end_of(workers(process) + victims)
    process.kill()
    process.wait()
    (tmp_path / "fast").touch()
    done = subprocess.run(begin(few, folder, *options), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 trials ended · 2 done" in done.stdout
    assert (folder / "report.html").exists()
    assert (folder / "comparison.png").exists()
    assert by_key(folder) == by_key(whole)
    for run in scheduler.runs(folder):
        assert [x["epoch"] for x in run.metrics] == list(range(1, EPOCHS + 1))
    assert not list(folder.glob(UNFINISHED))
    attempts = [len(_lines(path)) for path in folder.glob("trials/*/attempts.jsonl")]
    assert sum(attempts) >= VICTIMS.count("a trial")


def _lines(path):
    return path.read_text().splitlines()


def _wait_for_the_end_of(processes):
    _wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))


def _wait_for(what, seconds=600):
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.0005)
    return found


def _stop(process, folder):
    """Ctrl-C ends all processes."""
    _wait_for(lambda: list(folder.glob("trials/*/metrics.jsonl")))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130, err
    assert f"Go on with: slimrnn sweep --resume {folder}" in err
    assert "Traceback" not in err + out
    assert not workers(process)


ENDS = {
    "a hang": (["--timeout", "0.5"], "longer than the timeout of 0.5 s"),
    "no memory": (["--memory", "0.02"], ""),
}


@pytest.mark.parametrize("end", some(lambda end: end == "a hang", ENDS))
def test_what_ends_a_trial_does_not_end_the_sweep(tmp_path, few, end):
    flags, reason = ENDS[end]
    command = begin(few, tmp_path / "a", *flags, "--retries", "0")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "2 of 2 trials ended · 2 failed" in done.stdout
    for run in scheduler.runs(tmp_path / "a"):
        assert run.result["status"] == "failed"
        assert reason in run.result["reason"] != ""
        (attempt,) = (run.path / "attempts.jsonl").read_text().splitlines()
        assert json.loads(attempt)["reason"] == run.result["reason"]


def _ended(pool, key, job):
    pool.start(key, job)
    process = pool._running[key].process
    while not (ended := pool.wait(60)):
        pass
    return *ended, process


def test_a_process_takes_the_next_trial_unless_one_failed(tmp_path, few):
    """Its results are those of a process of its own; a failure meets no other trial."""
    study = study_of(settings={**few, "epochs": 2})
    first, second = islice(study.trials(), 2)

    def job(name, settings, **more):
        path = str(tmp_path / name)
        return pools.Job(settings.config(), path, keras.backend.backend(), 0, **more)

    pool = pools.Processes(1)
    try:
        *_, one = _ended(pool, "a", job("a", first))
        ended, same = _ended(pool, "b", job("b", second))
        assert (ended.outcome, same) == ("ended", one)
        _kill(one.pid)
        one.wait()
        ended, other = _ended(pool, "alone", job("alone", second))
        assert (ended.outcome, other.poll()) == ("ended", None)
        wrong = replace(second, optimizer_options={"speed": 1.0})
        ended, last = _ended(pool, "wrong", job("wrong", wrong))
        assert (ended.outcome, last) == ("refused", other)
        assert "does not take" in ended.reason
        assert last.poll() is not None
        assert other not in [worker.process for worker in pool._idle]
    finally:
        pool.stop()
    found = {name: figures(Run.read(tmp_path / name)) for name in ("b", "alone")}
    assert found["b"] == found["alone"]
    assert (tmp_path / "b" / "log.txt").exists()


def test_a_limit_of_memory_is_each_trials_own():
    worker = object.__new__(pools._Worker)
    worker.process = argparse.Namespace(poll=lambda: None)
    for made, memory, takes in ((0, None, True), (0, 1, False), (-1e9, None, False)):
        job = pools.Job({"seed": 1}, "a", "jax", 1, memory=memory)
        worker._job, worker.made = job, time.monotonic() + made
        assert worker.takes(replace(job, settings={"seed": 2}, path="b")) is takes
    assert not worker.takes(replace(job, backend="torch"))


def test_threads_are_shared_out():
    cores = pools.cores()
    environments = [
        pools._environment(pools.Job({}, "", "jax", 1, threads=pool._threads))
        for pool in (pools.Processes(1), pools.Processes(cores), pools.Processes(1, 3))
    ]
    found = [{e[name] for name in pools.THREADS} for e in environments]
    assert found == [{str(cores)}, {"1"}, {"3"}]
