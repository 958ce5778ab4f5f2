"""The integers of a cell's state c: how many bits, and how many behind the point.

Where the variant bounds c, its format is that of the bound; else that of what c reached
in the calibration data. A unit that adds up would leave the others of its layer few of
16 bits: there, c has 32.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from slimrnn.deploy.program.functions import WIDE
from slimrnn.deploy.program.program import Lowered
from slimrnn.deploy.program.step import ONE_BITS, Structure
from slimrnn.errors import InputError
from slimrnn.ir.layers import Recurrent
from slimrnn.variants import ACTIVATIONS, CANDIDATE, FAMILIES

_INT16 = 32767
#: activations that int8 has: all stay within -1 and 1
_GATES = tuple(name for name, known in ACTIVATIONS.items() if known.is_gate)
BOUNDED = tuple(
    name for name, known in ACTIVATIONS.items() if known.low >= -1 and known.high <= 1
)
#: beside what c reached in the calibration data, so much is left
_MARGIN = 1.25
#: units by which a step can move c at least: each step rounds by half a unit
_LEAST_STEP = 8
#: fraction bits of c below which steps of the usual size are lost: of five LSTMs of an
#: amplifier, 10 add 3 % to the error at most, 9 add 12 %, 8 make it four times as large
_FINE = 10


@dataclass(frozen=True)
class StateFormat:
    """The fraction bits of c.

    Attributes:
        bits: how many there are.
        saturates: whether c can reach the end of its range.
        wide: whether c has 32 bits; else 16.
    """

    bits: int
    saturates: bool = False
    wide: bool = False


def state_format(layer: Recurrent, reach: float) -> StateFormat:
    """How a layer's c is held.

    Args:
        layer: of the model.
        reach: how far c goes in the calibration data.
    """
    _check_functions(layer)
    _check_constants(layer)
    variant = layer.cell.variant
    if FAMILIES[variant.family].rule != "accumulate":
        return StateFormat(0)  # there is no c
    structure = Lowered(layer).structure
    forget = variant["f"].constant
    if variant.tied and structure.candidate_bits == ONE_BITS and not structure.tie:
        return _of_tie(layer, structure)
    if forget is not None and abs(forget) < 1:
        return _of_constant(layer, structure, forget)
    return _of_data(layer, structure, reach)


def _of_tie(layer: Recurrent, structure: Structure) -> StateFormat:
    """|i g| <= top (1 - f), so c never leaves top, rounded or not."""
    shift = structure.variant[structure.variant.tied].shift
    top = 1.001 * math.exp(shift) + 0.5 if shift else 1.0
    if top > _INT16:
        raise InputError(
            f"int8: c can reach {top:.3g} in {layer.name}, whose tied gate has "
            f"the shift {shift:g}; allowed is one below 10."
        )
    return StateFormat(structure.candidate_bits - math.ceil(math.log2(top)))


def _of_constant(layer: Recurrent, structure: Structure, forget: float) -> StateFormat:
    """|c| <= |i| / (1 - |f|)."""
    most, gate = structure.candidate_bits, structure.variant["i"].constant
    whole = min(abs(round(forget * 2**ONE_BITS)), 2**ONE_BITS - 1)
    keep = 1 - whole / 2**ONE_BITS
    # A scaled tie goes beyond 1; others do not.
    top = sum(structure.tie) if structure.tie else 1.0 if gate is None else abs(gate)
    largest = 2.0 ** (ONE_BITS - most) * top
    for bits in range(min(ONE_BITS - 1, most), -1, -1):
        if (largest * 2**bits + 2) / keep > _INT16:
            continue
        if largest * 2**bits < _LEAST_STEP:
            raise InputError(
                f"int8: the forget gate {forget} of {layer.name} remembers "
                f"{1 / keep:.0f} steps, so that an input moves c by "
                f"{largest * 2**bits:.1f} of its 16-bit units at most, and "
                f"rounding would be what it adds up; allowed is {_LEAST_STEP} "
                f"or more. Use float32, or a shorter time scale."
            )
        return StateFormat(bits)
    raise InputError(
        f"int8: no bound of c is known in {layer.name}, whose forget gate is "
        f"{forget}; allowed is one below 0.999."
    )


def _of_data(layer: Recurrent, structure: Structure, reach: float) -> StateFormat:
    """What c reached, and some more: 32 bits where 16 are few, unless h is that c."""
    first = float(abs((layer.initial or {}).get("c", np.zeros(1))).max())
    reach = max(reach, first, 2.0**-10) * _MARGIN
    bits, most = math.floor(math.log2(_INT16 / reach)), structure.candidate_bits
    wide = bits < _FINE and structure.spec.of_state.name != "linear"
    if bits < _FINE and not wide:
        _warn(
            f"c reaches {reach / _MARGIN:.0f} in {layer.name}, so that its 16 bits "
            f"have {max(0, bits)} fraction bits, and what moves it by less than "
            f"{2.0 ** -max(0, bits) / 2:.2g} in a step is lost",
            "train it with a shorter time scale",
        )
    limit = WIDE / 2**most if wide else reach
    if structure.tie:
        _warn(
            f"i goes beyond 1 - f in {layer.name}, so that no bound of c is known: "
            f"over sequences longer than the calibration's it may saturate at "
            f"{limit:.3g}",
            "take a tie without scales",
        )
    elif reach > limit:
        _warn(
            f"c reaches {reach / _MARGIN:.0f} in {layer.name}, and saturates at "
            f"{limit:.0f}",
            "train it with a shorter time scale",
        )
    if wide:
        return StateFormat(most, saturates=True, wide=True)
    # Where i comes near to 2, i * g must lose a bit to fit 32 with f * c.
    most = min(ONE_BITS - 1, most - bool(structure.tie))
    return StateFormat(max(0, min(most, bits)), saturates=True)


def _warn(what: str, instead: str) -> None:
    warnings.warn(
        f"int8: {what}. Compare it with float32 on sequences as long as yours "
        f"(`slimrnn evaluate --int8`), or {instead}.",
        stacklevel=2,
    )


def _check_functions(layer: Recurrent) -> None:
    cell = layer.cell
    gates = [gate for name, gate in cell.variant.items() if name != CANDIDATE]
    used: dict[str, tuple[str, tuple[str, ...]]]
    own, of_state = cell.variant.candidate_activation, cell.variant.state_activation
    used = {"candidate_activation": (own or "linear", (*BOUNDED, "linear"))}
    used["state_activation"] = (of_state or "linear", (*BOUNDED, "linear"))
    if not own or (not of_state and cell.spec.family.rule == "accumulate"):
        used["activation"] = (cell.spec.activation.name, BOUNDED)
    if any(gate.constant is None for gate in gates):
        used["recurrent_activation"] = (cell.spec.recurrent_activation.name, _GATES)
    for what, (name, allowed) in used.items():
        if name not in allowed:
            raise InputError(
                f"int8: no bound of the state is known in {layer.name}, whose {what} "
                f"is {name}; allowed: {', '.join(allowed)}."
            )


def _check_constants(layer: Recurrent) -> None:
    variant: Any = layer.cell.variant
    update: str = FAMILIES[variant.family].update
    constants: Mapping[str, float] = variant.constants
    for name, value in constants.items():
        least = 0 if name == update else -1
        if not least <= value <= 1:
            raise InputError(
                f"int8: no bound of the state is known in {layer.name}, whose gate "
                f"{name} is {value}; allowed: {least} to 1."
            )
