"""`slimrnn export`: a trained model for a device."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimrnn import backends
from slimrnn.cli import inputs, run_flags
from slimrnn.cli.console import console, say
from slimrnn.deploy import EXPORTERS
from slimrnn.deploy.exporters import Exporter, find
from slimrnn.errors import InputError

if TYPE_CHECKING:
    from slimrnn.ir import Model


def add(commands: Any) -> None:
    """Adds `export`."""
    titles = [exporter.title for exporter in EXPORTERS.values()]
    command = commands.add_parser(
        "export",
        help=f"write a trained model as {' or '.join(titles)}",
        description="Write a trained model for a device: C99 without any "
        "library, in float32 or in\nintegers; ONNX; or LiteRT.",
        epilog="Examples:\n  slimrnn export model.keras --to c --out firmware\n"
        "  slimrnn export model.keras --to c --dtype int8 --calibrate data.npz --out "
        "fw\n  slimrnn export model.keras --to onnx --out served --name voice",
    )
    inputs.model(command)
    command.add_argument(
        "--to", metavar="FORMAT", required=True, help=f"one of {', '.join(EXPORTERS)}"
    )
    command.add_argument(
        "--dtype",
        metavar="NAME",
        help="; ".join(
            f"of {to}: {_usual_first(exporter.dtypes)}"
            for to, exporter in EXPORTERS.items()
            if len(exporter.dtypes) > 1
        ),
    )
    command.add_argument(
        "--mode",
        metavar="NAME",
        help="; ".join(
            f"of {to}: {_usual_first(exporter.modes)}"
            for to, exporter in EXPORTERS.items()
            if exporter.modes
        )
        + ". scan: whole sequences; lstm: whole sequences, by the operator of a full "
        "LSTM; step: one step, with the states as inputs and outputs",
    )
    command.add_argument("--out", metavar="DIR", required=True, help="a new folder")
    command.add_argument(
        "--name",
        metavar="NAME",
        default="model",
        help="what the files, and in C the functions, begin with (default: model)",
    )
    group = command.add_argument_group("data, from which int8 takes its scales")
    group.add_argument(
        "--calibrate",
        metavar="FILE",
        dest="data",
        help="the same as --data; also sequences alone: x in an .npz, or an .npy",
    )
    run_flags.add(command, settings=run_flags.DATA)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn export`."""
    backends.start()
    say(console(), *export(args))
    return 0


def export(args: argparse.Namespace) -> list[str]:
    """Writes the model; the lines to print.

    Raises:
        InputError: a mistake in what was given; then nothing is written.
    """
    exporter = find(args.to)
    options = dict(_options(args, exporter))
    model, dtype = inputs.read(args), options.get("dtype", exporter.dtypes[0])
    path = exporter.write(model, args.out, args.name, **options)
    if len(exporter.dtypes) == 1:
        return [f"{exporter.title}, {dtype}: {path}"]
    test = f" (make -C {path} test)" * Path(path, "Makefile").is_file()
    lines = [f"{exporter.title}, {dtype}: {path}{test}", _cost(model, dtype)]
    if "calibration" in options and dtype == "int8":
        lines += _scores(args, model)
    return lines


def _cost(model: Model, dtype: str) -> str:
    """What it takes on a microcontroller."""
    from slimrnn.deploy.size import size

    found = size(model, dtype)
    counts = [f"{n:,} on {core}" for core, n in found.instructions.items()]
    return (
        f"Flash {found.flash:,} bytes, RAM {found.ram:,} bytes (Cortex-M4, gcc -O2); "
        f"a step is {found.macs:,} multiply-adds, instructions: {', '.join(counts)}."
    )


def _scores(args: argparse.Namespace, model: Model) -> Iterator[str]:
    """What the integers lose, where the data have a test."""
    from slimrnn.deploy.evaluate import evaluate_int8

    with suppress(InputError):  # of sequences alone
        dataset = run_flags.data(args).load()
        found = evaluate_int8(model, dataset)
        yield (
            f"Test {found.metric} on {dataset.name}: {found.float32:.4g} in float32, "
            f"{found.int8:.4g} in int8."
        )


#: the flags that not all exporters have, and what takes them
_FLAGS: dict[str, Callable[[Exporter], bool]] = {
    "mode": lambda exporter: bool(exporter.modes),
    "dtype": lambda exporter: len(exporter.dtypes) > 1,
}


def _options(args: argparse.Namespace, exporter: Exporter) -> Iterator[tuple[str, Any]]:
    for flag, takes in _FLAGS.items():
        given = getattr(args, flag)
        if given is None:
            continue
        if not takes(exporter):
            names = [other.name for other in EXPORTERS.values() if takes(other)]
            raise InputError(
                f"--{flag} is for --to {' or '.join(names)}; received --to {args.to}."
            )
        yield flag, given
    if run_flags.given(args, run_flags.DATA):
        if len(exporter.dtypes) == 1:
            names = [e.name for e in EXPORTERS.values() if len(e.dtypes) > 1]
            raise InputError(
                f"--calibrate, --data and --dataset are for --to {' or '.join(names)} "
                f"with --dtype int8; received --to {args.to}."
            )
        yield "calibration", run_flags.data(args).sequences("train")


def _usual_first(values: Iterable[str]) -> str:
    first, *_ = values
    return f"{', '.join(values)} (default: {first})"
