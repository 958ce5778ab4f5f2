"""The operators of ONNX that turn axes round, and take a part of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.described import Described
from slimrnn.ir.directions import ends, of_features, one_of_both
from slimrnn.ir.flow import DIRECTIONS, FEATURES, LAYERS, ONE, Array, Axis, Flow
from slimrnn.ir.onnx_recurrent import About

_END = np.iinfo("int32").max  # a slice's, or more


def _transpose(about: About, x: Flow) -> Flow:
    order = about.get("perm", range(len(x.axes))[::-1])
    return x.with_axes(x.axes[k] for k in order)


def _places(axes: Any, rank: int) -> list[int]:
    return [int(axis) % rank for axis in axes]


def _squeeze(about: About, x: Flow, axes: Any = None) -> Flow:
    ones = [k for k, axis in enumerate(x.axes) if axis.size == 1]
    gone = _places(about.get("axes", ones if axes is None else axes), len(x.axes))
    for axis in (x.axes[place] for place in gone):
        if axis.name == x.time and axis.size != 1:
            raise InputError(
                f"The operator {about['name']} (Squeeze) is over the steps, of which "
                f"there may be more than one; allowed is what is one by its making."
            )
    return x.with_axes(axis for k, axis in enumerate(x.axes) if k not in gone)


def _unsqueeze(about: About, x: Flow, axes: Any = None) -> Flow:
    found = list(x.axes)
    given = about.get("axes", axes)
    numbers = not x.layers and FEATURES not in [axis.name for axis in found]
    for place in _places(given, len(x.axes) + len(given)):
        is_feature = numbers and place == len(found)  # of each number, a step
        found.insert(place, Axis(FEATURES if is_feature else ONE, 1))
    return x.with_axes(found)


def _reshape(about: About, x: Flow, shape: Array) -> Flow:
    return x.reshaped(list(shape))


def _flatten(about: About, x: Flow) -> Flow:
    sizes = [axis.size for axis in x.axes]
    return x.reshaped([*sizes[: about.get("axis", 1)], -1])


def _expand(about: About, x: Flow, shape: Any) -> Flow:
    """A size of 1, or -1 in PyTorch, leaves an axis as it is."""
    pairs = zip(x.axes, shape, strict=True)
    kept = [size in (1, -1, axis.size) for axis, size in pairs]
    times = [1 if same else size for same, size in zip(kept, shape, strict=True)]
    return x.repeated(about["name"], times)


def _slice(
    about: About,
    x: Flow,
    starts: Any = None,
    ends: Any = None,
    axes: Any = None,
    steps: Any = None,
) -> Flow:
    starts, ends = about.get("starts", starts), about.get("ends", ends)
    axes = about.get("axes", range(len(starts)) if axes is None else axes)
    steps = [1] * len(starts) if steps is None else steps
    places = _places(axes, len(x.axes))
    for place, *bounds in zip(places, starts, ends, steps, strict=True):
        x = _cut(x, place, *map(int, bounds))
    return x


def _split(about: About, x: Flow, sizes: Any = None) -> tuple[Flow, ...]:
    place = about.get("axis", 0) % len(x.axes)
    many = about["outputs"]
    if about.get("split", sizes) is None:
        sizes = [-(-int(x.axes[place].size) // many)] * many
    ends = np.cumsum(about.get("split", sizes))
    starts = [0, *ends[:-1]]
    return tuple(
        _cut(x, place, int(start), int(end), 1)
        for start, end in zip(starts, ends, strict=True)
    )


def _cut(x: Flow, place: int, start: int, end: int, step: int) -> Flow:
    """One axis of it, from start to end."""
    axis, axes = x.axes[place], list(x.axes)
    to_end = end >= _END or end == axis.size
    if (start, step) == (0, 1) and to_end:
        return x
    if len(x.parts) == axis.size and place == 0 and step == 1:
        return ends(x.layers[-1].name, x.parts[start : None if to_end else end])
    if step == -1 and start in (-1, axis.size) and end < -1 and x.layers:
        return replace(x, in_order=not x.in_order)
    if axis.name == FEATURES and (start, step) == (0, 1) and not x.layers:
        axes[place] = Axis(FEATURES, end)
        return replace(x, axes=tuple(axes), columns=end)
    if step == 1 and (one := of_features(x, place, start, end)) is not None:
        return one
    if axis.name == x.time and x.in_order and (start, end, step) == (0, 1, 1):
        axes[place] = Axis(ONE, 1)
        return x.first_step().with_axes(axes)
    is_last = step == 1 and to_end and start in (-1, _before(axis.size))
    if is_last and axis.name == x.time:
        axes[place] = Axis(ONE, 1)
        return x.last_step().with_axes(axes)
    raise InputError(
        f"The graph cuts the axis {axis.name} from {start} to {end} by {step}; allowed "
        f"is the last step."
    )


def _part(x: Flow, place: int, index: int, ones: list[Axis]) -> Flow:
    """What one of the directions gave, or one of the layers, or both of its."""
    axis, axes = x.axes[place], [*x.axes[:place], *ones, *x.axes[place + 1 :]]
    if not x.parts:
        return one_of_both(x, axes, index)
    if len(x.parts) == axis.size:
        return x.parts[index].with_axes(axes)
    first = 2 * (index % int(axis.size))
    found = ends(x.layers[-1].name, x.parts[first : first + 2])
    if (axis.name, axes) != (LAYERS, [*found.axes]):
        raise InputError(
            "The graph takes one direction of several layers; allowed are both of one "
            "layer, such as h.view(layers, 2, B, n)[-1]."
        )
    return found


def _has_parts(x: Flow, axis: Axis) -> bool:
    return bool(x.parts) or (axis.size == 2 and bool(x.directions()))


def _before(size: Any) -> Any:
    return size - 1 if isinstance(size, int) else None


def _gather(about: About, x: Any, index: Any) -> Flow:
    if isinstance(index, Flow):
        if about.get("axis", 0) or index.layers or np.ndim(x) != 2:
            raise InputError(f"The operator {about['name']} (Gather) is no Embedding.")
        layer = Described("Embedding", about["name"], weights=[x])
        axes = (*index.axes, Axis(FEATURES, x.shape[1]))
        return replace(index, axes=axes, layers=(layer,))
    place = about.get("axis", 0) % len(x.axes)
    axis, axes = x.axes[place], x.axes
    ones = [Axis(ONE, 1)] * np.ndim(index)
    one = int(index) if np.size(index) == 1 else None
    if axis.name in (DIRECTIONS, LAYERS) and one is not None and _has_parts(x, axis):
        return _part(x, place, one, ones)
    without = [*axes[:place], *ones, *axes[place + 1 :]]
    if one in (-1, _before(axis.size)):
        found = x if axis.size == 1 else _cut(x, place, -1, _END, 1)
        return found.with_axes(without)
    if one == 0 and axis.name == x.time and x.in_order:
        return x.first_step().with_axes(without)
    if one == 0 and axis.name == x.time and x.directions():
        return replace(x, axes=tuple(without), step=(0, 0))  # of how many: not known
    raise InputError(
        f"The operator {about['name']} (Gather) takes {index} of the axis "
        f"{axis.name}; allowed is the last step. A loop over cells is read from a "
        f"module of PyTorch in memory."
    )


#: of what they get: the attributes, and the inputs
AXES: dict[str, Callable[..., Any]] = {
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Expand": _expand,
    "Tile": lambda about, x, times: x.repeated(about["name"], times),
    "Slice": _slice,
    "Split": _split,
    "Gather": _gather,
}
