"""What a layer's arguments make of its variant, before there are weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slimrnn.errors import InputError
from slimrnn.variants.activations import SIGMOID, TANH, Activation
from slimrnn.variants.gates import FAMILIES
from slimrnn.variants.spec import CellSpec
from slimrnn.variants.table import TABLE, get
from slimrnn.variants.time_scales import TimeScales, is_auto, paced_constants
from slimrnn.variants.variant import Variant


@dataclass(frozen=True)
class Configured:
    """A layer's cell.

    Attributes:
        scales: the time scales; None: none.
        trained: the variant with the layer's own constants and without what it lacks;
            its shapes are those of the trained weights.
        vectors: the constant gates that have a value for each unit, stored beside them.
        spec: what is computed; to it a vector of constants is a bias alone.
    """

    scales: TimeScales | None
    trained: Variant
    vectors: tuple[str, ...]
    spec: CellSpec


def configured(
    variant: Variant,
    functions: tuple[Activation, Activation] = (TANH, SIGMOID),
    *,
    use_bias: bool = True,
    reset_after: bool = False,
    gate_constants: Mapping[str, float] | None = None,
    time_scale: Any = None,
    length: int | None = None,
    vectors: bool = True,
) -> Configured:
    """The cell of a layer with these arguments; see ``slimrnn.SlimLSTM``.

    Args:
        variant: of the table, or one's own.
        functions: the activation and the recurrent activation.
        use_bias: of the layer, as all that follow.
        reset_after: of a GRU.
        gate_constants: win over the time scale.
        time_scale: see :class:`TimeScales`.
        length: steps of a sequence, where they are known.
        vectors: whether the layer can have a value for each unit of a constant gate;
            else it has one for all.

    Example:
        >>> from slimrnn import get
        >>> configured(get("LSTM6"), time_scale=10).trained.constants
        {'i': 0.1, 'f': 0.9, 'o': 1.0}
    """
    scales = TimeScales.of(time_scale, length)
    used = variant if use_bias else variant.without_bias()
    if reset_after:
        used = used.with_reset_after()
    paced = paced_constants(variant, time_scale, scales)
    paced = tuple(gate for gate in paced if gate not in (gate_constants or {}))
    each: tuple[str, ...] = ()
    # One constant served LSTM6 as well as a vector (docs/results/time-scales), and
    # computes faster; so "auto" takes it.
    one_for_all = not vectors or is_auto(time_scale) or not functions[1].inverse
    if scales is not None and scales.low < scales.high and not one_for_all:
        each = paced
    elif scales is not None:
        constants = scales.constants(variant.family)
        used = used.with_constants({gate: constants[gate] for gate in paced})
    trained = used.with_constants(gate_constants)
    spec = CellSpec(trained.with_biases(each), *functions)
    return Configured(scales, trained, each, spec)


def of_family(variant: Any, family: str) -> Variant:
    """A variant that a layer of this family computes; see :func:`slimrnn.get`."""
    found = get(variant)
    if (FAMILIES[found.family].base or found.family) != family:
        names = ", ".join(v.name for v in TABLE if v.family == family)
        raise InputError(
            f"{found.name} is of the family {found.family}, and this layer computes "
            f"the family {family}; use Slim{found.family.upper()}, or one of {names}."
        )
    return found
