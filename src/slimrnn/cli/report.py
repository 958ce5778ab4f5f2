"""`slimrnn report`: what a folder of results amounts to, shown and drawn again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from slimrnn import backends
from slimrnn.cli import flags, trials
from slimrnn.cli.console import console


def add(commands: Any) -> None:
    """Adds `report`."""
    command = commands.add_parser(
        "report",
        help="show and draw again what a folder of results holds",
        description="Print the table of a run, a comparison or a sweep, finished or "
        "not, and write its\npicture, page and tables again from what is there.",
        epilog="Example:  slimrnn report runs/20261123-101500-sweep "
        "--figure-format pdf,svg --figure-width column",
    )
    command.add_argument("folder", metavar="FOLDER", help="of the results")
    flags.figure(command)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn report`."""
    style, path = flags.figure_style(args), Path(args.folder)
    backends.start()
    from slimrnn.experiments.sweep import scheduler

    study, about = scheduler.saved(path)
    command = str(about.get("command", ""))
    trials.show(path, study, command, console(), style, always=True)
    return 0
