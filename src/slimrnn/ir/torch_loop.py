"""A loop over the cells of PyTorch, which ``torch.export`` writes out step by step.

What is computed of a step is a :class:`Flow` that knows which one it is. Where a cell
has gone over all of them, each time from the states that it gave the time before, it is
a layer.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.described import Described
from slimrnn.ir.flow import FEATURES, ONE, Axis, Flow, State

#: operators of cells
CELLS = ("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
#: operators that put steps side by side
JOINING = ("stack", "cat")


def taken(x: Flow, place: int, index: int) -> Flow | None:
    """The step of an index, on an axis of size 1; None where that is no step."""
    place %= len(x.axes)
    axis, free = x.axes[place], not (x.parts or x.step or x.in_order)
    numbered = axis.name.isdigit() and isinstance(axis.size, int) and axis.size > 1
    if not free or not numbered or x.time not in ("", axis.name) or index < 0:
        return None
    of_numbers = not x.layers and FEATURES not in [each.name for each in x.axes]
    axes = list(x.axes)
    axes[place] = Axis(FEATURES if of_numbers else ONE, 1)
    step = index, int(axis.size)
    return replace(x, axes=tuple(axes), time=axis.name, step=step)


def same_step(name: str, flows: Sequence[Flow]) -> None:
    """Refuse an operator that joins several steps."""
    if len({flow.step for flow in flows}) > 1:
        raise InputError(f"The operator {name} joins what comes of different steps.")


def joined(about: Any, parts: Sequence[Any], axis: int) -> Flow | None:
    """All steps, of what comes of each; None where parts are something else.

    The axis is of size 1 in each of the parts.

    Raises:
        InputError: some steps are left out, or more is done with some than with others.
    """
    flows = [part for part in parts if isinstance(part, Flow)]
    if len(flows) < len(parts) or not all(flow.step for flow in flows):
        return None
    first = flows[0]
    count = first.step[1] if first.step else 0
    if [flow.step for flow in flows] != [(k, count) for k in range(count)]:
        raise InputError(f"The operator {about['name']} joins steps, and not all.")
    if not all(alike(flow.layers, first.layers) for flow in flows):
        raise InputError(f"The operator {about['name']} joins steps of unlike layers.")
    axes = list(first.axes)
    axes[axis] = Axis(first.time, count)
    return replace(first, axes=tuple(axes), step=None)


def alike(some: Sequence[Described], others: Sequence[Described]) -> bool:
    """Whether layers compute the same, whatever they are called."""
    return len(some) == len(others) and all(
        one is other
        or (
            (one.kind, one.inner, one.cell) == (other.kind, other.inner, other.cell)
            and _same(one.settings, other.settings)
            and len(one.weights) == len(other.weights)
            and all(map(np.array_equal, one.weights, other.weights))
        )
        for one, other in zip(some, others, strict=True)
    )


def _same(some: Any, others: Any) -> bool:
    return some.keys() == others.keys() and all(
        np.array_equal(some[key], others[key]) for key in some
    )


@dataclass
class Loop:
    """A cell that goes over the steps.

    Attributes:
        name: of the cell's module.
        layer: from its first states, the layer that it is, with all steps.
        first: what it got at the first step; None before it.
        made: that layer.
        states: what it gave at the last step.
        at: how many steps it took.
    """

    name: str
    layer: Callable[[list[Any]], Described]
    first: Flow | None = None
    made: Described | None = None
    states: tuple[Any, ...] = ()
    at: int = 0

    def step(self, x: Flow, states: list[Any]) -> tuple[Any, ...]:
        """The states after one step more; the first of them is the output.

        Raises:
            InputError: it is not the next step, or begins from other states.
        """
        if self.first is None or self.made is None:
            self.first, self.made = x, self.layer(states)
        elif not all(map(operator.is_, states, self.states)):
            raise InputError(f"The cell {self.name} goes on from other states.")
        fits = alike(x.layers, self.first.layers) and x.time == self.first.time
        if not x.step or x.step[0] != self.at or not fits or len(x.axes) != 2:
            raise InputError(
                f"The cell {self.name} is not called with the steps one after the "
                f"other, from the first one on; allowed is a loop over all of them."
            )
        assert self.made.cell is not None
        axes = x.axes[0], Axis(FEATURES, self.made.cell.units)
        h = replace(self.first, axes=axes, step=x.step)
        h = replace(h, layers=(*self.first.layers, self.made))
        self.at += 1
        others = tuple(State(f"{self.name}'s c") for _ in states[1:])
        self.states = (h, *others)
        return self.states
