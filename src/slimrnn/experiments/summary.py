"""Runs, aggregated over their seeds: the one place of that arithmetic.

The terminal's table, ``comparison.png`` and ``report.html`` show these numbers. Only
runs that ended well (status ``done``) enter a mean; the others are counted.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from slimrnn.experiments.store import Run

BASELINE = "LSTM"
STATUSES = ("done", "diverged", "interrupted", "failed")
METRICS = {"accuracy": "accuracy", "mae": "mean absolute error", "loss": "loss"}

_PHRASES = (
    ("{units} units", ("units",)),
    ("{activation}", ("activation",)),
    ("{optimizer} at {learning_rate:g}", ("optimizer", "learning_rate")),
    ("batches of {batch_size}", ("batch_size",)),
)


@dataclass(frozen=True)
class Spread:
    """The mean of some values and how far they lie apart.

    Attributes:
        mean: None where there was no value.
        std: the sample standard deviation (n - 1); None below two values.
        n: how many values there were.
    """

    mean: float | None = None
    std: float | None = None
    n: int = 0

    @classmethod
    def of(cls, values: Iterable[Any]) -> Spread:
        """The spread of the values that are finite numbers.

        Example:
            >>> Spread.of([1.0, 3.0, None])
            Spread(mean=2.0, std=1.4142135623730951, n=2)
        """
        known = [value for value in map(finite, values) if value is not None]
        if not known:
            return cls()
        std = statistics.stdev(known) if len(known) > 1 else None
        return cls(statistics.fmean(known), std, len(known))


@dataclass(frozen=True)
class Ratios:
    """A row's means divided by those of the reference row; None where unknown."""

    layer_parameters: float | None
    model_parameters: float | None
    score: float | None
    seconds_per_epoch: float | None
    prediction_seconds: float | None


@dataclass(frozen=True)
class Row:
    """One variant over its seeds.

    Attributes:
        variant: its name.
        layer_parameters: trainable parameters of the recurrent layer.
        model_parameters: those of the whole model.
        score: the test metric that :attr:`Summary.metric` names.
        seconds_per_epoch: time of one epoch of training.
        prediction_seconds: time of one prediction.
        ratios: each of these, relative to the reference row.
        runs: how many runs there were, however they ended.
        done: how many ended well; the other three counts make up the rest.
        diverged: how many were stopped because their loss was not finite.
        interrupted: how many were stopped, killed, or are still under way.
        failed: how many ended in an error.
    """

    variant: str
    layer_parameters: int | None
    model_parameters: int | None
    score: Spread
    seconds_per_epoch: Spread
    prediction_seconds: Spread
    ratios: Ratios
    runs: int
    done: int
    diverged: int
    interrupted: int
    failed: int


@dataclass(frozen=True)
class Summary:
    """A row for each variant, in the order of the runs.

    Attributes:
        rows: the rows.
        metric: ``"accuracy"``, or for regression ``"mae"`` (or else ``"loss"``).
        reference: the variant that the ratios relate to: the LSTM, or the first
            variant where there is no LSTM.
    """

    rows: tuple[Row, ...]
    metric: str
    reference: str


def summarize(runs: Sequence[Run]) -> Summary:
    """Aggregate runs, at least one, that differ only in the variant and the seed.

    Example:
        >>> result = {"status": "done", "test_accuracy": 0.9, "layer_parameters": 40}
        >>> run = Run(Path("a"), {"variant": "LSTM6"}, {}, [], result)
        >>> summarize([run]).rows[0].score
        Spread(mean=0.9, std=None, n=1)
    """
    groups = by_variant(runs)
    reference = reference_of(groups)
    metric = metric_of(runs)
    measures = {name: _measures(group, metric) for name, group in groups.items()}
    rows = (
        _row(name, group, measures[name], _ratios(measures[name], measures[reference]))
        for name, group in groups.items()
    )
    return Summary(tuple(rows), metric, reference)


def variant_name(run: Run) -> str:
    """The name of a run's variant; a user's own one is written out in its settings."""
    variant = run.config["variant"]
    return variant if isinstance(variant, str) else variant["name"]


