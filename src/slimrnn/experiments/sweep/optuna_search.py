"""Trials that Optuna chooses: the source of a sweep with a search.

For each combination of the study's grid, the seeds left out, there is one Optuna
study; so every variant gets as many points as any other. A point is tried with all
seeds of the grid, and judged by the mean validation score. Optuna's journal is a file
of JSON in the sweep's folder. What it proposes depends on the points before alone, so
that a resumed search equals one that never stopped.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from slimrnn.errors import InputError
from slimrnn.experiments.analysis.outcomes import merit
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Run
from slimrnn.experiments.sweep.study import Study
from slimrnn.utils import files
from slimrnn.utils.optional import require

JOURNAL = "optuna.journal"
WORST_SCORE = -1e9  # the value of a point with a trial that diverged or failed


def optuna() -> Any:
    """Optuna, quiet."""
    library = require("optuna", "Optuna", "slimrnn[search]")
    library.logging.set_verbosity(library.logging.WARNING)
    return library


class Search:
    """The trials of a study with a search.

    Args:
        study: with a search.
        folder: the sweep's, which is there.
        most: how many points may be under way at a time.
    """

    def __init__(self, study: Study, folder: Path, most: int = 1):
        self.library = optuna()
        self.study = study
        self.most = most
        self.seeds = list(study.grid.get("seed", [None]))
        self._groups = self._opened(folder.absolute() / JOURNAL)
        self._points: list[_Point] = []
        self._trials = self._all()

    def _opened(self, path: Path) -> list[_Group]:
        """The groups, with what the journal knows; its path has to be absolute."""
        journals = self.library.storages
        try:
            files.cut_half_a_line(path)
            journal = journals.journal.JournalFileBackend(str(path))
            storage = journals.JournalStorage(journal)
            return [
                _Group(self.library, storage, self.study, given)
                for given in self.study.combinations(without="seed")
            ]
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(
                f"{path} cannot be read as the journal of a search ({error}); delete "
                f"it, and the search begins anew."
            ) from error

    @property
    def total(self) -> int:
        """How many trials there will be, if none is proposed twice."""
        return len(self._groups) * self.study.points * len(self.seeds)

    def next(self) -> Settings | None:
        """The next trial; None: as many points are under way as may be, or all are."""
        return next(self._trials)

    def ended(self, settings: Settings, run: Run) -> None:
        """A trial has ended; with the last of a point, it is reported to Optuna."""
        for point in list(self._points):
            if point.ended(settings, run):
                self._points.remove(point)

    def _all(self) -> Iterator[Settings | None]:
        for group in self._groups:
            for point in group.points():
                while len(self._points) >= self.most:
                    yield None
                trials = [self.study.trial(given) for given in self._seeded(point)]
                point.expect(trials)
                self._points.append(point)
                yield from trials
        while True:
            yield None

    def _seeded(self, point: _Point) -> Iterator[dict[str, Any]]:
        for seed in self.seeds:
            yield {**point.given, **({} if seed is None else {"seed": seed})}


class _Group:
    """A combination of the grid, and its study of Optuna."""

    def __init__(self, library: Any, storage: Any, study: Study, given: dict[str, Any]):
        self.library = library
        self.study = study
        self.given = given
        self.space = {
            name: space
            for name, space in study.search.items()
            if study.concerns(name, given)
        }
        name = json.dumps(given, sort_keys=True, default=str)
        self.seed = zlib.crc32(name.encode())
        self.record = library.create_study(
            storage=storage, study_name=name, direction="maximize", load_if_exists=True
        )

    @property
    def begun(self) -> int:
        """How many points there are."""
        states = self.library.trial.TrialState
        return len(self.record.get_trials(states=[states.COMPLETE, states.RUNNING]))

    def best(self) -> tuple[float, dict[str, Any]]:
        """The best point's value, and its settings."""
        states = self.library.trial.TrialState
        known = self.record.get_trials(states=[states.COMPLETE])
        best = max(known, key=lambda trial: trial.value, default=None)
        if best is None:
            return WORST_SCORE, self.given
        return best.value, {**self.given, **best.params}

    def points(self) -> Iterator[_Point]:
        """Each point: those of an earlier session, then new ones.

        Those that ended are among them: a trial whose folder is gone is trained again.
        """
        states = self.library.trial.TrialState
        for trial in self.record.get_trials(states=[states.COMPLETE]):
            yield self._point(trial.number, trial.params, reported=True)
        for trial in self.record.get_trials(states=[states.RUNNING]):
            if trial.params.keys() == self.space.keys():
                yield self._point(trial.number, trial.params)
            else:  # the session ended while Optuna was choosing
                self.record.tell(trial.number, state=states.FAIL)
        while self.begun < self.study.points:
            # A new sampler for each, so that the draw depends on the points before,
            # and not on the session's beginning.
            self.record.sampler = self.library.samplers.TPESampler(
                seed=self.seed + len(self.record.trials), constant_liar=True
            )
            trial = self.record.ask()
            for name, space in self.space.items():
                _suggest(trial, name, space)
            yield self._point(trial.number, trial.params)

    def _point(
        self, number: int, chosen: Mapping[str, Any], reported: bool = False
    ) -> _Point:
        return _Point(self.record, number, {**self.given, **chosen}, reported)


class _Point:
    """What Optuna proposed, and what became of it."""

    def __init__(self, record: Any, number: int, given: dict[str, Any], reported: bool):
        self.record = record
        self.number = number
        self.given = given
        self.reported = reported  # whether Optuna knows already
        self._left: set[str] = set()
        self._scores: list[float] = []

    def expect(self, trials: list[Settings]) -> None:
        """These trials make up the point."""
        self._left = {settings.key() for settings in trials}

    def ended(self, settings: Settings, run: Run) -> bool:
        """Takes note of a trial if it is the point's; whether it was the last."""
        if settings.key() not in self._left:
            return False
        self._left.remove(settings.key())
        self._scores.append(_score(run))
        if self._left:
            return False
        if not self.reported:
            self.record.tell(self.number, sum(self._scores) / len(self._scores))
        return True


def _suggest(trial: Any, name: str, space: Any) -> None:
    if isinstance(space, list):
        trial.suggest_categorical(name, space)
        return
    low, high, log = space["low"], space["high"], space.get("log", False)
    whole = isinstance(low, int) and isinstance(high, int)
    suggest = trial.suggest_int if whole else trial.suggest_float
    suggest(name, low, high, log=log)


def _score(run: Run) -> float:
    """What is maximised: the validation score of a run that ended well."""
    part = "val_int8" if run.config.get("int8") else "val"
    score = merit(run.result, part) if run.result.get("status") == "done" else None
    return WORST_SCORE if score is None else score
