"""Where the trials of a comparison run: in this process, one after the other."""

from __future__ import annotations

from pathlib import Path

from slimrnn.experiments.run import build
from slimrnn.experiments.run.recorder import Watcher
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.trainer import Callbacks, Trainer
from slimrnn.experiments.sweep.process_pool import Ended
from slimrnn.experiments.sweep.worker import Job


class InProcess:
    """Trials in this process, a ``sweep.process_pool.Pool``.

    None pays for a process, and those that differ in the seed alone share a compiled
    program. An error ends the sweep, as an error of this process.

    Args:
        watcher: is notified of each run's progress.
        callbacks: of each run.
    """

    def __init__(self, watcher: Watcher, callbacks: Callbacks):
        self.watcher = watcher
        self.callbacks = callbacks
        self._waiting: list[tuple[str, Job]] = []
        self._trainer: Trainer | None = None

    @property
    def free(self) -> int:
        """How many more trials can be started now."""
        return 1 - len(self._waiting)

    def start(self, key: str, job: Job) -> None:
        """Has a trial trained by the next `wait`."""
        self._waiting.append((key, job))

    def wait(self, seconds: float) -> list[Ended]:
        """Trains the trial, however long it takes.

        Raises:
            KeyboardInterrupt: after the run was written down as interrupted.
            InputError: another process has the run's folder.
            OSError: the disk is full; the last whole checkpoint is still there.
        """
        if not self._waiting:
            return []
        key, job = self._waiting.pop()
        settings = Settings.from_config(job.settings)
        dataset = build.load(settings)
        if self._trainer is None or self._trainer.dataset is not dataset:
            self._trainer = Trainer(dataset, self.watcher, self.callbacks)
        self._trainer.run(settings, Path(job.path))
        return [Ended(key, "ended")]

    def stop(self) -> None:
        """Ends all that runs: nothing does, outside of `wait`."""
