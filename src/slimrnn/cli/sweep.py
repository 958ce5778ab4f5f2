"""`slimrnn sweep`: many trials, as processes of this machine or on a Ray cluster."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from slimrnn import backends
from slimrnn.cli import flags, run_flags, trials
from slimrnn.errors import InputError
from slimrnn.utils.checks import number, whole

if TYPE_CHECKING:
    from slimrnn.experiments.sweep.process_pool import Pool
    from slimrnn.experiments.sweep.study import Study

#: what a trial may have at most: no machine has more
LIMITS = {"timeout": 1e9, "memory": 1e6, "cpus": 1e6, "gpus": 1e6}
GIGABYTE = 2**30


def add(commands: Any) -> None:
    """Adds `sweep`."""
    command = commands.add_parser(
        "sweep",
        help="train many trials: a grid or a search, here or on a cluster",
        description="Train all trials of a study: the combinations of lists of "
        "settings, or what Optuna\nchooses. Trials run in processes beside it; "
        "one that crashes or hangs does not stop\nthe others. However it was stopped, "
        "--resume continues a sweep where it was.\nWrites every trial, a page "
        "(report.html), a picture and tables into a folder.",
        epilog="Examples:\n  slimrnn sweep study.toml --workers 2\n"
        "  slimrnn sweep --set variant=LSTM,LSTM6 --learning-rate .01,.001 --seeds 2\n"
        "  slimrnn sweep --resume runs/20261123-101500-sweep",
    )
    command.add_argument(
        "study",
        metavar="STUDY.toml",
        nargs="?",
        help="the study, as docs/sweeps.md explains it (default: --set says all)",
    )
    add_common(command)


def add_common(command: Any) -> None:
    """Adds what `reproduce` has as well: changes of the study, and where it runs."""
    command.add_argument(
        "--set",
        metavar="SETTING=VALUE[,VALUE]",
        dest="changes",
        action="extend",
        nargs="+",
        default=[],
        help="settings instead of the study's; of several values every combination "
        "is tried, such as learning_rate=0.01,0.001 seed=1,2 (default: none)",
    )
    run_flags.add(command)
    add_place(command)


def add_place(command: Any) -> None:
    """Adds where the trials run."""
    group = command.add_argument_group("where it runs")
    for name, metavar, what, default in (
        ("--workers", "K", "trials at a time", "1; with --ray as many as fit"),
        ("--threads", "N", "cores of each trial", "all, shared out"),
        ("--timeout", "S", "seconds after which a trial counts as hanging", "never"),
        ("--memory", "GB", "memory that a trial may have", "no limit"),
        ("--retries", "N", "times that a failed trial is tried again", 1),
        ("--cpus", "N", "with --ray: CPUs of a trial", 1),
        ("--gpus", "N", "with --ray: GPUs of a trial", 0),
    ):
        flags.flag(group, name, metavar, what, default, applied=default in (0, 1))
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="run the trials on a Ray cluster: its address, or local; --out must be a "
        "folder that all its machines share (default: as processes of this machine)",
    )
    flags.run(group, timing=0)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn sweep`."""
    if not (args.resume or args.study or given(args, "study")):
        raise InputError(
            "Give a study, or settings with --set, or a sweep to --resume; "
            "`slimrnn sweep --help` shows examples."
        )

    def begin() -> tuple[Study, str]:
        from slimrnn.experiments.sweep import study as studies

        if args.study is None:
            return changed(studies.Study(settings={"variant": "LSTM"}), args), "sweep"
        return changed(studies.read(Path(args.study)), args), "sweep"

    return carry_out(args, begin, given(args, "study"))


def carry_out(args: argparse.Namespace, begin: trials.Begin, given: list[str]) -> int:
    """Trains a study in a pool of processes; the exit code."""
    check(args)
    return trials.carry_out(args, begin, given, place)


def given(args: argparse.Namespace, name: str) -> list[str]:
    """What the command line says of the study, `name` being what names it."""
    words = {name: getattr(args, name), "--set": args.changes}
    return [*filter(words.get, words), *run_flags.given(args)]


def changed(study: Study, args: argparse.Namespace) -> Study:
    """The study with what the command line says."""
    given = flags.assignments("--set", args.changes)
    changes: dict[str, list[Any]] = {
        name: [flags.value(word) for word in text.split(",")]
        for name, text in given.items()
    }
    for name, value in run_flags.given(args).items():
        if name in changes:
            raise InputError(
                f"--set {name} and {flags.spelled(name)} say the same; give one of "
                f"them."
            )
        changes[name] = value if isinstance(value, list) else [value]
    if args.data_dir is not None:
        changes["data_dir"] = [os.path.abspath(args.data_dir)]
    return study.changed(changes)


def check(args: argparse.Namespace) -> None:
    """Refuses numbers that cannot be."""
    for name, least in (("workers", 1), ("threads", 1), ("retries", 0)):
        if getattr(args, name) is not None:
            whole(name, getattr(args, name), least=least)
    for name, limit in LIMITS.items():
        value = getattr(args, name)
        none = value is None or (name == "gpus" and value == 0)
        if not none and not (number(value) and 0 < value < limit):
            raise InputError(
                f"--{name} must be a number above 0 and below {limit:g}; received "
                f"{value!r}."
            )
    if args.memory and args.memory * GIGABYTE < 1:
        raise InputError(f"--memory is in GB; received {args.memory!r}, not a byte.")
    if args.ray is None and (args.cpus != 1 or args.gpus != 0):
        raise InputError("--cpus and --gpus are for --ray; else give --threads.")


def place(
    args: argparse.Namespace,
    study: Study,
    path: Path,
    choice: backends.Choice,
    screen: Console,
) -> trials.Place:
    """Where the command line wants the trials to run."""
    from slimrnn.cli.dashboard import Dashboard

    pool = _pool(args)
    job = {
        "memory": args.memory and int(args.memory * GIGABYTE),
        "data_parallel": args.data_parallel,
    }
    watcher = Dashboard(screen, path, pool.free, study.varied, study.minutes)
    return trials.Place(pool, watcher, job, args.retries)


def _pool(args: argparse.Namespace) -> Pool:
    if args.ray is None:
        from slimrnn.experiments.sweep import process_pool

        return process_pool.Processes(args.workers or 1, args.threads, args.timeout)
    from slimrnn.experiments.sweep import ray_pool

    return ray_pool.Tasks(args.ray, args.workers, args.cpus, args.gpus, args.timeout)
