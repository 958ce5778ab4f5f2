"""What is known of a tensor of somebody's graph before the graph runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.described import LAST, Described

Array = np.ndarray
Size = int | str  # a text: known only when the graph runs
FEATURES, DIRECTIONS, ONE = "features", "directions", "one"
#: the last states of more than a layer; one of them has to be taken
LAYERS = "layers"
#: an operator that the IR lacks, and which can be told as another at the end
LOG_SOFTMAX = "LogSoftmax"
#: what does the same with each step, so that the last one can be taken before it
_OF_EACH = (
    *("Dense", "Activation", "Rescaling", "Formula"),
    *("PReLU", "LeakyReLU", "ELU"),
    *("BatchNormalization", "LayerNormalization"),
)


class Axis(NamedTuple):
    """An axis of a tensor: of the model's input, or one of those above."""

    name: str
    size: Size


@dataclass(frozen=True)
class Filled:
    """An array of any shape that is this one, broadcast; 0 where it is None."""

    values: Array | None = None


@dataclass(frozen=True)
class State:
    """A state of a recurrent layer that a layer gives, or what is computed of one.

    Attributes:
        name: of it.
        is_input: whether it is an input of the model, which begins as zeros.
    """

    name: str
    is_input: bool = False


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
        parts: what lies along the axis of the directions, or of the layers.
        step: which one of how many steps it is, in a loop; None: of all of them.
    """

    axes: tuple[Axis, ...]
    layers: tuple[Described, ...] = ()
    columns: int | None = None
    time: str = ""
    in_order: bool = False
    mask: Mask | None = None
    parts: tuple[Flow, ...] = ()
    step: tuple[int, int] | None = None

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

    def after(self, *layers: Described, axes: Any = None, time: str = "") -> Flow:
        """After layers that see more than the features of a step."""
        return replace(
            self,
            axes=self.axes if axes is None else tuple(axes),
            layers=(*self.layers, *layers),
            time=time or self.time,
            parts=(),
        )

    def through(self, layer: Described, width: Size | None = None) -> Flow:
        """After a layer, over the features of each step.

        Raises:
            InputError: the features do not lie last, where it needs them all.
        """
        if self.axes[-1].name != FEATURES:
            if width is None and layer.is_of_numbers:
                return self.after(layer)
            raise InputError(f"The operator {layer} is not over the features.")
        last = Axis(FEATURES, self.width if width is None else width)
        return self.after(layer, axes=(*self.axes[:-1], last))

    def directions(self) -> tuple[Described, ...]:
        """The two layers whose features lie side by side; none where they do not."""
        *before, last = self.layers or (None,)
        if last is not None and last.kind == LAST and before:
            last = before[-1]
        if last is None or last.kind != "Bidirectional" or self.parts:
            return ()
        return last.inner if last.get("merge_mode", "concat") == "concat" else ()

    def joined(self) -> tuple[int, bool] | None:
        """Of all features of all steps in a row: the features, and if they lie inside.

        None where it is no such row.
        """
        axis = self.axes[-1]
        names = axis.name.split("*")
        if not self.time or sorted(names) != sorted([self.time, FEATURES]):
            return None
        width = dict(zip(names, _parts(axis.size), strict=False)).get(FEATURES)
        known = isinstance(width, int) or str(width).isdecimal()
        return (int(width), names[0] == self.time) if width and known else None

    def last_step(self) -> Flow:
        """The last step alone, whose axis stays.

        Raises:
            InputError: it is no longer the last one.
        """
        place = self._over_steps()
        if place is None or self.in_order:
            of = self.layers[-1] if self.layers else "its input"
            raise InputError(
                f"The graph takes the last step of {of}; allowed is that of a "
                f"recurrent layer that goes forwards."
            )
        layers, found = list(self.layers), self.layers[place]
        if "return_sequences" in found.settings and not found.get("go_backwards"):
            settings = {**found.settings, "return_sequences": False}
            layers[place] = replace(found, settings=settings)
        else:
            layers.append(Described(LAST, f"{layers[-1].name}_last"))
        return replace(self, layers=tuple(layers))

    def first_step(self) -> Flow:
        """The first step alone, to which a layer that goes backwards comes last."""
        place, layers = self._over_steps(), list(self.layers)
        if place is None or not self.in_order:
            raise InputError(
                "The graph takes the first step; allowed is that of a recurrent layer "
                "that goes backwards."
            )
        settings = {**layers[place].settings, "return_sequences": False}
        layers[place] = replace(layers[place], settings=settings)
        return replace(self, layers=tuple(layers), in_order=False)

    def _over_steps(self) -> int | None:
        """Where the last layer stands that does not do the same with each step."""
        over = (k for k, x in enumerate(self.layers) if x.kind not in _OF_EACH)
        return max(over, default=None)

    def of_last_step(self) -> Flow:
        """What a loop gives of the last step.

        Raises:
            InputError: it is of another one.
        """
        if self.step is None:
            return self
        index, count = self.step
        if index + 1 != count:
            raise InputError(
                f"The graph gives the step {index}; allowed is the last one, or all of "
                f"them."
            )
        return replace(self.last_step(), step=None)

    def repeated(self, name: str, times: Sequence[Size]) -> Flow:
        """An axis of size 1 as steps that are alike, from how often each axis is taken.

        Raises:
            InputError: it has steps already, or they are as many as the input has.
        """
        wide = [k for k, count in enumerate(times) if count != 1]
        if not wide:
            return self
        if self.step:
            return self.of_last_step().repeated(name, times)
        place, *others = wide
        names = [part for axis in self.axes for part in axis.name.split("*")]
        axis, ended = self.axes[place], self.time and self.time not in names
        if others or axis.size != 1 or axis.name == FEATURES or not ended:
            raise InputError(
                f"The operator {name} repeats other numbers than one output for all "
                f"steps."
            )
        if isinstance(times[place], str):
            raise InputError(
                f"The operator {name} repeats its one output for all steps as often as "
                f"the input has steps; allowed is a number that is its own."
            )
        axes, count = list(self.axes), int(times[place])
        axes[place] = Axis(self.time, count)
        return self.after(Described("RepeatVector", name, {"n": count}), axes=axes)

    def reshaped(self, sizes: list[Size]) -> Flow:
        """In another shape, where that only joins axes or takes them apart.

        Raises:
            InputError: any other shape.
        """
        sizes = [
            self.axes[k].size if size == 0 else _known(size)
            for k, size in enumerate(sizes)
        ]
        for loose, axes in product((False, True), self._views()):
            without = [axis for axis in axes if axis.size != 1]  # one feature, dropped
            for kept in (axes, without):
                if (found := _fitted(kept, sizes, loose)) is not None:
                    return self.with_axes(found)
        raise InputError(
            f"The graph gives {', '.join(str(a.size) for a in self.axes)} numbers the "
            f"shape {', '.join(map(str, sizes))}; allowed is joining the directions, "
            f"the steps, or the sequences with their steps."
        )

    def _views(self) -> list[tuple[Axis, ...]]:
        """The axes, and with two neighbours joined, and with joined ones apart."""
        axes = tuple(a for a in self.axes if a.size != 1 or a.name == FEATURES)
        found = [axes]
        if self.parts and axes[0].name == LAYERS:  # of layers with two directions
            layers = Axis(LAYERS, len(self.parts) // 2)
            found.append((layers, Axis(DIRECTIONS, 2), *axes[1:]))
        units = {way.units for way in self.directions()}
        if len(units) == 1 and axes[-1] == (FEATURES, 2 * min(units)):
            found.append((*axes[:-1], Axis(DIRECTIONS, 2), Axis(FEATURES, *units)))
        if not self.layers and FEATURES not in [axis.name for axis in axes]:
            found.append((*axes, Axis(FEATURES, 1)))  # numbers, each of a step
        for k, (one, other) in enumerate(pairwise(axes)):
            joined = Axis(f"{one.name}*{other.name}", _times(one.size, other.size))
            if (one.name, other.name) == (DIRECTIONS, FEATURES):
                joined = Axis(FEATURES, joined.size)
            found.append((*axes[:k], joined, *axes[k + 2 :]))
        for k, axis in enumerate(axes):
            if "*" in axis.name:
                names = axis.name.split("*")
                parts = _parts(axis.size)
                if len(parts) == len(names):
                    apart = [Axis(*pair) for pair in zip(names, parts, strict=True)]
                    known = [
                        Axis(a.name, int(a.size) if str(a.size).isdecimal() else a.size)
                        for a in apart
                    ]
                    found.append((*axes[:k], *known, *axes[k + 1 :]))
        return found


def _known(size: Any) -> Size:
    """A size out of a graph's array, whose numbers are NumPy's and none of Python's."""
    return int(size) if isinstance(size, np.integer) else size


