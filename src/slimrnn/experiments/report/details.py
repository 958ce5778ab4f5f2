"""The details of a configuration: figures, settings, runs and their commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimrnn.data.metrics import METRICS
from slimrnn.errors import InputError
from slimrnn.experiments.analysis import numbers
from slimrnn.experiments.analysis.grouping import ASIDE, plural, text, title
from slimrnn.experiments.analysis.outcomes import status
from slimrnn.experiments.analysis.statistics import Spread
from slimrnn.experiments.analysis.summary import Row, Summary
from slimrnn.experiments.report.charts import place, shown
from slimrnn.experiments.report.table import badge, badges, star
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Run
from slimrnn.utils.markup import Markup, definitions, tag


@dataclass(frozen=True)
class Page:
    """What the page says elsewhere, of all runs.

    Attributes:
        folder: the page's, to which paths are relative.
        known: the environment of all runs.
        common: the settings of all runs on the data set.
    """

    folder: Path
    known: Mapping[str, Any]
    common: Mapping[str, Any]


def details(number: int, row: Row, page: Page, summary: Summary, color: str) -> Markup:
    """A dialog with all that is known of a configuration."""
    metric = summary.metric
    own = {
        key: value
        for key, value in row.runs[0].config.items()
        if key not in page.common and key not in ASIDE
    }
    figures = {words: shown(row, k, metric) for k, words in summary.titles.items()}
    close = tag("button", "×", class_="close", aria_label="Close", value="close")
    pin = tag("input", type="checkbox", class_="pin")
    return tag(
        "dialog",
        tag("form", close, method="dialog"),
        tag("h2", tag("span", class_="swatch"), " ", row.variant, star(row, summary)),
        tag("p", place(row), class_="lead"),
        tag("p", badges(row)),
        definitions(figures),
        tag("label", pin, "Show its learning curves as well", class_="field")
        if not row.is_best
        else None,
        [tag("h3", "Settings that differ between configurations"), definitions(own)]
        if own
        else None,
        tag("h3", plural(len(row.runs), "run")),
        [_run(run, metric) for run in row.runs],
        tag("details", tag("summary", "Results, machine"), _results(row, page)),
        data_row=number,
        style=color,
        aria_label=row.variant,
    )


def _run(run: Run, metric: str) -> Markup:
    score = Spread.of([run.result.get(f"test_{metric}")])
    words = [run.result.get("reason") or ""]
    if score.mean is not None:
        value = numbers.spread(score, METRICS[metric].decimals)
        words.append(f"test {METRICS[metric].title} {value}")
    command = _command(run)
    return tag(
        "div",
        tag(
            "p",
            tag("strong", f"Seed {run.config.get('seed', numbers.NONE)} "),
            badge(status(run), status(run)),
            " ".join(["", *filter(None, words)]),
        ),
        command and tag("pre", command, tabindex="0"),
    )


def _results(row: Row, page: Page) -> Markup:
    """What the runs' files say, a column a seed."""
    columns: list[dict[str, Any]] = []
    for run in row.runs:
        inside = run.path.is_relative_to(page.folder)
        folder = run.path.relative_to(page.folder) if inside else run.path
        own = {k: v for k, v in run.environment.items() if k not in page.known}
        seed = run.config.get("seed")
        columns.append({"seed": seed, "folder": str(folder), **run.result, **own})
    names = dict.fromkeys(name for column in columns for name in column)
    lines = [
        tag("tr", tag("th", title(n)), [tag("td", text(c.get(n))) for c in columns])
        for n in names
    ]
    return tag("div", tag("table", lines), class_="scroll")


def _command(run: Run) -> str | None:
    """The command line that repeats the run, where this version has one."""
    try:
        return Settings.from_config(run.config).command()
    except InputError:
        return None
