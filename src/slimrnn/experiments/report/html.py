"""report.html: runs as one page that needs nothing but a browser.

Python writes what is text (``sections``) and, as JSON, what is drawn (``charts``); the
scripts in ``page`` draw it with the libraries in ``vendor``. What a user has named
reaches the page only escaped, and the page's policy lets no other script run and
nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from slimrnn.experiments.analysis.grouping import by_dataset, shared
from slimrnn.experiments.analysis.summary import Summary, summarize
from slimrnn.experiments.report import csv_latex
from slimrnn.experiments.report.charts import charts
from slimrnn.experiments.report.sections import section
from slimrnn.experiments.run.store import Run
from slimrnn.experiments.run.times import Times
from slimrnn.utils import files
from slimrnn.utils.markup import Markup, definitions, join, tag

SCRIPTS = ("page.js", "chart.js", "charts.js", "table.js")  # in this order


def write_report(
    runs: Sequence[Run],
    path: Path,
    measured: Mapping[str, Times] | None = None,
    *,
    title: str,
    command: str,
) -> None:
    """Write the page."""
    problems = by_dataset(runs)
    summaries = {name: summarize(own) for name, own in problems.items()}
    environment = shared([run.environment for run in runs])
    sections = [
        section(
            number,
            problems[name],
            summary,
            path.parent,
            environment,
            (measured or {}).get(name),
        )
        for number, (name, summary) in enumerate(summaries.items())
    ]
    scripts = [*libraries(), "\n".join(_file(f"page/{name}") for name in SCRIPTS)]
    page = Template(_file("page/page.html")).substitute(
        title=join(title),
        style=_file("page/page.css"),
        # Only these scripts may run: their hashes are the page's policy.
        hashes=" ".join(map(_hash, scripts)),
        problems=_choice(list(problems)),
        sections=join(sections),
        command=join(command),
        environment=definitions(environment),
        data=_embedded([_data(name, own) for name, own in summaries.items()]),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )
    files.write(path, page)


def _choice(names: Sequence[str]) -> Markup | str:
    """Chooses the data set, where there are several."""
    if len(names) < 2:
        return ""
    options = [tag("option", name, value=i) for i, name in enumerate(names)]
    choice = tag("select", options, id="problem")
    return tag("p", tag("label", "Data set", choice, class_="field"))


def _data(name: str, summary: Summary) -> dict[str, Any]:
    exports = {
        "csv": asdict(csv_latex.csv_lines(summary, name)),
        "tex": asdict(csv_latex.latex_lines(summary)),
    }
    return {**charts(summary), "exports": exports}


def libraries() -> list[str]:
    """The scripts that draw charts, as they were released, below their licences."""
    table = tomllib.loads(_file("vendor/vendored.toml"))
    return [
        f"/*\n{_file('vendor/' + each['license'])}*/\n{_file('vendor/' + each['file'])}"
        for each in table["library"]
    ]


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _embedded(found: Any) -> str:
    """JSON that a browser can read to its end, whatever the numbers and texts in it."""
    text = json.dumps(found, default=str)
    strict = json.loads(text, parse_constant=lambda nan_or_infinity: None)
    return json.dumps(strict, separators=(",", ":")).replace("<", "\\u003c")


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
