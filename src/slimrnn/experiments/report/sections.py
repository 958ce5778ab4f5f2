"""What of the page is text, as HTML: controls, table, details, notes.

A reader without scripts sees it all; the scripts hide, sort and draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slimrnn.errors import InputError
from slimrnn.experiments.analysis import curves, numbers
from slimrnn.experiments.analysis.grouping import (
    ASIDE,
    VARIANT,
    Value,
    plural,
    shared,
    text,
    title,
)
from slimrnn.experiments.analysis.statistics import Difference, Spread
from slimrnn.experiments.analysis.summary import (
    METRICS,
    STATUSES,
    Row,
    Summary,
    status,
)
from slimrnn.experiments.report import notes
from slimrnn.experiments.report.charts import (
    MANY_VALUES,
    is_numeric,
    metrics,
    place,
    sensitive,
    shown,
)
from slimrnn.experiments.report.markup import Markup, definitions, join, tag
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Run

MOST_UNFINISHED = 3  # runs that are named at once
BARS = (
    "layer_parameters",
    "model_parameters",
    "seconds_per_epoch",
    "prediction_seconds",
)


class Section:
    """The runs on one data set as HTML.

    Args:
        number: of the data set in the page.
        runs: its runs.
        summary: of them.
        folder: the page's, to which paths are relative.
        known: the environment that the page shows for all runs.
    """

    def __init__(
        self,
        number: int,
        runs: Sequence[Run],
        summary: Summary,
        folder: Path,
        known: Mapping[str, Any],
    ) -> None:
        self.number, self.runs, self.summary = number, runs, summary
        self.folder, self.known = folder, known
        self.common = shared([run.config for run in runs])
        self.looks = curves.styles(summary)
        self.is_sweep = len(summary.rows) > len(summary.best)
        self.axes = {k: v for k, v in summary.axes.items() if k != VARIANT}

    def html(self) -> Markup:
        """All of it."""
        said = notes.notes(self.runs, self.summary)
        colors = "".join(
            f"--v{i}:light-dark({look.color},{look.dark});"
            for i, look in enumerate(self.looks.values())
        )
        common = {k: v for k, v in self.common.items() if k not in ASIDE}
        axes = sensitive(self.summary)
        first = "learning_rate" if "learning_rate" in axes else None
        return tag(
            "article",
            tag("p", notes.lead(self.runs, self.summary), class_="lead"),
            self._unfinished(),
            self._controls(),
            self._legend(),
            tag("p", class_="note shown", role="status"),
            _part("Learning curves", "curves", said, self._curve_switches()),
            tag(
                "section",
                tag("div", tag("h2", "Results"), _exports(), class_="bar"),
                tag("div", self._table(), class_="scroll results", tabindex="0"),
                tag("p", said["table"], class_="note"),
            ),
            _part("What it costs", "costs", said),
            _part(
                "Sensitivity",
                "sensitivity",
                said,
                self._switch("axis", "Setting", [(a, title(a)) for a in axes], first),
            )
            if axes
            else None,
            tag(
                "details",
                tag("summary", "Settings of all configurations"),
                definitions(common),
            ),
            [self._details(i, row) for i, row in enumerate(self.summary.rows)],
            style=colors,
            hidden=self.number > 0,
        )

    def _unfinished(self) -> Markup | None:
        """The runs that did not end well and why, the first of them at once."""
        lines = [
            tag(
                "li",
                tag("button", tag("u", row.variant), **_opens(i)),
                _ending(row, run),
            )
            for i, row in enumerate(self.summary.rows)
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
            f"{len(lines)} of {plural(len(self.runs), 'run')}",
            tag("ul", first),
            tag("details", more, tag("ul", rest)) if rest else None,
            class_="notice",
        )

    # ------------------------------------------------------------------ controls

    def _controls(self) -> Markup | None:
        if not self.is_sweep:
            return None
        views = [("best", "best only"), ("all", "all")]
        hint = "Search, such as diverged"
        return tag(
            "div",
            self._switch("view", "Configurations", views),
            [_filter(axis, values) for axis, values in self.axes.items()],
            tag(
                "input",
                type="search",
                placeholder=hint,
                aria_label="Search the configurations",
            ),
            class_="controls",
            role="search",
        )

    def _switch(
        self,
        name: str,
        words: str,
        options: Sequence[tuple[str, str]],
        chosen: str | None = None,
    ) -> Markup | None:
        """A choice between a few words; hidden where there is nothing to choose."""
        chosen = chosen or next((value for value, _ in options), None)
        labels = [
            tag(
                "label",
                tag(
                    "input",
                    type="radio",
                    name=f"{name}-{self.number}",
                    data_choice=name,
                    value=value,
                    checked=value == chosen,
                ),
                tag("span", label),
            )
            for value, label in options
        ]
        few = len(options) < 2
        return tag(
            "fieldset", tag("legend", words), labels, class_="switch", hidden=few
        )

    def _curve_switches(self) -> list[Markup | None]:
        found = {
            name: curves.panels(self.summary, name) for name in metrics(self.summary)
        }
        held = [
            part
            for part in ("test", "validation")
            if any(part in panels for panels in found.values())
        ]
        names = [(name, METRICS[name]) for name, panels in found.items() if panels]
        return [
            self._switch("metric", "Metric", names),
            self._switch("part", "Held-out data", [(part, part) for part in held]),
        ]

    def _legend(self) -> Markup:
        labels = [
            tag(
                "label",
                tag("input", type="checkbox", value=i, checked=True),
                _sample(look),
                tag("span", name, class_="name"),
                style=f"--color:var(--v{i})",
            )
            for i, (name, look) in enumerate(self.looks.items())
        ]
        words = "Variants: press to hide or show"
        return tag("div", labels, class_="legend", role="group", aria_label=words)

    # ------------------------------------------------------------------ the table

    def _table(self) -> Markup:
        """The most wanted columns come first: a phone shows no others at once."""
        summary, metric = self.summary, METRICS[self.summary.metric]
        heads = {
            "score": f"test {metric}",
            "difference": f"difference to {summary.reference}",
            "layer_parameters": "parameters of the layer",
            "seconds_per_epoch": "time of an epoch",
            "validation": f"validation {metric}",
            "model_parameters": "parameters of the model",
            "prediction_seconds": "time of a prediction",
        }
        settings = [title(axis) for axis in self.axes]
        sort = [
            tag("th", tag("button", head, type="button"), scope="col")
            for head in (VARIANT, *heads.values(), *settings, "runs")
        ]
        rows = [
            self._table_row(i, row, list(heads)) for i, row in enumerate(summary.rows)
        ]
        return tag("table", tag("thead", tag("tr", sort)), tag("tbody", rows))

    def _table_row(self, number: int, row: Row, names: Sequence[str]) -> Markup:
        where = place(row)
        return tag(
            "tr",
            tag(
                "th",
                tag(
                    "button",
                    tag("span", class_="swatch"),
                    tag("span", row.variant, class_="name", title=row.variant),
                    self._star(row),
                    **_opens(number),
                ),
                tag("small", where, class_="where") if where else None,
                scope="row",
                data_value=row.variant,
            ),
            [self._figure(row, name) for name in names],
            [tag("td", text(v), data_value=v) for v in row.values.values()],
            tag("td", _badges(row), data_value=row.done),
            data_row=number,
            style=self._color(row),
        )

    def _figure(self, row: Row, name: str) -> Markup:
        """A cell: a number, its ratio to the reference, and a bar."""
        if name == "difference":
            return _difference_cell(row.difference, self.summary.metric)
        value = getattr(row, name)
        mean = value.mean if isinstance(value, Spread) else value
        ratio = getattr(row.ratios, name, None)
        bar = None
        if ratio is not None and name in BARS:
            most = max(getattr(other.ratios, name) or 0 for other in self.summary.rows)
            bar = tag("span", class_="share", style=f"--share:{ratio / most:.1%}")
        return tag(
            "td",
            shown(row, name, self.summary.metric),
            None if ratio is None else tag("small", f"× {ratio:.2f}"),
            bar,
            data_value=mean,
        )

    def _star(self, row: Row) -> Markup | None:
        own = [other for other in self.summary.rows if other.variant == row.variant]
        if not row.is_best or len(own) == 1:
            return None
        words = "the best of its variant by the mean validation score"
        return tag("span", "★", class_="star", title=words)

    def _color(self, row: Row) -> str:
        return f"--color:var(--v{list(self.looks).index(row.variant)})"

    # --------------------------------------------------- details of a configuration

    def _details(self, number: int, row: Row) -> Markup:
        metric = self.summary.metric
        own = {
            key: value
            for key, value in row.runs[0].config.items()
            if key not in self.common and key not in ASIDE
        }
        figures = {
            f"test {METRICS[metric]}": shown(row, "score", metric),
            f"validation {METRICS[metric]}": shown(row, "validation", metric),
            f"difference to {self.summary.base}": ", ".join(
                difference(row.difference, metric)
            ),
            "parameters of the layer": shown(row, "layer_parameters", metric),
            "parameters of the model": shown(row, "model_parameters", metric),
            "time of an epoch": shown(row, "seconds_per_epoch", metric),
            "time of a prediction": shown(row, "prediction_seconds", metric),
        }
        close = tag("button", "×", class_="close", aria_label="Close", value="close")
        pin = tag("input", type="checkbox", class_="pin")
        return tag(
            "dialog",
            tag("form", close, method="dialog"),
            tag("h2", tag("span", class_="swatch"), " ", row.variant, self._star(row)),
            tag("p", place(row), class_="lead"),
            tag("p", _badges(row)),
            definitions(figures),
            tag("label", pin, "Show its learning curves as well", class_="field")
            if not row.is_best
            else None,
            [tag("h3", "Settings that differ between configurations"), definitions(own)]
            if own
            else None,
            tag("h3", plural(len(row.runs), "run")),
            [self._run(run) for run in row.runs],
            tag("details", tag("summary", "Results, machine"), self._results(row)),
            data_row=number,
            style=self._color(row),
            aria_label=row.variant,
        )

    def _run(self, run: Run) -> Markup:
        metric = self.summary.metric
        score = Spread.of([run.result.get(f"test_{metric}")])
        words = [run.result.get("reason") or ""]
        if score.mean is not None:
            value = numbers.spread(score, numbers.DECIMALS.get(metric))
            words.append(f"test {METRICS[metric]} {value}")
        command = _command(run)
        return tag(
            "div",
            tag(
                "p",
                tag("strong", f"Seed {run.config.get('seed', numbers.NONE)} "),
                _badge(status(run), status(run)),
                " ".join(["", *filter(None, words)]),
            ),
            command and tag("pre", command, tabindex="0"),
        )

    def _results(self, row: Row) -> Markup:
        """What the runs' files say, a column a seed."""
        columns: list[dict[str, Any]] = []
        for run in row.runs:
            inside = run.path.is_relative_to(self.folder)
            folder = run.path.relative_to(self.folder) if inside else run.path
            own = {k: v for k, v in run.environment.items() if k not in self.known}
            seed = run.config.get("seed")
            columns.append({"seed": seed, "folder": str(folder), **run.result, **own})
        names = dict.fromkeys(name for column in columns for name in column)
        lines = [
            tag("tr", tag("th", title(n)), [tag("td", text(c.get(n))) for c in columns])
            for n in names
        ]
        return tag("div", tag("table", lines), class_="scroll")


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


