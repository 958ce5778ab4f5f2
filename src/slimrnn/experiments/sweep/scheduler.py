"""A sweep: many trials, each ended exactly once, whatever happens on the way.

The folder holds ``study.json``, a run's folder for each trial in ``trials/``, and what
is drawn from them; of a study of one trial, the folder is the run's as well. Which
trials there are follows from the study; which of them have ended, from their folders:
there is no other state, so that a sweep that was killed resumes where it was.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from slimrnn.errors import InputError
from slimrnn.experiments.run import build, store
from slimrnn.experiments.run.budget import Unfit, none_fits
from slimrnn.experiments.run.settings import DEFAULTS, KEY, Settings
from slimrnn.experiments.run.store import Record, Run
from slimrnn.experiments.sweep.process_pool import Ended, Pool
from slimrnn.experiments.sweep.study import Study
from slimrnn.experiments.sweep.worker import Job
from slimrnn.utils import files

TRIALS, ATTEMPTS = "trials", "attempts.jsonl"
LOCKED_AS = ".sweep"  # beside the lock of the run that the same folder may be
TICK_SECONDS = 0.5  # between two looks at what runs
MOST_LOOKED_AT = 1000  # trials, before any begins: a second for a hundred


class Source(Protocol):
    """Where the trials come from: a grid, or a search."""

    def next(self) -> Settings | None:
        """The next trial; None: there is none, or none before another has ended."""

    def ended(self, settings: Settings, run: Run) -> None:
        """A trial that `next` gave has ended."""

    @property
    def total(self) -> int:
        """How many trials there will be."""


class Grid:
    """The trials of a study without a search.

    Args:
        study: says which.
        by_seed: whether all trials of a seed come before those of the next.
    """

    def __init__(self, study: Study, by_seed: bool = False):
        self._trials = list(study.trials())
        if by_seed:
            self._trials.sort(key=lambda trial: trial.seed)
        self._left = deque(self._trials)

    @property
    def total(self) -> int:
        """How many trials there are."""
        return len(self._trials)

    def next(self) -> Settings | None:
        """The next trial; None: that was the last."""
        return self._left.popleft() if self._left else None

    def ended(self, settings: Settings, run: Run) -> None:
        """A trial has ended, on which no other depends."""


class Watcher(Protocol):
    """Who is notified of a sweep's progress, such as a terminal."""

    def opens(self, total: int) -> None:
        """A sweep of so many trials begins."""

    def started(self, settings: Settings, path: Path) -> None:
        """A trial runs from now on."""

    def tick(self) -> None:
        """Some time has passed."""

    def retried(self, settings: Settings, ended: Ended) -> None:
        """An attempt failed, and there will be another."""

    def ended(self, settings: Settings, run: Run) -> None:
        """A trial has ended; one of an earlier session is reported as well."""


@dataclass
class Sweep:
    """Runs the trials of a source in a pool.

    Args:
        path: the sweep's folder.
        source: gives the trials.
        pool: runs them.
        watcher: is notified of its progress.
        job: what every trial's job has in common.
        retries: how often a trial that failed is tried again.
        is_alone: whether the one trial there is has the sweep's folder for its own.
    """

    path: Path
    source: Source
    pool: Pool
    watcher: Watcher
    job: Mapping[str, Any]
    retries: int = 1
    is_alone: bool = False
    _open: dict[str, Settings] = field(default_factory=dict)
    _again: deque[Settings] = field(default_factory=deque)
    _folders: dict[str, Path] = field(default_factory=dict)

    def run(self) -> None:
        """Runs all trials.

        Raises:
            InputError: another process has the folder, or nothing can be written.
            KeyboardInterrupt: after all that ran was ended.
        """
        with files.locked(self.path, name=LOCKED_AS):
            known = [] if self.is_alone else runs(self.path)
            self._folders = {_key(run): run.path for run in known}
            self.watcher.opens(self.source.total)
            try:
                while self._fill() or self._open:
                    for ended in self.pool.wait(TICK_SECONDS):
                        self._handle(ended)
                    self.watcher.tick()
            finally:
                self.pool.stop()

    def _folder(self, settings: Settings) -> Path:
        """The folder of a trial."""
        if self.is_alone:
            return self.path
        key = settings.key()
        return self._folders.get(key, self.path / TRIALS / key)

    def _fill(self) -> bool:
        """Starts what can be started; whether anything was."""
        began = False
        while self.pool.free > 0:
            settings = self._again.popleft() if self._again else self.source.next()
            if settings is None:
                break
            began = True
            if settings.key() not in self._open:
                self._start(settings)
        return began

    def _start(self, settings: Settings) -> None:
        path = self._folder(settings)
        if self._closes(settings, lambda: self._ended(path)):
            return
        key = settings.key()
        self._open[key] = settings
        job = Job(settings=settings.config(), path=str(path), parent=0, **self.job)
        self.pool.start(key, job)
        self.watcher.started(settings, path)

    def _settled(self, path: Path) -> bool:
        """Whether a trial has ended, or has failed as often as it may."""
        record = Record(path)
        if record.result.get("status") != "failed":
            return record.ended
        attempts = store.lines(path / ATTEMPTS)
        refused = any(attempt.get("outcome") == "refused" for attempt in attempts)
        return refused or len(attempts) > self.retries

    def _handle(self, ended: Ended) -> None:
        settings = self._open.pop(ended.key)
        path = self._folder(settings)
        if ended.outcome == "disk":
            raise InputError(
                f"Nothing can be written to {path} any more ({ended.reason}). What was "
                f"finished is not lost: make room, and go on."
            )
        if not self._closes(settings, lambda: self._found(settings, path, ended)):
            self._again.append(settings)
            self.watcher.retried(settings, ended)

    def _found(self, settings: Settings, path: Path, ended: Ended) -> Run | None:
        """What an attempt left; None where there will be another."""
        if Record(path).ended:
            return Run.read(path)
        if ended.outcome != "lost":  # which is not the trial's own fault
            self._fail(settings, path, ended)
        return self._ended(path)

    def _ended(self, path: Path) -> Run | None:
        """A trial that there is nothing left to do for."""
        return Run.read(path) if self._settled(path) else None

    def _fail(self, settings: Settings, path: Path, ended: Ended) -> None:
        """Writes an attempt down, and in the run how it ended."""
        attempt = {"time": now(), "outcome": ended.outcome, "reason": ended.reason}
        with Record(path).open(settings.config(), {}) as record:
            files.append_line(path / ATTEMPTS, attempt)
            record.finish({"status": "failed", "reason": ended.reason})

    def _closes(self, settings: Settings, look: Callable[[], Run | None]) -> bool:
        """Closes a trial if there is a run that ended it; whether there is.

        One whose folder cannot be used has failed, and stops no other.
        """
        try:
            found = look()
        except InputError as error:
            path = self._folder(settings)
            reason = f"{error} To train it anew, delete {path} and resume."
            result = {"status": "failed", "reason": reason}
            found = Run(path, settings.config(), {}, [], result)
        if found:
            self.source.ended(settings, found)
            self.watcher.ended(settings, found)
        return found is not None


