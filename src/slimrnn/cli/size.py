"""`slimrnn size`: what a trained model takes on a microcontroller, now and slimmer."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from rich.table import Table

from slimrnn import backends
from slimrnn.cli import inputs
from slimrnn.cli.console import console, plain
from slimrnn.errors import InputError


def add(commands: Any) -> None:
    """Adds `size`."""
    command = commands.add_parser(
        "size",
        help="show what a trained model takes on a microcontroller, now and slimmer",
        description="Show the flash, the RAM, the multiply-adds and the instructions a "
        "step that a trained\nmodel takes on a microcontroller, in float32 and "
        "in integers: as it is, and as\n`slimrnn slim` would make it, a line for each "
        "variant.",
        epilog="Example:  slimrnn size model.keras",
    )
    inputs.model(command)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn size`."""
    backends.start()
    screen = console()
    for part in table(inputs.load(args)):
        screen.print(part)
    return 0


def table(model: Any) -> list[Table | str]:
    """The sizes of a model and of what it can be slimmed to, and what to know.

    Raises:
        InputError: a model that is not supported.
    """
    from slimrnn.deploy.size import CORES, Size, sizes

    table = plain()
    for title in ("", ""):
        table.add_column(title, no_wrap=True)
    for title in ("flash", "tables", "RAM", "state", "multiply-adds", *CORES):
        table.add_column(title, justify="right")
    notes: dict[str, list[str]] = {}
    found = {"as it is": sizes(model)}
    found |= {variant: sizes(slim) for variant, slim in _slimmer(model)}
    for variant, by_dtype in found.items():
        for k, (dtype, size) in enumerate(by_dtype.items()):
            if isinstance(size, Size):
                counts = (size.flash, size.tables, size.ram, size.state, size.macs)
                figures = (*counts, *size.instructions.values())
                shown = (f"{number:,}" for number in figures)
                table.add_row("" if k else variant, dtype, *shown)
            else:
                note = f"{dtype} is not available: {size}"
                notes.setdefault(note, []).append(variant)
    legend = (
        "Bytes; multiply-adds and instructions of one step. Flash is tables and code, "
        "RAM is state and stack (Cortex-M4, gcc -O2)."
    )
    reasons = [f"{what} ({', '.join(names)})" for what, names in notes.items()]
    return [table, *reasons, legend]


def _slimmer(model: Any) -> Iterator[tuple[str, Any]]:
    """The model with slimmer layers: a variant's name, and the model that has it."""
    from slimrnn.slimming import rebuild
    from slimrnn.variants import TABLE

    for variant in TABLE:
        with suppress(InputError):  # one that the layers do not become
            slim = rebuild(model, variant)
            if slim.count_params() < model.count_params():
                yield variant.name, slim
