"""Studies that repeat a paper's results, and both results side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from slimrnn.errors import InputError
from slimrnn.experiments.analysis import grouping
from slimrnn.experiments.analysis.statistics import Spread
from slimrnn.experiments.analysis.summary import status
from slimrnn.experiments.run.store import Run
from slimrnn.experiments.sweep import study as studies
from slimrnn.experiments.sweep.study import Study
from slimrnn.variants import get

FOLDER = resources.files("slimrnn.experiments") / "studies"


def names() -> list[str]:
    """The studies that there are."""
    return sorted(
        path.name.removesuffix(".toml")
        for path in FOLDER.iterdir()
        if path.name.endswith(".toml")
    )


def read(name: str) -> Study:
    """A study by its name.

    Raises:
        InputError: no such study.

    Example:
        >>> read("lu-mnist-rows").settings["units"]
        50
    """
    if name not in names():
        raise InputError(
            f"Unknown study {name!r}; allowed: {', '.join(names())}. A study of your "
            f"own is run by `slimrnn sweep`."
        )
    with resources.as_file(FOLDER / f"{name}.toml") as path:
        return studies.read(path)


def listing() -> Table:
    """The studies, what each is, and where it comes from."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("study", "what it repeats", "source"):
        table.add_column(title)
    for name in names():
        study = read(name)
        table.add_row(name, escape(study.title), escape(study.source))
    return table


def side_by_side(study: Study, runs: Sequence[Run]) -> list[Table | str]:
    """What was published and what came out, with the difference, and what to know.

    Args:
        study: with published results.
        runs: those that there are.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("published and obtained")
    for title in ("published", "obtained", "difference", "epochs"):
        table.add_column(title, justify="right", no_wrap=True)
    for entry in study.published:
        found = [run for run in runs if _is(run, entry["where"])]
        for point in grouping.points(found) if found else [[]]:
            where = {**_other(point, found), **entry["where"]}
            for metric, value in entry["result"].items():
                described = escape(_described(where, metric))
                table.add_row(described, *_row(value, metric, point))
    return [table, *map(escape, study.notes)]


def _other(point: Sequence[Run], found: Sequence[Run]) -> dict[str, Any]:
    """The settings of a point that those of other points differ in."""
    if not point:
        return {}
    own = grouping.settings(point[0])
    return {name: own.get(name) for name in grouping.axes(found) if name in own}


def _row(value: float, metric: str, runs: Sequence[Run]) -> list[str]:
    """The published value, the mean obtained, the difference, and the epochs."""
    done = [r for r in runs if status(r) == "done" and metric in r.result]
    obtained = Spread.of(run.result[metric] for run in done)
    if obtained.mean is None:
        ended = sorted({str(run.result.get("status", "unfinished")) for run in runs})
        return [f"{value:.4f}", ", ".join(ended) or "not run", "", ""]
    spread = "" if obtained.std is None else f" ± {obtained.std:.4f}"
    epochs = sorted({run.result["epochs"] for run in done})
    shown = f"{epochs[0]}" if len(epochs) == 1 else f"{epochs[0]}-{epochs[-1]}"
    return [
        f"{value:.4f}",
        f"{obtained.mean:.4f}{spread}",
        f"{obtained.mean - value:+.4f}",
        shown,
    ]


def _is(run: Run, where: Mapping[str, Any]) -> bool:
    own = {**run.config, "variant": grouping.variant_name(run)}
    wanted = dict(where)
    if "variant" in where:
        wanted["variant"] = get(where["variant"]).name
    return all(own.get(name) == value for name, value in wanted.items())


def _described(where: Mapping[str, Any], metric: str) -> str:
    words = [str(where.get("variant", ""))]
    words += [
        f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}"
        for k, v in where.items()
        if k != "variant"
    ]
    return f"{' '.join(words)}: {metric.replace('_', ' ')}"
