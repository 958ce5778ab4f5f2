"""How trials of this process go: a line an epoch, and on a terminal a bar below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from slimrnn.experiments.analysis.summary import describe
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Run

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
        """A sweep of so many trials begins."""
        self._total = total
        self._bar.update(self._task, total=total)

    def started(self, settings: Settings, path: Path) -> None:
        """A trial runs from now on; :meth:`begins` says more."""

    def tick(self) -> None:
        """Some time has passed."""

    def retried(self, settings: Settings, ended: Any) -> None:
        """An attempt failed, and there will be another."""

    def ended(self, settings: Settings, run: Run) -> None:
        """A trial has ended; one of an earlier session is counted as well."""
        self._ended += 1
        self.failed |= run.result["status"] == "failed"
        self._bar.update(self._task, completed=self._ended)

    def begins(self, settings: Settings, batches: int) -> None:
        """A run begins."""
        self._batches = batches * settings.epochs
        several = self._total > 1
        of_all = f" ({self._ended + 1} of {self._total})" if several else ""
        self._say(f"[bold]{escape(settings.name)}[/], seed {settings.seed}{of_all}")
        self._bar.update(self._task, description=escape(settings.name))

    def batch(self) -> None:
        """A batch has been trained."""
        self._bar.advance(self._task, 1 / self._batches)

    def epoch(self, settings: Settings, line: Mapping[str, Any]) -> None:
        """An epoch has ended."""
        self._say(epoch_line(settings, line))

    def ends(self, settings: Settings, result: Mapping[str, Any]) -> None:
        """A run has ended."""
        if result["status"] != "done":
            self._say(f"  [bold red]{result['status']}[/]: {escape(result['reason'])}")

    def _say(self, text: str) -> None:
        self.screen.print(text, soft_wrap=True)


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
