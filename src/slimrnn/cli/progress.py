"""How trials of this process go: a line an epoch, and on a terminal a bar below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from slimrnn.backends import Choice
from slimrnn.data.metrics import first_of
from slimrnn.experiments.analysis.outcomes import describe
from slimrnn.experiments.run import store
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Run
from slimrnn.experiments.sweep.process_pool import Ended

if TYPE_CHECKING:
    from slimrnn.data import Dataset


def opening(trials: Sequence[Settings], dataset: Dataset, choice: Choice) -> list[str]:
    """What is going to be trained, on what, and where."""
    from slimrnn.experiments.run.environment import describe as surroundings

    about = surroundings()
    runs = [Run(Path(), settings.config(), {}, [], {}) for settings in trials]
    return [
        f"Keras {about['keras']} on {about['backend']} {about['backend_version']}, "
        f"{choice.reason}",
        f"{about['processor']}, {about['cores']} cores; computing on {about['device']}",
        str(dataset),
        *dataset.notes,
        ", ".join(describe(runs)[1:]),
    ]


class EpochLines:
    """Shows how the trials of this process go; the watcher of a sweep and its runs.

    Args:
        screen: where to.
        opening: lines to begin with.
    """

    def __init__(self, screen: Console, opening: Sequence[str] = ()):
        self.screen = screen
        self.opening = opening
        self.failed = False
        self._total = 1
        self._ended = 0
        self._batches = 1
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=screen,
            transient=True,
            disable=not screen.is_terminal,
        )

    def __enter__(self) -> EpochLines:
        for line in self.opening:
            self.screen.print(line, markup=False)
        self._bar.start()
        self._task = self._bar.add_task("", total=None)
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def opens(self, total: int) -> None:
        self._total = total
        self._bar.update(self._task, total=total)

    def started(self, settings: Settings, path: Path) -> None:
        """A trial runs from now on; :meth:`begins` says more."""

    def tick(self) -> None:
        """Some time has passed."""

    def retried(self, settings: Settings, ended: Ended) -> None:
        """An attempt failed, and there will be another."""

    def ended(self, settings: Settings, run: Run) -> None:
        self._ended += 1
        self.failed |= run.result["status"] == "failed"
        self._bar.update(self._task, completed=self._ended)

    def begins(self, settings: Settings, batches: int) -> None:
        self._batches = batches * settings.epochs
        self._say(self._named(settings, self._ended + 1))
        self._bar.update(self._task, description=escape(settings.name))

    def batch(self) -> None:
        self._bar.advance(self._task, 1 / self._batches)

    def epoch(self, settings: Settings, line: Mapping[str, Any]) -> None:
        self._say(epoch_line(settings, line))

    def ends(self, settings: Settings, result: Mapping[str, Any]) -> None:
        if result["status"] != "done":
            self._say(_how(**result))

    def _named(self, settings: Settings, number: int) -> str:
        """A trial, and which of how many it is."""
        of_all = f" ({number} of {self._total})" if self._total > 1 else ""
        return f"[bold]{escape(settings.name)}[/], seed {settings.seed}{of_all}"

    def _say(self, text: str) -> None:
        self.screen.print(text, soft_wrap=True)


@dataclass
class _Followed:
    """A trial of another process, and what has been shown of it."""

    settings: Settings
    path: Path
    number: int
    shown: int | None = None  # epochs; None: not even its name
    end: str | None = None  # how it ended, empty if well; None: it runs


class FollowedLines(EpochLines):
    """Shows how trials of other processes go, as their files tell.

    Lines of several trials are not mixed: those of the one that began first are shown
    as they come, and those of the others after it has ended.
    """

    def __enter__(self) -> FollowedLines:
        super().__enter__()
        self._begun = 0
        self._open: list[_Followed] = []  # which run, or have not been shown whole
        return self

    def started(self, settings: Settings, path: Path) -> None:
        self._begun += 1
        self._open.append(_Followed(settings, path, self._begun))

    def tick(self) -> None:
        while self._open:
            first = self._open[0]
            self._follow(first)
            if first.end is None:
                break
            if first.end:
                self._say(first.end)
            self._open.pop(0)
        running = [trial for trial in self._open if trial.end is None]
        parts = sum(
            len(store.epochs(trial.path)) / trial.settings.epochs for trial in running
        )
        names = ", ".join(escape(trial.settings.name) for trial in running)
        self._bar.update(self._task, completed=self._ended + parts, description=names)

    def retried(self, settings: Settings, ended: Ended) -> None:
        self._end(settings, _how("tried again", ended.reason))
        self._begun -= 1

    def ended(self, settings: Settings, run: Run) -> None:
        super().ended(settings, run)
        status = run.result["status"]
        known = self._end(settings, "" if status == "done" else _how(**run.result))
        self._begun += not known

    def _end(self, settings: Settings, how: str) -> bool:
        """Notes how a trial ended; whether it is one of those that began."""
        for trial in self._open:
            if trial.end is None and trial.settings == settings:
                trial.end = how
                self.tick()
                return True
        return False

    def _follow(self, trial: _Followed) -> None:
        """Shows the epochs that a trial has written since it was last looked at."""
        lines = store.epochs(trial.path)
        if trial.shown is None:
            if not lines and trial.end is None:
                return
            self._say(self._named(trial.settings, trial.number))
        for line in lines[trial.shown or 0 :]:
            self._say(epoch_line(trial.settings, line))
        trial.shown = len(lines)


def _how(status: str, reason: str | None = None, **more: Any) -> str:
    """How a trial ended that did not end well."""
    return f"  [bold red]{status}[/]: {escape(str(reason))}"


def epoch_line(settings: Settings, line: Mapping[str, Any]) -> str:
    """An epoch in less than 80 characters.

    Example:
        >>> print(epoch_line(Settings.of("LSTM6", epochs=20), {
        ...     "epoch": 3, "loss": 0.5, "accuracy": 0.9, "val_accuracy": 0.85,
        ...     "test_accuracy": 0.84, "seconds": 0.25}))
          epoch  3/20  loss 0.5000  accuracy 0.900  validation 0.850  test 0.840  0.25 s
    """
    metric = first_of(line)
    shown = [("loss", line.get("loss"), 4), (metric, line.get(metric), 3)]
    if not settings.validate_on_test:
        shown.append(("validation", line.get(f"val_{metric}"), 3))
    shown.append(("test", line.get(f"test_{metric}"), 3))
    figures = "  ".join(
        f"{name} {'-' if value is None else format(value, f'.{digits}f')}"
        for name, value, digits in shown
    )
    digits = len(str(settings.epochs))
    where = f"epoch {line['epoch']:>{digits}}/{settings.epochs}"
    return f"  {where}  {figures}  {line['seconds']:.2f} s"
