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
from dataclasses import fields
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console

from slimrnn import arguments, backends, tables
from slimrnn.console import Progressing, console, opening
from slimrnn.errors import InputError
from slimrnn.experiments import store
from slimrnn.experiments.settings import Settings, whole
from slimrnn.variants import get

STOPPED = 130  # as shells say it: ended by Ctrl-C


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
        parser = arguments.parser()
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
    except OSError as error:  # such as a full disk
        print(f"slimrnn: {error}", file=sys.stderr)
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
        print(tables.variants_markdown(**sizes))
        return 0
    screen = console()
    if args.name is None:
        shown: Any = tables.variants_table(**sizes, width=screen.width)
    else:
        shown = tables.variant_page(get(args.name), **sizes)
    screen.print(shown)
    screen.print(tables.legend(**sizes), style="dim")
    return 0


def _train(args: argparse.Namespace) -> int:
    for name in arguments.POSITIONS.values():
        place, flag = getattr(args, f"place_{name}"), getattr(args, name)
        if None not in (place, flag):
            raise InputError(
                f"The {name.replace('_', ' ')} was given twice, {place} and {flag}; "
                f"give it once."
            )
        setattr(args, name, flag if place is None else place)
    choice = backends.start(args.backend)
    settings = _settings(args, args.variant)
    path = _out(args, f"{settings.name}-{settings.data_name}")
    screen, runs, code = _carry_out({path: settings}, path, choice)
    for run in runs:
        screen.print(tables.outcome(run), markup=False)
        screen.print(f"Run: {path}", soft_wrap=True, markup=False)
    return code


def _compare(args: argparse.Namespace) -> int:
    choice = backends.start(args.backend)
    rows = [_settings(args, name) for name in args.variants or arguments.COMPARED]
    from slimrnn.experiments import compare

    path = _out(args, f"compare-{rows[0].data_name}")
    plan = compare.plan(rows, args.seeds, path)
    screen, runs, code = _carry_out(plan, path, choice)
    if runs:
        for part in tables.comparison(runs, screen.width):
            screen.print(part)
        for title, file in compare.publish(runs, path, args.line).items():
            screen.print(f"{title}: {file}", soft_wrap=True, markup=False)
    return code


def _settings(args: argparse.Namespace, variant: str) -> Settings:
    names = {field.name for field in fields(Settings)} - {"variant"}
    given = {name: value for name, value in vars(args).items() if name in names}
    return Settings.of(variant, **given)


def _out(args: argparse.Namespace, what: str) -> Path:
    if args.out is None:
        path = Path("runs", f"{time.strftime('%Y%m%d-%H%M%S')}-{what}")
    else:
        path = Path(args.out)
    store.check_free(path)
    return path


def _carry_out(
    plan: Mapping[Path, Settings], path: Path, choice: backends.Choice
) -> tuple[Console, list[store.Run], int]:
    """Trains what is planned; the screen, the runs that began, and the exit code."""
    from slimrnn.experiments import compare, model

    dataset = model.load(next(iter(plan.values())))
    compare.check(plan, dataset)
    store.make_folder(path)
    screen, code = console(), 0
    for line in opening(plan, dataset, choice):
        screen.print(line, markup=False)
    try:
        with Progressing(screen, len(plan)) as progress:
            compare.train(plan, dataset, progress)
    except KeyboardInterrupt:
        code = STOPPED
        print("slimrnn: stopped by Ctrl-C; this is what there is.", file=sys.stderr)
    return screen, store.read(plan), code


def _doctor(args: argparse.Namespace) -> int:
    choice = backends.start(args.backend)
    from slimrnn import doctor

    screen = console()
    for part in doctor.examine(choice, args.data_dir):
        screen.print(part, "")
    return 0


def _bench(args: argparse.Namespace) -> int:
    return int(_benchmark().run(args, _out(args, "bench")))


def _benchmark() -> ModuleType:
    """The benchmark's module: it lies beside ``src`` in a clone, and in no wheel.

    Raises:
        InputError: neither slimrnn nor the current folder is in a clone.
    """
    for root in (Path(__file__).parents[2], Path.cwd()):
        folder = root / "benchmarks"
        if (folder / "bench.py").is_file() and (root / "src" / "slimrnn").is_dir():
            break
    else:
        raise InputError(
            "The benchmark is run from a clone of the project, which the installed "
            "slimrnn does not hold: clone it, and run `slimrnn bench` in its folder."
        )
    # By its place: another project's `benchmarks` may be on the path as well.
    spec = spec_from_file_location(
        "benchmarks",
        folder / "__init__.py",
        submodule_search_locations=[str(folder)],
    )
    assert spec is not None
    assert spec.loader is not None
    package = sys.modules["benchmarks"] = module_from_spec(spec)
    spec.loader.exec_module(package)
    return import_module("benchmarks.bench")


COMMANDS = {
    "variants": _variants,
    "train": _train,
    "compare": _compare,
    "doctor": _doctor,
    "bench": _bench,
}
