"""What a choice at a budget amounts to, as files: front.csv and front.png."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from slimrnn.data.metrics import METRICS
from slimrnn.experiments.analysis.choice import Candidate
from slimrnn.experiments.analysis.outcomes import metric_of
from slimrnn.experiments.analysis.summary import COSTS
from slimrnn.experiments.report.csv_latex import csv_of
from slimrnn.experiments.report.figure import INK, MUTED, SCREEN
from slimrnn.experiments.report.style import FigureStyle
from slimrnn.utils import files

AXES = ("flash", "instructions")


def write_csv(found: Sequence[Candidate], path: Path) -> None:
    """Write all candidates, the best first; test scores of the finalists alone."""
    files.write(path, csv_of(list(map(_record, found))).text())


def _record(each: Candidate) -> dict[str, object]:
    tested = each.is_finalist
    return {
        "variant": each.variant,
        "on_front": each.on_front,
        "units": each.settings.get("units"),
        "layers": each.settings.get("layers"),
        "learning_rate": each.settings.get("learning_rate"),
        "time_scale": each.settings.get("time_scale"),
        "int8_validation_mean": each.validation.mean,
        "int8_validation_std": each.validation.std,
        "int8_test_mean": each.int8.mean if tested else None,
        "int8_test_std": each.int8.std if tested else None,
        "float32_test_mean": each.float32.mean if tested else None,
        "float32_test_std": each.float32.std if tested else None,
        "layer_parameters": each.parameters,
        **{name: each.costs.get(name) for name in COSTS},
        "tries": each.tries,
        "seeds": len(each.runs),
        "collapsed": each.collapsed,
    }


def write_picture(
    found: Sequence[Candidate], path: Path, style: FigureStyle = SCREEN
) -> None:
    """Draw the int8 validation score against flash and instructions."""
    with rc_context(style.settings), files.atomic_file(path) as unfinished:
        _picture(found, style).savefig(unfinished, dpi=160)


def _picture(found: Sequence[Candidate], style: FigureStyle) -> Figure:
    size = style.size
    inches = (size.inches, 0.7 * size.height)
    figure = Figure(figsize=inches, layout="constrained")
    metric = metric_of([run for each in found for run in each.runs])
    for ax, cost in zip(figure.subplots(1, 2, sharey=True), AXES, strict=True):
        known = [each for each in found if cost in each.costs]
        for each in known:
            x, spread = each.costs[cost], each.validation
            leads = not any(
                other.score >= each.score and other.costs[cost] <= x
                for other in known
                if other is not each
            )
            color = INK if leads else MUTED
            shape = "o" if each.is_finalist else "."
            ax.errorbar(x, spread.mean, spread.std or 0, fmt=shape, color=color)
            if leads or each.is_finalist:
                place = {"xytext": (0, -14), "textcoords": "offset points"}
                name = each.variant.replace("$", r"\$")
                ax.annotate(name, (x, spread.mean), rotation=-40, color=color, **place)
        ax.set_xlabel(COSTS[cost])
        ax.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel(f"validation {METRICS[metric].title} in int8")
    if size.titled:
        figure.suptitle(
            "Dark: none is better and as cheap. Circles: several seeds, ± std"
        )
    return figure
