"""Where the trials of a sweep run: here, as processes of this machine."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from slimrnn.experiments.run.environment import cores
from slimrnn.experiments.run.store import make_folder
from slimrnn.experiments.sweep.worker import BUSY, DONE, FULL, LOG, REFUSED, Job
from slimrnn.utils.files import clear_unfinished

#: Where frameworks look for their number of threads: torch, XLA, TensorFlow. Tying a
#: trial to cores instead would tie two sweeps to the same ones.
THREADS = (
    "OMP_NUM_THREADS",
    "NPROC",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
REASON_CHARACTERS = 300
_POLL_SECONDS = 0.05
#: How long a process takes new trials: starting one costs seconds, and what frameworks
#: forget to free adds up.
REUSED_SECONDS = 300.0
_ENDING_SECONDS = 10.0  # for a process without work to end by itself


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

    A process in which a trial ended well takes the next one, for a while; with a limit
    of memory, which counts for each trial, and after any failure, there is a new one.

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
        self._running: dict[str, _Worker] = {}
        self._idle: list[_Worker] = []

    @property
    def free(self) -> int:
        """How many more trials can be started now."""
        return self._workers - len(self._running)

    def start(self, key: str, job: Job) -> None:
        """Starts a trial in a process beside this one, which ends with this one."""
        job = replace(job, parent=os.getpid(), threads=self._threads)
        make_folder(Path(job.path))
        while self._idle:
            worker = self._idle.pop()
            if worker.takes(job):
                break
            worker.end()
        else:
            worker = _Worker(job)
        self._running[key] = worker
        worker.run(job)

    def wait(self, seconds: float) -> list[Ended]:
        """The trials that ended; waits so long for the first of them."""
        until = time.monotonic() + seconds
        while not (ended := self._ended()) and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        return ended

    def stop(self) -> None:
        """Ends all that runs."""
        for worker in self._running.values():
            worker.kill()
        for worker in self._idle:
            worker.end()
        self._running.clear()
        self._idle.clear()

    def _ended(self) -> list[Ended]:
        found = []
        for key, worker in list(self._running.items()):
            code = worker.code()
            if code is not None:
                found.append(Ended(key, *outcome(code, worker.path)))
                if worker.is_alive:
                    self._idle.append(worker)
            elif self.timeout and time.monotonic() - worker.began > self.timeout:
                worker.kill()
                reason = f"It took longer than the timeout of {self.timeout:g} s."
                found.append(Ended(key, "timeout", reason))
            else:
                continue
            del self._running[key]
        return found


class _Worker:
    """A process that runs trials, one after the other.

    Args:
        job: the first.
    """

    def __init__(self, job: Job):
        self.process = _spawn(job)
        self.made = time.monotonic()
        self._job, self.path = job, Path(job.path)
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def takes(self, job: Job) -> bool:
        """Whether it can run a further trial."""
        own = replace(job, settings=self._job.settings, path=self._job.path)
        is_young = time.monotonic() - self.made < REUSED_SECONDS
        return self.is_alive and is_young and not job.memory and own == self._job

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def run(self, job: Job) -> None:
        """Begins with a trial."""
        self.path = Path(job.path)
        self.began = time.monotonic()
        assert self.process.stdin is not None
        # If it has ended at once, its exit code says more.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{job.text()}\n")
            self.process.stdin.flush()

    def code(self) -> int | None:
        """How the trial ended; None while it runs."""
        ended = self.process.poll()
        if ended is not None:
            self._reader.join(_ENDING_SECONDS)
        if self._answers.empty():
            return ended
        self._answers.get()
        return DONE

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._answers.put(line)

    def end(self) -> None:
        """Lets a process without work end, which may have something to clear up."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
            self.process.wait(_ENDING_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            self.kill()

    def kill(self) -> None:
        """Ends the process and whatever it started."""
        if hasattr(os, "killpg") and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()
        clear_unfinished(self.path)


def _spawn(job: Job) -> subprocess.Popen:
    """Starts a worker; what it prints before its first job goes to that run's log."""
    with open(Path(job.path, LOG), "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "slimrnn.experiments.sweep.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
            # Ctrl-C is for the sweep, which then ends its trials.
            start_new_session=True,
            env=_environment(job),
        )


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
