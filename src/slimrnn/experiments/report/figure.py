"""comparison.png: training curves above, test curves below, a line a variant."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from slimrnn.data.metrics import METRICS
from slimrnn.experiments.analysis import curves
from slimrnn.experiments.analysis.grouping import by_dataset, shortened, text, title
from slimrnn.experiments.analysis.outcomes import describe
from slimrnn.experiments.analysis.summary import Row, Summary, summarize
from slimrnn.experiments.report.style import FigureStyle, Width
from slimrnn.experiments.run.store import Run
from slimrnn.utils import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

INK, MUTED, GRID = "#1d2024", "#5d646d", "#e6e8eb"
SCREEN = FigureStyle()
LONGEST_NAME, LONGEST_TITLE, WIDEST_LINE = 24, 60, 96


def write_comparison(
    runs: Sequence[Run], path: Path, style: FigureStyle = SCREEN
) -> None:
    """Draw the learning curves of each variant's best configuration into an image file.

    Args:
        runs: at least one; those on several data sets get a column each, or, in the
            width of a paper, a row.
        path: where to write; the suffix gives the format (``.png``, ``.pdf``, ...).
        style: its size, and where the legend is.
    """
    with rc_context(style.settings), files.atomic_file(path) as unfinished:
        comparison(runs, style).savefig(unfinished, dpi=160)


def comparison(runs: Sequence[Run], style: FigureStyle = SCREEN) -> Figure:
    """The figure of :func:`write_comparison`, in no window and no global state."""
    problems, size = list(by_dataset(runs).values()), style.size
    across, down = (len(problems), 1) if size.titled else (1, len(problems))
    inches = (size.inches * across, size.height * down)
    figure = Figure(figsize=inches, layout="constrained")
    places = figure.subfigures(down, across, squeeze=False).ravel()
    for place, own in zip(places, problems, strict=True):
        _one_dataset(place, own, style)
    return figure


def _one_dataset(figure: SubFigure, runs: Sequence[Run], style: FigureStyle) -> None:
    """The runs on one data set: the best configuration of each variant."""
    summary = summarize(runs)
    looks = curves.styles(summary)
    parts = curves.panels(summary, summary.metric)
    held_out = parts.get("test") or parts.get("validation")
    shown = [panel for panel in (parts.get("training"), held_out) if panel]
    axes = figure.subplots(max(len(shown), 1), 1, sharex=True, squeeze=False)[:, 0]
    for ax, panel in zip(axes, shown, strict=False):
        _draw(ax, panel, summary, looks, style.size)
    if shown:
        axes[-1].set_xlabel("epoch", color=MUTED)
        whole = MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
        axes[-1].xaxis.set_major_locator(whole)
    else:
        axes[0].set_axis_off()
        axes[0].text(0.5, 0.5, "No run has finished an epoch.", ha="center")
    if style.size.titled:
        _title(axes[0], runs, summary)
    place: dict[str, Any] = {"loc": "outside right upper"}
    if style.inside:
        place = {"loc": "best", "fontsize": "small"}
    legend = axes[-1] if style.inside else figure
    _legend(legend, summary, looks, style.size.line, place)


def _draw(
    ax: Axes,
    panel: curves.Panel,
    summary: Summary,
    looks: dict[str, curves.Style],
    size: Width,
) -> None:
    for curve in panel.curves:
        row = summary.rows[curve.row]
        if not row.is_best:
            continue
        look = looks[row.variant]
        done = curve.status == "done"
        marker = "o" if done and len(curve.points) == 1 else ""
        alpha = 1 if done else 0.6
        line = _line(look, size.line)
        ax.plot(curve.epochs, curve.means, **line, marker=marker, alpha=alpha)
        if any(point.std for point in curve.points):
            _band(ax, curve, look.color)
        if not done:
            _mark_end(ax, curve, panel.axis, look.color)
    ax.set_yscale("log" if panel.axis.log else "linear")
    ax.set_ylim(panel.axis.low, panel.axis.high)
    unit = " (" if size.titled else "\n("  # a small panel is lower than its label
    ax.set_ylabel(panel.label.replace(" (", unit), color=MUTED)
    ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(which="both", colors=MUTED)


def _band(ax: Axes, curve: curves.Curve, color: str) -> None:
    if len(curve.points) == 1:
        ax.vlines(curve.epochs, curve.lows, curve.highs, color=color, alpha=0.6)
        return
    look: dict[str, Any] = {"color": color, "alpha": 0.14, "linewidth": 0}
    ax.fill_between(curve.epochs, curve.lows, curve.highs, **look)


def _line(look: curves.Style, width: float) -> dict[str, Any]:
    return {
        "color": look.color,
        "linestyle": (0, look.dash) if look.dash else "-",
        "linewidth": width,
    }


def _mark_end(ax: Axes, curve: curves.Curve, axis: curves.Axis, color: str) -> None:
    last = min(max(curve.means[-1], axis.low), axis.high)
    marker = "x" if curve.status in ("diverged", "failed") else "o"
    ax.plot(
        curve.epochs[-1:],
        [last],
        marker=marker,
        color=color,
        markerfacecolor="white",
        markeredgewidth=2,
        markersize=7,
        clip_on=False,
        zorder=5,
    )


def _title(ax: Axes, runs: Sequence[Run], summary: Summary) -> None:
    data, *rest = describe(runs)
    if len(summary.rows) > len(summary.best):
        rest.append("each variant at its best configuration")
    metric = METRICS[summary.metric].title.capitalize()
    if any(row.score.n > 1 for row in summary.rows):
        rest.append("mean ± standard deviation")
    # Broken between phrases only: within them, the spaces do not break.
    phrases = " · ".join(phrase.replace(" ", "\u00a0") for phrase in rest)
    lines = textwrap.wrap(phrases, WIDEST_LINE)
    ax.set_title(
        shortened(f"{metric} on {data}", LONGEST_TITLE),
        loc="left",
        pad=10 + 14 * len(lines),
        color=INK,
        fontsize=13,
        fontweight="bold",
        parse_math=False,
    )
    ax.text(
        0,
        1.02,
        "\n".join(lines),
        transform=ax.transAxes,
        va="bottom",
        color=MUTED,
        fontsize=9.5,
        parse_math=False,
    )


def _legend(
    place: SubFigure | Axes,
    summary: Summary,
    looks: dict[str, curves.Style],
    width: float,
    options: dict[str, Any],
) -> None:
    looks_of = [looks[row.variant] for row in summary.best]
    handles = [Line2D([], [], **_line(look, width)) for look in looks_of]
    # Set afterwards: a label's leading underscore would hide it, a "$" set formulas.
    labels = [str(index) for index in range(len(handles))]
    look: dict[str, Any] = {"frameon": False, "handlelength": 2.6, **options}
    legend = place.legend(handles, labels, **look)
    for entry, row in zip(legend.get_texts(), summary.best, strict=True):
        entry.set_parse_math(False)
        entry.set_text(_label(row))
        entry.set_color(INK)


def _label(row: Row) -> str:
    ended = ("diverged", "interrupted", "failed")
    counts = [f"{getattr(row, how)} {how}" for how in ended if getattr(row, how)]
    place = [f"{title(name)} {text(value)}" for name, value in row.values.items()]
    lines = [shortened(line, LONGEST_NAME) for line in (row.variant, *place)]
    return "\n".join([*lines, *counts])