def _opens(number: int) -> dict[str, Any]:
    """The attributes of a button that opens the details of a configuration."""
    return {"type": "button", "class_": "link", "data_row": number}


def _ending(row: Row, run: Run) -> str:
    reason = run.result.get("reason")
    seed = f"seed {run.config.get('seed', numbers.NONE)}"
    which = ", ".join(filter(None, ["", place(row), seed, status(run)]))
    return f", {which}" + (f": {reason}" if reason else "")


def _badge(how: str, words: str) -> Markup:
    return tag("span", words, class_="badge done" if how == "done" else "badge")


def _badges(row: Row) -> Markup:
    counts = {how: getattr(row, how) for how in STATUSES}
    return join([[_badge(how, f"{n} {how}"), " "] for how, n in counts.items() if n])


def _difference_cell(value: Difference | None, metric: str) -> Markup:
    words, *interval = difference(value, metric)
    return tag(
        "td",
        tag("b", words) if value and value.is_clear else words,
        [tag("small", each) for each in interval],
        data_value=value and value.mean,
    )


def difference(value: Difference | None, metric: str) -> list[str]:
    """A difference as text and, where it is known, its interval."""
    found = numbers.difference(value, numbers.DECIMALS.get(metric))
    mean, *interval = (each.replace("-", "−") for each in found or [numbers.NONE])
    return [mean, " to ".join(interval)] if interval else [mean]


def _command(run: Run) -> str | None:
    """The command line that repeats the run, where this version has one."""
    try:
        return Settings.from_config(run.config).command()
    except InputError:
        return None
