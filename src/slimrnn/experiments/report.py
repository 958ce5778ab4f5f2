"""report.html: a comparison as one page that needs nothing but a browser.

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

from slimrnn.experiments import curves
from slimrnn.experiments.store import Run
from slimrnn.experiments.summary import (
    METRICS,
    describe,
    shared,
    status,
    summarize,
    validation_note,
    variant_name,
)

MOST_NAMED = 6
SCRIPTS = ("report_plot.js", "report_charts.js", "report.js")  # in this order


def write_report(runs: Sequence[Run], path: Path, *, title: str, command: str) -> None:
    """Write the page.

    Args:
        runs: the runs of all variants, at least one.
        path: the HTML file to write.
        title: the page's heading.
        command: the command line that made the runs.
    """
    script = "\n".join(map(_file, SCRIPTS))
    page = Template(_file("report.html")).substitute(
        title=html.escape(title),
        lead=html.escape(_lead(runs)),
        style=_file("report.css"),
        script=script,
        # Only this script may run: its hash is the page's policy.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=_embedded(_content(runs, path.parent, command)),
    )
    path.write_text(page, encoding="utf-8")


def _content(runs: Sequence[Run], folder: Path, command: str) -> dict[str, Any]:
    summary = summarize(runs)
    looks = curves.styles((row.variant for row in summary.rows), summary.reference)
    environment = shared([run.environment for run in runs])
    panels = {
        metric: curves.panels(runs, metric)
        for metric in dict.fromkeys((summary.metric, "loss"))
    }
    return {
        "metric": summary.metric,
        "metricNames": METRICS,
        "reference": summary.reference,
        "validation": validation_note(runs),
        "variants": [
            {**asdict(row), "style": asdict(looks[row.variant])} for row in summary.rows
        ],
        "panels": {
            metric: {part: asdict(panel) for part, panel in parts.items()}
            for metric, parts in panels.items()
            if parts
        },
        "runs": [_run(run, folder, environment) for run in runs],
        "environment": environment,
        "command": command,
    }


def _run(run: Run, folder: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    inside = run.path.is_relative_to(folder)
    return {
        "variant": variant_name(run),
        "seed": run.config.get("seed"),
        "status": status(run),
        "reason": run.result.get("reason"),
        "folder": str(run.path.relative_to(folder) if inside else run.path),
        "settings": run.config,
        "result": run.result,
        "environment": {k: v for k, v in run.environment.items() if k not in known},
    }


def _lead(runs: Sequence[Run]) -> str:
    names = list(dict.fromkeys(map(variant_name, runs)))
    *first, last = names
    who = f"{', '.join(first)} and {last}" if first else last
    if len(names) > MOST_NAMED:
        who = f"{len(names)} variants"
    data, *rest = describe(runs)
    return f"{who} on {data}: {', '.join(rest)}. {validation_note(runs)}".strip()


def _embedded(content: Any) -> str:
    """JSON that a browser can read to its end, whatever the numbers and texts in it."""
    text = json.dumps(content, default=str)
    strict = json.loads(text, parse_constant=lambda nan_or_infinity: None)
    return json.dumps(strict).replace("<", "\\u003c")


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
