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

from slimrnn.experiments.analysis import curves
from slimrnn.experiments.analysis.grouping import by_dataset, shortened, text, title
from slimrnn.experiments.analysis.summary import (
    METRICS,
    Row,
    Summary,
    describe,
    summarize,
)
from slimrnn.experiments.run.store import Run
from slimrnn.utils import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

#: so that journals take a picture, and a drawing program can edit it
TEXT_AS_TEXT: Any = {"pdf.fonttype": 42, "svg.fonttype": "none"}
INK, MUTED, GRID = "#1d2024", "#5d646d", "#e6e8eb"
LONGEST_NAME, LONGEST_TITLE, WIDEST_LINE = 24, 60, 96


def write_comparison(runs: Sequence[Run], path: Path) -> None:
    """Draw the learning curves of each variant's best configuration into an image file.

    Args:
        runs: at least one; those on several data sets get a column each.
        path: where to write; the suffix gives the format (``.png``, ``.pdf``, ...).
    """
    with rc_context(TEXT_AS_TEXT), files.atomic_file(path) as unfinished:
        comparison(runs).savefig(unfinished, dpi=160)


def comparison(runs: Sequence[Run]) -> Figure:
    """The figure of :func:`write_comparison`, in no window and no global state."""
    problems = list(by_dataset(runs).values())
    figure = Figure(figsize=(8.4 * len(problems), 7.2), layout="constrained")
    columns = figure.subfigures(1, len(problems), squeeze=False)[0]
    for column, own in zip(columns, problems, strict=True):
        _column(column, own)
    return figure


def _column(figure: SubFigure, runs: Sequence[Run]) -> None:
    """The runs on one data set: the best configuration of each variant."""
    summary = summarize(runs)
    looks = curves.styles(summary)
    parts = curves.panels(summary, summary.metric)
    held_out = parts.get("test") or parts.get("validation")
    shown = [panel for panel in (parts.get("training"), held_out) if panel]
    axes = figure.subplots(max(len(shown), 1), 1, sharex=True, squeeze=False)[:, 0]
    for ax, panel in zip(axes, shown, strict=False):
        _draw(ax, panel, summary, looks)
    if shown:
        axes[-1].set_xlabel("epoch", color=MUTED)
        axes[-1].xaxis.set_major_locator(_whole_numbers())
    else:
        axes[0].set_axis_off()
        axes[0].text(0.5, 0.5, "No run has finished an epoch.", ha="center")
    _title(axes[0], runs, summary)
    _legend(figure, summary, looks)


def _draw(
    ax: Axes, panel: curves.Panel, summary: Summary, looks: dict[str, curves.Style]
) -> None:
    for curve in panel.curves:
        row = summary.rows[curve.row]
        if not row.is_best:
            continue
        look = looks[row.variant]
        done = curve.status == "done"
        marker = "o" if done and len(curve.points) == 1 else ""
        alpha = 1 if done else 0.6
        ax.plot(curve.epochs, curve.means, **_line(look), marker=marker, alpha=alpha)
        if any(point.std for point in curve.points):
            _band(ax, curve, look.color)
        if not done:
            _mark_end(ax, curve, panel.axis, look.color)
    ax.set_yscale("log" if panel.axis.log else "linear")
    ax.set_ylim(panel.axis.low, panel.axis.high)
    ax.set_ylabel(panel.label, color=MUTED)
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


def _whole_numbers() -> MaxNLocator:
    return MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])


def _line(look: curves.Style) -> dict[str, Any]:
    return {
        "color": look.color,
        "linestyle": (0, look.dash) if look.dash else "-",
        "linewidth": 1.8,
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
    metric = METRICS[summary.metric].capitalize()
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
    figure: SubFigure, summary: Summary, looks: dict[str, curves.Style]
) -> None:
    handles = [Line2D([], [], **_line(looks[row.variant])) for row in summary.best]
    # Set afterwards: a label's leading underscore would hide it, a "$" set formulas.
    labels = [str(index) for index in range(len(handles))]
    legend = figure.legend(
        handles, labels, loc="outside right upper", frameon=False, handlelength=2.6
    )
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
