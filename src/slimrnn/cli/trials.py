"""What `train`, `compare`, `sweep` and `reproduce` share: a study, begun or resumed.

There is one record of what is to be trained, `study.json` in the folder of results,
and one way to resume: any of these commands continues what another has begun.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from slimrnn import backends
from slimrnn.cli import comparison, flags, front, reproduce, time_table
from slimrnn.cli import progress as bars
from slimrnn.cli.console import (
    STOPPED,
    answered,
    complain,
    console,
    out_folder,
    progress,
    say,
)
from slimrnn.errors import InputError
from slimrnn.experiments.analysis.choice import untested
from slimrnn.experiments.analysis.grouping import by_dataset
from slimrnn.experiments.run import store

if TYPE_CHECKING:
    from slimrnn.experiments.report.style import FigureStyle
    from slimrnn.experiments.sweep.process_pool import Pool
    from slimrnn.experiments.sweep.study import Study


WORKERS = 2  # of a comparison; each has the data, and imports Keras
#: Makes a study, and what its folder is called by.
Begin = Callable[[], "tuple[Study, str]"]


@dataclass(frozen=True)
class Place:
    """Where trials run.

    Args:
        pool: runs them.
        watcher: shows how it goes: a context manager, a ``scheduler.Watcher``.
        job: what all jobs have in common beside the backend.
        retries: how often a trial that failed is tried again.
        by_seed: whether all trials of a seed come before those of the next.
    """

    pool: Pool
    watcher: Any
    job: Mapping[str, Any] = field(default_factory=dict)
    retries: int = 1
    by_seed: bool = False


@backends.shared_programs()
def carry_out(
    args: argparse.Namespace,
    begin: Begin,
    given: Iterable[str],
    place: Callable[..., Place],
    finish: Callable[[Path, Study, Console], None] | None = None,
) -> int:
    """Trains what a study says and has not ended, and shows all; the exit code.

    Args:
        args: the command line.
        begin: makes the study, and what its folder is called by; not asked if a folder
            is resumed.
        given: what the command line says of the study, which a resumed one has.
        place: makes the place, of the arguments, the study, its folder, the backend
            and the screen.
        finish: is called at the end, with the folder, the study and the screen.
    """
    given = [name for name in given if name != "data_dir"]  # each machine's own
    if args.resume is not None and given:
        raise InputError(
            f"A resumed run keeps its settings; received {', '.join(given)} together "
            f"with --resume: leave one out."
        )
    style = flags.figure_style(args)
    path = Path(args.resume or "")
    saved = store.mapping(path / store.STUDY) if args.resume else {}
    choice = backends.start(args.backend or saved.get("backend"))
    from slimrnn import loggers
    from slimrnn.experiments.sweep import choice as choices
    from slimrnn.experiments.sweep import optuna_search, scheduler

    loggers.check(args.log_to)
    if args.resume is None:
        study, what = begin()
        path = out_folder(args.out, what)
        about = {"command": args.line, "backend": choice.backend}
    else:
        study, about = scheduler.saved(path)
        if args.data_dir is not None:
            study = study.changed({"data_dir": [os.path.abspath(args.data_dir)]})
    scheduler.check(study)
    screen = console()
    where = place(args, study, path, choice, progress())
    if args.resume is None:
        scheduler.save(path, study, about)
    source: Any = scheduler.Grid(study, where.by_seed)
    if study.minutes:
        source = choices.Choice(study, path, where.pool.free)
    elif study.search:
        source = optuna_search.Search(study, path, where.pool.free)
    job = {"backend": choice.backend, "loggers": args.log_to, **where.job}
    sweep = scheduler.Sweep(
        path, source, where.pool, where.watcher, job, where.retries, study.is_one_trial
    )
    code = 0
    try:
        with where.watcher:
            sweep.run()
    except KeyboardInterrupt:
        code = STOPPED
        command = shlex.join(["slimrnn", args.command, "--resume", str(path)])
        complain(f"stopped by Ctrl-C; this is what there is. Go on with: {command}")
    if code == 0 and args.timing > 0:
        measure(path, study, args.timing)
    show(path, study, str(about.get("command", "")), screen, style)
    if finish and code == 0:
        finish(path, study, screen)
    return code or int(where.watcher.failed)


def study(settings: Mapping[str, Any]) -> Study:
    """The study of these settings, of which lists make a grid."""
    from slimrnn.experiments.sweep.study import Study

    # Those that differ in the seed alone follow each other: they share a program.
    ordered = sorted(settings.items(), key=lambda item: item[0] == "seed")
    grid = {name: value for name, value in ordered if isinstance(value, list)}
    return Study(
        settings={k: v for k, v in settings.items() if k not in grid}, grid=grid
    )


def in_process(
    args: argparse.Namespace,
    study: Study,
    path: Path,
    choice: backends.Choice,
    screen: Console,
) -> Place:
    """In this process, one trial after the other."""
    from slimrnn import loggers
    from slimrnn.experiments.run import build, data_parallel
    from slimrnn.experiments.sweep.in_process import InProcess

    trials = list(study.trials())
    if args.data_parallel:
        data_parallel.share(settings.batch_size for settings in trials)
    lines = bars.opening(trials, build.load(trials[0]), choice)
    watcher = bars.EpochLines(screen, lines)
    return Place(InProcess(watcher, loggers.callbacks(args.log_to)), watcher)


def side_by_side(
    args: argparse.Namespace,
    study: Study,
    path: Path,
    choice: backends.Choice,
    screen: Console,
) -> Place:
    """In processes beside this one, where there are cores for them; or in this one."""
    from slimrnn.experiments.run import build, environment
    from slimrnn.experiments.sweep.process_pool import Processes

    trials = list(study.trials())
    workers = min(WORKERS, len(trials), environment.cores())
    on_cpu = environment.describe()["device"].startswith("cpu")
    if args.data_parallel or not on_cpu:  # each process would want all devices
        workers = 1
    workers = args.workers or workers
    if workers == 1:
        return in_process(args, study, path, choice, screen)
    lines = bars.opening(trials, build.load(trials[0]), choice)
    watcher = bars.FollowedLines(screen, lines)
    job = {"data_parallel": args.data_parallel}
    # By seed, no two processes compile the same program at the same time.
    return Place(Processes(workers), watcher, job, by_seed=True)


def measure(path: Path, study: Study, seconds: float) -> None:
    """Measures the trained variants in turns, where that has not been done."""
    from slimrnn.experiments.run import times
    from slimrnn.experiments.sweep import scheduler

    if times.read(path):
        return
    progress().print(f"Measuring times, for about {seconds:g} s ...", style="dim")
    problems = by_dataset(scheduler.runs(path, study.trials()))
    found = {
        name: times.Times.measure(runs, seconds / len(problems))
        for name, runs in problems.items()
    }
    times.write(path, {name: each for name, each in found.items() if each})


def show(
    path: Path,
    study: Study,
    command: str,
    screen: Console,
    style: FigureStyle,
    always: bool = False,
) -> None:
    """Prints what came out so far, and draws the picture, the page and the tables.

    Of a single run nothing is drawn, unless ``always`` says so.
    """
    from slimrnn.experiments.report.csv_latex import records
    from slimrnn.experiments.report.publish import publish
    from slimrnn.experiments.run import times
    from slimrnn.experiments.sweep import scheduler

    runs = scheduler.runs(path, study.trials())
    answered(lambda: {"folder": str(path), "configurations": records(runs)})
    if not runs:
        say(screen, f"No trial of {path} has begun.")
        return
    draws = always or runs[0].path != path
    if draws:
        progress().print("Drawing the picture and the page ...", style="dim")
    measured = times.read(path)
    if runs[0].path == path:  # the one trial of all
        screen.print(comparison.outcome(runs[0]), markup=False)
    elif study.minutes:
        for part in front.parts(runs, study.notes, screen.width):
            screen.print(part)
    else:
        for part in comparison.comparison(runs, screen.width, not measured):
            screen.print(part)
    for part in time_table.tables(measured):
        screen.print(part)
    if runs[0].path == path:
        say(screen, f"Run: {path}")
    if study.published:
        for part in reproduce.side_by_side(study, runs):
            screen.print(part)
    if draws:
        shown = untested(runs) if study.minutes else runs
        written = publish(shown, path, command, study.title, style)
        written |= front.publish(runs, path, style) if study.minutes else {}
        say(screen, *(f"{title}: {file}" for title, file in written.items()))