class _Product(int):
    """The size of joined axes, which knows theirs."""

    parts: tuple[Size, ...]


def _parts(size: Size) -> Sequence[Size]:
    """The sizes of joined axes."""
    return getattr(size, "parts", str(size).split("*"))


def _times(one: Size, other: Size) -> Size:
    if isinstance(one, int) and isinstance(other, int):
        found = _Product(one * other)
        found.parts = *getattr(one, "parts", (one,)), *getattr(other, "parts", (other,))
        return found
    return f"{one}*{other}"


def _fitted(
    axes: Sequence[Axis], sizes: Sequence[Size], loose: bool
) -> list[Axis] | None:
    """The axes in a shape, and those of size 1 that it has; None where they differ.

    A number may be the size of an axis that only the graph knows, as that of a batch is
    which an exporter wrote down; and if it is ``loose``, that of joined ones.
    """
    left, found = list(axes), []
    for size in reversed(sizes):
        last = left[-1].size if left else None
        joined = "*" in str(last)
        unknown = isinstance(last, str) and (loose if joined else isinstance(size, int))
        if left and (size in (-1, last) or (unknown and size != 1)):
            found.append(left.pop())
        elif size == 1:
            found.append(Axis(ONE, 1))
        else:
            return None
    return None if left else found[::-1]
