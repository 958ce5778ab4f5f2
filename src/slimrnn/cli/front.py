"""What a choice at a budget amounts to: the table, the sentence, the files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from slimrnn.cli.console import plain
from slimrnn.data.metrics import METRICS
from slimrnn.experiments.analysis import numbers
from slimrnn.experiments.analysis.choice import Candidate, candidates, verdict
from slimrnn.experiments.analysis.grouping import plural, variant_name
from slimrnn.experiments.analysis.statistics import Spread
from slimrnn.experiments.analysis.summary import metric_of
from slimrnn.experiments.report.style import FigureStyle
from slimrnn.experiments.run.store import MODEL, REFUSED, Run
from slimrnn.utils import files

WINNER = "winner.keras"
_HEADS = (
    *("units", "int8\nvalidation", "int8\ntest", "float32\ntest", "param-\neters"),
    *("flash", "RAM", "multiply\n-adds", "instruc-\ntions", "collapsed\nseeds"),
)


def parts(runs: Sequence[Run], refused: Sequence[str]) -> Iterator[Table | str]:
    """What is printed: the front and the finalists, what was refused, the verdict.

    Args:
        runs: of a choice.
        refused: sentences: what no number of units brings within the budget.
    """
    found = candidates(runs)
    shown = [each for each in found if each.on_front or each.is_finalist]
    if shown:
        yield _table(shown, metric_of(runs))
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


def _table(shown: Sequence[Candidate], metric: str) -> Table:
    table = plain()
    table.add_column("variant", no_wrap=True)
    for head in _HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    least = METRICS[metric].decimals

    def text(spread: Spread) -> str:
        return numbers.spread(spread, least)

    for each in shown:
        tested = [text(each.int8), text(each.float32)] if each.is_finalist else ["", ""]
        table.add_row(
            escape(each.variant) + " *" * each.on_front,
            str(each.settings.get("units")),
            text(each.validation),
            *tested,
            f"{each.parameters:,}",
            *(f"{number:,}" for number in each.costs.values()),
            f"{each.collapsed} of {len(each.runs)}",
        )
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
