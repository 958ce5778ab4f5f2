"""`slimrnn export`: a trained model for a device."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from slimrnn import backends
from slimrnn.cli import inputs, run_flags
from slimrnn.cli.console import console
from slimrnn.deploy import EXPORTERS
from slimrnn.deploy.exporters import Exporter, find
from slimrnn.errors import InputError


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
    console().print(export(args), soft_wrap=True, markup=False)
    return 0


def export(args: argparse.Namespace) -> str:
    """Writes the model; the line to print.

    Raises:
        InputError: a mistake in what was given; then nothing is written.
    """
    exporter = find(args.to)
    options = dict(_options(args, exporter))
    path = exporter.write(inputs.read(args), args.out, args.name, **options)
    test = f" (make -C {path} test)" if path.is_dir() else ""
    return f"{exporter.title}, {options.get('dtype', exporter.dtypes[0])}: {path}{test}"


#: the flags that not all exporters have: what takes them, and the function's option
_FLAGS: dict[str, tuple[Callable[[Exporter], bool], str]] = {
    "mode": (lambda exporter: bool(exporter.modes), "mode"),
    "dtype": (lambda exporter: len(exporter.dtypes) > 1, "dtype"),
}


def _options(args: argparse.Namespace, exporter: Exporter) -> Iterator[tuple[str, Any]]:
    for flag, (takes, option) in _FLAGS.items():
        given = getattr(args, flag)
        if given is None:
            continue
        if not takes(exporter):
            names = [other.name for other in EXPORTERS.values() if takes(other)]
            raise InputError(
                f"--{flag} is for --to {' or '.join(names)}; received --to {args.to}."
            )
        yield option, given
    if run_flags.given(args, run_flags.DATA):
        if len(exporter.dtypes) == 1:
            raise InputError(
                f"--calibrate is for --to c, in int8; received --to {args.to}."
            )
        yield "calibration", run_flags.data(args).sequences("train")


def _usual_first(values: Iterable[str]) -> str:
    first, *_ = values
    return f"{', '.join(values)} (default: {first})"
