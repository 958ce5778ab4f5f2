"""Trials in a process beside the sweep: a crash, a hang or a full memory ends only one.

Started as ``python -m slimrnn.experiments.sweep.worker``. Each line of the standard
input is a job as JSON (see :class:`Job`), whose run goes into its folder; for each that
was done, a line is written to the standard output. A trial that fails ends the process,
and the exit code says how; so what a failure left behind meets no other trial. Nothing
heavy is imported before the limits are set.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

LOG = "log.txt"  # in a run's folder: what was printed meanwhile
DONE, FAILED, REFUSED = 0, 1, 2
FULL, BUSY = 74, 75  # sysexits' EX_IOERR and EX_TEMPFAIL
_PARENT_DEATH = 1  # Linux's PR_SET_PDEATHSIG


@dataclass(frozen=True)
class Job:
    """A trial to be run.

    Args:
        settings: those of the trial.
        path: the run's folder.
        backend: of Keras.
        parent: the process that waits for it; without it, the trial ends too.
        threads: how many it may have; None: one a core.
        memory: bytes that it may have; None: no limit.
        loggers: names of `slimrnn.loggers`.
        data_parallel: whether the batches are shared out over all devices.
    """

    settings: Mapping[str, Any]
    path: str
    backend: str
    parent: int
    threads: int | None = None
    memory: int | None = None
    loggers: Sequence[str] = ()
    data_parallel: bool = False

    def text(self) -> str:
        """The job as JSON."""
        return json.dumps(asdict(self))


def main() -> int:
    """Runs the jobs on the standard input; the exit code."""
    # Of their own: what a trial starts inherits neither the jobs nor the answers.
    jobs = os.fdopen(os.dup(sys.stdin.fileno()), encoding="utf-8")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    for k, line in enumerate(jobs):
        job = Job(**json.loads(line))
        _print_to(os.path.join(job.path, LOG))
        if k == 0:
            _limit(job)
        code = _attempt(job)
        if code != DONE:
            return code
        print("done", file=answers, flush=True)
    return DONE


def _print_to(log: str) -> None:
    """Has all that is printed from now on, by libraries in C too, in a file."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(file, stream.fileno())
    os.close(file)


def _attempt(job: Job) -> int:
    """Runs a job; how that went."""
    from slimrnn import backends
    from slimrnn.errors import InputError
    from slimrnn.utils import files

    try:
        backends.start(job.backend)
        _run(job)
    except InputError as error:
        print(error)
        return BUSY if isinstance(error, files.InUse) else REFUSED
    except OSError as error:
        print(f"{type(error).__name__}: {error}")
        if not files.no_space(error):
            raise
        return FULL
    except Exception as error:
        traceback.print_exc()
        what = "Its memory was full" if _of_memory(error) else type(error).__name__
        print(f"{what}: {' '.join(str(error).split())}")
        return FAILED
    return DONE


def _of_memory(error: Exception) -> bool:
    """Whether Python, or a framework in its own words, got no memory."""
    words = ("RESOURCE_EXHAUSTED", "out of memory", "can't allocate memory")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def _limit(job: Job) -> None:
    """Sets what the trial may use, before a framework counts cores and memory."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL)
        # Where memory runs out, the system is to end a trial and not the sweep.
        with (
            contextlib.suppress(OSError),
            open("/proc/self/oom_score_adj", "w") as file,
        ):
            file.write("1000")
    if os.getppid() != job.parent:  # it ended before this one could ask for a signal
        sys.exit(DONE)
    if job.memory:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (job.memory, job.memory))


def _run(job: Job) -> None:
    from slimrnn import native
    from slimrnn.experiments.run import data_parallel

    if job.threads and not native.reason():
        native.set_num_threads(job.threads)
    if job.data_parallel:
        data_parallel.share([job.settings["batch_size"]])
    trials = _in_process(tuple(job.loggers))
    trials.start("", job)
    trials.wait(0)


@cache
def _in_process(names: tuple[str, ...]) -> Any:
    """Where this process trains: what one trial compiled, the next one may need."""
    from slimrnn import loggers
    from slimrnn.experiments.sweep.in_process import InProcess

    return InProcess(_Silent(), loggers.callbacks(names))


class _Silent:
    """A watcher that notifies nobody: the sweep reads the run's files."""

    def begins(self, *news: Any) -> None: ...

    def batch(self) -> None: ...

    def epoch(self, *news: Any) -> None: ...

    def ends(self, *news: Any) -> None: ...


if __name__ == "__main__":
    sys.exit(main())
