"""What a step computes: each formula once, in float32 and in integers of 16 bits.

A formula works on NumPy's arrays, and on the expressions of
``deploy.program.c_expression``: what the simulator computes is what the C says.

Integers (Qk has k fraction bits; all products fit 32 bits, which the exporter proves):
sums are Q12, gates and h are Q15, c is Q``bits``, biases and recurrent vectors are Q12.
Where c has 32 bits, it has those of the candidate, and its product with f has 64.
A sum beyond +-8 counts as +-8, where the activations are flat.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from slimrnn.deploy.program.step import ONE_BITS, SUM_BITS

ONE = 1 << ONE_BITS


class Float32:
    """Each operation rounds once; none is contracted with another.

    Args:
        call: how a function of a name is called.
    """

    def __init__(self, call: Callable[[str, Any], Any]):
        self.call = call

    def activated(self, function: str, value: Any) -> Any:
        """``function(value)``."""
        return value if function == "linear" else self.call(f"slim_{function}", value)

    def activated_state(self, function: str, c: Any, structure: Any) -> Any:
        """``g(c)``."""
        return self.activated(function, c)

    def added(self, terms: list[Any]) -> Any:
        """The sum, from left to right."""
        return _sum(terms)

    def weighed(self, weight: Any, h: Any, structure: Any) -> Any:
        """``u * h``."""
        return weight * h

    def times(self, gate: Any, value: Any) -> Any:
        """``gate * value``; a gate can be a constant, here and below."""
        return value if _is(gate, 1) else _float(gate) * value

    def reset(self, gate: Any, total: Any) -> Any:
        """``gate * (U h + b)``."""
        return self.times(gate, total)

    def skipped(self, y: Any, scale: Any, x: Any, lowered: Any) -> Any:
        """``y + scale * x``."""
        return y + scale * x

    def leaked(self, x: Any, slope: Any, lowered: Any) -> Any:
        """``x`` where it is positive, else ``slope * x``."""
        above = self.call("slim_relu", x)
        return above + slope * (x - above)

    def between(self, gate: Any, first: Any, second: Any) -> Any:
        """``gate * first + (1 - gate) * second``."""
        if _is(gate, 1):
            return first
        if _is(gate, 0):
            return second
        gate = _float(gate)
        return gate * first + (np.float32(1) - gate) * second

    def complement(self, gate: Any, ratio: float) -> Any:
        """``(1 - gate) / (1 - gate + ratio * gate)``; of a ratio of 1, 1 - gate."""
        rest = np.float32(1) - gate
        return rest if ratio == 1 else rest / (rest + np.float32(ratio) * gate)

    def scaled(self, gate: Any, zeta: float, nu: float) -> Any:
        """``zeta * gate + nu``."""
        return np.float32(zeta) * gate + np.float32(nu)

    def accumulated(self, f: Any, c: Any, i: Any, g: Any, structure: Any) -> Any:
        """``f * c + i * g``."""
        return _sum([self.times(a, b) for a, b in _present((f, c), (i, g))])


class Int8:
    """Integers of 16 bits, in sums of 32; weights in matrices have 8.

    Args:
        call: how a function of a name is called.
    """

    def __init__(self, call: Callable[[str, Any], Any]):
        self.call = call

    def activated(self, function: str, value: Any) -> Any:
        """Q12 to Q15; where it is no function, to Q12 of 16 bits."""
        name = "saturate" if function == "linear" else f"slim_{function}"
        return self.call(name, value)

    def activated_state(self, function: str, c: Any, structure: Any) -> Any:
        """``g(c)``."""
        if function == "linear":
            return c
        return self.activated(function, shifted(c, structure.bits - SUM_BITS))

    def added(self, terms: list[Any]) -> Any:
        """The sum."""
        return _sum(terms)

    def weighed(self, weight: Any, h: Any, structure: Any) -> Any:
        """``u * h``: Q12 times what h is."""
        return shifted(weight * h, structure.h_bits)

    def times(self, gate: Any, value: Any) -> Any:
        """``gate * value``: Q15 times any."""
        return value if _is(gate, 1) else shifted(_whole(gate) * value, ONE_BITS)

    def skipped(self, y: Any, scale: Any, x: Any, lowered: Any) -> Any:
        """``y + scale * x``, brought to the same fraction bits, which hold the sum."""
        return shifted(y, lowered.lost) + shifted(scale * x, lowered.shift)

    def leaked(self, x: Any, slope: Any, lowered: Any) -> Any:
        """``x`` where it is positive, else ``slope * x``."""
        above = self.call("slim_relu", x)
        below = shifted(slope * (x - above), lowered.shift)
        return shifted(above, lowered.lost) + below

    def reset(self, gate: Any, total: Any) -> Any:
        """``gate * (U h + b)``, the sum being kept within +-16."""
        return self.times(gate, self.call("limit", total))

    def between(self, gate: Any, first: Any, second: Any) -> Any:
        """``gate * first + (1 - gate) * second``."""
        if _is(gate, 1):
            return first
        if _is(gate, 0):
            return second
        gate = _whole(gate)
        return shifted(gate * first + (ONE - gate) * second, ONE_BITS)

    def complement(self, gate: Any, ratio: float) -> Any:
        """``(1 - gate) / (1 - gate + ratio * gate)``; of a ratio of 1, 1 - gate."""
        rest = ONE - gate
        if ratio == 1:
            return rest
        return rest * ONE // (rest + shifted(round(ratio * ONE) * gate, ONE_BITS))

    def scaled(self, gate: Any, zeta: float, nu: float) -> Any:
        """``zeta * gate + nu``, below 2: each of them below 1."""
        zeta, nu = (min(round(number * ONE), ONE - 1) for number in (zeta, nu))
        return shifted(zeta * gate, ONE_BITS) + nu

    def accumulated(self, f: Any, c: Any, i: Any, g: Any, structure: Any) -> Any:
        """``f * c + i * g``: Q15 times Q``bits``, and Q15 times the candidate's."""
        bits, of_g = structure.bits, structure.candidate_bits
        terms = []
        for gate, value in _present((f, c), (i, g)):
            if value is c:
                terms.append(_whole(gate) * value)
            elif isinstance(gate, float):
                terms.append(round(gate * (1 << (ONE_BITS + bits - of_g))) * value)
            else:
                terms.append(shifted(gate * value, of_g - bits))
        total = shifted(_sum(terms), ONE_BITS)
        name = "saturate_wide" if structure.wide else "saturate"
        return self.call(name, total) if structure.saturates else total


def shifted(value: Any, bits: int) -> Any:
    """``value / 2**bits``, rounded to the nearest, halves up."""
    if bits <= 0:
        return value * (1 << -bits) if bits else value
    return (value + (1 << (bits - 1))) >> bits


def _sum(terms: list[Any]) -> Any:
    total = None
    for term in terms:
        total = term if total is None else total + term
    return total


def _present(*pairs: tuple[Any, Any]) -> list[tuple[Any, Any]]:
    """The pairs of gate and value but those whose gate is 0; one at least."""
    return [pair for pair in pairs if not _is(pair[0], 0)] or [pairs[0]]


def _is(gate: Any, constant: float) -> bool:
    return isinstance(gate, float) and gate == constant


def _float(gate: Any) -> Any:
    return np.float32(gate) if isinstance(gate, float) else gate


def _whole(gate: Any) -> Any:
    return round(gate * ONE) if isinstance(gate, float) else gate
