"""`slimrnn reproduce`: what a paper reports, repeated, both results side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from slimrnn import backends
from slimrnn.cli import sweep
from slimrnn.cli.console import console, plain
from slimrnn.errors import InputError
from slimrnn.experiments.run.store import Run

if TYPE_CHECKING:
    from slimrnn.experiments.sweep.study import Study


def add(commands: Any) -> None:
    """Adds `reproduce`."""
    command = commands.add_parser(
        "reproduce",
        help="repeat what a paper reports, and show both results",
        description="Train what a paper trained, with its settings, and print what was "
        "published and what\ncame out side by side. Without a NAME, lists the studies.",
        epilog="Examples:\n  slimrnn reproduce\n"
        "  slimrnn reproduce lu-mnist-rows --data-dir ~/data --workers 2\n"
        "  slimrnn reproduce lu-mnist-rows --set learning_rate=0.001 epochs=20",
    )
    command.add_argument("name", metavar="NAME", nargs="?", help="of a study")
    sweep.add_common(command)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn reproduce`."""
    if args.name is None and args.resume is None:
        if sweep.given(args, "name"):
            raise InputError("Give the NAME of a study; without one they are listed.")
        backends.start(args.backend)
        console().print(listing())
        return 0

    def begin() -> tuple[Study, str]:
        from slimrnn.experiments.sweep import published

        return sweep.changed(published.read(args.name), args), args.name

    return sweep.carry_out(args, begin, sweep.given(args, "name"))


def listing() -> Table:
    """The studies, what each is, and where it comes from."""
    from slimrnn.experiments.sweep import published

    table = plain("study", "what it repeats", "source", gap=2)
    for name in published.names():
        study = published.read(name)
        table.add_row(name, escape(study.title), escape(study.source))
    return table


def side_by_side(study: Study, runs: Sequence[Run]) -> list[Table | str]:
    """What was published and what came out, with the difference, and what to know."""
    from slimrnn.experiments.sweep import published

    heads = ("published", "obtained", "difference", "epochs")
    table = plain("published and obtained", numbers=heads, gap=2)
    for each in published.results(study, runs):
        table.add_row(escape(each.what), *_figures(each))
    return [table, *map(escape, study.notes)]


def _figures(result: Any) -> list[str]:
    """The published value, the mean obtained, the difference, and the epochs."""
    value, obtained, epochs = result.published, result.obtained, result.epochs
    if obtained.mean is None:
        return [f"{value:.4f}", ", ".join(result.ended) or "not run", "", ""]
    spread = "" if obtained.std is None else f" ± {obtained.std:.4f}"
    return [
        f"{value:.4f}",
        f"{obtained.mean:.4f}{spread}",
        f"{obtained.mean - value:+.4f}",
        f"{epochs[0]}" if len(epochs) == 1 else f"{epochs[0]}-{epochs[-1]}",
    ]
