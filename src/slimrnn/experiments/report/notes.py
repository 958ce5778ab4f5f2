"""The sentences of the page: what was done, and how charts and table are to be read."""

from __future__ import annotations

from collections.abc import Sequence

from slimrnn.data.metrics import METRICS
from slimrnn.experiments.analysis import statistics
from slimrnn.experiments.analysis.grouping import VARIANT, listed, plural, title
from slimrnn.experiments.analysis.outcomes import describe, validation_note
from slimrnn.experiments.analysis.summary import Summary
from slimrnn.experiments.report.charts import full_name
from slimrnn.experiments.run.store import Run

MOST_NAMED = 6


def lead(runs: Sequence[Run], summary: Summary) -> str:
    """Which variants were trained on what, and in what the configurations differ."""
    names = summary.axes[VARIANT]
    many = len(names) > MOST_NAMED
    who = f"{len(names)} variants" if many else listed([str(name) for name in names])
    grid = [
        f"{title(axis)} ({plural(len(values), 'value')})"
        for axis, values in summary.axes.items()
        if axis != VARIANT
    ]
    data, *rest = describe(runs)
    words = f"{who} on {data}: {', '.join(rest)}. {validation_note(runs)}"
    if grid:
        count = plural(len(summary.rows), "configuration")
        words += f" {count}: they differ in {', '.join(grid)}."
    return words.strip()


def notes(runs: Sequence[Run], summary: Summary) -> dict[str, str]:
    """What is said below each part of the page."""
    rows = summary.rows
    is_sweep = len(rows) > len(summary.best)
    repeated = any(row.done > 1 for row in rows)
    lost = [full_name(row) for row in rows if not row.done]
    untested = any(row.done and row.score.mean is None for row in rows)
    better = "above" if METRICS[summary.metric].higher_is_better else "below"
    differences = [row.difference for row in summary.best]
    worse = {full_name(row): summary.unbeaten(row) for row in summary.best}
    said: dict[str, list[str | bool]] = {
        "curves": [
            repeated
            and "Lines: means over the seeds; bands: ± one standard deviation.",
            any(row.done < len(row.runs) for row in rows)
            and "Crossed or ringed ends: single runs that diverged (×) or stopped (○).",
            is_sweep
            and "Of each variant its best configuration of those left; others can be "
            "added from their details.",
            "Drag, pinch, or Ctrl and the wheel zoom; the arrow keys read out values.",
        ],
        "table": [
            "Mean ± standard deviation over the runs that ended well; × and bars: "
            f"relative to {summary.base}.",
            is_sweep
            and "★: the best configuration of its variant, by the mean validation "
            "score among those with the most finished seeds; test scores have no say.",
            untested and "Only configurations of several seeds have a test score.",
            any(each and each.is_clear for each in differences)
            and "Bold: the interval leaves out zero.",
            statistics.note(differences, summary.base),
            *(
                f"{who} is no better than {name}."
                for who in worse
                for name in worse[who]
            ),
            validation_note(runs),
        ],
        "costs": [
            "Ringed, on the line: the Pareto front, where nothing shown is both "
            f"cheaper and better. Dotted: {summary.base}; what is {better} and to the "
            "left of it is better.",
            repeated and "Bars: ± one standard deviation.",
            bool(lost) and f"Without a result, not shown: {listed(lost, 5)}.",
        ],
        "sensitivity": [
            len(summary.axes) > 2
            and "Of each variant, at each value, the one with the best mean "
            "validation score, whatever its other settings.",
            "Large marks: the variant's best of all. Crosses below: no run ended well.",
        ],
    }
    return {
        name: " ".join(str(each) for each in own if each) for name, own in said.items()
    }
