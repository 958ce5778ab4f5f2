"""Where the trials of a sweep run: here, as processes of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from slimrnn.experiments.run.environment import cores
from slimrnn.experiments.run.store import make_folder
from slimrnn.experiments.sweep.worker import BUSY, DONE, FULL, REFUSED, Job

LOG = "log.txt"
#: Where frameworks look for their number of threads: torch, XLA, TensorFlow. Tying a
#: trial to cores instead would tie two sweeps to the same ones.
THREADS = (
    "OMP_NUM_THREADS",
    "NPROC",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
REASON_CHARACTERS = 300
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Ended:
    """How an attempt at a trial ended.

    Args:
        key: of the trial.
        outcome: ``"ended"``: the run's own files say how; ``"refused"``: settings
            that cannot be; ``"failed"``: an error; ``"crashed"``: by a signal;
            ``"timeout"``; ``"lost"``: its machine went away, or another process has
            its folder still; ``"disk"``: nothing can be written.
        reason: a sentence; empty where it ended well.
    """

    key: str
    outcome: str
    reason: str = ""


class Pool(Protocol):
    """What a sweep needs of the place where trials run."""

    @property
    def free(self) -> int:
        """How many more trials can be started now."""

    def start(self, key: str, job: Job) -> None:
        """Starts a trial."""

    def wait(self, seconds: float) -> list[Ended]:
        """The trials that ended; waits so long for the first of them."""

    def stop(self) -> None:
        """Ends all that runs; their runs stay as their last checkpoints are."""


class Processes:
    """Trials as processes of this machine.

    Args:
        workers: how many at a time.
        threads: of each; None: as many as there are cores, shared out.
        timeout: seconds after which an attempt counts as hanging; None: never.
    """

    def __init__(
        self, workers: int = 1, threads: int | None = None, timeout: float | None = None
    ):
        self.timeout = timeout
        self._threads = threads or max(1, cores() // workers)
        self._workers = workers
        self._running: dict[str, _Attempt] = {}

    @property
    def free(self) -> int:
        """How many more trials can be started now."""
        return self._workers - len(self._running)

    def start(self, key: str, job: Job) -> None:
        """Starts a trial in a process of its own, which ends with this one."""
        job = replace(job, parent=os.getpid(), threads=self._threads)
        self._running[key] = _Attempt(job)

    def wait(self, seconds: float) -> list[Ended]:
        """The trials that ended; waits so long for the first of them."""
        until = time.monotonic() + seconds
        while not (ended := self._ended()) and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        return ended

    def stop(self) -> None:
        """Ends all that runs."""
        for attempt in self._running.values():
            attempt.kill()
        self._running.clear()

    def _ended(self) -> list[Ended]:
        found = []
        for key, attempt in list(self._running.items()):
            if self.timeout and time.monotonic() - attempt.began > self.timeout:
                attempt.kill()
                reason = f"It took longer than the timeout of {self.timeout:g} s."
                found.append(Ended(key, "timeout", reason))
            elif attempt.process.poll() is not None:
                found.append(Ended(key, *outcome(attempt.process.poll(), attempt.path)))
            else:
                continue
            del self._running[key]
        return found


class _Attempt:
    """A process that runs a trial."""

    def __init__(self, job: Job):
        self.path = Path(job.path)
        self.process = spawn(job)
        self.began = time.monotonic()

    def kill(self) -> None:
        """Ends the process and whatever it started."""
        if hasattr(os, "killpg") and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()


def spawn(job: Job) -> subprocess.Popen:
    """Starts the worker of a job; what it prints goes to the run's `log.txt`."""
    make_folder(Path(job.path))
    with open(Path(job.path, LOG), "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "slimrnn.experiments.sweep.worker"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for the sweep, which then ends its trials.
            start_new_session=True,
            env=_environment(job),
        )
    assert process.stdin is not None
    try:
        process.stdin.write(job.text().encode())
        process.stdin.close()
    except BrokenPipeError:
        pass  # it ended at once: its exit code says more
    return process


def _environment(job: Job) -> Mapping[str, str]:
    environment = {**os.environ, "KERAS_BACKEND": job.backend}
    if job.threads:
        environment |= dict.fromkeys(THREADS, str(job.threads))
    return environment


def outcome(code: int | None, path: Path) -> tuple[str, str]:
    """What an exit code of a worker means, and the reason in its log."""
    if code == DONE:
        return "ended", ""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = " (perhaps the memory was full)" if name == "SIGKILL" else ""
        return "crashed", f"Its process was ended by {name}{hint}."
    kinds = {REFUSED: "refused", FULL: "disk", BUSY: "lost"}
    return kinds.get(code or 0, "failed"), _last_line(path / LOG)


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:REASON_CHARACTERS] if said else "It ended without a word."
