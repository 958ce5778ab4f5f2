"""`slimrnn doctor`: what is installed, what is found, and what runs where."""

from __future__ import annotations

import argparse
from typing import Any

from rich.table import Table

from slimrnn import backends
from slimrnn.cli import flags
from slimrnn.cli.console import answered, console
from slimrnn.variants import TABLE

SLOWER_STEP = (
    "; Stream.step takes 0.9 microseconds more, since slimrnn was built without "
    "Python's headers (python3-dev)"
)


def add(commands: Any) -> None:
    """Adds `doctor`."""
    command = commands.add_parser(
        "doctor",
        help="show versions, backends, data, and what runs where",
        description="Show the versions, the backends and the data that are found, and "
        "which engine\ncomputes which variant, and why.",
        epilog="Example:  slimrnn doctor --data-dir ~/data",
    )
    flags.data_dir(command)
    flags.backend(command)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn doctor`."""
    found = examine(backends.start(args.backend), args.data_dir)
    if answered(lambda: {name.lower(): rows for name, rows in found.items()}):
        return 0
    screen = console()
    for title, rows in found.items():
        screen.print(_section(title, rows), "")
    return 0


def examine(choice: backends.Choice, data_dir: str | None) -> dict[str, dict[str, str]]:
    """What is found, by the title of its table."""
    from slimrnn import data

    return {
        "Versions": _versions(),
        "Backends": _backends(choice),
        "Engines": _engines(),
        "Data": dict(data.available(data_dir)),
    }


def _section(title: str, rows: dict[str, str]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        show_header=False,
        box=None,
        padding=(0, 2, 0, 0),
    )
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows.items():
        table.add_row(name, text)
    table.add_section()
    return table


def _versions() -> dict[str, str]:
    from slimrnn.experiments.run.environment import describe

    return {name: str(value) for name, value in describe().items()}


def _backends(choice: backends.Choice) -> dict[str, str]:
    from slimrnn.experiments.run.environment import version

    found = backends.installed()
    rows = {}
    for name in backends.BACKENDS:
        if name not in found:
            rows[name] = f"not installed; {backends.how_to_install(name)}"
        elif name == choice.backend:
            rows[name] = f"{version(name)}, in use: {choice.reason}"
        else:
            rows[name] = f"{version(name)}; to use it: --backend {name}"
    return rows


def _engines() -> dict[str, str]:
    from slimrnn import engines, native
    from slimrnn.native import library

    rows = {}
    for name in backends.installed():
        chosen = engines.choose("auto", name)
        rows[name] = (
            f"{chosen.engine.name} for all {len(TABLE)} variants: {chosen.reason}"
        )
    rows["native"] = native.reason() or (
        f"{native.isa()} (of {', '.join(native.isas())}), up to "
        f"{native.num_threads()} threads; float32 on the CPU"
        f"{'' if library.Step else SLOWER_STEP}"
    )
    return rows
