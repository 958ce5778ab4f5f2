"""What a choice at a budget amounts to: the table, the sentence, the files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from slimrnn.cli.console import fitting, plain
from slimrnn.data.metrics import METRICS
from slimrnn.experiments.analysis import numbers
from slimrnn.experiments.analysis.choice import Candidate, candidates, verdict
from slimrnn.experiments.analysis.grouping import plural, variant_name
from slimrnn.experiments.analysis.outcomes import metric_of
from slimrnn.experiments.analysis.statistics import Spread
from slimrnn.experiments.report.style import FigureStyle
from slimrnn.experiments.run.store import MODEL, REFUSED, Run
from slimrnn.utils import files

WINNER = "winner.keras"
#: what a screen that is too narrow leaves out, one after the other; front.csv has all
_SPARED = (
    *("multiply\n-adds", "float32\ntest", "param-\neters", "RAM", "instruc-\ntions"),
)


def parts(
    runs: Sequence[Run], refused: Sequence[str], width: int
) -> Iterator[Table | str]:
    """What is printed: the front and the finalists, what was refused, the verdict.

    Args:
        runs: of a choice.
        refused: sentences: what no number of units brings within the budget.
        width: of the screen.
    """
    found = candidates(runs)
    shown = [each for each in found if each.on_front or each.is_finalist]
    if shown:
        columns = _columns(shown, metric_of(runs))
        left_out = (_SPARED[:count] for count in range(len(_SPARED) + 1))
        yield fitting((_table(columns, heads) for heads in left_out), width)
        points = plural(max(each.tries for each in found), "point")
        yield (
            f"{plural(len(found), 'variant')}, {points} of each; chosen by validation "
            f"alone. *: the front, where none is better and as cheap. Test scores: of "
            f"those trained with several seeds."
        )
    reasons = {
        f"{variant_name(run)}: {run.result[REFUSED]}"
        for run in runs
        if run.result.get(REFUSED)
    }
    for reason in (*refused, *sorted(reasons)):
        yield escape(f"Refused: {reason}")
    yield escape(verdict(found))


def _columns(shown: Sequence[Candidate], metric: str) -> dict[str, list[str]]:
    """The cells below each head."""
    least = METRICS[metric].decimals

    def score(spread: Spread, known: bool = True) -> str:
        return numbers.spread(spread, least) if known else ""

    def cost(each: Candidate, name: str) -> str:
        return f"{each.costs[name]:,}" if name in each.costs else ""

    columns: dict[str, Callable[[Candidate], str]] = {
        "variant": lambda each: escape(each.variant) + " *" * each.on_front,
        "units": lambda each: str(each.settings.get("units")),
        "int8\nvalidation": lambda each: score(each.validation),
        "int8\ntest": lambda each: score(each.int8, each.is_finalist),
        "float32\ntest": lambda each: score(each.float32, each.is_finalist),
        "param-\neters": lambda each: f"{each.parameters:,}",
        "flash": lambda each: cost(each, "flash"),
        "RAM": lambda each: cost(each, "ram"),
        "multiply\n-adds": lambda each: cost(each, "macs"),
        "instruc-\ntions": lambda each: cost(each, "instructions"),
        "collapsed\nseeds": lambda each: f"{each.collapsed} of {len(each.runs)}",
    }
    return {head: list(map(cell, shown)) for head, cell in columns.items()}


def _table(columns: Mapping[str, list[str]], left_out: Collection[str]) -> Table:
    kept = {head: cells for head, cells in columns.items() if head not in left_out}
    first, *others = kept
    table = plain(first, numbers=others)
    for row in zip(*kept.values(), strict=True):
        table.add_row(*row)
    return table


def publish(runs: Sequence[Run], path: Path, style: FigureStyle) -> dict[str, Path]:
    """Writes the front and the winner; returns the files by their title."""
    from slimrnn.experiments.report import front  # which needs Matplotlib

    found = candidates(runs)
    if not found:
        return {}
    written = {"Front": path / "front.csv"}
    front.write_csv(found, written["Front"])
    for file in style.files(path / "front"):
        written[f"Picture of it ({file.suffix[1:]})"] = file
        front.write_picture(found, file, style)
    model = found[0].best_run / MODEL
    if model.exists():
        written["Winner"] = path / WINNER
        with files.atomic_file(written["Winner"]) as unfinished:
            shutil.copyfile(model, unfinished)
    return written
