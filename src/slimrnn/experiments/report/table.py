"""The table of the configurations, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slimrnn.data.metrics import METRICS
from slimrnn.experiments.analysis import numbers
from slimrnn.experiments.analysis.grouping import VARIANT, text, title
from slimrnn.experiments.analysis.outcomes import STATUSES
from slimrnn.experiments.analysis.statistics import Difference, Spread
from slimrnn.experiments.analysis.summary import Row, Summary
from slimrnn.experiments.report.charts import difference, place, shown
from slimrnn.utils.markup import Markup, join, tag


def table(summary: Summary, colors: Mapping[str, str]) -> Markup:
    """The most wanted columns come first: a phone shows no others at once."""
    heads, least = summary.titles, METRICS[summary.metric].decimals
    settings = [title(axis) for axis in summary.axes if axis != VARIANT]
    sort = [
        tag("th", tag("button", head, type="button"), scope="col")
        for head in (VARIANT, *heads.values(), *settings, "runs")
    ]
    rows = [
        _row(i, row, list(heads), summary, colors[row.variant])
        for i, row in enumerate(summary.rows)
    ]
    last = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", numbers.spread(Spread(score, None, 1), least)),
            tag("td", colspan=len(sort) - 2),
        )
        for name, score in summary.baselines.items()
    ]
    foot = tag("tfoot", last) if last else None
    return tag("table", tag("thead", tag("tr", sort)), tag("tbody", rows), foot)


def _row(
    number: int, row: Row, names: Sequence[str], summary: Summary, color: str
) -> Markup:
    where = place(row)
    return tag(
        "tr",
        tag(
            "th",
            tag(
                "button",
                tag("span", class_="swatch"),
                tag("span", row.variant, class_="name", title=row.variant),
                star(row, summary),
                **opens(number),
            ),
            tag("small", where, class_="where") if where else None,
            scope="row",
            data_value=row.variant,
        ),
        [_figure(row, name, summary) for name in names],
        [tag("td", text(v), data_value=v) for v in row.values.values()],
        tag("td", badges(row), data_value=row.done),
        data_row=number,
        style=color,
    )


def _figure(row: Row, name: str, summary: Summary) -> Markup:
    """A cell: a number, its ratio to the reference, and a bar but of a score."""
    if name == "difference":
        return _difference(row.difference, summary.metric)
    value = getattr(row, name)
    mean = value.mean if isinstance(value, Spread) else value
    ratio = row.ratios.get(name)
    bar = None
    if ratio is not None and name != "score":
        most = max(other.ratios[name] or 0 for other in summary.rows)
        bar = tag("span", class_="share", style=f"--share:{ratio / most:.1%}")
    return tag(
        "td",
        shown(row, name, summary.metric),
        None if ratio is None else tag("small", f"× {ratio:.2f}"),
        bar,
        data_value=mean,
    )


def _difference(value: Difference | None, metric: str) -> Markup:
    words, *interval = difference(value, metric)
    return tag(
        "td",
        tag("b", words) if value and value.is_clear else words,
        [tag("small", each) for each in interval],
        data_value=value and value.mean,
    )


def star(row: Row, summary: Summary) -> Markup | None:
    """Marks the best of several configurations of a variant."""
    own = [other for other in summary.rows if other.variant == row.variant]
    if not row.is_best or len(own) == 1:
        return None
    words = "the best of its variant by the mean validation score"
    return tag("span", "★", class_="star", title=words)


def badge(how: str, words: str) -> Markup:
    """How a run ended."""
    return tag("span", words, class_="badge done" if how == "done" else "badge")


def badges(row: Row) -> Markup:
    """How many runs ended how."""
    counts = {how: getattr(row, how) for how in STATUSES}
    return join([[badge(how, f"{n} {how}"), " "] for how, n in counts.items() if n])


def opens(number: int) -> dict[str, Any]:
    """The attributes of a button that opens the details of a configuration."""
    return {"type": "button", "class_": "link", "data_row": number}
