"""What the command line shows while it works: progress, and a line an epoch."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
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
from slimrnn.experiments.analysis.summary import describe
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Run

if TYPE_CHECKING:
    from slimrnn.data import Dataset

FILE_WIDTH = 120  # of tables that go to a file or a pipe, which have no width


def console() -> Console:
    """The standard output: coloured on a terminal, plain anywhere else."""
    plain = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, width=FILE_WIDTH if plain else None)


def opening(
    plan: Mapping[Path, Settings], dataset: Dataset, choice: Choice
) -> list[str]:
    """What is going to be trained, on what, and where."""
    from slimrnn.experiments.run.environment import describe as surroundings

    about = surroundings()
    data = f"{len(dataset.train):,} training and {len(dataset.test):,} test sequences"
    each = (
        f"{dataset.vocabulary:,} words"
        if dataset.tokens
        else f"{dataset.features} features a step"
    )
    runs = [Run(path, settings.config(), {}, [], {}) for path, settings in plan.items()]
    return [
        f"Keras {about['keras']} on {about['backend']} {about['backend_version']}, "
        f"{choice.reason}",
        f"{about['processor']}, {about['cores']} cores; computing on {about['device']}",
        f"{dataset.name}: {data}, {each}, "
        + (f"{dataset.classes} classes" if dataset.classes else "a regression"),
        ", ".join(describe(runs)[1:]),
    ]


class Progressing:
    """Tells how runs go: a line an epoch, and on a terminal a bar below them.

    Args:
        screen: where to.
        runs: how many runs there will be.
    """

    def __init__(self, screen: Console, runs: int):
        self.screen = screen
        self.runs = runs
        self._begun = 0
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

    def __enter__(self) -> Progressing:
        self._bar.start()
        self._task = self._bar.add_task("", total=self.runs)
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def begins(self, settings: Settings, batches: int) -> None:
        """A run begins."""
        self._begun += 1
        self._batches = batches * settings.epochs
        of_all = f" ({self._begun} of {self.runs})" if self.runs > 1 else ""
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
        self._bar.update(self._task, completed=self._begun)
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
    metric = "accuracy" if "accuracy" in line else "mae"
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
