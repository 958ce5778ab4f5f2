"""Studies that repeat a paper's results, and both results side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from slimrnn.errors import InputError
from slimrnn.experiments.analysis import grouping
from slimrnn.experiments.analysis.outcomes import status
from slimrnn.experiments.analysis.statistics import Spread
from slimrnn.experiments.run.store import Run
from slimrnn.experiments.sweep import study as studies
from slimrnn.experiments.sweep.study import Study
from slimrnn.utils.checks import nearest
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

    Example:
        >>> read("lu-mnist-rows").settings["units"]
        50
    """
    if name not in names():
        raise InputError(
            f"Unknown study {name!r}; the nearest is {nearest(name, names(), 0)}. "
            f"Allowed: {', '.join(names())}. A study of your own is run by `slimrnn "
            f"sweep`."
        )
    with resources.as_file(FOLDER / f"{name}.toml") as path:
        return studies.read(path)


@dataclass(frozen=True)
class Result:
    """A published figure, and what came out.

    Attributes:
        what: the settings and the metric.
        published: the figure.
        obtained: the same over the seeds that ended well.
        epochs: how many those had, each number once.
        ended: how the runs ended.
    """

    what: str
    published: float
    obtained: Spread
    epochs: tuple[int, ...]
    ended: tuple[str, ...]


def results(study: Study, runs: Sequence[Run]) -> Iterator[Result]:
    """What was published, and of each configuration that fits what came out."""
    for entry in study.published:
        found = [run for run in runs if _is(run, entry["where"])]
        for own in grouping.configurations(found) if found else [[]]:
            where = {**_other(own, found), **entry["where"]}
            for metric, value in entry["result"].items():
                yield _result(_described(where, metric), value, metric, own)


def _other(runs: Sequence[Run], found: Sequence[Run]) -> dict[str, Any]:
    """The settings of a configuration in which it differs from others."""
    if not runs:
        return {}
    own = grouping.settings(runs[0])
    return {k: own.get(k) for k in grouping.varied_settings(found) if k in own}


def _result(what: str, value: float, metric: str, runs: Sequence[Run]) -> Result:
    done = [r for r in runs if status(r) == "done" and metric in r.result]
    return Result(
        what,
        value,
        Spread.of(run.result[metric] for run in done),
        tuple(sorted({run.result.get("epochs") or 0 for run in done})),
        tuple(sorted({str(r.result.get("status", "unfinished")) for r in runs})),
    )


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
