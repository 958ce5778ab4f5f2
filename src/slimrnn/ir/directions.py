"""Two directions of a recurrent layer: joined, side by side, and each for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from slimrnn.errors import InputError
from slimrnn.ir.described import LAST, Described
from slimrnn.ir.flow import DIRECTIONS, FEATURES, LAYERS, Axis, Flow


def ends(name: str, parts: Sequence[Flow]) -> Flow:
    """The last steps of a layer's directions, or of several layers, along an axis.

    Args:
        name: of the layer with two directions, where they are that.
        parts: sequences and features each.
    """
    *others, last = parts
    axis, layers = Axis(DIRECTIONS, len(parts)), last.layers
    if len(parts) == 2 and _why_no_pair(*parts) == "":
        layers = paired(name, "concat", *parts).layers
    elif others:
        axis = Axis(LAYERS, len(parts))
    found = (axis, *last.axes)
    return replace(last, axes=found, layers=layers, parts=tuple(parts))


def paired(name: str, merge: str, one: Flow, other: Flow) -> Flow:
    """Two layers over the same steps as the directions of one.

    Raises:
        InputError: they are others.
    """
    if merge != "concat" and one.layers and one.layers[-1].get("go_backwards"):
        one, other = other, one  # which makes no difference
    if why := _why_no_pair(one, other):
        raise InputError(f"The operator {name} joins {why}.")
    widths = [x.axes[-1].size for x in (one, other)]
    width = sum(map(int, widths)) if merge == "concat" else widths[0]
    inner = one.layers[-1], other.layers[-1]
    both = Described("Bidirectional", name, {"merge_mode": merge}, inner=inner)
    return replace(one, layers=one.layers[:-1], in_order=False).through(both, width)


def _why_no_pair(one: Flow, other: Flow) -> str:
    if not one.layers or not other.layers:
        return "the model's input to a layer"
    *before, forward = one.layers
    *same, backward = other.layers
    ways = [layer.get("go_backwards") for layer in (forward, backward)]
    fits = all(a is b for a, b in zip(before, same, strict=False))
    each, all_steps = (layer.get("return_sequences") for layer in (forward, backward))
    fits = fits and each == all_steps and other.in_order == bool(all_steps)
    if ways == [False, True] and fits and len(before) == len(same):
        return ""
    return (
        f"{forward.name} and {backward.name}; allowed are two recurrent layers over "
        f"the same steps, forwards and backwards"
    )


def one_of_both(x: Flow, axes: Sequence[Axis], way: int) -> Flow:
    """What one direction gave, of what lies side by side.

    Args:
        x: of both.
        axes: of the one.
        way: 0 forwards, 1 backwards.

    Raises:
        InputError: it is of a step to which that direction does not come last.
    """
    *before, last = x.layers
    ended = last.kind == LAST
    if ended:
        *before, last = before
    index, count = x.step or (-1, 0)
    own = last.inner[way]
    one = replace(
        x.with_axes(axes),
        layers=(*before, own),
        in_order=bool(way and own.get("return_sequences")),
        step=None,
    )
    if not ended and x.step is None:
        return one
    if not (index == 0 if way else ended or index + 1 == count):
        raise InputError(
            f"The graph takes another step of {own} than the one to which "
            f"it comes last; allowed are the last one forwards and the first one "
            f"backwards."
        )
    return one.first_step() if way else one.last_step()


def of_features(x: Flow, place: int, start: int, end: int) -> Flow | None:
    """The features of one direction, of both side by side; None: they are others."""
    inner = x.directions()
    if not inner:
        return None
    first, whole = inner[0].units, sum(way.units for way in inner)
    if x.axes[place] != (FEATURES, whole):
        return None
    ways = {(0, first): 0, (first, whole): 1}
    way = ways.get((start, min(end, whole)))
    if way is None:
        return None
    axes = list(x.axes)
    axes[place] = Axis(FEATURES, inner[way].units)
    return one_of_both(x, axes, way)
