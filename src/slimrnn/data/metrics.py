"""The metrics by which epochs, runs and models are compared."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """What is known of a metric.

    Args:
        title: what it is called in tables and on axes.
        unit: of its values.
        loss_unit: of the loss of runs that are compared by it.
        higher_is_better: whether more of it is better.
        bounded: whether its values lie from 0 to 1.
        decimals: as many whatever its size; None: as its size asks for.
    """

    title: str
    unit: str
    loss_unit: str
    higher_is_better: bool = False
    bounded: bool = False
    decimals: int | None = None

    def worth(self, score: float) -> float:
        """A score, or a difference of two, turned so that the higher is the better."""
        return score if self.higher_is_better else -score


#: the first that runs have is that by which they are compared
METRICS = {
    "accuracy": Metric(
        "accuracy",
        "fraction correct",
        "nats",
        higher_is_better=True,
        bounded=True,
        decimals=3,
    ),
    "esr": Metric("error-to-signal ratio", "of the signal's energy", "with the DC"),
    "mae": Metric("mean absolute error", "target's unit", "target's unit squared"),
    "loss": Metric("loss", "as trained", "as trained"),
}


def first_of(names: Collection[str], prefix: str = "") -> str:
    """The metric by which is compared what has figures of these names.

    Example:
        >>> first_of({"val_loss", "val_mae"}, "val_"), first_of({})
        ('mae', 'loss')
    """
    return next((name for name in METRICS if prefix + name in names), "loss")


def rank(figures: Mapping[str, float], metric: str) -> tuple[float, float]:
    """By what the best epoch is chosen, the higher the better.

    The score on validation; and of several alike, as where few sequences are held out
    and all of them are right, the loss.

    Example:
        >>> first = {"val_accuracy": 1.0, "val_loss": 0.1}
        >>> second = {"val_accuracy": 1.0, "val_loss": 0.02}
        >>> rank(second, "accuracy") > rank(first, "accuracy")
        True
    """
    score = figures.get(f"val_{metric}", math.nan)
    return METRICS[metric].worth(score), -figures.get("val_loss", math.nan)
