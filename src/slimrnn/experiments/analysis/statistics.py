"""Spreads over seeds, and what a difference and its interval are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

FEW = 10  # seeds, below which it is said that an interval may be too narrow


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
        n = len(known)
        mean = math.fsum(known) / n
        if n == 1:
            return cls(mean, None, n)
        squares = math.fsum((value - mean) ** 2 for value in known)
        return cls(mean, math.sqrt(squares / (n - 1)), n)


def finite(value: Any) -> float | None:
    """The number, or None where there is none: a diverged run's null, NaN, infinity."""
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    return value if is_number else None


@dataclass(frozen=True)
class Difference:
    """A test score minus that of the reference, over the pairs of both.

    Attributes:
        mean: the difference.
        low: the lower end of its interval; None where there is only one pair.
        high: the upper end.
        seeds: how many seeds the pairs have.
        sequences: how many test sequences; None where their scores are unknown.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int
    sequences: int | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        if self.low is None or self.high is None:
            return False
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Scores:
    """The test scores of one point.

    Attributes:
        by_seed: the score of each seed.
        by_sequence: for some of these seeds, the score of each test sequence.
    """

    by_seed: Mapping[int, float]
    by_sequence: Mapping[int, np.ndarray]


def note(differences: Iterable[Difference | None], base: str) -> str:
    """Sentences: what the differences and their intervals are; empty without any."""
    known = [each for each in differences if each and each.low is not None]
    if not known:
        return ""
    pairs = "seeds and test sequences" if known[0].sequences else "seeds"
    words = (
        f"Difference: to {base}, with a 95 % interval of a "
        f"paired bootstrap over {pairs}."
    )
    least = min(each.seeds for each in known)
    if least >= FEW:
        return words
    return f"{words} With so few seeds ({least} in common) it may be too narrow."
