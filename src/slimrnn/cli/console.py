"""What all commands share of the terminal: its width, its tables, where files go."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

FILE_WIDTH = 120  # of tables that go to a file or a pipe, which have no width
LONGEST = 100  # letters of a new folder's name, behind the time
STOPPED = 130  # the exit code of a command that Ctrl-C ended, as shells have it


def console() -> Console:
    """The standard output: coloured on a terminal, plain anywhere else."""
    plain = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, width=FILE_WIDTH if plain else None)


def plain(*heads: str, gap: int = 1) -> Table:
    """A table in the style of all, with these columns so far."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, gap, 0, 0))
    for head in heads:
        table.add_column(head)
    return table


def complain(sentence: str) -> None:
    """Writes a sentence to the standard error."""
    print(f"slimrnn: {sentence}", file=sys.stderr)


def out_folder(given: str | None, what: str) -> Path:
    """The folder for results: the one that was given, or a new one in `runs`.

    Raises:
        InputError: something in it would be overwritten.
    """
    from slimrnn.experiments.run import store

    what = what[:LONGEST]
    path = Path(given or Path("runs", f"{time.strftime('%Y%m%d-%H%M%S')}-{what}"))
    store.check_free(path)
    return path
