"""report.html: runs as one page that needs nothing but a browser.

Python gathers what there is to show; the scripts beside this file draw it from the
JSON inside the page. What a user has named reaches the page only escaped here, or as
text there, and the page's policy lets no other script run and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from slimrnn.errors import InputError
from slimrnn.experiments.analysis import curves, statistics
from slimrnn.experiments.analysis.grouping import (
    ASIDE,
    VARIANT,
    by_dataset,
    plural,
    shared,
    title,
)
from slimrnn.experiments.analysis.summary import (
    METRICS,
    STATUSES,
    Row,
    Summary,
    describe,
    status,
    summarize,
    validation_note,
)
from slimrnn.experiments.report import csv_latex
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Run
from slimrnn.utils import files

MOST_NAMED = 6
STYLES = (
    "page/page.css",
    "page/controls.css",
    "page/charts.css",
    "page/table.css",
)
SCRIPTS = (  # in this order
    "page/nodes.js",
    "page/choice.js",
    "page/plot.js",
    "page/zoom.js",
    "page/labels.js",
    "page/curves.js",
    "page/points.js",
    "page/sensitivity.js",
    "page/details.js",
    "page/table.js",
    "page/page.js",
)


def write_report(runs: Sequence[Run], path: Path, *, title: str, command: str) -> None:
    """Write the page.

    Args:
        runs: of a comparison or a sweep, at least one.
        path: the HTML file to write.
        title: the page's heading.
        command: the command line that made the runs.
    """
    script = "\n".join(map(_file, SCRIPTS))
    page = Template(_file("page/page.html")).substitute(
        title=html.escape(title),
        style="\n".join(map(_file, STYLES)),
        script=script,
        # Only this script may run: its hash is the page's policy.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=_embedded(_content(runs, path.parent, command)),
    )
    files.write(path, page)


def _content(runs: Sequence[Run], folder: Path, command: str) -> dict[str, Any]:
    environment = shared([run.environment for run in runs])
    return {
        "metricNames": METRICS,
        "statuses": STATUSES,
        "problems": [
            _problem(name, own, folder, environment)
            for name, own in by_dataset(runs).items()
        ],
        "environment": environment,
        "command": command,
    }


def _problem(
    name: str, runs: Sequence[Run], folder: Path, environment: Mapping[str, Any]
) -> dict[str, Any]:
    """The runs on one data set."""
    summary = summarize(runs)
    common = shared([run.config for run in runs])
    differences = [row.difference for row in summary.best]
    metrics = dict.fromkeys((summary.metric, "loss"))
    return {
        "name": name,
        "lead": _lead(runs, summary),
        "metric": summary.metric,
        "reference": summary.reference,
        "base": summary.base,
        "notes": [
            statistics.note(differences, summary.base),
            validation_note(runs),
        ],
        "axes": {
            axis: {"title": title(axis), "values": values}
            for axis, values in summary.axes.items()
        },
        "styles": {k: asdict(look) for k, look in curves.styles(summary).items()},
        "rows": [_row(row, common, folder, environment) for row in summary.rows],
        "settings": {k: v for k, v in common.items() if k not in ASIDE},
        "panels": {
            metric: {part: _panel(panel) for part, panel in parts.items()}
            for metric in metrics
            if (parts := curves.panels(summary, metric))
        },
        "exports": {
            "csv": asdict(csv_latex.csv_lines(summary, name)),
            "tex": asdict(csv_latex.latex_lines(summary)),
        },
    }


def _row(
    row: Row, common: Mapping[str, Any], folder: Path, environment: Mapping[str, Any]
) -> dict[str, Any]:
    own = row.runs[0].config.items()
    difference = row.difference
    return {
        "variant": row.variant,
        "values": dict(row.values),
        "rank": row.rank,
        "layer_parameters": row.layer_parameters,
        "model_parameters": row.model_parameters,
        "validation": asdict(row.validation),
        "score": asdict(row.score),
        "seconds_per_epoch": asdict(row.seconds_per_epoch),
        "prediction_seconds": asdict(row.prediction_seconds),
        "ratios": asdict(row.ratios),
        "difference": difference
        and {**asdict(difference), "isClear": difference.is_clear},
        **{how: getattr(row, how) for how in STATUSES},
        "settings": {k: v for k, v in own if k not in common and k not in ASIDE},
        "runs": [_run(run, folder, environment) for run in row.runs],
    }


def _run(run: Run, folder: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    inside = run.path.is_relative_to(folder)
    return {
        "seed": run.config.get("seed"),
        "status": status(run),
        "reason": run.result.get("reason"),
        "folder": str(run.path.relative_to(folder) if inside else run.path),
        "command": _command(run),
        "result": run.result,
        "environment": {k: v for k, v in run.environment.items() if k not in known},
    }


def _command(run: Run) -> str | None:
    """The command line that repeats the run, where this version has one."""
    try:
        return Settings.from_config(run.config).command()
    except InputError:
        return None


def _panel(panel: curves.Panel) -> dict[str, Any]:
    return {
        "title": panel.title,
        "axis": asdict(panel.axis),
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


def _lead(runs: Sequence[Run], summary: Summary) -> str:
    names = summary.axes[VARIANT]
    *first, last = map(str, names)
    who = f"{', '.join(first)} and {last}" if first else last
    if len(names) > MOST_NAMED:
        who = f"{len(names)} variants"
    grid = [
        f"{title(axis)} ({plural(len(values), 'value')})"
        for axis, values in summary.axes.items()
        if axis != VARIANT
    ]
    data, *rest = describe(runs)
    lead = f"{who} on {data}: {', '.join(rest)}. {validation_note(runs)}"
    if grid:
        points = plural(len(summary.rows), "point")
        lead += f" {points}: they differ in {', '.join(grid)}."
    return lead.strip()


def _embedded(content: Any) -> str:
    """JSON that a browser can read to its end, whatever the numbers and texts in it."""
    text = json.dumps(content, default=str)
    strict = json.loads(text, parse_constant=lambda nan_or_infinity: None)
    return json.dumps(strict, separators=(",", ":")).replace("<", "\\u003c")


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
