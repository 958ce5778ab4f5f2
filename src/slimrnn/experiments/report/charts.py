"""What the page's scripts draw, as JSON: learning curves, costs, sensitivity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slimrnn.data.metrics import METRICS
from slimrnn.experiments.analysis import curves, numbers
from slimrnn.experiments.analysis.grouping import VARIANT, Value, text, title
from slimrnn.experiments.analysis.outcomes import STATUSES
from slimrnn.experiments.analysis.statistics import Difference, Spread
from slimrnn.experiments.analysis.summary import COSTS, Row, Summary

MANY_VALUES = 12  # of an axis: more are chosen by their range, not one by one


def charts(summary: Summary) -> dict[str, Any]:
    """The data of the charts of one data set."""
    looks = curves.styles(summary)
    names = list(looks)
    return {
        "higherIsBetter": METRICS[summary.metric].higher_is_better,
        "decimals": METRICS[summary.metric].decimals,
        "reference": names.index(summary.reference),
        "axes": [
            {
                "name": axis,
                "title": title(axis),
                "values": values,
                # A search has many values, hardly two of which share the rest.
                "isGrid": len(values) <= MANY_VALUES,
            }
            for axis, values in summary.axes.items()
            if axis != VARIANT
        ],
        "rows": [
            _row(row, names.index(row.variant), looks[row.variant], summary)
            for row in summary.rows
        ],
        "metrics": {
            metric: {part: _panel(panel, metric) for part, panel in found.items()}
            for metric in metrics(summary)
            if (found := curves.panels(summary, metric))
        },
        "labels": _labels(summary),
    }


def metrics(summary: Summary) -> list[str]:
    """The metrics that have learning curves, the one to compare by first."""
    return list(dict.fromkeys((summary.metric, "loss")))


def place(row: Row) -> str:
    """Where a configuration is on the axes other than the variant, in words."""
    return ", ".join(
        f"{title(name)} {text(value)}" for name, value in row.values.items()
    )


def full_name(row: Row) -> str:
    """A configuration's variant and, where there are several, its place."""
    return f"{row.variant} ({where})" if (where := place(row)) else row.variant


def sensitive(summary: Summary) -> list[str]:
    """The numeric axes along which a variant has several values."""

    def values(axis: str, variant: str) -> set[Value]:
        return {row.values[axis] for row in summary.rows if row.variant == variant}

    return [
        axis
        for axis, found in summary.axes.items()
        if axis != VARIANT and is_numeric(found)
        if any(len(values(axis, row.variant)) > 1 for row in summary.best)
    ]


def is_numeric(values: Sequence[Value]) -> bool:
    """Whether all values are numbers, or not there."""
    return all(value is None or type(value) in (int, float) for value in values)


def shown(row: Row, name: str, metric: str) -> str:
    """A figure of a configuration as text: a count, a time, or else a score."""
    value = getattr(row, name)
    if name == "difference":
        return ", ".join(difference(value, metric))
    if not isinstance(value, Spread):
        return numbers.NONE if value is None else f"{value:,}"
    if name.endswith("seconds") or name.startswith("seconds"):
        return numbers.seconds(value)
    return numbers.spread(value, METRICS[metric].decimals)


def difference(value: Difference | None, metric: str) -> list[str]:
    """A difference as text and, where it is known, its interval."""
    found = numbers.difference(value, METRICS[metric].decimals)
    mean, *interval = (each.replace("-", "−") for each in found or [numbers.NONE])
    return [mean, " to ".join(interval)] if interval else [mean]


def _row(
    row: Row, variant: int, look: curves.Style, summary: Summary
) -> dict[str, Any]:
    endings = [how for how in STATUSES if getattr(row, how)]
    reasons = [run.result.get("reason") or "" for run in row.runs]
    found = " ".join([row.variant, place(row), *endings, *reasons])
    return {
        "name": row.variant,
        "fullName": full_name(row),
        "variant": variant,
        "color": f"var(--v{variant})",
        "dash": " ".join(map(str, look.dash)),
        "marker": look.marker,
        "values": dict(row.values),
        "rank": row.rank,
        "found": found.lower(),  # by a search
        **{name: _figure(row, name, summary.metric) for name in _labels(summary)},
    }


def _figure(row: Row, name: str, metric: str) -> dict[str, Any]:
    value = getattr(row, name)
    spread = value if isinstance(value, Spread) else Spread(value)
    return {"mean": spread.mean, "std": spread.std, "text": shown(row, name, metric)}


def _labels(summary: Summary) -> dict[str, dict[str, str]]:
    """What the axes of the charts are called, and with their units."""
    titles, unit = summary.titles, METRICS[summary.metric].unit
    units = {"score": unit, "validation": unit, "layer_parameters": "number"}
    labels = {k: f"{titles[k]} ({each})" for k, each in units.items()}
    labels |= {"seconds_per_epoch": "time of an epoch (seconds)", **COSTS}
    return {
        name: {"title": label.partition(" (")[0], "label": label}
        for name, label in labels.items()
    }


def costs(summary: Summary) -> list[tuple[str, str]]:
    """What the charts of costs can show: two costs at a time, and what they are of."""
    pairs = {"training": ("layer_parameters", "seconds_per_epoch")}
    if any(row.flash for row in summary.rows):
        pairs["size on a device"] = ("flash", "ram")
        pairs["work on a device"] = ("instructions", "macs")
    return [(" ".join(pair), words) for words, pair in pairs.items()]


def _panel(panel: curves.Panel, metric: str) -> dict[str, Any]:
    return {
        "title": panel.title,
        "label": panel.label,
        "decimals": METRICS[metric].decimals,
        "higherIsBetter": METRICS[metric].higher_is_better,
        "curves": [
            {
                "row": curve.row,
                "status": curve.status,
                "epochs": curve.epochs,
                "means": [_short(point.mean) for point in curve.points],
                "stds": [_short(point.std) for point in curve.points],
            }
            for curve in panel.curves
        ],
    }


def _short(value: float | None) -> float | None:
    """As many digits as a screen can show: hundreds of curves make a large file."""
    return None if value is None else float(f"{value:.5g}")