def now() -> str:
    """The time as people write it."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def runs(folder: Path, trials: Iterable[Settings] = ()) -> list[Run]:
    """The runs of a sweep that began.

    Copies of a trial's folder, and what is too damaged to be read, are left out.

    Args:
        folder: the sweep's.
        trials: in whose order they are; those that are not among them come after
            them, in the order of their names.
    """
    if (folder / store.CONFIG).exists():
        return [Run.read(folder)]
    found: list[Run] = []
    for path in sorted((folder / TRIALS).glob("*")):
        with contextlib.suppress(InputError):
            found += store.read([path] if KEY.fullmatch(path.name) else [])
    found = list(map(_complete, found))
    places = {settings.key(): place for place, settings in enumerate(trials)}
    return sorted(found, key=lambda run: places.get(_key(run), len(places)))


def _complete(run: Run) -> Run:
    """The run with the settings that the version that trained it did not have."""
    return replace(run, config={**DEFAULTS, **run.config})


def _key(run: Run) -> str:
    """The name of a run's settings; of those that are none, of its folder."""
    try:
        return Settings.from_config(run.config).key()
    except InputError:
        return run.path.name


def save(folder: Path, study: Study, about: Mapping[str, Any]) -> None:
    """Writes what the sweep is, from which it can be resumed."""
    text = json.dumps({"study": study.config(), **about}, indent=2)
    store.make_folder(folder)
    files.write(folder / store.STUDY, f"{text}\n")


def saved(folder: Path) -> tuple[Study, dict[str, Any]]:
    """What :func:`save` wrote."""
    path = folder / store.STUDY
    if not path.exists():
        raise InputError(
            f"{folder} holds no results: it has no {store.STUDY}; give the folder of a "
            f"run, a comparison or a sweep."
        )
    about = store.mapping(path)
    study = about.pop("study", None)
    if not isinstance(study, Mapping):
        raise InputError(f"{path} is damaged: it has no study; begin anew.")
    return Study.from_config(study), about


def check(study: Study) -> None:
    """Refuses, before anything is written, what a trial would refuse when it begins.

    Of a search, the grid's combinations are looked at with each of the values, or both
    ends, of what is searched, the others being the first. Layers and data are looked
    at for so many trials that are unlike; the others are refused as they begin.

    Raises:
        InputError: settings that are not allowed, a budget that is too small for a
            variant.
    """
    unfit: list[Unfit] = []
    looked: set[str] = set()
    combinations = list(study.combinations())
    for given in combinations:
        try:
            _check(study, given, looked)
        except Unfit as reason:
            unfit.append(reason)
    if len(unfit) == len(combinations):
        raise none_fits(unfit)
    if unfit:
        raise InputError(f"{unfit[0]} Leave it out, or give a larger budget.")


def _check(study: Study, given: Mapping[str, Any], looked: set[str]) -> None:
    """Refuses a combination of the grid."""
    known = [k for k in study.search if study.concerns(k, given)]
    values = {name: study.values(name) for name in known}
    first = {name: found[0] for name, found in values.items()}
    chosen = [{**first, k: v} for k, found in values.items() for v in found]
    for some in chosen or [{}]:
        settings = study.trial({**some, **given})
        unseeded = replace(settings, seed=0).key()
        if unseeded not in looked and len(looked) < MOST_LOOKED_AT:
            looked.add(unseeded)
            build.check(settings, build.load(settings))
