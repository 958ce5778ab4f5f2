"""The table of the configurations as text: CSV to compute with, LaTeX to print.

The page offers the same lines, so that a row reads alike wherever it is exported.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimrnn.data.metrics import METRICS
from slimrnn.experiments.analysis import numbers
from slimrnn.experiments.analysis.grouping import VARIANT, by_dataset, text, title
from slimrnn.experiments.analysis.outcomes import STATUSES
from slimrnn.experiments.analysis.statistics import Spread
from slimrnn.experiments.analysis.summary import COSTS, Row, Summary, summarize
from slimrnn.experiments.run.store import Run
from slimrnn.utils import files

_SPREADS = ("validation", "score", "int8", "seconds_per_epoch", "prediction_seconds")
_LATEX = {
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


@dataclass(frozen=True)
class Lines:
    """A table as text.

    Attributes:
        head: what comes before the rows.
        rows: the lines, in the order of the summary's rows.
        foot: what comes after them.
    """

    head: str
    rows: tuple[str, ...]
    foot: str

    def text(self, numbers: Iterable[int] | None = None) -> str:
        """The table of the rows with these numbers, or of all."""
        shown = self.rows if numbers is None else [self.rows[i] for i in numbers]
        return "".join([self.head, *shown, self.foot])


def write_csv(runs: Sequence[Run], path: Path) -> None:
    """Write a CSV file with a row for each configuration."""
    files.write(path, csv_of(records(runs)).text())


def records(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A record for each configuration, then for each answer without training."""
    problems = by_dataset(runs).items()
    summaries = [(summarize(own), name) for name, own in problems]
    made = (_records, _baselines)
    return [each for make in made for pair in summaries for each in make(*pair)]


def write_latex(runs: Sequence[Run], path: Path) -> None:
    """Write a LaTeX table (booktabs) of each variant's best configuration.

    Args:
        runs: at least one; those on several data sets get a table each.
        path: the file to write.
    """
    parts = []
    for own in by_dataset(runs).values():
        summary = summarize(own)
        best = [i for i, row in enumerate(summary.rows) if row.is_best]
        parts.append(latex_lines(summary).text(best))
    files.write(path, "\n".join(parts))


def csv_lines(summary: Summary, data: str) -> Lines:
    """The summary as CSV, numbers in full."""
    return csv_of(_records(summary, data), _baselines(summary, data))


def _records(summary: Summary, data: str) -> list[dict[str, Any]]:
    return [_record(summary, row, data) for row in summary.rows]


def _baselines(summary: Summary, data: str) -> list[dict[str, Any]]:
    score = f"test_{summary.metric}_mean"
    return [
        {"data": data, VARIANT: name, score: value}
        for name, value in summary.baselines.items()
    ]


def _record(summary: Summary, row: Row, data: str) -> dict[str, Any]:
    names = {"score": f"test_{summary.metric}"}
    names["validation"] = f"validation_{summary.metric}"
    names["int8"] = f"test_int8_{summary.metric}"
    difference = row.difference
    spreads: dict[str, Any] = {}
    for name in _SPREADS:
        spread = getattr(row, name)
        spreads[f"{names.get(name, name)}_mean"] = spread.mean
        spreads[f"{names.get(name, name)}_std"] = spread.std
    return {
        "data": data,
        VARIANT: row.variant,
        **row.values,
        "best": row.is_best,
        "layer_parameters": row.layer_parameters,
        "model_parameters": row.model_parameters,
        **{name: getattr(row, name) for name in COSTS},
        **spreads,
        "difference": difference and difference.mean,
        "difference_low": difference and difference.low,
        "difference_high": difference and difference.high,
        **{name: getattr(row, name) for name in STATUSES},
    }


def csv_of(
    records: Sequence[Mapping[str, Any]], baselines: Sequence[Mapping[str, Any]] = ()
) -> Lines:
    """Records as CSV, those of answers without training at the foot."""
    # Data sets may differ in their metric and axes, so not all have all columns.
    names = list(dict.fromkeys(name for record in records for name in record))
    rows, last = (
        [_csv_line([record.get(name) for name in names]) for record in own]
        for own in (records, baselines)
    )
    return Lines(_csv_line(names), tuple(rows), "".join(last))


def _csv_line(values: Iterable[Any]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow(map(_cell, values))
    return file.getvalue()


def _cell(value: Any) -> Any:
    # A spreadsheet takes a text that begins so for a formula, and would run it.
    risky = isinstance(value, str) and value.startswith(
        ("=", "+", "-", "@", "\t", "\r")
    )
    return f"'{value}" if risky else value


def latex_lines(summary: Summary) -> Lines:
    r"""The summary as a LaTeX ``tabular`` that needs ``\usepackage{booktabs}``."""
    further = [name for name in summary.axes if name != VARIANT]
    heads = [
        *map(title, (VARIANT, *further)),
        "parameters",
        f"test {numbers.with_unit(summary.metric, summary.metric)}",
        f"difference to {summary.reference}",
        "time of an epoch (s)",
    ]
    columns = "l" * (1 + len(further)) + "rrrr"
    head = (
        f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n"
        f"{' & '.join(map(latex, heads))} \\\\\n\\midrule\n"
    )
    least = METRICS[summary.metric].decimals
    rows = (" & ".join(_latex_cells(row, least)) + " \\\\\n" for row in summary.rows)
    empty = len(further) * " & "
    last = [
        f"{latex(name)}{empty} & & {_math(Spread(score, None, 1), least)} & & \\\\\n"
        for name, score in summary.baselines.items()
    ]
    foot = "".join(["\\midrule\n" * bool(last), *last])
    foot += "\\bottomrule\n\\end{tabular}\n"
    return Lines(head, tuple(rows), foot + _latex_notes(summary))


def _latex_notes(summary: Summary) -> str:
    """What the numbers are, in small letters below the table."""
    counts = sorted({row.score.n for row in summary.best if row.score.n})
    seeds = " to ".join(str(n) for n in dict.fromkeys((*counts[:1], *counts[-1:])))
    differences = [row.difference for row in summary.best]
    said = [
        counts[-1:] > [1] and f"Mean $\\pm$ standard deviation of {seeds} seeds.",
        any(each and each.low is not None for each in differences)
        and "In brackets: 95\\,\\% interval of the difference.",
        bool(summary.baselines) and "Below the line: answers without training.",
    ]
    words = " ".join(each for each in said if each)
    return f"\\par\\smallskip{{\\footnotesize {words}\\par}}\n" if words else ""


def _latex_cells(row: Row, least: int | None) -> list[str]:
    count = row.layer_parameters
    mean, *interval = numbers.difference(row.difference, least) or ["--"]
    difference = f"${mean}$" if row.difference else mean
    if interval:
        difference += f" $[{', '.join(interval)}]$"
    return [
        latex(row.variant),
        *(latex(text(value)) for value in row.values.values()),
        "--" if count is None else f"{count:,}".replace(",", "{,}"),
        _math(row.score, least),
        difference,
        _math(row.seconds_per_epoch, None),
    ]


def _math(spread: Spread, least: int | None) -> str:
    if spread.mean is None:
        return "--"
    return "$" + numbers.spread(spread, least, sign=r"\pm") + "$"


def latex(words: str) -> str:
    r"""Any text so that LaTeX prints it as it is.

    Example:
        >>> latex("LSTM_C6 & 50%")
        'LSTM\\_C6 \\& 50\\%'
    """
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(words.split()))
