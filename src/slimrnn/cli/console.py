"""What all commands share of the terminal: what is shown, tables, where files go."""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

FILE_WIDTH = 120  # of tables that go to a file or a pipe, which have no width
LONGEST = 100  # letters of a new folder's name, after the time
STOPPED = 130  # the exit code of a command that Ctrl-C ended, as shells have it

#: what the command line wants to see, of all commands alike; see `flags.shown`
_wanted = argparse.Namespace(json=False, quiet=False)


def settle(args: argparse.Namespace) -> None:
    """Takes --json and --quiet, where a command has them."""
    _wanted.__dict__.update({k: getattr(args, k, False) for k in vars(_wanted)})


def console() -> Console:
    """Where results go: coloured on a terminal, plain anywhere else.

    Nowhere with --json, which has :func:`answered`.
    """
    return _console(sys.stdout, _wanted.json)


def progress() -> Console:
    """Where it is shown how work goes: nowhere with --quiet, stderr with --json."""
    return _console(sys.stderr if _wanted.json else sys.stdout, _wanted.quiet)


def _console(file: Any, quiet: bool) -> Console:
    plain = not file.isatty() and "COLUMNS" not in os.environ
    width = FILE_WIDTH if plain else None
    return Console(file=file, quiet=quiet, highlight=False, width=width)


def answered(facts: Callable[[], Mapping[str, Any]]) -> bool:
    """Prints what was found as JSON, if --json asks for it; whether it did.

    Args:
        facts: makes the content: texts, numbers, lists and mappings of them.
    """
    if _wanted.json:
        from slimrnn.experiments.run import store

        print(store.text_of(facts()), end="")
    return bool(_wanted.json)


def plain(*texts: str, numbers: Iterable[str] = (), gap: int = 1) -> Table:
    """A table in the style of all: these columns, of texts first, then of numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, gap, 0, 0))
    for head in texts:
        table.add_column(head)
    for head in numbers:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def say(screen: Console, *parts: Table | str) -> None:
    """Shows tables, and sentences as they are, each in a line however long it is."""
    for part in parts:
        screen.print(part, soft_wrap=isinstance(part, str), markup=False)


def fitting(tables: Iterable[Table], width: int) -> Table:
    """The first of the tables that fits the screen; if none does, the last."""
    screen = Console(width=10_000)
    table = plain()
    for table in tables:
        if screen.measure(table).maximum <= width:
            break
    return table


def note(sentence: str) -> None:
    """Writes a sentence to the standard error, unless --quiet."""
    if not _wanted.quiet:
        complain(sentence)


def complain(sentence: str) -> None:
    """Writes a sentence to the standard error."""
    print(f"slimrnn: {sentence}", file=sys.stderr)


def warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """`warnings.showwarning` of commands: what is told users is a sentence."""
    if issubclass(category, UserWarning):
        complain(f"beware: {message}")
    else:
        found = warnings.formatwarning(message, category, filename, lineno, line)
        print(found, file=sys.stderr, end="")


def out_folder(given: str | None, what: str) -> Path:
    """The folder for results: the one that was given, or a new one in `runs`."""
    from slimrnn.experiments.run import store

    what = what[:LONGEST]
    path = Path(given or Path("runs", f"{time.strftime('%Y%m%d-%H%M%S')}-{what}"))
    store.check_free(path)
    return path
