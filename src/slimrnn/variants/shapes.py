"""The shapes of a sequence: the one description of what each array of it must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slimrnn.errors import InputError
from slimrnn.variants.gates import FAMILIES
from slimrnn.variants.variant import Variant

Shape = tuple[int, ...]


def of_sequence(
    variant: Variant, batch: int, time: int, features: int, units: int
) -> dict[str, Shape]:
    """The shape of each array of a sequence, by name.

    The states before it are called ``initial h``, those after it ``last h``.

    Example:
        >>> from slimrnn import get
        >>> of_sequence(get("GRU3"), 8, 5, 3, 4)["initial h"]
        (8, 4)
    """
    states = FAMILIES[variant.family].states
    return {
        "x": (batch, time, features),
        **variant.shapes(features, units),
        **{f"initial {k}": (batch, units) for k in states},
        "mask": (batch, time),
        "recurrent_mask": (batch, units),
        "outputs": (batch, time, units),
        **{f"last {k}": (batch, units) for k in states},
    }


def named(
    variant: Variant,
    x: Any,
    states: Sequence[Any],
    weights: Mapping[str, Any],
    mask: Any,
    recurrent_mask: Any,
) -> dict[str, Any]:
    """What a sequence is computed from, by name; without what is not given."""
    initial = named_states(variant, states)
    wanted = tuple(variant.shapes(1, 1))
    if set(weights) != set(wanted):
        raise InputError(
            f"{variant.name} has the weights {', '.join(wanted)}; received "
            f"{', '.join(weights) or 'none'}."
        )
    arrays = {"x": x, **{k: weights[k] for k in wanted}}
    arrays |= {f"initial {k}": h for k, h in initial.items()}
    arrays |= {"mask": mask, "recurrent_mask": recurrent_mask}
    return {k: array for k, array in arrays.items() if array is not None}


def named_states(variant: Variant, states: Sequence[Any]) -> dict[str, Any]:
    """The states before a sequence, by name."""
    names = FAMILIES[variant.family].states
    if len(states) != len(names):
        raise InputError(
            f"initial_state must have {len(names)} tensors ({', '.join(names)}); "
            f"received {len(states)}."
        )
    return dict(zip(names, states, strict=True))


def check(variant: Variant, arrays: Mapping[str, Any]) -> None:
    """Refuse arrays whose shapes are not those of a sequence, and masks of numbers.

    Args:
        variant: what is computed.
        arrays: by name, x and the kernel among them; a dimension of None fits.
    """
    x, kernel = arrays["x"].shape, arrays["kernel"].shape
    if len(x) != 3 or 0 in tuple(x)[1:]:
        raise InputError(
            f"x must be (batch, time, features), but for the batch none of them 0; "
            f"received the shape {tuple(x)}."
        )
    if len(kernel) != 2:
        raise InputError(
            f"kernel must be (features, gates * units); received the shape "
            f"{tuple(kernel)}."
        )
    units = kernel[1] // len(variant.blocks("kernel"))
    wanted = of_sequence(variant, x[0], x[1], kernel[0], units)
    for name, array in arrays.items():
        received = tuple(array.shape)
        if not _fits(received, wanted[name]):
            raise InputError(
                f"{name} must have the shape {wanted[name]}; received {received}."
            )
    if "mask" in arrays and "bool" not in str(arrays["mask"].dtype):
        raise InputError(
            f"mask must be booleans; received {arrays['mask'].dtype}: True is a step "
            "that counts."
        )


def _fits(received: Shape, wanted: Shape) -> bool:
    if len(received) != len(wanted):
        return False
    pairs = zip(received, wanted, strict=True)
    return all(a is None or b is None or a == b for a, b in pairs)
