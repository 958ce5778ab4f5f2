"""What is known of a tensor of an ONNX graph before the graph runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.described import Described

Array = np.ndarray
Size = int | str  # a text: known only when the graph runs
FEATURES, DIRECTIONS, ONE = "features", "directions", "one"


class Axis(NamedTuple):
    """An axis of a tensor: of the model's input, or one of the three above."""

    name: str
    size: Size


@dataclass(frozen=True)
class Filled:
    """An array of any shape that is this one, broadcast; 0 where it is None."""

    values: Array | None = None


@dataclass(frozen=True)
class State:
    """A state of a recurrent layer that is an input or an output of the model."""

    name: str


class Body(NamedTuple):
    """The graph inside an operator: as it is in the file, and its arrays."""

    content: bytes
    arrays: dict[str, Array]


@dataclass(frozen=True)
class Mask:
    """Which steps are masked: those of a value, before the layer of a number."""

    place: int
    value: float


@dataclass(frozen=True)
class Flow:
    """What has become of the model's input.

    Attributes:
        axes: in the order in which they lie.
        layers: that it went through.
        columns: how many of the input's first features it is; None: all.
        time: the name of the axis of the steps, once a recurrent layer went over it.
        in_order: whether the last layer went backwards and its outputs were put into
            the order of its inputs.
        mask: that a recurrent layer got.
    """

    axes: tuple[Axis, ...]
    layers: tuple[Described, ...] = ()
    columns: int | None = None
    time: str = ""
    in_order: bool = False
    mask: Mask | None = None

    @property
    def shape(self) -> Array:
        """The sizes."""
        return np.array([axis.size for axis in self.axes], object)

    @property
    def width(self) -> Size:
        """How many features it has."""
        return self.axes[-1].size

    def with_axes(self, axes: Any) -> Flow:
        """The same numbers, lying otherwise."""
        return replace(self, axes=tuple(axes))

    def through(self, layer: Described, width: Size | None = None) -> Flow:
        """After a layer, over the features of each step.

        Raises:
            InputError: the features do not lie last, where it needs them all.
        """
        if self.axes[-1].name != FEATURES:
            if width is None and layer.kind == "Activation":  # each number by itself
                return replace(self, layers=(*self.layers, layer))
            raise InputError(f"The operator {layer} is not over the features.")
        last = Axis(FEATURES, self.width if width is None else width)
        return replace(self, axes=(*self.axes[:-1], last), layers=(*self.layers, layer))

    def last_step(self) -> Flow:
        """The last step alone, whose axis stays.

        Raises:
            InputError: it is no longer the last one of a layer that goes forwards.
        """
        place = next(
            (k for k, x in reversed([*enumerate(self.layers)]) if _is_over_steps(x)),
            None,
        )
        found = None if place is None else self.layers[place]
        if place is None or found is None or found.inner or found.get("go_backwards"):
            raise InputError(
                f"The graph takes the last step of {found or 'its input'}; allowed is "
                f"that of a recurrent layer that goes forwards."
            )
        layers = list(self.layers)
        settings = {**found.settings, "return_sequences": False}
        layers[place] = replace(found, settings=settings)
        return replace(self, layers=tuple(layers))

    def reshaped(self, sizes: list[Size]) -> Flow:
        """In another shape, where that only joins axes or takes them apart.

        Raises:
            InputError: any other shape.
        """
        sizes = [
            self.axes[k].size if size == 0 else size for k, size in enumerate(sizes)
        ]
        for axes in self._views():
            kept = [axis for axis in axes if axis.size != 1 or axis.name == FEATURES]
            wanted = [size for size in sizes if size != 1]
            if kept and kept[-1].size == 1:  # one feature
                wanted.append(1)
            fits = len(kept) == len(wanted) and all(
                size in (-1, axis.size) or "*" in str(axis.size)
                for size, axis in zip(wanted, kept, strict=True)
            )
            if fits:
                return self.with_axes(_with_ones(kept, sizes))
        raise InputError(
            f"The graph gives {', '.join(str(a.size) for a in self.axes)} numbers the "
            f"shape {', '.join(map(str, sizes))}; allowed is joining the directions, "
            f"the steps, or the sequences with their steps."
        )

    def _views(self) -> list[tuple[Axis, ...]]:
        """The axes, and with two neighbours joined, and with joined ones apart."""
        axes = tuple(a for a in self.axes if a.size != 1 or a.name == FEATURES)
        found = [axes]
        for k, (one, other) in enumerate(pairwise(axes)):
            joined = Axis(f"{one.name}*{other.name}", _times(one.size, other.size))
            if (one.name, other.name) == (DIRECTIONS, FEATURES):
                joined = Axis(FEATURES, joined.size)
            found.append((*axes[:k], joined, *axes[k + 2 :]))
        for k, axis in enumerate(axes):
            if "*" in axis.name:
                names, parts = axis.name.split("*"), str(axis.size).split("*")
                if len(parts) == len(names):
                    apart = [Axis(*pair) for pair in zip(names, parts, strict=True)]
                    known = [
                        Axis(a.name, int(a.size) if str(a.size).isdecimal() else a.size)
                        for a in apart
                    ]
                    found.append((*axes[:k], *known, *axes[k + 1 :]))
        return found


def _times(one: Size, other: Size) -> Size:
    if isinstance(one, int) and isinstance(other, int):
        return one * other
    return f"{one}*{other}"


def _with_ones(axes: list[Axis], sizes: list[Size]) -> list[Axis]:
    """The axes, and those of size 1 where a shape has them."""
    left, found = list(axes), []
    for size in sizes:
        if size == 1 and not (left and left[0].size == 1):
            found.append(Axis(ONE, 1))
        else:
            found.append(left.pop(0))
    return found


def _is_over_steps(layer: Described) -> bool:
    return "return_sequences" in layer.settings or bool(layer.inner)


def _gathered(x: Array, index: Array, axis: int) -> Array:
    return np.take(x, np.asarray(index, int), axis)


#: operators on what is known: from the attributes and the inputs
FOLDED: dict[str, Callable[..., Any]] = {
    "Add": lambda about, x, y: x + y,
    "Sub": lambda about, x, y: x - y,
    "Mul": lambda about, x, y: x * y,
    "Div": lambda about, x, y: x // y if x.dtype.kind in "iO" else x / y,
    "Cast": lambda about, x: x,
    "Concat": lambda about, *parts: np.concatenate(
        [np.asarray(part) for part in parts], about["axis"]
    ),
    "ConstantOfShape": lambda about, shape: Filled(
        about["value"] if "value" in about and about["value"].any() else None
    ),
    "Expand": lambda about, x, shape: Filled(x),
    "Gather": lambda about, x, index: _gathered(x, index, about.get("axis", 0)),
    "Identity": lambda about, x: x,
    "Reshape": lambda about, x, shape: x.reshape(np.asarray(shape, int)),
    "Slice": lambda about, x, starts, ends, axes=None, steps=None: x[
        slice(int(starts[0]), int(ends[0]), int(1 if steps is None else steps[0]))
    ],
    "Squeeze": lambda about, x, axes=None: np.squeeze(
        x, None if axes is None else tuple(map(int, axes))
    ),
    "Transpose": lambda about, x: np.transpose(x, about.get("perm")),
    "Unsqueeze": lambda about, x, axes: np.expand_dims(x, tuple(map(int, axes))),
}
