"""What of the page chooses what is shown: switches, filters, the legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slimrnn.data.metrics import METRICS
from slimrnn.experiments.analysis import curves
from slimrnn.experiments.analysis.grouping import VARIANT, Value, text, title
from slimrnn.experiments.analysis.summary import Summary
from slimrnn.experiments.report.charts import MANY_VALUES, is_numeric, metrics
from slimrnn.utils.markup import Markup, tag


def controls(number: int, summary: Summary) -> Markup:
    """Chooses which configurations of a sweep are shown."""
    axes = {k: v for k, v in summary.axes.items() if k != VARIANT}
    views = [("best", "best only"), ("all", "all")]
    hint = "Search, such as diverged"
    return tag(
        "div",
        switch(number, "view", "Configurations", views),
        [_filter(axis, values) for axis, values in axes.items()],
        tag(
            "input",
            type="search",
            placeholder=hint,
            aria_label="Search the configurations",
        ),
        class_="controls",
        role="search",
    )


def _filter(axis: str, values: Sequence[Value]) -> Markup:
    """Chooses one of the values of an axis, or of many a range."""
    name = title(axis)
    if is_numeric(values) and len(values) > MANY_VALUES:
        known = [value for value in values if value is not None]
        low, high = (
            tag(
                "input",
                type="number",
                step="any",
                placeholder=text(end),
                data_axis=axis,
                data_end=word,
                aria_label=f"{name}, {word}",
            )
            for end, word in ((min(known), "lowest"), (max(known), "highest"))
        )
        return tag("div", tag("span", name), low, "to", high, class_="field")
    options = [tag("option", "all", value="")]
    options += [tag("option", text(value), value=i) for i, value in enumerate(values)]
    return tag(
        "label",
        tag("span", name),
        tag("select", options, data_axis=axis),
        class_="field",
    )


def switch(
    number: int,
    name: str,
    words: str,
    options: Sequence[tuple[str, str]],
    chosen: str | None = None,
) -> Markup:
    """A choice between a few words; hidden where there is nothing to choose.

    Args:
        number: of the data set in the page.
        name: by which the scripts find it.
        words: what is chosen.
        options: values and their words.
        chosen: the value that is chosen at first; without one, the first.
    """
    chosen = chosen or next((value for value, _ in options), None)
    labels = [
        tag(
            "label",
            tag(
                "input",
                type="radio",
                name=f"{name}-{number}",
                data_choice=name,
                value=value,
                checked=value == chosen,
            ),
            tag("span", label),
        )
        for value, label in options
    ]
    few = len(options) < 2
    return tag("fieldset", tag("legend", words), labels, class_="switch", hidden=few)


def curve_switches(number: int, summary: Summary) -> list[Markup]:
    """Chooses the metric of the learning curves, and the part of the data."""
    found = {name: curves.panels(summary, name) for name in metrics(summary)}
    tested = all(row.score.mean is not None for row in summary.rows if row.done)
    held = [
        part
        for part in (("test", "validation") if tested else ("validation", "test"))
        if any(part in panels for panels in found.values())
    ]
    names = [(name, METRICS[name].title) for name, panels in found.items() if panels]
    return [
        switch(number, "metric", "Metric", names),
        switch(number, "part", "Held-out data", [(part, part) for part in held]),
    ]


def legend(looks: Mapping[str, curves.Style]) -> Markup:
    """A switch for each variant, with a sample of its line."""
    labels = [
        tag(
            "label",
            tag("input", type="checkbox", value=i, checked=True),
            _sample(look),
            tag("span", name, class_="name"),
            style=f"--color:var(--v{i})",
        )
        for i, (name, look) in enumerate(looks.items())
    ]
    words = "Variants: press to hide or show"
    return tag("div", labels, class_="legend", role="group", aria_label=words)


_MARKS = {  # around (14, 6)
    "circle": "M10,6a4,4 0 1,0 8,0a4,4 0 1,0 -8,0",
    "square": "M10.4,2.4h7.2v7.2h-7.2z",
    "triangle": "M14,1.2l4.4,8.4h-8.8z",
    "diamond": "M14,0.8l4,5.2l-4,5.2l-4,-5.2z",
}


def _sample(look: curves.Style) -> Markup:
    """A piece of a variant's line with its mark."""
    line = tag("path", d="M1,6h26", stroke_dasharray=" ".join(map(str, look.dash)))
    mark = tag("path", d=_MARKS[look.marker], class_="mark")
    return tag("svg", line, mark, width=28, height=12, aria_hidden="true")
