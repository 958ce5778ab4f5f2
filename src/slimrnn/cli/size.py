"""`slimrnn size`: what a trained model takes on a microcontroller, now and slimmer."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from rich.table import Table

from slimrnn import backends
from slimrnn.cli import inputs
from slimrnn.cli.console import answered, console, plain, say
from slimrnn.errors import InputError
from slimrnn.variants import TABLE, Variant
from slimrnn.variants.files import NAMES, load


def add(commands: Any) -> None:
    """Adds `size`."""
    command = commands.add_parser(
        "size",
        help="show what a trained model takes on a microcontroller, now and slimmer",
        description="Show the flash, the RAM, the multiply-adds and the instructions a "
        "step that a trained\nmodel takes on a microcontroller, in float32 and "
        "in integers: as it is, and as\n`slimrnn slim` would make it, a line for each "
        "variant.",
        epilog="Examples:\n  slimrnn size model.keras\n"
        "  slimrnn size model.keras --to LSTM6 mine.toml --json",
    )
    inputs.model(command)
    command.add_argument(
        "--to",
        metavar="VARIANT",
        nargs="+",
        help=f"only as it is and as these: {NAMES} (default: all that are smaller)",
    )


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn size`."""
    chosen = args.to and list(map(load, args.to))
    backends.start()
    found = measured(inputs.load(args), chosen)
    if answered(lambda: {name: facts(each) for name, each in found.items()}):
        return 0
    say(console(), *table(found))
    return 0


def measured(
    model: Any, chosen: Sequence[Variant] | None = None
) -> dict[str, dict[str, Any]]:
    """The sizes of a model and of what it becomes, by variant and dtype.

    Without a choice it becomes every variant that makes it smaller.
    """
    from slimrnn.deploy.size import sizes
    from slimrnn.slimming import rebuild

    if chosen is None:
        slim: Any = _slimmer(model)
    else:
        slim = ((variant.name, rebuild(model, variant)) for variant in chosen)
    return {name: sizes(each) for name, each in [("as it is", model), *slim]}


def facts(by_dtype: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of a model as JSON holds them; a sentence where there is none."""
    return {
        dtype: size
        if isinstance(size, str)
        else {"flash": size.flash, "ram": size.ram, **asdict(size)}
        for dtype, size in by_dtype.items()
    }


def table(found: Mapping[str, Mapping[str, Any]]) -> Sequence[Table | str]:
    """The sizes by variant and dtype, and what to know."""
    from slimrnn.deploy.size import CORES, Size

    heads = ("flash", "tables", "RAM", "state", "multiply-adds", *CORES)
    table = plain("", "", numbers=heads)
    notes: dict[str, list[str]] = {}
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
        "Bytes; multiply-adds and instructions of one step.\n"
        "Flash is tables and code, RAM is state and stack (Cortex-M4, gcc -O2)."
    )
    reasons = [f"{what} ({', '.join(names)})" for what, names in notes.items()]
    return [table, *reasons, legend] if table.row_count else reasons


def _slimmer(model: Any) -> Iterator[tuple[str, Any]]:
    """The model with slimmer layers: a variant's name, and the model that has it."""
    from slimrnn.slimming import rebuild

    for variant in TABLE:
        with suppress(InputError):  # one that the layers do not become
            slim = rebuild(model, variant)
            if slim.count_params() < model.count_params():
                yield variant.name, slim
