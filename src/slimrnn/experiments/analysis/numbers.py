"""Numbers as texts, alike in the terminal, the page and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from slimrnn.data.metrics import METRICS
from slimrnn.experiments.analysis.statistics import Difference, Spread

if TYPE_CHECKING:
    from slimrnn.timing import Time

DIGITS = 3  # of a mean, where nothing else is said
NONE = "–"  # where there is no number
NOT_QUIET = "The machine was not quiet: some rounds took much longer."
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
    size, unit = _unit(mean)
    std = None if value.std is None else value.std / size
    return f"{spread(Spread(mean / size, std, value.n))} {unit}"


def timed(time: Time) -> tuple[str, str, str]:
    """A time's minimum and median, its ratio, and the ratio's interval.

    Example:
        >>> from slimrnn.timing import Ratio, Time
        >>> timed(Time(1.2e-3, 1.63e-3, Ratio(0.5, 0.45, 0.52)))
        ('1.20 / 1.63 ms', '×0.50', '0.45 to 0.52')
        >>> timed(Time(1.2e-6, 1.63e-6, Ratio(1.02, 0.9, 1.1)))[1:]
        ('', 'no difference')
    """
    size, unit = _unit(time.median)
    shown = (spread(Spread(x / size)) for x in (time.minimum, time.median))
    both = f"{' / '.join(shown)} {unit}"
    if time.ratio is None:
        return both, "", ""
    if not time.ratio.is_clear:
        return both, "", "no difference"
    low, high = time.ratio.low, time.ratio.high
    return both, f"×{time.ratio.median:.2f}", f"{low:.2f} to {high:.2f}"


def how_timed(variants: Iterable[str]) -> str:
    """A sentence: what the times of these are, the first being the reference."""
    how = "Minimum / median of rounds"
    reference, *others = variants
    if not others:
        return f"{how}, after training."
    return (
        f"{how} in which each variant had its turn, after training; × the ratio to "
        f"{reference} within a round: its median and 95 % interval."
    )


def _unit(seconds: float) -> tuple[float, str]:
    return next((each for each in _TIMES if seconds >= each[0]), _TIMES[-1])


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


def with_unit(metric: str, compared: str, standardized: bool = False) -> str:
    """The label of a metric's axis.

    Args:
        metric: what the axis shows.
        compared: by which metric the variants are compared, which says what the
            loss is: cross-entropy for classes, else the mean squared error.
        standardized: whether the loss is of targets divided by their deviation.

    Example:
        >>> with_unit("loss", "accuracy"), with_unit("mae", "mae")
        ('loss (nats)', "mean absolute error (target's unit)")
        >>> with_unit("loss", "mae", standardized=True)
        "loss (target's variances)"
    """
    unit = METRICS[metric].unit if metric == compared else METRICS[compared].loss_unit
    if standardized and (metric, compared) == ("loss", "mae"):
        unit = "target's variances"
    return f"{METRICS[metric].title} ({unit})"
