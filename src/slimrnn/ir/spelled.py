"""Functions that a graph spells in operators on numbers, known by their values.

Exporters write GELU, or Swish, as sums and products of what goes several ways. What a
run of such operators computes is tried, and the activation is named that agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.described import Described
from slimrnn.ir.flow import Array, Flow
from slimrnn.variants.activations import ACTIVATIONS, OF_LAYERS

Function = Callable[[Array], Array]

#: a layer that is an operator on each number by itself
FORMULA = "Formula"
_KNOWN = {**ACTIVATIONS, **OF_LAYERS}
#: where functions are compared: near 0, and far off, so that a bound is seen; and how
#: nearly they must agree
_FAR = np.geomspace(8, 300, 24)
_TRIED, _NEAR = np.concatenate([-_FAR[::-1], np.linspace(-7.3, 7.1, 113), _FAR]), 1e-5


def applied(about: Any, x: Flow, function: Function) -> Flow:
    """After an operator on each number."""
    return x.through(Described(FORMULA, about["name"], {"function": function}))


def joined(
    about: Any, function: Callable[..., Array], one: Flow, other: Flow
) -> Flow | None:
    """Two ways of the same numbers as one operator; None where they are not that."""
    common = 0
    for a, b in zip(one.layers, other.layers, strict=False):
        if a is not b:
            break
        common += 1
    ways = [_composed(flow.layers[common:]) for flow in (one, other)]
    first, second = ways
    if first is None or second is None or one.axes != other.axes:
        return None

    def both(x: Array) -> Array:
        return function(first(x), second(x))

    return applied(about, replace(one, layers=one.layers[:common]), both)


def named(layers: Sequence[Described]) -> list[Described]:
    """The layers, with the activations that are spelled in them.

    Raises:
        InputError: operators that are none.
    """
    found: list[Described] = []
    place = 0
    while place < len(layers):
        layer, end = layers[place], place + 1
        if layer.kind == FORMULA:
            name, end = _name(layers, place)
            layer = Described("Activation", layer.name, {"activation": name})
        found.append(layer)
        place = end
    return found


def _name(layers: Sequence[Described], first: int) -> tuple[str, int]:
    """The activation that begins at a place, and where it ends: the longest one."""
    for end in range(len(layers), first, -1):
        function = _composed(layers[first:end])
        if function is None:
            continue
        with np.errstate(all="ignore"):
            values = function(_TRIED)
        for name, known in _KNOWN.items():
            if np.allclose(values, known.function(_TRIED), _NEAR, _NEAR):
                return name, end
    raise InputError(
        f"The operator {layers[first].name} belongs to a function of each number that "
        f"is none of {', '.join(_KNOWN)}."
    )


def _composed(layers: Sequence[Described]) -> Function | None:
    """What layers do with a number; None where they do not look at each by itself."""
    functions = [_function(layer) for layer in layers]
    known = [function for function in functions if function is not None]
    if len(known) < len(functions):
        return None

    def composed(x: Array) -> Array:
        for function in known:
            x = function(x)
        return x

    return composed


def _function(layer: Described) -> Function | None:
    if layer.kind == FORMULA:
        return layer.settings["function"]
    if layer.kind == "Activation":
        known = _KNOWN.get(layer.settings["activation"])
        return known.function if known else None
    if layer.kind == "Rescaling" and layer.is_of_numbers:
        scale, offset = (np.ravel(layer.settings[k]) for k in ("scale", "offset"))
        return lambda x: scale * x + offset
    return None
