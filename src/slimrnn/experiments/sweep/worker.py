"""One trial in a process of its own: a crash, a hang or a full memory ends only it.

Started as ``python -m slimrnn.experiments.sweep.worker``; the job comes as JSON on the
standard input (see :class:`Job`), the run goes into its folder, and the exit code
says how it went. Nothing heavy is imported before the limits are set.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

DONE, REFUSED, FULL, BUSY = 0, 2, 74, 75  # sysexits' EX_IOERR and EX_TEMPFAIL
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
    """Runs the job on the standard input; the exit code."""
    job = Job(**json.load(sys.stdin))
    _limit(job)
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
    return DONE


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
    if os.getppid() != job.parent:  # it ended before this one could ask to be told
        sys.exit(DONE)
    if job.memory:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (job.memory, job.memory))


def _run(job: Job) -> None:
    from pathlib import Path

    from slimrnn import loggers, native
    from slimrnn.experiments.run import build, data_parallel
    from slimrnn.experiments.run.settings import Settings
    from slimrnn.experiments.run.trainer import Trainer

    if job.threads and not native.reason():
        native.set_num_threads(job.threads)
    settings = Settings.from_config(job.settings)
    if job.data_parallel:
        data_parallel.share([settings.batch_size])
    trainer = Trainer(build.load(settings), _Silent(), loggers.callbacks(job.loggers))
    trainer.run(settings, Path(job.path))


class _Silent:
    """A watcher that tells nobody: the sweep reads the run's files."""

    def begins(self, *told: Any) -> None: ...

    def batch(self) -> None: ...

    def epoch(self, *told: Any) -> None: ...

    def ends(self, *told: Any) -> None: ...


if __name__ == "__main__":
    sys.exit(main())
