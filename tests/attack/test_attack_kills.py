"""Killed at any moment, runs and sweeps go on to the numbers of undisturbed ones."""

import os
import signal
import sys
import time

import numpy as np
import pytest

from processes import start
from slimrnn.experiments.run.store import Run
from sweeps import by_key, figures

pytestmark = pytest.mark.attack
SLIMRNN = (sys.executable, "-W", "ignore", "-m", "slimrnn")
EPOCHS = 12
SECONDS = 600  # for one process to end


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(256, 20, 4)).astype("float32"), np.arange(256) % 2
    path = tmp_path_factory.mktemp("data") / "a.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x[:64], y_test=y[:64])
    return path


def ended(process):
    said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    return said


def killed(process, folder, rng, epochs):
    """Whether it was running still; half of the kills fall while something is written.

    A checkpoint is being written while there is a file called unfinished.
    """
    within, after = rng.integers(2), rng.integers(1, epochs + 1)
    pattern = f"**/unfinished-checkpoint-*{after:06}*" if within else "**/metrics.jsonl"
    seen = None
    until = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < until:
        found = list(folder.glob(pattern))
        if found and (within or lines(found) >= after):
            seen = "within a checkpoint" if within else "between two checkpoints"
            break
        time.sleep(0.0005)
    if not within and seen:
        time.sleep(rng.uniform(0, 0.05))
    if process.poll() is not None:
        return None
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return seen


def lines(paths):
    return sum(path.read_bytes().count(b"\n") for path in paths)


def test_runs_that_are_killed(data, tmp_path, tries, row):
    about = ("--data", data, "--units", 64, "--epochs", EPOCHS, "--timing", 0)
    train = (*SLIMRNN, "train", "LSTM6", *about)
    ended(start((*train, "--out", tmp_path / "whole"), KERAS_BACKEND="jax"))
    whole = figures(Run.read(tmp_path / "whole"))
    count, moments = tries(2), []
    for k in range(count):
        rng, folder = np.random.default_rng(k), tmp_path / f"{k}"
        running = start((*train, "--out", folder), KERAS_BACKEND="jax")
        moments.append(killed(running, folder, rng, EPOCHS))
        resume = (*SLIMRNN, "train", "--resume", folder, "--timing", 0)
        ended(start(resume, KERAS_BACKEND="jax"))
        assert figures(Run.read(folder)) == whole
    row("kills of train", count, f"{said(moments)}; the losses of the undisturbed run")


def test_sweeps_that_are_killed(data, tmp_path, tries, row):
    about = (f"data={data}", "units=64", f"epochs={EPOCHS}", "seed=1,2")
    sweep = (*SLIMRNN, "sweep", "--set", "variant=LSTM6,GRU3", *about)
    ended(start((*sweep, "--out", tmp_path / "whole"), KERAS_BACKEND="jax"))
    whole = by_key(tmp_path / "whole")
    count, moments = tries(1), []
    for k in range(count):
        rng, folder = np.random.default_rng(100 + k), tmp_path / f"{k}"
        command = (*sweep, "--out", folder)
        for _ in range(3):
            running = start(command, KERAS_BACKEND="jax")
            moments.append(killed(running, folder / "trials", rng, EPOCHS))
            command = (*SLIMRNN, "sweep", "--resume", folder)
        ended(start(command, KERAS_BACKEND="jax"))
        assert by_key(folder) == whole
    row(
        *("kills of sweep", 3 * count),
        f"{said(moments)}; the losses of all four trials of the undisturbed sweep",
    )


def said(moments):
    known = sorted({moment or "after the end" for moment in moments})
    counts = [(moments.count(None if k == "after the end" else k), k) for k in known]
    return ", ".join(f"{count} {moment}" for count, moment in counts)