def by_variant(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs of each variant, in the order of their first appearance."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(variant_name(run), []).append(run)
    return groups


def reference_of(names: Iterable[str]) -> str:
    """The variant that the others are compared with."""
    names = list(names)
    return BASELINE if BASELINE in names else names[0]


def status(run: Run) -> str:
    """How a run ended, one of STATUSES; one without a result was interrupted."""
    ended = run.result.get("status")
    return ended if ended in STATUSES else "interrupted"


def metric_of(runs: Iterable[Run]) -> str:
    """The first of METRICS that the runs have; by it they are compared."""
    keys = {key for run in runs for line in run.metrics for key in line}
    keys |= {key.removeprefix("test_") for run in runs for key in run.result}
    return next((name for name in METRICS if name in keys), "loss")


def shared(mappings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The entries that all of the mappings, at least one, have in common.

    Example:
        >>> shared([{"units": 64, "seed": 0}, {"units": 64, "seed": 1}])
        {'units': 64}
    """
    first, *others = mappings
    return {
        key: value
        for key, value in first.items()
        if all(key in other and other[key] == value for other in others)
    }


def describe(runs: Sequence[Run]) -> list[str]:
    """What the runs have in common, as phrases: the data, the layer, the training.

    Example:
        >>> config = {"variant": "LSTM", "dataset": "digits", "units": 64, "seed": 0}
        >>> describe([Run(Path("a"), config, {}, [], {})])
        ['digits', '64 units', '1 seed']
    """
    common = shared([run.config for run in runs])
    file = Path(common.get("data") or "several data sets")
    phrases = [
        common.get("dataset") or file.name,
        *(
            pattern.format(**common)
            for pattern, names in _PHRASES
            if all(common.get(name) is not None for name in names)
        ),
    ]
    if common.get("epochs"):
        phrases.append(_plural(common["epochs"], "epoch"))
    seeds = {run.config.get("seed") for run in runs}
    return [*phrases, _plural(len(seeds), "seed")]


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def validation_note(runs: Sequence[Run]) -> str:
    """A sentence: on which data validation was done; empty where the runs differ."""
    common = shared([run.config for run in runs])
    if common.get("validate_on_test"):
        return (
            "Validation was done on the test data, as the originals did: what is "
            "chosen by it makes the test results look better than they are."
        )
    part = finite(common.get("validation"))
    if part is None:
        return ""
    return f"Validation was done on {100 * part:.3g} % of the training data, split off."


def finite(value: Any) -> float | None:
    """The number, or None where there is none: a diverged run's null, NaN, infinity."""
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    return value if is_number else None


def _measures(runs: Sequence[Run], metric: str) -> dict[str, Any]:
    done = [run.result for run in runs if status(run) == "done"]
    return {
        "layer_parameters": _known(runs, "layer_parameters"),
        "model_parameters": _known(runs, "model_parameters"),
        "score": Spread.of(result.get(f"test_{metric}") for result in done),
        "seconds_per_epoch": Spread.of(r.get("seconds_per_epoch") for r in done),
        "prediction_seconds": Spread.of(r.get("prediction_seconds") for r in done),
    }


def _known(runs: Sequence[Run], count: str) -> int | None:
    # The same for each seed, and known for a run that diverged as well.
    counts = (run.result.get(count) for run in runs)
    return next((known for known in counts if known is not None), None)


def _ratios(measures: dict[str, Any], reference: dict[str, Any]) -> Ratios:
    def mean(value: Spread | int | None) -> float | None:
        return value.mean if isinstance(value, Spread) else value

    def ratio(value: float | None, unit: float | None) -> float | None:
        return None if value is None or not unit else value / unit

    names = [field.name for field in fields(Ratios)]
    return Ratios(**{k: ratio(mean(measures[k]), mean(reference[k])) for k in names})


def _row(
    name: str, runs: Sequence[Run], measures: dict[str, Any], ratios: Ratios
) -> Row:
    ended = Counter(map(status, runs))
    return Row(
        variant=name,
        **measures,
        ratios=ratios,
        runs=len(runs),
        done=ended["done"],
        diverged=ended["diverged"],
        interrupted=ended["interrupted"],
        failed=ended["failed"],
    )
