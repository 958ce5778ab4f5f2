"""Learning curves and their looks: what comparison.png and report.html both draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slimrnn.data.metrics import METRICS
from slimrnn.experiments.analysis import numbers
from slimrnn.experiments.analysis.outcomes import ended_well, status
from slimrnn.experiments.analysis.statistics import Spread, finite
from slimrnn.experiments.analysis.summary import Summary
from slimrnn.experiments.run.store import Run

SPLITS = {"": "training", "val_": "validation", "test_": "test"}


@dataclass(frozen=True)
class Style:
    """How a variant looks.

    Attributes:
        color: its colour on a light page.
        dark: the like colour on a dark page.
        dash: lengths of dash and gap; empty for a solid line.
        marker: ``"circle"``, ``"square"``, ``"triangle"`` or ``"diamond"``.
    """

    color: str
    dark: str
    dash: tuple[int, ...]
    marker: str


# Okabe and Ito's colours, which the colour-blind can distinguish, without the yellow,
# which a white page swallows. The reference is neutral.
_NEUTRAL = ("#2f3337", "#e6e8eb")
_COLORS = (
    ("#0072b2", "#3f9be0"),
    ("#d55e00", "#f0803c"),
    ("#009e73", "#2fc39b"),
    ("#cc79a7", "#e79cc6"),
    ("#e69f00", "#f5c04a"),
    ("#56b4e9", "#9bdcff"),
)
_SHAPES = (
    ((), "circle"),
    ((6, 3), "square"),
    ((2, 2), "triangle"),
    ((8, 3, 2, 3), "diamond"),
)


def styles(summary: Summary) -> dict[str, Style]:
    """A look for each variant; dashes and markers distinguish equal colours."""
    others = [row.variant for row in summary.best if row.variant != summary.reference]
    looks = {summary.reference: Style(*_NEUTRAL, *_SHAPES[0])}
    for index, name in enumerate(others):
        turn, color = divmod(index, len(_COLORS))
        looks[name] = Style(*_COLORS[color], *_SHAPES[turn % len(_SHAPES)])
    return looks


@dataclass(frozen=True)
class Curve:
    """One line against the epoch.

    Attributes:
        row: the place of its point in the summary's rows.
        status: ``"done"``: the mean over the seeds that ended well; another status:
            a single run that ended so.
        epochs: where there are values.
        points: the values.
    """

    row: int
    status: str
    epochs: tuple[int, ...]
    points: tuple[Spread, ...]

    @property
    def means(self) -> list[float]:
        """The line."""
        return [point.mean for point in self.points if point.mean is not None]

    @property
    def lows(self) -> list[float]:
        """The lower edge of the band of one standard deviation."""
        return [p.mean - (p.std or 0) for p in self.points if p.mean is not None]

    @property
    def highs(self) -> list[float]:
        """The upper edge of the band."""
        return [p.mean + (p.std or 0) for p in self.points if p.mean is not None]


@dataclass(frozen=True)
class Axis:
    """The range of the values of a panel; logarithmic where they span decades."""

    low: float
    high: float
    log: bool


@dataclass(frozen=True)
class Panel:
    """One diagram: a metric of one part of the data against the epoch."""

    title: str
    label: str  # of the axis of values, with the unit
    curves: tuple[Curve, ...]
    axis: Axis


def panels(summary: Summary, metric: str) -> dict[str, Panel]:
    """The panels of a metric by part of the data; those without values are left out.

    They have the curves of all points; their axes fit the best ones.

    Args:
        summary: of the runs.
        metric: ``"accuracy"``, ``"mae"`` or ``"loss"``.

    Returns:
        Panels under ``"training"``, ``"validation"`` and ``"test"``.
    """
    found = {}
    ways = {run.config.get("standardize") for row in summary.rows for run in row.runs}
    standardized = ways <= {"auto", "both"}
    for prefix, part in SPLITS.items():
        lines = _curves(summary, prefix + metric)
        shown = [line for line in lines if summary.rows[line.row].is_best] or lines
        if shown:
            axis = _axis(shown, bounded=METRICS[metric].bounded)
            label = numbers.with_unit(metric, summary.metric, standardized)
            title = f"{part} {METRICS[metric].title}"
            found[part] = Panel(title, f"{part} {label}", lines, axis)
    return found


def _curves(summary: Summary, key: str) -> tuple[Curve, ...]:
    lines = []
    for number, row in enumerate(summary.rows):
        lines.append(_curve(number, "done", ended_well(row.runs), key))
        # A seed that did not end well would bend the mean where it stops.
        rest = (run for run in row.runs if status(run) != "done")
        lines.extend(_curve(number, status(run), [run], key) for run in rest)
    return tuple(line for line in lines if line.points)


def _curve(row: int, ended: str, runs: Sequence[Run], key: str) -> Curve:
    values: dict[int, list[float]] = {}
    for run in runs:
        for line in run.metrics:
            value = finite(line.get(key))
            if value is not None:
                values.setdefault(line["epoch"], []).append(value)
    epochs = tuple(sorted(values))
    return Curve(row, ended, epochs, tuple(Spread.of(values[e]) for e in epochs))


def _axis(lines: Sequence[Curve], bounded: bool) -> Axis:
    done = [line for line in lines if line.status == "done"]
    typical = [v for line in done for v in (*line.lows, *line.highs)]
    typical = typical or [line.means[0] for line in lines]
    # On its way to infinity a diverging loss would flatten everything else.
    roof = 1.0 if bounded else 3 * max(typical)
    values = typical + [v for line in lines for v in line.means if v <= roof]
    low, high = min(values), max(values)
    if bounded:
        low, high = max(low, 0.0), min(high, 1.0)
    lowest = min(v for line in lines for v in line.means)
    if not bounded and lowest > 0 and high / lowest > 100:
        return Axis(lowest / 1.2, high * 1.2, log=True)
    margin = 0.04 * (high - low) or 0.05 * abs(high) or 0.05
    return Axis(low - margin, high + margin, log=False)
