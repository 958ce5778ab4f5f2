"""What of the page is text, as HTML: a section for each data set.

A reader without scripts sees it all; the scripts hide, sort and draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slimrnn.experiments.analysis import curves, numbers
from slimrnn.experiments.analysis.grouping import ASIDE, plural, shared, title
from slimrnn.experiments.analysis.outcomes import status
from slimrnn.experiments.analysis.summary import Row, Summary
from slimrnn.experiments.report import notes
from slimrnn.experiments.report.charts import costs, place, sensitive
from slimrnn.experiments.report.controls import controls, curve_switches, legend, switch
from slimrnn.experiments.report.details import Page, details
from slimrnn.experiments.report.table import opens, table
from slimrnn.experiments.run.store import Run
from slimrnn.experiments.run.times import Times
from slimrnn.utils.markup import Markup, definitions, tag

MOST_UNFINISHED = 3  # runs that are named at once


def section(
    number: int,
    runs: Sequence[Run],
    summary: Summary,
    folder: Path,
    known: Mapping[str, Any],
    times: Times | None,
) -> Markup:
    """The runs on one data set as HTML."""
    said = notes.notes(runs, summary)
    looks = curves.styles(summary)
    own = {name: f"--color:var(--v{i})" for i, name in enumerate(looks)}
    colors = "".join(
        f"--v{i}:light-dark({look.color},{look.dark});"
        for i, look in enumerate(looks.values())
    )
    page = Page(folder, known, shared([run.config for run in runs]))
    common = {k: v for k, v in page.common.items() if k not in ASIDE}
    is_sweep = len(summary.rows) > len(summary.best)
    return tag(
        "article",
        tag("p", notes.lead(runs, summary), class_="lead"),
        _unfinished(runs, summary),
        controls(number, summary) if is_sweep else None,
        legend(looks),
        tag("p", class_="note shown", role="status"),
        _part("Learning curves", "curves", said, curve_switches(number, summary)),
        tag(
            "section",
            tag("div", tag("h2", "Results"), _exports(), class_="bar"),
            tag("div", table(summary, own), class_="scroll results", tabindex="0"),
            tag("p", said["table"], class_="note"),
        ),
        _part("What it costs", "costs", said, _costs(number, summary)),
        _times(times) if times else None,
        _sensitivity(number, summary, said),
        tag(
            "details",
            tag("summary", "Settings of all configurations"),
            definitions(common),
        ),
        [
            details(i, row, page, summary, own[row.variant])
            for i, row in enumerate(summary.rows)
        ],
        style=colors,
        hidden=number > 0,
    )


def _times(times: Times) -> Markup:
    """What each variant takes, measured in turns."""
    variants = next(iter(times.works.values()))
    said = numbers.how_timed(variants)
    if not times.quiet:
        said += f" {numbers.NOT_QUIET}"
    heads = [tag("th", title, scope="col") for title in ("variant", *times.works)]
    lines = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            [
                tag("td", " ".join(filter(None, numbers.timed(of[name]))))
                for of in times.works.values()
            ],
        )
        for name in variants
    ]
    shown = tag("table", tag("thead", tag("tr", heads)), tag("tbody", lines))
    return tag(
        "section",
        tag("div", tag("h2", "Times"), class_="bar"),
        tag("div", shown, class_="scroll times", tabindex="0"),
        tag("p", said, class_="note"),
    )


def _costs(number: int, summary: Summary) -> Markup:
    """Chooses which costs are drawn: at a budget, first those of a device."""
    options = costs(summary)
    first = options[1][0] if summary.budget and len(options) > 1 else None
    return switch(number, "cost", "Costs of", options, first)


def _sensitivity(
    number: int, summary: Summary, said: Mapping[str, str]
) -> Markup | None:
    axes = sensitive(summary)
    if not axes:
        return None
    first = "learning_rate" if "learning_rate" in axes else None
    options = [(axis, title(axis)) for axis in axes]
    choice = switch(number, "axis", "Setting", options, first)
    return _part("Sensitivity", "sensitivity", said, choice)


def _unfinished(runs: Sequence[Run], summary: Summary) -> Markup | None:
    """The runs that did not end well and why, the first of them at once."""
    lines = [
        tag("li", tag("button", tag("u", row.variant), **opens(i)), _ending(row, run))
        for i, row in enumerate(summary.rows)
        for run in row.runs
        if status(run) != "done"
    ]
    if not lines:
        return None
    first, rest = lines[:MOST_UNFINISHED], lines[MOST_UNFINISHED:]
    more = tag("summary", f"{len(rest)} more")
    return tag(
        "div",
        "Not trained to the end, and left out of all means: "
        f"{len(lines)} of {plural(len(runs), 'run')}",
        tag("ul", first),
        tag("details", more, tag("ul", rest)) if rest else None,
        class_="notice",
    )


def _ending(row: Row, run: Run) -> str:
    reason = run.result.get("reason")
    seed = f"seed {run.config.get('seed', numbers.NONE)}"
    which = ", ".join(filter(None, ["", place(row), seed, status(run)]))
    return f", {which}" + (f": {reason}" if reason else "")


def _part(
    heading: str, name: str, said: Mapping[str, str], switches: Any = None
) -> Markup:
    """A section of charts, which the scripts draw."""
    return tag(
        "section",
        tag(
            "div",
            tag("h2", heading),
            tag("div", switches, class_="switches"),
            class_="bar",
        ),
        tag("div", class_=f"charts {name}"),
        tag("p", said[name], class_="note"),
    )


def _exports() -> Markup:
    buttons = [
        tag("button", name, type="button", class_="action", data_exports=kind)
        for kind, name in {"csv": "CSV", "tex": "LaTeX"}.items()
    ]
    return tag("div", buttons, class_="switches")
