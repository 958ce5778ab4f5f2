"""The comparison that the command line prints, and how a run ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.markup import escape
from rich.table import Table

from slimrnn.cli.console import fitting, plain
from slimrnn.data.metrics import METRICS
from slimrnn.errors import InputError
from slimrnn.experiments.analysis import numbers
from slimrnn.experiments.analysis.grouping import (
    VARIANT,
    by_dataset,
    shared,
    shortened,
    text,
    title,
    variant_name,
)
from slimrnn.experiments.analysis.outcomes import metric_of, status, validation_note
from slimrnn.experiments.analysis.statistics import Difference, Spread, finite, note
from slimrnn.experiments.analysis.summary import Row, Summary, summarize
from slimrnn.experiments.run.store import RESULT, Run

# Figures of the comparison and their heads.
_FIGURES = {
    "units": "units",
    "layer_parameters": "layer\nparameters",
    "model_parameters": "model\nparameters",
    "flash": "flash\nbytes",
    "ram": "RAM\nbytes",
    "instructions": "instructions\na step",
    "score": "test\n{metric}",
    "int8": "the same\nin int8",
    "difference": "difference\nto {reference}",
    "seconds_per_epoch": "seconds\nan epoch",
    "prediction_seconds": "ms a\nprediction",
}


class _Layout(NamedTuple):
    """Which figures there are, what parts them from their ratios, the longest name."""

    figures: tuple[str, ...]
    apart: str
    longest: int


_DEVICE = ("units", "flash", "ram", "instructions")  # what a budget is about


def _layouts(without: Sequence[str]) -> tuple[_Layout, ...]:
    """The layouts, from the fullest to the narrowest."""
    full = tuple(name for name in _FIGURES if name not in without)
    narrow = tuple(name for name in full if name not in ("model_parameters", "ram"))
    least = ("prediction_seconds", "instructions")
    narrowest = tuple(name for name in narrow if name not in least)
    return (
        _Layout(full, " ", 24),
        _Layout(full, "\n", 24),
        _Layout(narrow, "\n", 13),
        _Layout(narrowest, "\n", 13),
    )


def comparison(
    runs: Sequence[Run], width: int, seconds: bool = True
) -> list[Table | str]:
    """The table of each variant's best configuration, and how to read it.

    Args:
        runs: at least one; those on several data sets get a table each.
        width: of the screen; on a narrow one, the ratios go below the figures.
        seconds: whether it has the times that were taken while training.
    """
    datasets = by_dataset(runs)
    parts: list[Table | str] = []
    for name, own in datasets.items():
        if len(datasets) > 1:
            parts.append(f"[bold]{escape(name)}[/]")
        parts += _on_one_dataset(own, width, seconds)
    if seconds and max(len(run.metrics) for run in runs) == 1:
        parts.append(
            "The seconds are those of the first epoch, in which a variant's first run "
            "compiles; with two epochs or more, it is left out."
        )
    return parts


def _on_one_dataset(
    runs: Sequence[Run], width: int, seconds: bool
) -> list[Table | str]:
    """The comparison on one data set."""
    summary = summarize(runs)
    seeds = max(len(row.runs) for row in summary.rows)
    spread = f"± the standard deviation over {seeds} seeds; " if seeds > 1 else ""
    metric = METRICS[summary.metric]
    better = "" if metric.higher_is_better else "lower is better; "
    keeps_best = shared([run.config for run in runs]).get("keep") == "best"
    epoch = "best epoch on the validation data" if keeps_best else "last epoch"
    lines = [
        f"Test {summary.metric} after the {epoch}: {better}{spread}"
        f"× the ratio to {escape(summary.base)}.",
        escape(note([row.difference for row in summary.best], summary.base)),
        validation_note(runs),
    ]
    tables: list[Table | str] = [_fitting(summary, width, seconds)]
    if len(summary.rows) > len(summary.best):
        tables += [
            f"Of {len(summary.rows)} configurations, these are each variant's best by "
            f"the mean validation {summary.metric}:",
            _chosen(summary),
        ]
    return [*tables, *filter(None, lines)]


def _chosen(summary: Summary) -> Table:
    """In which settings the best configurations differ."""
    least = METRICS[summary.metric].decimals
    names = [name for name in summary.axes if name != VARIANT]
    heads = (VARIANT, *map(title, names), f"validation {summary.metric}")
    table = plain(*map(escape, heads))
    for row in summary.best:
        values = [escape(text(row.values[name])) for name in names]
        table.add_row(
            escape(row.variant), *values, numbers.spread(row.validation, least)
        )
    return table


def outcome(run: Run) -> str:
    """How one run ended, in a sentence or two."""
    result, metric = run.result, metric_of([run])
    name = variant_name(run)
    if status(run) != "done":
        return f"{name}: {status(run)}. {result.get('reason') or ''}".strip()
    named = (f"test_{metric}", "epochs", "seconds_per_epoch", "prediction_seconds")
    for figure in (*named, "layer_parameters", "model_parameters"):
        if finite(result.get(figure)) is None:
            raise InputError(f"{run.path / RESULT} is damaged: it has no {figure}.")
    summary = summarize([run])
    worse = summary.unbeaten(summary.rows[0])
    known = [
        f"{baseline.capitalize()}: {score:.3f}"
        + f", and {name} is no better." * (baseline in worse)
        for baseline, score in summary.baselines.items()
    ]
    return (
        f"{name} reached a test {metric} of {result[f'test_{metric}']:.3f} in "
        f"{result['epochs']} epochs of {result['seconds_per_epoch']:.3g} s.\n"
        f"{_count(result['layer_parameters'])} parameters in the layer, "
        f"{_count(result['model_parameters'])} in the model; "
        f"{1000 * result['prediction_seconds']:.3g} ms a prediction.\n"
        + "".join(f"{line}\n" for line in known)
        + validation_note([run])
    )


def _fitting(summary: Summary, width: int, seconds: bool) -> Table:
    """The fullest form of the table that fits the screen."""
    without = [name for name in _FIGURES if "seconds" in name] * (not seconds)
    without += ["model_parameters"] if summary.budget else _DEVICE
    without += ["int8"] * (not summary.has_int8)
    layouts = (_comparison(summary, layout) for layout in _layouts(without))
    return fitting(layouts, width)


def _comparison(summary: Summary, layout: _Layout) -> Table:
    """The figures of the best configurations."""
    least = METRICS[summary.metric].decimals
    reference = escape(shortened(summary.reference, layout.longest - 2))
    words = {"metric": summary.metric, "reference": reference}
    heads = [_FIGURES[name].format(**words) for name in layout.figures]
    table = plain("variant", numbers=heads)
    for row in summary.best:
        cells = _figures(row, layout.apart, least)
        name = _name(row, layout) + "".join(
            f"\n[red]no better than {known}[/]" for known in summary.unbeaten(row)
        )
        table.add_row(name, *(cells[name] for name in layout.figures))
    for name, score in summary.baselines.items():
        shown = numbers.spread(Spread(score, None, 1), least)
        cells = dict.fromkeys(layout.figures, "") | {"score": shown}
        table.add_row(f"[dim]{name}[/]", *cells.values())
    return table


def _name(row: Row, layout: _Layout) -> str:
    ended = {"diverged": row.diverged, "interrupted": row.interrupted}
    ended["failed"] = row.failed
    notes = [f"\n[red]{count} {how}[/]" for how, count in ended.items() if count]
    return escape(shortened(row.variant, layout.longest)) + "".join(notes)


def _figures(row: Row, apart: str, least: int | None) -> dict[str, str]:
    texts = {
        "layer_parameters": _count(row.layer_parameters),
        "model_parameters": _count(row.model_parameters),
        "score": numbers.spread(row.score, least),
        "seconds_per_epoch": _seconds(row.seconds_per_epoch, 1),
        "prediction_seconds": _seconds(row.prediction_seconds, 1000),
    }
    cells = {
        name: shown + ("" if ratio is None else f"{apart}[dim]×{ratio:.2f}[/]")
        for name, shown in texts.items()
        for ratio in [row.ratios[name]]
    }
    cells |= {name: _count(getattr(row, name)) for name in _DEVICE}
    cells["int8"] = numbers.spread(row.int8, least)
    return {**cells, "difference": _difference(row.difference, apart, least)}


def _difference(difference: Difference | None, apart: str, least: int | None) -> str:
    if difference is None:
        return numbers.NONE
    mean, *ends = numbers.difference(difference, least)
    if not ends:
        return mean
    interval = ", ".join(ends)
    interval = f"({interval})" if apart == " " else interval
    weight = "bold" if difference.is_clear else "none"
    return f"[{weight}]{mean}[/]{apart}[dim]{interval}[/]"


def _count(value: int | None) -> str:
    return numbers.NONE if value is None else f"{value:,}"


def _seconds(spread: Spread, scale: float) -> str:
    return numbers.NONE if spread.mean is None else f"{spread.mean * scale:.3g}"
