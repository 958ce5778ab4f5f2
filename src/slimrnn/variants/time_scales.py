"""Gates that start by time scales: how long each unit remembers, before training.

A unit whose state is multiplied by f in each step forgets with the time constant
T = 1 / (1 - f) steps. T is spread over the units with a density T^-p between two
bounds: p = 0 is the chrono start (arXiv:1804.11188), 1 is uniform in log T, 2 is the
uniform gate of arXiv:1910.09890. Evenly spaced quantiles stand in for draws, which
scatter where units are few. No framework is needed here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from slimrnn.errors import InputError
from slimrnn.utils.checks import number
from slimrnn.variants.gates import CANDIDATE, FAMILIES, TIE_START
from slimrnn.variants.spec import CellSpec
from slimrnn.variants.table import TABLE
from slimrnn.variants.variant import Variant

Array = np.ndarray
#: what a layer takes as ``time_scale``
TimeScale = float | tuple[float, float] | Mapping[str, float] | Literal["auto"] | None

# Chosen by docs/results/time-scales: p = 0 was better than 1 and 2 on average, and a
# shift gave nothing that was the same on both data sets.
EXPONENT, SHIFT = 0.0, 0.0
#: of "auto", where the sequences' length is not known
RANGE = (1.0, 100.0)
#: shorter sequences start as published with "auto": the study's digits of 8 steps
#: gained nothing, and slim variants lost up to two points
SHORTEST = 16
_ALLOWED = (
    "None, a number of steps above 1, a pair (low, high) with 1 <= low <= high and "
    'high > 1, or "auto"'
)


@dataclass(frozen=True)
class TimeScales:
    """The time constants of a layer's units.

    Args:
        low: the shortest T, in steps; 1 or more.
        high: the longest.
        exponent: p of the density T^-p.
        shift: added to the input gate's pre-activation, beside the complement of the
            forget gate, -log(T - 1).

    Raises:
        InputError: bounds that are out of order, or a number that is none.

    Example:
        >>> TimeScales(1, 100).quantiles(2)
        array([25.75, 75.25])
        >>> TimeScales(1, 100, exponent=1).quantiles(2).round(2)
        array([ 3.16, 31.62])
    """

    low: float
    high: float
    exponent: float = EXPONENT
    shift: float = SHIFT

    def __post_init__(self) -> None:
        fits = all(map(number, asdict(self).values()))
        if not fits or not 1 <= self.low <= self.high or self.high <= 1:
            raise InputError(
                f"time_scale must be {_ALLOWED}; received {asdict(self)!r}."
            )

    @classmethod
    def of(cls, given: Any, length: int | None = None) -> TimeScales | None:
        """The time scales that a layer's argument means; None for None.

        Args:
            given: what the layer got.
            length: steps of a sequence, where known; ``"auto"`` goes up to it, and
                means None below :data:`SHORTEST`.
        """
        if given is None:
            return None
        if is_auto(given):
            length = length if given == "auto" else given["length"]
            if length is None:
                return cls(*RANGE)
            return cls(1, length) if length >= SHORTEST else None
        try:
            if isinstance(given, Mapping):
                return cls(**given)
            low, high = (given, given) if isinstance(given, (int, float)) else given
            return cls(low, high)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"time_scale must be {_ALLOWED}; received {given!r}."
            ) from error

    def quantiles(self, count: int) -> Array:
        """(count,) so many T, from short to long: each in the middle of its share."""
        q = (np.arange(count) + 0.5) / count
        if self.exponent == 1:
            return self.low * (self.high / self.low) ** q
        power = 1 - self.exponent
        low, high = self.low**power, self.high**power
        return (low + q * (high - low)) ** (1 / power)

    def gates(self, family: str, scales: Array) -> dict[str, Array]:
        """What the gates that set the pace are worth: gate -> its value for each T.

        Example:
            >>> TimeScales(1, 100).gates("lstm", np.array([10.0]))
            {'f': array([0.9]), 'i': array([0.1])}
        """
        keep, rule = 1 - 1 / scales, FAMILIES[family]
        if rule.rule == "mix":
            return {rule.update: keep if rule.keeps else 1 - keep}
        return {"f": keep, "i": 1 / (1 + (scales - 1) * np.exp(-self.shift))}

    def biases(
        self, family: str, inverse: Callable[[Array], Array], order: Array
    ) -> dict[str, Array]:
        """The biases with which those gates start: gate -> (n,).

        Args:
            family: of the cell.
            inverse: of the recurrent activation.
            order: (n,) the places of the units' time scales, from short to long.
        """
        gates = self.gates(family, self.quantiles(len(order))[order])
        return {gate: inverse(value) for gate, value in gates.items()}

    def gains(self, spec: CellSpec, biases: dict[str, Array]) -> dict[str, Array]:
        """What the recurrent matrices that a slow reset gate damps start times.

        The MGU's f resets h too: a unit that remembers T steps shows the candidate a
        T-th of its h. Divided by f, U sees all of it, where f is a bias alone; one that
        x or h opens would show U T times too much.

        Returns:
            gate -> (n, 1) for the rows of U, or (n,) for its columns.
        """
        family = spec.family
        if family.reset != family.update or family.reset not in biases:
            return {}
        if spec.variant[family.reset].terms != ("bias",):
            return {}
        gain = 1 / spec.recurrent_activation.function(biases[family.reset])
        return {family.product: gain} if family.product else {CANDIDATE: gain[:, None]}

    def constants(self, family: str) -> dict[str, float]:
        """What those gates are worth for the geometric middle, one T for all units."""
        middle = self.gates(family, np.array([(self.low * self.high) ** 0.5]))
        return {gate: round(float(value[0]), 6) for gate, value in middle.items()}


def tie_start(scales: TimeScales | None) -> Array:
    """(2,) zeta and nu of a scaled tie before training.

    A unit adds up nu for the T steps that it remembers: with time scales, no more than
    1 in all, as long as the longest is.

    Example:
        >>> tie_start(None), tie_start(TimeScales(1, 1000)).round(2)
        (array([ 1., -4.]), array([ 1.  , -6.91]))
    """
    zeta, nu = TIE_START
    return np.array([zeta, min(nu, -math.log(scales.high - 1)) if scales else nu])


def is_auto(given: Any) -> bool:
    """Whether a layer's argument is "auto", or that of a sequence of known length."""
    return given == "auto" or (isinstance(given, Mapping) and set(given) == {"length"})


def paced_constants(
    variant: Variant, given: TimeScale, scales: TimeScales | None
) -> tuple[str, ...]:
    """The constant gates of a variant that the time scales set.

    "auto" leaves the constants of a variant of one's own as they are.
    """
    if scales is None or (is_auto(given) and variant not in TABLE):
        return ()
    family = FAMILIES[variant.family]
    if variant.constants.get(family.update) == float(not family.keeps):
        return ()  # the candidate takes the place of h: there is no pace to set
    paced = scales.gates(variant.family, scales.quantiles(1))
    return tuple(gate for gate in variant.constants if gate in paced)
