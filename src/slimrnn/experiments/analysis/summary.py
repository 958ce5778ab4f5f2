"""Runs, aggregated over their seeds: the one place of that arithmetic.

The terminal's table, ``comparison.png``, ``report.html`` and what they export show
these numbers. Only runs that ended well (status ``done``) enter a mean; the others are
counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slimrnn.data.metrics import METRICS
from slimrnn.experiments.analysis import numbers
from slimrnn.experiments.analysis.grouping import (
    VARIANT,
    Value,
    configurations,
    settings,
    variant_name,
    varied_settings,
)
from slimrnn.experiments.analysis.outcomes import (
    STATUSES,
    baselines_of,
    ended_well,
    metric_of,
    scores_of,
    status,
)
from slimrnn.experiments.analysis.statistics import Difference, Spread
from slimrnn.experiments.run.store import Run
from slimrnn.utils.markup import table
from slimrnn.variants import BASELINE

RATIOS = (
    *("layer_parameters", "model_parameters", "score"),
    *("seconds_per_epoch", "prediction_seconds"),
)
#: what a run says of a microcontroller, of its int8 C
COSTS = {
    "flash": "flash (bytes)",
    "ram": "RAM (bytes)",
    "macs": "multiply-adds a step",
    "instructions": "instructions a step (Cortex-M4)",
}


@dataclass(frozen=True)
class Row:
    """One configuration over its seeds.

    Attributes:
        variant: its name.
        values: its value of each setting that varies, by the setting's name.
        runs: its runs, however they ended.
        rank: its place among the configurations of its variant; the best has 0.
        layer_parameters: trainable parameters of the recurrent layer.
        model_parameters: those of the whole model.
        validation: the validation metric that :attr:`Summary.metric` names.
        score: the same metric of the test data.
        int8: the same in integers, where that was scored.
        flash: of the int8 C, as ``ram``, ``macs`` and ``instructions``: see COSTS.
        seconds_per_epoch: time of one epoch of training.
        prediction_seconds: time of one prediction.
        ratios: of those of RATIOS, the means divided by those of the reference's best
            configuration; None where unknown.
        difference: of the score to the reference's best configuration; None for that
            itself.
        done: how many runs ended well; the other three counts make up the rest.
        diverged: how many were stopped because their loss was not finite.
        interrupted: how many were stopped, killed, or are still under way.
        failed: how many ended in an error.
    """

    variant: str
    values: Mapping[str, Value]
    runs: tuple[Run, ...]
    rank: int
    layer_parameters: int | None
    model_parameters: int | None
    flash: int | None
    ram: int | None
    macs: int | None
    instructions: int | None
    validation: Spread
    score: Spread
    int8: Spread
    seconds_per_epoch: Spread
    prediction_seconds: Spread
    ratios: Mapping[str, float | None]
    difference: Difference | None
    done: int
    diverged: int
    interrupted: int
    failed: int

    @property
    def is_best(self) -> bool:
        """Whether it is its variant's best configuration."""
        return self.rank == 0

    @property
    def units(self) -> int | None:
        """Of its layers, which a budget may have solved."""
        return self.runs[0].config.get("units")


@dataclass(frozen=True)
class Summary:
    """A row for each configuration, the variants in the order of the runs.

    Attributes:
        rows: the rows.
        axes: the settings in which they differ, and their values.
        metric: ``"accuracy"``, or for regression ``"mae"`` (or else ``"loss"``).
        baselines: the test score of answers that need no training, by their names.
        reference: the variant whose best configuration the others relate to: the LSTM,
            or the first variant where there is no LSTM.
    """

    rows: tuple[Row, ...]
    axes: Mapping[str, tuple[Value, ...]]
    metric: str
    reference: str
    baselines: Mapping[str, float] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        return table(
            ("variant", "parameters", f"test {self.metric}", "seeds"),
            *(
                (row.variant, row.layer_parameters, numbers.spread(row.score), row.done)
                for row in self.best
            ),
        )

    def unbeaten(self, row: Row) -> list[str]:
        """The answers without training that a row's mean score does not beat."""
        score, worth = row.score.mean, METRICS[self.metric].worth
        if score is None:
            return []
        return [k for k, each in self.baselines.items() if worth(score - each) <= 0]

    @property
    def has_int8(self) -> bool:
        """Whether a configuration was scored in integers."""
        return any(row.int8.mean is not None for row in self.rows)

    @property
    def titles(self) -> dict[str, str]:
        """What the figures that there are are called; the most wanted come first."""
        metric = METRICS[self.metric].title
        costs = [name for name in COSTS if any(getattr(r, name) for r in self.rows)]
        return {
            "score": f"test {metric}",
            **({"int8": "the same in int8"} if self.has_int8 else {}),
            "difference": f"difference to {self.reference}",
            "layer_parameters": "parameters of the layer",
            "seconds_per_epoch": "time of an epoch",
            "validation": f"validation {metric}",
            "model_parameters": "parameters of the model",
            "prediction_seconds": "time of a prediction",
            **{name: COSTS[name] for name in costs},
        }

    @property
    def budget(self) -> str:
        """Within which all keep; empty for none."""
        return self.rows[0].runs[0].config.get("match") or ""

    @property
    def best(self) -> tuple[Row, ...]:
        """The best configuration of each variant."""
        return tuple(row for row in self.rows if row.is_best)

    @property
    def base(self) -> str:
        """What the others relate to, in words."""
        if len(self.rows) == len(self.best):
            return self.reference
        return f"the best configuration of {self.reference}"


