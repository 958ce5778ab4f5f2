"""The command line: calls and prints. Each subcommand is one function.

Keras is imported by those subcommands that need it, when they need it, and after
its backend is settled; the others, and every ``--help``, answer at once.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console

from slimrnn import backends
from slimrnn.cli import bench, comparison, flags, run_flags, variants
from slimrnn.cli import export as deploy
from slimrnn.cli import slim as slimming
from slimrnn.cli import sweep as experiments
from slimrnn.cli.console import Progressing, console, opening
from slimrnn.errors import InputError
from slimrnn.experiments.run import store
from slimrnn.experiments.run.settings import TABLES, Settings
from slimrnn.utils import files
from slimrnn.utils.checks import whole
from slimrnn.variants import get

STOPPED = 130  # as shells say it: ended by Ctrl-C
_SETTINGS = {field.name for field in fields(Settings)}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code.

    0: done; 2: a mistake in what was given, told in a sentence; 130: stopped by
    Ctrl-C, with what was finished on the disk.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # an old terminal shows ? for a sign
            stream.reconfigure(errors="replace")
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        parser = run_flags.parser()
        args = parser.parse_args(argv)
        args.line = shlex.join(["slimrnn", *argv])
        if args.command is None:
            parser.print_help()
            return 0
        return COMMANDS[args.command](args)
    except InputError as error:
        print(f"slimrnn: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("slimrnn: stopped by Ctrl-C.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        # The reader, such as `head`, has enough; nothing may be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        told = str(error)
        if files.no_space(error):
            told = (
                f"Nothing can be written any more ({error}). What was finished is not "
                f"lost: make room, and go on with --resume and the folder."
            )
        print(f"slimrnn: {told}", file=sys.stderr)
        return 1


def _variants(args: argparse.Namespace) -> int:
    sizes = {"features": args.features, "units": args.units}
    for name, value in sizes.items():
        whole(name, value, least=1)
    if args.markdown:
        if args.name is not None:
            raise InputError(
                f"--markdown prints the whole list; received it with {args.name}; "
                f"leave one of them out."
            )
        print(variants.variants_markdown(**sizes))
        return 0
    screen = console()
    if args.name is None:
        shown: Any = variants.variants_table(**sizes, width=screen.width)
    else:
        shown = variants.variant_page(get(args.name), **sizes)
    screen.print(shown)
    screen.print(variants.legend(**sizes), style="dim")
    return 0


def _train(args: argparse.Namespace) -> int:
    for name in run_flags.POSITIONS.values():
        place, flag = getattr(args, f"place_{name}"), getattr(args, name)
        if None not in (place, flag):
            raise InputError(
                f"The {name.replace('_', ' ')} was given twice, {place} and {flag}; "
                f"give it once."
            )
        setattr(args, name, flag if place is None else place)
    if args.resume is not None:
        return _finish(args, _resumed(args))
    if args.variant is None:
        raise InputError("Give a VARIANT, such as LSTM6, or a run to --resume.")
    choice = backends.start(args.backend)
    settings = _settings(args, args.variant)
    path = _out(args, f"{settings.name}-{settings.data_name}")
    return _finish(args, _Plan(path, {path: settings}, args.line, choice))


def _compare(args: argparse.Namespace) -> int:
    if args.resume is not None:
        return _finish(args, _resumed(args))
    choice = backends.start(args.backend)
    rows = [_settings(args, name) for name in args.variants or run_flags.COMPARED]
    from slimrnn.experiments.run import compare

    path = _out(args, f"compare-{rows[0].data_name}")
    runs = compare.plan(rows, args.seeds, path)
    return _finish(args, _Plan(path, runs, args.line, choice))


@dataclass(frozen=True)
class _Plan:
    """What `train` or `compare` trains."""

    path: Path
    runs: Mapping[Path, Settings]
    line: str  # the command line
    choice: backends.Choice


def _resumed(args: argparse.Namespace) -> _Plan:
    """What was stopped in a folder."""
    path = Path(args.resume)
    given = [name for name in _SETTINGS if name != "data_dir" and vars(args).get(name)]
    given += ["variants"] if getattr(args, "variants", None) else []
    if given:
        raise InputError(
            f"What is gone on with knows its settings; received {', '.join(given)} "
            f"together with --resume: leave one out."
        )
    from slimrnn.experiments.run import manifest

    saved = manifest.read(path)
    choice = backends.start(args.backend or saved.backend)
    where = {} if args.data_dir is None else {"data_dir": args.data_dir}
    runs = {
        path / name: Settings.from_config({**config, **where})
        for name, config in saved.runs.items()
    }
    return _Plan(path, runs, saved.command, choice)


def _settings(args: argparse.Namespace, variant: str) -> Settings:
    given = {n: v for n, v in vars(args).items() if n in _SETTINGS - {"variant"}}
    for name in TABLES:
        if given.get(name) is not None:
            texts = flags.assignments(f"--{name.replace('_', '-')}", given[name])
            given[name] = {key: flags.number(text) for key, text in texts.items()}
    return Settings.of(variant, **given)


def _out(args: argparse.Namespace, what: str) -> Path:
    if args.out is None:
        path = Path("runs", f"{time.strftime('%Y%m%d-%H%M%S')}-{what}")
    else:
        path = Path(args.out)
    store.check_free(path)
    return path


def _finish(args: argparse.Namespace, plan: _Plan) -> int:
    """Trains what is planned and has not ended, and shows all; the exit code."""
    from slimrnn import loggers
    from slimrnn.experiments.run import build, compare, data_parallel, manifest

    loggers.check(args.log_to)
    if args.data_parallel:
        data_parallel.share(x.batch_size for x in plan.runs.values())
    dataset = build.load(next(iter(plan.runs.values())))
    compare.check(plan.runs, dataset)
    manifest.write(plan.path, plan.runs, plan.line, plan.choice.backend)
    left = {path: x for path, x in plan.runs.items() if not store.Record(path).ended}
    screen, code = console(), 0
    for line in opening(plan.runs, dataset, plan.choice):
        screen.print(line, markup=False)
    try:
        with Progressing(screen, len(left)) as progress:
            compare.train(left, dataset, progress, loggers.callbacks(args.log_to))
    except KeyboardInterrupt:
        code = STOPPED
        print(
            f"slimrnn: stopped by Ctrl-C; this is what there is. Go on with: slimrnn "
            f"{args.command} --resume {shlex.quote(str(plan.path))}",
            file=sys.stderr,
        )
    _show(plan, screen)
    return code


def _show(plan: _Plan, screen: Console) -> None:
    from slimrnn.experiments.run import compare

    runs = store.read(plan.runs)
    if plan.path in plan.runs:
        for run in runs:
            screen.print(comparison.outcome(run), markup=False)
            screen.print(f"Run: {plan.path}", soft_wrap=True, markup=False)
    elif runs:
        for part in comparison.comparison(runs, screen.width):
            screen.print(part)
        for title, file in compare.publish(runs, plan.path, plan.line).items():
            screen.print(f"{title}: {file}", soft_wrap=True, markup=False)


def _export(args: argparse.Namespace) -> int:
    backends.start()
    console().print(deploy.export(args), soft_wrap=True, markup=False)
    return 0


def _size(args: argparse.Namespace) -> int:
    backends.start()
    screen = console()
    for part in deploy.size(args):
        screen.print(part)
    return 0


def _doctor(args: argparse.Namespace) -> int:
    choice = backends.start(args.backend)
    from slimrnn.cli import doctor

    screen = console()
    for part in doctor.examine(choice, args.data_dir):
        screen.print(part, "")
    return 0


def _bench(args: argparse.Namespace) -> int:
    with backends.quietly():
        module = bench.load(args.what or "bench")
    return int(module.run(args, _out(args, "bench")))


COMMANDS = {
    "variants": _variants,
    "train": _train,
    "compare": _compare,
    "sweep": experiments.sweep,
    "reproduce": experiments.reproduce,
    "slim": slimming.run,
    "export": _export,
    "size": _size,
    "doctor": _doctor,
    "bench": _bench,
}
