"""What runs say of themselves: how they ended, how good they are, what they share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from slimrnn.data.metrics import METRICS, first_of
from slimrnn.experiments.analysis.grouping import plural, shared
from slimrnn.experiments.analysis.statistics import Scores, finite
from slimrnn.experiments.run.store import BASELINE_OF, Run

STATUSES = ("done", "diverged", "interrupted", "failed")
_TIE = 1e-7  # of a loss: less than any two accuracies lie apart
_PHRASES = (
    ("{units} units", ("units",)),
    ("{match}", ("match",)),
    ("{activation}", ("activation",)),
    ("{optimizer} at {learning_rate:g}", ("optimizer", "learning_rate")),
    ("batches of {batch_size}", ("batch_size",)),
)


def status(run: Run) -> str:
    """How a run ended, one of STATUSES; one without a result was interrupted."""
    ended = run.result.get("status")
    return ended if ended in STATUSES else "interrupted"


def ended_well(runs: Iterable[Run]) -> list[Run]:
    """Those of the runs that enter a mean."""
    return [run for run in runs if status(run) == "done"]


def metric_of(runs: Iterable[Run]) -> str:
    """The first of METRICS that the runs have; by it they are compared."""
    keys = {key for run in runs for line in run.metrics for key in line}
    keys |= {key.removeprefix("test_") for run in runs for key in run.result}
    return first_of(keys)


def worth(figures: Mapping[str, Any], part: str = "val") -> float | None:
    """The score of a run or an epoch, the higher the better; None where it is unknown.

    Args:
        figures: a line of `metrics.jsonl`, or a result.
        part: such as ``"val"`` or ``"test_int8"``.

    Example:
        >>> worth({"val_mae": 0.25})
        -0.25
    """
    for name, metric in METRICS.items():
        score = finite(figures.get(f"{part}_{name}"))
        if score is not None and name != "loss":
            return metric.worth(score)
    return None


def merit(result: Mapping[str, Any], part: str = "val") -> float | None:
    """What a search maximises: the worth of a run.

    Of several that are worth the same, as where few sequences are held out, the least
    validation loss decides.

    Example:
        >>> first = {"val_accuracy": 1.0, "val_loss": 0.1}
        >>> merit(first) < merit(first | {"val_loss": 0.02}) <= 1.0
        True
    """
    score = worth(result, part)
    loss = finite(result.get("val_loss")) or 0.0
    return None if score is None else score - _TIE * max(-1.0, min(loss, 10.0))


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
        phrases.append(plural(common["epochs"], "epoch"))
    seeds = {run.config.get("seed") for run in runs}
    return [*phrases, plural(len(seeds), "seed")]


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


def scores_of(runs: Sequence[Run], metric: str) -> Scores:
    """The test scores of a configuration's runs that ended well."""
    by_seed, by_sequence = {}, {}
    for run in ended_well(runs):
        seed, score = run.config.get("seed"), finite(run.result.get(f"test_{metric}"))
        if seed is None or score is None:
            continue
        by_seed[seed] = score
        each = run.test_scores()
        if metric != "loss" and each is not None:  # it holds no losses
            by_sequence[seed] = each
    return Scores(by_seed, by_sequence)


def baselines_of(runs: Iterable[Run]) -> dict[str, float]:
    """The test score of answers that need no training, as the runs know it.

    Example:
        >>> result = {"status": "done", "always the mean": 0.5}
        >>> baselines_of([Run(Path("a"), {}, {}, [], result)])
        {'always the mean': 0.5}
    """
    return {
        name: score
        for run in runs
        for name, score in run.result.items()
        if name.startswith(f"{BASELINE_OF} ") and finite(score) is not None
    }