def summarize(runs: Sequence[Run]) -> Summary:
    """Aggregate runs, at least one, on the same data.

    The best configuration of a variant is the one with the best mean validation score,
    among those with the most seeds that ended well. Test scores have no say in it.

    Example:
        >>> from pathlib import Path
        >>> result = {"status": "done", "test_accuracy": 0.9, "layer_parameters": 40}
        >>> run = Run(Path("a"), {"variant": "LSTM6"}, {}, [], result)
        >>> summarize([run]).rows[0].score
        Spread(mean=0.9, std=None, n=1)
    """
    groups, known, metric = configurations(runs), varied_settings(runs), metric_of(runs)
    names = [variant_name(group[0]) for group in groups]
    reference = BASELINE if BASELINE in names else names[0]
    measures = [_measures(group, metric) for group in groups]
    ranks = _ranks(names, groups, metric)
    base = next(
        i for i, name in enumerate(names) if name == reference and ranks[i] == 0
    )
    differences = _differences(groups, base, metric)
    rows = (
        Row(
            variant=names[i],
            values={k: settings(group[0]).get(k) for k in known if k != VARIANT},
            runs=tuple(group),
            rank=ranks[i],
            **measures[i],
            ratios=_ratios(measures[i], measures[base]),
            difference=differences[i],
            **_endings(group),
        )
        for i, group in enumerate(groups)
    )
    return Summary(tuple(rows), known, metric, reference, baselines_of(runs))


def _measures(runs: Sequence[Run], metric: str) -> dict[str, Any]:
    results = [run.result for run in ended_well(runs)]

    def spread(name: str) -> Spread:
        return Spread.of(result.get(name) for result in results)

    counts = ("layer_parameters", "model_parameters", *COSTS)
    return {
        **{name: _known(runs, name) for name in counts},
        "validation": spread(f"val_{metric}"),
        "score": spread(f"test_{metric}"),
        "int8": spread(f"test_int8_{metric}"),
        **{name: spread(name) for name in ("seconds_per_epoch", "prediction_seconds")},
    }


def _known(runs: Sequence[Run], count: str) -> int | None:
    # The same for each seed, and known for a run that diverged as well.
    counts = (run.result.get(count) for run in runs)
    return next((known for known in counts if known is not None), None)


def _endings(runs: Sequence[Run]) -> dict[str, Any]:
    ended = Counter(map(status, runs))
    return {name: ended[name] for name in STATUSES}


def _ranks(
    names: Sequence[str], groups: Sequence[Sequence[Run]], metric: str
) -> list[int]:
    """For each configuration, how many of its variant's validate better.

    Of several that validate alike, the least validation loss decides.
    """

    def order(index: int) -> tuple[float, float, float]:
        results = [run.result for run in ended_well(groups[index])]
        test, score, loss = (
            Spread.of(result.get(name) for result in results)
            for name in (f"test_{metric}", f"val_{metric}", "val_loss")
        )
        return -test.n, _last(score.mean, metric), _last(loss.mean)

    ranks = [0] * len(names)
    seen: Counter[str] = Counter()
    for index in sorted(range(len(names)), key=order):
        ranks[index] = seen[names[index]]
        seen[names[index]] += 1
    return ranks


def _last(value: float | None, metric: str = "loss") -> float:
    """A score to sort by, the best first: what is not known comes last."""
    return math.inf if value is None else -METRICS[metric].worth(value)


def _differences(
    groups: Sequence[Sequence[Run]], base: int, metric: str
) -> list[Difference | None]:
    from slimrnn.experiments.analysis.bootstrap import paired_differences

    scores = [scores_of(group, metric) for group in groups]
    found = paired_differences(scores[base], scores)
    return [None if i == base else each for i, each in enumerate(found)]


def _ratios(
    measures: Mapping[str, Any], reference: Mapping[str, Any]
) -> dict[str, float | None]:
    def mean(value: Spread | int | None) -> float | None:
        return value.mean if isinstance(value, Spread) else value

    def ratio(value: float | None, unit: float | None) -> float | None:
        return None if value is None or not unit else value / unit

    return {k: ratio(mean(measures[k]), mean(reference[k])) for k in RATIOS}
