"""A search with a limit of time: all variants alike, then the best over seeds.

Round by round each variant gets one more point, the same ones as all others at first,
until the next round would take more than its share of the time. Then the best of a few
variants are trained with further seeds. Selection goes by validation data alone.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.experiments.analysis.outcomes import worth
from slimrnn.experiments.run.recorder import FLOORS
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import REFUSED, Run, mapping
from slimrnn.experiments.sweep.optuna_search import WORST_SCORE, Search
from slimrnn.experiments.sweep.scheduler import TRIALS
from slimrnn.experiments.sweep.study import Study
from slimrnn.utils import files
from slimrnn.variants import get

ELAPSED = "elapsed.json"
FINALISTS = 3
SEEDS = ((2, 3), (4, 5))  # of the finalists, besides the search's; the last if time is
SEARCH_SHARE = 0.8  # of the time
#: a trial is hopeless that is below this share of all others, of so many at least, when
#: these parts of its epochs are over
HOPELESS, SEEN, CHECKED = 0.25, 8, (0.25, 0.5)


class Choice(Search):
    """The trials of a study with a search and a limit of time.

    Args:
        study: with a search, and minutes.
        folder: the sweep's, which is there.
        most: how many trials may be under way at a time.
    """

    def __init__(self, study: Study, folder: Path, most: int = 1):
        super().__init__(study, folder, most)
        self.clock = _Clock(folder, 60 * study.minutes)
        self.folder = folder
        self._open: set[str] = set()
        self._refused: set[str] = set()  # variants that integers do not have
        self._scores: dict[int, list[float]] = defaultdict(list)  # of epochs
        first = {name: study.values(name)[0] for name in study.search}
        first |= {
            name: float(f"{(space['low'] * space['high']) ** 0.5:.2g}")
            for name, space in study.search.items()
            if isinstance(space, Mapping)
        }
        for group in self._groups:
            group.seed = 0  # so that all variants are tried at the same points
            if not group.record.trials:
                group.record.enqueue_trial(first)

    @property
    def total(self) -> int:
        """How many trials there will be, if the time is long enough."""
        finals = FINALISTS * sum(map(len, SEEDS))
        return len(self._groups) * self.study.points + finals

    def ended(self, settings: Settings, run: Run) -> None:
        """A trial has ended; what is hopeless is known better from now on."""
        self._open.discard(settings.key())
        if run.result.get(REFUSED):
            self._refused.add(settings.name)
        for part in CHECKED:
            epoch = max(1, int(part * settings.epochs))
            score = worth(run.metrics[epoch - 1]) if len(run.metrics) >= epoch else None
            if score is not None:
                self._scores[epoch].append(score)
        floors = {
            epoch: float(np.quantile(scores, HOPELESS))
            for epoch, scores in self._scores.items()
            if len(scores) >= SEEN
        }
        files.write(self.folder / TRIALS / FLOORS, json.dumps(floors))
        self.clock.note()
        super().ended(settings, run)

    def _all(self) -> Iterator[Settings | None]:
        yield from self._rounds()
        best = self._best()
        took = 0.0
        for number, seeds in enumerate(SEEDS):
            finals = [
                self.study.trial({**given, "seed": seed})
                for given in best
                for seed in seeds
            ]
            known = any((self.folder / TRIALS / x.key()).exists() for x in finals)
            if number and not known and not self.clock.allows(took):
                break
            began = time.monotonic()
            yield from self._given(finals)
            took = time.monotonic() - began
        while True:
            yield None

    def _rounds(self) -> Iterator[Settings | None]:
        """A point for each variant and round, as long as there is time."""
        points = [(group, group.points()) for group in self._groups]
        begun = max(group.begun for group in self._groups)
        took = 0.0
        for number in range(self.study.points):
            over = not self.clock.allows(took, SEARCH_SHARE)
            if number and number >= begun and over:
                break
            began = time.monotonic()
            for group, each in points:
                if get(group.given["variant"]).name in self._refused:
                    continue
                point = next(each)
                trial = self.study.trial(point.given)
                point.expect([trial])
                self._points.append(point)
                yield from self._given([trial], wait=False)
            yield from self._given([])
            took = time.monotonic() - began

    def _given(
        self, trials: list[Settings], wait: bool = True
    ) -> Iterator[Settings | None]:
        """These trials, as many at a time as may be; at last waits for all."""
        for trial in trials:
            while len(self._open) >= self.most:
                yield None
            self._open.add(trial.key())
            yield trial
        while wait and self._open:
            yield None

    def _best(self) -> list[dict[str, Any]]:
        """The best points of the best variants."""
        best = [group.best() for group in self._groups]
        found = [(value, given) for value, given in best if value > WORST_SCORE]
        found.sort(key=lambda each: -each[0])
        return [given for _, given in found[:FINALISTS]]


class _Clock:
    """The time that a search has had, in all its sessions."""

    def __init__(self, folder: Path, limit: float):
        self.path = folder / ELAPSED
        self.limit = limit
        self._before = mapping(self.path).get("seconds", 0.0)
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """So far."""
        return self._before + time.monotonic() - self._began

    def note(self) -> None:
        """Writes it down, for the next session."""
        files.write(self.path, json.dumps({"seconds": self.seconds}))

    def allows(self, seconds: float, share: float = 1.0) -> bool:
        """Whether so many seconds more are within a share of the limit."""
        return self.seconds + seconds <= share * self.limit
