"""Numbers as texts, alike in the terminal, the page and LaTeX."""

from __future__ import annotations

import math

from slimrnn.experiments.analysis.statistics import Difference, Spread
from slimrnn.experiments.analysis.summary import METRICS

DIGITS = 3  # of a mean, where nothing else is said
DECIMALS = {"accuracy": 3}  # of a metric that has as many whatever its size
_UNITS = {
    ("accuracy", "accuracy"): "fraction correct",
    ("loss", "accuracy"): "nats",
    ("mae", "mae"): "target's unit",
    ("loss", "mae"): "target's unit squared",
    ("loss", "loss"): "as trained",
}
NONE = "–"  # where there is no number
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def decimals(mean: float, std: float | None = None, least: int | None = None) -> int:
    """How many decimals a mean and its deviation have.

    Args:
        mean: gets three significant digits.
        std: gets at least one significant digit, so that it is never shown as zero.
        least: the decimals of the mean, in place of its three significant digits.

    Example:
        >>> decimals(0.93, 0.004, least=3), decimals(1.64, 0.0004), decimals(815.0)
        (3, 4, 0)
    """
    least = DIGITS - 1 - _exponent(mean) if least is None else least
    return max(least, -_exponent(std) if std else 0, 0)


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0


def spread(value: Spread, least: int | None = None, sign: str = "±") -> str:
    """A mean and its deviation, both with the same decimals.

    Example:
        >>> spread(Spread(0.93, 0.00042, 3), least=3), spread(Spread(1234.5, 8.1, 3))
        ('0.9300 ± 0.0004', '1234 ± 8')
    """
    if value.mean is None:
        return NONE
    places = decimals(value.mean, value.std, least)
    shown = f"{value.mean:.{places}f}"
    return shown if value.std is None else f"{shown} {sign} {value.std:.{places}f}"


def seconds(value: Spread) -> str:
    """A time in the unit that suits its mean.

    Example:
        >>> seconds(Spread(0.00163, 0.00002, 3))
        '1.63 ± 0.02 ms'
    """
    if value.mean is None:
        return NONE
    mean = value.mean
    size, unit = next((each for each in _TIMES if mean >= each[0]), _TIMES[-1])
    std = None if value.std is None else value.std / size
    return f"{spread(Spread(mean / size, std, value.n))} {unit}"


def difference(value: Difference | None, least: int | None = None) -> list[str]:
    """A difference and, where they are known, the ends of its interval, with signs.

    Example:
        >>> difference(Difference(-0.0133, -0.02, -0.01, 3, None), least=3)
        ['-0.013', '-0.020', '-0.010']
    """
    if value is None:
        return []
    places = decimals(value.mean, least=least)
    known = [value.mean, value.low, value.high]
    return [f"{each:+.{places}f}" for each in known if each is not None]


def with_unit(metric: str, compared: str) -> str:
    """The label of a metric's axis.

    Args:
        metric: what the axis shows.
        compared: by which metric the variants are compared, which says what the
            loss is: cross-entropy for classes, else the mean squared error.

    Example:
        >>> with_unit("loss", "accuracy"), with_unit("mae", "mae")
        ('loss (nats)', "mean absolute error (target's unit)")
    """
    return f"{METRICS[metric]} ({_UNITS[metric, compared]})"
