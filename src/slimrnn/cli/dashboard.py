"""How a sweep goes, on a terminal: what runs, what is done, the best, time left."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from slimrnn.cli.console import plain, say
from slimrnn.experiments.analysis.grouping import text
from slimrnn.experiments.analysis.outcomes import status, worth
from slimrnn.experiments.analysis.statistics import finite
from slimrnn.experiments.run import store
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Run
from slimrnn.experiments.sweep.process_pool import Ended


class Dashboard:
    """A live table on a terminal; elsewhere a line for each trial that ended.

    Args:
        screen: where to.
        folder: the sweep's.
        workers: how many trials run at a time.
        varied: the settings in which trials differ.
        minutes: after which no further trial may begin; 0: no limit.
    """

    def __init__(
        self,
        screen: Console,
        folder: Path,
        workers: int,
        varied: Sequence[str] = (),
        minutes: float = 0,
    ):
        self._ends = time.monotonic() + 60 * minutes if minutes else math.inf
        self.varied = [name for name in varied if name != "variant"]
        self.screen = screen
        self.folder = folder
        self.workers = workers
        self.counts: Counter[str] = Counter()
        self._total = 0
        self._best: tuple[float, Settings] | None = None
        self._running: dict[str, tuple[Settings, Path, float]] = {}
        self._seconds: list[float] = []  # of the trials that ended in this session
        self._live = Live(console=screen, transient=True, auto_refresh=False)

    def __enter__(self) -> Dashboard:
        if self.screen.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()
        self.screen.print(self.summary())

    def opens(self, total: int) -> None:
        self._total = total

    def started(self, settings: Settings, path: Path) -> None:
        self._running[settings.key()] = settings, path, time.monotonic()
        self.tick()

    def retried(self, settings: Settings, ended: Ended) -> None:
        self._running.pop(settings.key(), None)
        self._say("again", self.named(settings), f"{ended.reason}")

    def ended(self, settings: Settings, run: Run) -> None:
        known = self._running.pop(settings.key(), None)
        ended = status(run)
        self.counts[ended] += 1
        score = worth(run.result)
        best = -math.inf if self._best is None else self._best[0]
        if ended == "done" and score is not None and score > best:
            self._best = score, settings
        if known is None and ended != "failed":
            return  # it had ended before this session
        if known is not None:
            self._seconds.append(time.monotonic() - known[2])
        how = f"{ended}: {run.result.get('reason')}"
        if ended == "done":
            how = f"validation {_brief(score)}"
        place = f"[{sum(self.counts.values())}/{self._total}]"
        self._say(f"{place} {self.named(settings)}", how, *self._outlook())
        self.tick()

    def named(self, settings: Settings) -> str:
        """A trial by the settings in which it differs from others."""
        values = {name: _value(settings, name) for name in self.varied}
        words = [f"{k}={text(v)}" for k, v in values.items() if v is not None]
        return " ".join([settings.name, *words])

    def _outlook(self) -> Iterator[str]:
        """The best so far, and the time left."""
        if self._best:
            score, settings = self._best
            values = [_value(settings, name) for name in self.varied if name != "seed"]
            words = [_short(value) for value in values if value is not None]
            yield f"best {_brief(score)} ({' '.join([settings.name, *words])})"
        if left := self._left():
            yield f"{left} left"

    def _left(self) -> str:
        """The time that the other trials will take; empty where nobody knows."""
        others = self._total - sum(self.counts.values())
        if not self._seconds or others < 1:
            return ""
        each = sum(self._seconds) / len(self._seconds)
        left, limit = others * each / self.workers, self._ends - time.monotonic()
        return duration(limit if 0 < limit < left else left)

    @property
    def failed(self) -> bool:
        """Whether a trial failed."""
        return self.counts["failed"] > 0

    def tick(self) -> None:
        if self.screen.is_terminal:
            self._live.update(Group(self._table(), self.summary()), refresh=True)

    def summary(self) -> Text:
        """What is done, the best so far, and the time left."""
        ended = sum(self.counts.values())
        parts = [f"{ended} of {self._total} trials ended"]
        parts += [f"{n} {how}" for how, n in self.counts.items()]
        if self._best:
            score, settings = self._best
            parts.append(f"best validation {_number(score)} by {self.named(settings)}")
        if left := self._left():
            parts.append(f"about {left} left")
        return Text(" · ".join(parts), style="dim")

    def _table(self) -> Table:
        table = plain("running", numbers=("epoch", "loss", "validation", "time"))
        for settings, path, began in self._running.values():
            known = store.epochs(path)
            line = known[-1] if known else {}
            table.add_row(
                escape(self.named(settings)),
                f"{line.get('epoch', 0)}/{settings.epochs}",
                _number(line.get("loss")),
                _number(worth(line)),
                duration(time.monotonic() - began),
            )
        return table

    def _say(self, *parts: str) -> None:
        say(self.screen, "  ".join(parts))


def duration(seconds: float) -> str:
    """A time as people say it.

    Example:
        >>> duration(42), duration(100), duration(9000)
        ('42 s', '2 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _value(settings: Settings, name: str) -> Any:
    """A trial's value of a setting, or of a table's entry such as gate_constants.f."""
    table, _, entry = name.partition(".")
    found = getattr(settings, table)
    return (found or {}).get(entry) if entry else found


def _short(value: Any) -> str:
    """A setting's value in few characters."""
    return text(value).removeprefix("0") if isinstance(value, float) else text(value)


def _brief(score: float | None) -> str:
    """A score in few characters.

    Example:
        >>> _brief(0.7104), _brief(-12.5), _brief(None)
        ('.710', '12.500', '-')
    """
    return "-" if score is None else f"{abs(score):.3f}".removeprefix("0")


def _number(value: Any) -> str:
    known = finite(value)
    return "-" if known is None else f"{abs(known):.4f}"
