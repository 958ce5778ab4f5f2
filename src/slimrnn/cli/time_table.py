"""The times of variants, measured in turns, as the command line prints them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from slimrnn.cli.console import plain
from slimrnn.experiments.analysis import numbers

if TYPE_CHECKING:
    from slimrnn.experiments.run.times import Times
    from slimrnn.timing import Time


def tables(measured: Mapping[str, Times]) -> Iterator[Table | str]:
    """A table for each data set, and how to read it."""
    for name, times in measured.items():
        yield f"[bold]Times{f' on {escape(name)}' if len(measured) > 1 else ''}[/]"
        yield table(times)
        yield escape(numbers.how_timed(next(iter(times.works.values()))))
        if not times.quiet:
            yield f"[yellow]{numbers.NOT_QUIET}[/]"


def table(times: Times) -> Table:
    """A line for each variant and a column for each work."""
    breaks = {", ": ",\n", " in ": "\nin ", "step of ": "step of\n"}
    heads = list(times.works)
    for words, broken in breaks.items():
        heads = [head.replace(words, broken) for head in heads]
    found = plain("variant", numbers=heads)
    for name in next(iter(times.works.values())):
        found.add_row(escape(name), *(_cell(of[name]) for of in times.works.values()))
    return found


def _cell(time: Time) -> str:
    both, ratio, interval = numbers.timed(time)
    below = f"\n[dim]{interval}[/]" if interval else ""
    return f"{both}{ratio and f' {ratio}'}{below}"
