"""Which variant to take at a budget, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slimrnn.data.metrics import METRICS
from slimrnn.experiments.analysis.grouping import configurations, listed, variant_name
from slimrnn.experiments.analysis.outcomes import merit, metric_of, scores_of
from slimrnn.experiments.analysis.statistics import Spread
from slimrnn.experiments.analysis.summary import COSTS
from slimrnn.experiments.run.store import Run

#: a seed whose accuracy is so much below the best seed's has collapsed, or one with
#: twice its error
COLLAPSED = 0.1


@dataclass(frozen=True)
class Candidate:
    """A variant at its best point.

    Attributes:
        variant: its name.
        settings: of all its runs.
        runs: of its best point, a run for each seed.
        tries: how many points were searched for it.
        validation: the int8 validation score, by which is chosen.
        float32: the test score in float32, and ``int8`` in integers.
        parameters: of the layers.
        costs: on a microcontroller, by COSTS.
        collapsed: how many seeds ended far below the best one, or not at all.
        on_front: whether none is better and as cheap in flash, RAM and instructions.
    """

    variant: str
    settings: Mapping[str, Any]
    runs: tuple[Run, ...]
    tries: int
    validation: Spread
    float32: Spread
    int8: Spread
    parameters: int
    costs: Mapping[str, int]
    collapsed: int
    on_front: bool = False

    @property
    def score(self) -> float:
        """The mean int8 validation score, the higher the better."""
        return _score(self.runs)

    @property
    def is_finalist(self) -> bool:
        """Whether it was trained with several seeds."""
        return len(self.runs) > 1

    @property
    def best_run(self) -> Path:
        """The folder of the seed with the best int8 validation score."""
        return max(self.runs, key=_worth).path

    def __str__(self) -> str:
        return f"{self.variant} with {self.settings.get('units')} units"


def untested(runs: Sequence[Run]) -> list[Run]:
    """The runs, without what the test found of points that are no finalists.

    A reader who saw it would choose by it.

    Example:
        >>> result = {"val_int8_mae": 0.5, "test_int8_mae": 0.4}
        >>> untested([Run(Path("a"), {"variant": "LSTM"}, {}, [], result)])[0].result
        {'val_int8_mae': 0.5}
    """
    finalists = [run for own in configurations(runs) if len(own) > 1 for run in own]

    def known(line: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in line.items() if not k.startswith("test_")}

    return [
        run
        if run in finalists
        else replace(
            run, metrics=[known(line) for line in run.metrics], result=known(run.result)
        )
        for run in runs
    ]


def candidates(runs: Iterable[Run]) -> list[Candidate]:
    """A candidate for each variant that integers have, the best first.

    Those that were trained with several seeds come before the others.
    """
    points: dict[str, list[list[Run]]] = {}
    found = list(runs)
    for group in configurations(found) if found else []:
        points.setdefault(variant_name(group[0]), []).append(group)
    known = [_candidate(own) for own in points.values()]
    whole = [each for each in known if each.validation.mean is not None]
    whole.sort(key=lambda each: (each.is_finalist, each.score), reverse=True)
    return [_placed(each, whole) for each in whole]


def _candidate(points: Sequence[Sequence[Run]]) -> Candidate:
    """The best of a variant's points: of those with the most seeds, by validation."""
    most = max(map(len, points))
    best = max((own for own in points if len(own) == most), key=_score)
    metric = metric_of(best)
    results = [run.result for run in best]
    scores = [_worth(run) for run in best]
    top = max(scores)
    allowed = COLLAPSED if METRICS[metric].bounded else abs(top)
    first = results[0]

    def spread(part: str) -> Spread:
        return Spread.of(result.get(f"{part}_{metric}") for result in results)

    return Candidate(
        variant=variant_name(best[0]),
        settings=best[0].config,
        runs=tuple(best),
        tries=len(points),
        validation=spread("val_int8"),
        float32=spread("test"),
        int8=spread("test_int8"),
        parameters=first.get("layer_parameters", 0),
        costs={name: first[name] for name in COSTS if name in first},
        collapsed=sum(score < top - allowed for score in scores),
    )


def _worth(run: Run) -> float:
    """The int8 validation score of a run, the higher the better."""
    score = merit(run.result, "val_int8")
    return float("-inf") if score is None else score


def _score(runs: Sequence[Run]) -> float:
    return sum(map(_worth, runs)) / len(runs)


def _placed(candidate: Candidate, others: Sequence[Candidate]) -> Candidate:
    """The candidate with its place on the front or behind it."""

    def cost(each: Candidate) -> list[int]:
        return [each.costs.get(name, 0) for name in ("flash", "ram", "instructions")]

    own, price = candidate.score, cost(candidate)
    beaten = any(
        other.score >= own
        and all(a <= b for a, b in zip(cost(other), price, strict=True))
        and (other.score, cost(other)) != (own, price)
        for other in others
    )
    return replace(candidate, on_front=not beaten)


def verdict(found: Sequence[Candidate]) -> str:
    """One sentence: which to take, and how sure that is; the best comes first."""
    from slimrnn.experiments.analysis.bootstrap import paired_differences  # NumPy

    if not found:
        return "Nothing was trained to the end that integers have; give more time."
    best, *others = found
    finalists = [each for each in others if each.is_finalist]
    seeds = len(best.runs)
    take = f"Take {best}"
    if not best.is_finalist:
        return (
            f"{take}, which is a first guess: no variant was trained with several "
            f"seeds; give more time."
        )
    if not finalists:
        return f"{take}: no other was trained with {seeds} seeds."
    metric = metric_of(best.runs)
    reference = scores_of(best.runs, metric)
    compared = paired_differences(
        reference, [scores_of(each.runs, metric) for each in finalists]
    )
    worth = METRICS[metric].worth
    pairs = list(zip(finalists, compared, strict=True))
    behind = [a.variant for a, d in pairs if d and d.is_clear and worth(d.mean) < 0]
    near = [each.variant for each in finalists if each.variant not in behind]
    if not near:
        return (
            f"{take}, and surely: over {seeds} seeds the test sets it apart from "
            f"{listed(behind)} (95 % interval of a paired bootstrap)."
        )
    surely = f", though surely from {listed(behind)}" if behind else ""
    return (
        f"{take}, but that is not sure: over {seeds} seeds the test does not set it "
        f"apart from {listed(near)}{surely} (95 % interval of a paired bootstrap)."
    )
