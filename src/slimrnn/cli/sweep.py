"""The subcommands `sweep` and `reproduce`: their grammar, and what they do."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from slimrnn import backends
from slimrnn.cli import flags
from slimrnn.errors import InputError
from slimrnn.experiments.run import store

#: of what a trial may have: no machine has more
MOST = {"timeout": 1e9, "memory": 1e6, "cpus": 1e6, "gpus": 1e6}
STOPPED = 130  # as shells say it: ended by Ctrl-C
GIGABYTE = 2**30


def add_sweep(commands: Any) -> None:
    """Adds `sweep`."""
    command = commands.add_parser(
        "sweep",
        help="train many trials: a grid or a search, here or on a cluster",
        description="Train all trials of a study: the combinations of lists of "
        "settings, or points that\nOptuna chooses. Each trial is a process of its own; "
        "one that crashes or hangs does\nnot stop the others. However it was stopped, "
        "a sweep goes on with --resume where it\nwas. Writes every trial, a page "
        "(report.html), a picture and tables into a folder.",
        epilog="Examples:\n  slimrnn sweep study.toml --workers 2\n"
        "  slimrnn sweep --set variant=LSTM,LSTM6 learning_rate=0.01,0.001 seed=1,2\n"
        "  slimrnn sweep --resume runs/20261123-101500-sweep",
    )
    command.add_argument(
        "study",
        metavar="STUDY.toml",
        nargs="?",
        help="the study, as docs/sweeps.md explains it (default: --set says all)",
    )
    _common(command)


def add_reproduce(commands: Any) -> None:
    """Adds `reproduce`."""
    command = commands.add_parser(
        "reproduce",
        help="repeat what a paper reports, and show both results",
        description="Train what a paper trained, with its settings, and print what was "
        "published and what\ncame out side by side. Without a NAME, lists the studies.",
        epilog="Examples:\n  slimrnn reproduce\n"
        "  slimrnn reproduce lu-mnist-rows --data-dir ~/data --workers 2\n"
        "  slimrnn reproduce lu-mnist-rows --set learning_rate=0.001 epochs=20",
    )
    command.add_argument("name", metavar="NAME", nargs="?", help="of a study")
    _common(command)


def _common(command: Any) -> None:
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
    command.add_argument(
        "--match",
        metavar="units|parameters",
        help="units: all variants have the same units; parameters: each has units "
        "such that its layer is as large as the LSTM's, within 1 %% (default: the "
        "study's, or units)",
    )
    flags.data_dir(command)
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
    flags.data_parallel(group)
    flags.log_to(group)
    flags.backend(group)
    place = group.add_mutually_exclusive_group()
    flags.out(place)
    flags.resume(place)


def sweep(args: argparse.Namespace) -> int:
    """Carries out `slimrnn sweep`."""
    _check(args)
    choice = backends.start(args.backend or _backend_of(args))
    from slimrnn.experiments.sweep import study as studies

    study = studies.Study(settings={"variant": "LSTM"})
    if args.resume is None:
        if args.study is not None:
            study = studies.read(Path(args.study))
        elif not args.changes:
            raise InputError(
                "Give a study, or settings with --set, or a sweep to --resume; "
                "`slimrnn sweep --help` shows examples."
            )
    return _carry_out(args, study, choice, "sweep")


def reproduce(args: argparse.Namespace) -> int:
    """Carries out `slimrnn reproduce`."""
    _check(args)
    choice = backends.start(args.backend or _backend_of(args))
    from slimrnn.experiments.sweep import published

    if args.name is None and (args.changes or args.match):
        raise InputError("Give the NAME of a study; without one they are listed.")
    if args.name is None and args.resume is None:
        from slimrnn.cli.console import console

        console().print(published.listing())
        return 0
    study = published.read(args.name) if args.name else None
    return _carry_out(args, study, choice, str(args.name))


def _check(args: argparse.Namespace) -> None:
    """Refuses numbers that cannot be."""
    from slimrnn.utils.checks import number, whole

    for name, least in (("workers", 1), ("threads", 1), ("retries", 0)):
        if getattr(args, name) is not None:
            whole(name, getattr(args, name), least=least)
    for name in ("timeout", "memory", "cpus", "gpus"):
        value = getattr(args, name)
        none = value is None or (name == "gpus" and value == 0)
        if not none and not (number(value) and 0 < value < MOST[name]):
            raise InputError(
                f"--{name} must be a number above 0 and below {MOST[name]:g}; received "
                f"{value!r}."
            )
    if args.memory and args.memory * GIGABYTE < 1:
        raise InputError(f"--memory is in GB; received {args.memory!r}, not a byte.")
    if args.ray is None and (args.cpus != 1 or args.gpus != 0):
        raise InputError("--cpus and --gpus are for --ray; else give --threads.")
    given = [args.changes, args.match, getattr(args, "study", None)]
    given.append(getattr(args, "name", None))
    if args.resume is not None and any(given):
        raise InputError(
            "A sweep that goes on knows its study; leave out the study, its name, "
            "--match and --set, or leave out --resume."
        )


def _backend_of(args: argparse.Namespace) -> str | None:
    """The backend that a sweep to be gone on with ran on."""
    if args.resume is None:
        return None
    return store.mapping(Path(args.resume, "study.json")).get("backend")


def _carry_out(
    args: argparse.Namespace, study: Any, choice: backends.Choice, what: str
) -> int:
    """Runs the study, or goes on with it, and shows what came out."""
    from slimrnn import loggers
    from slimrnn.cli.console import console
    from slimrnn.cli.dashboard import Screen
    from slimrnn.experiments.sweep import optuna_search
    from slimrnn.experiments.sweep import scheduler as sweeps

    loggers.check(args.log_to)
    if args.resume is not None:
        path = Path(args.resume)
        study, about = sweeps.saved(path)
        study = study.changed(_data_dir(args))
    else:
        study = _changed(study, args)
        about = {"command": args.line, "backend": choice.backend}
        where = args.out or Path("runs", f"{time.strftime('%Y%m%d-%H%M%S')}-{what}")
        path = Path(where)
        store.check_free(path)
    sweeps.check(study)
    pool = _pool(args)
    if args.resume is None:
        sweeps.save(path, study, about)
    code, screen = 0, console()
    workers = pool.free
    source: Any = sweeps.Grid(study)
    if study.search:
        source = optuna_search.Search(study, path, workers)
    job = {
        "backend": choice.backend,
        "memory": args.memory and int(args.memory * GIGABYTE),
        "loggers": args.log_to,
        "data_parallel": args.data_parallel,
    }
    with Screen(screen, path, workers) as watcher:
        try:
            sweeps.Sweep(path, source, pool, watcher, job, args.retries).run()
        except KeyboardInterrupt:
            code = STOPPED
    screen.print(watcher.summary())
    if code:
        command = shlex.join(["slimrnn", args.command, "--resume", str(path)])
        print(f"slimrnn: stopped by Ctrl-C; go on with: {command}", file=sys.stderr)
    sweeps.show(path, study, str(about.get("command", "")), screen)
    return code or int(watcher.failed)


def _data_dir(args: argparse.Namespace) -> dict[str, list[Any]]:
    """The change of the study that --data-dir is."""
    if args.data_dir is None:
        return {}
    return {"data_dir": [os.path.abspath(args.data_dir)]}


def _pool(args: argparse.Namespace) -> Any:
    """Where the trials run."""
    if args.ray is None:
        from slimrnn.experiments.sweep import process_pool

        return process_pool.Processes(args.workers or 1, args.threads, args.timeout)
    from slimrnn.experiments.sweep import ray_pool

    return ray_pool.Tasks(args.ray, args.workers, args.cpus, args.gpus, args.timeout)


def _changed(study: Any, args: argparse.Namespace) -> Any:
    """The study with what the command line says."""
    from dataclasses import replace

    given = flags.assignments("--set", args.changes)
    changes: dict[str, list[Any]] = {
        name: [flags.value(word) for word in text.split(",")]
        for name, text in given.items()
    }
    study = study.changed({**changes, **_data_dir(args)})
    return study if args.match is None else replace(study, match=args.match)
