"""The kinds of layers that look at more than one step: of sums, of states, of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.data import frozen, one_of
from slimrnn.ir.layer import ACTIVATIONS, Array, AsWide, Layer
from slimrnn.ir.step_layers import Dense
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.utils import checks

MERGES = ("concat", "sum", "mul", "ave")
POOLS = ("average", "max", "last")
#: of a Repeat, which makes so many steps of one
MOST_TIMES = 1 << 14


@dataclass(frozen=True, eq=False, repr=False)
class Pool(AsWide):
    """One output for all steps: ``how``, one of :data:`POOLS`, of each number.

    Masked steps are not among those of an average; the other two are of all steps.
    """

    how: str

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(f"The layer {self} takes the", self.how, POOLS)

    @property
    def takes_steps(self) -> bool:
        return True

    @property
    def return_sequences(self) -> bool:
        return False


@dataclass(frozen=True, eq=False, repr=False)
class Repeat(AsWide):
    """The one output that there is for all steps, ``times`` steps long."""

    times: int

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole(f"times of {self}", self.times, least=1, most=MOST_TIMES)

    def gives_steps(self, gets_steps: bool) -> bool:
        return True

    @property
    def gives_each(self) -> bool:
        return False

    def steps_of(self, steps: int) -> int:
        return self.times if steps else 0

    @property
    def why_no_step(self) -> str:
        return f"{self.name} repeats what comes out after the last step"


class OfWindow(Layer):
    """A layer that makes one step of some: of every ``strides``-th window of ``taps``.

    There are ``before`` steps of nothing in front of a sequence and ``after`` at its
    end.
    """

    taps: int
    strides: int
    dilation: int
    before: int
    after: int

    def _check_window(self, around: int) -> None:
        for name in ("taps", "strides", "dilation"):
            checks.whole(f"{name} of {self}", getattr(self, name), least=1)
        for name in ("before", "after"):
            checks.whole(f"{name} of {self}", getattr(self, name), least=0)
        if around >= self.span:
            raise InputError(
                f"The layer {self} has {around} steps of nothing around a sequence; "
                f"allowed are as many as it looks back, {self.span - 1}."
            )

    @property
    def span(self) -> int:
        """How many steps lie between the first and the last of a window, with both."""
        return (self.taps - 1) * self.dilation + 1

    @property
    def waits(self) -> int:
        """How many steps go in before the first one that comes out."""
        return self.span - 1 - self.before

    @property
    def takes_steps(self) -> bool:
        return True

    @property
    def gives_each(self) -> bool:
        return not self.waits and self.strides == 1

    def steps_of(self, steps: int) -> int:
        most = steps + self.before + self.after - self.span
        return max(0, most // self.strides + 1)

    @property
    def why_no_step(self) -> str:
        if not self.after:
            return ""
        return f"{self.name} looks {self.after} steps ahead, as padding='same' does"


@dataclass(frozen=True, eq=False, repr=False)
class LocalPool(OfWindow, AsWide):
    """``how``, average or max, of each number in ``taps`` steps.

    Steps in front of a sequence and at its end are not counted.
    """

    how: str
    taps: int
    strides: int
    before: int = 0
    after: int = 0
    dilation = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(f"The layer {self} takes the", self.how, POOLS[:2])
        self._check_window(max(self.before, self.after))

    def same(self, steps: int) -> tuple[int, int]:
        """Before and after, as Keras's ``padding="same"`` has them for so many."""
        both = max(0, self.taps - 1 - (steps - 1) % self.strides)
        return both // 2, both - both // 2

    @property
    def why_no_step(self) -> str:
        if self.before and not self.after:
            return f"{self.name} begins {self.before} steps before the first one"
        return super().why_no_step


@dataclass(frozen=True, eq=False, repr=False)
class Conv1D(OfWindow):
    """A convolution over time.

    ``y[t] = activation(sum over k of x[t strides + k dilation - before] kernel[k] +
    bias)``. There are ``before`` steps of zeros in front of x and ``after`` at its end:
    a causal convolution has ``before = span - 1``, a valid one neither.

    ``kernel``: (taps, m / groups, n). ``bias``: (n,), or None.
    """

    kernel: Array
    bias: Array | None = None
    activation: str = "linear"
    strides: int = 1
    dilation: int = 1
    groups: int = 1
    before: int = 0
    after: int = 0

    def __post_init__(self) -> None:
        what = f"The layer {self}"
        self._hold(kernel=frozen(what, "kernel", self.kernel, (None, None, None)))
        if self.bias is not None:
            self._hold(bias=frozen(what, "bias", self.bias, (self.outputs,)))
        one_of(f"{what} has the activation", self.activation, ACTIVATIONS)
        self._check_window(self.before + self.after)
        checks.whole(f"groups of {self}", self.groups, least=1)
        if self.outputs % self.groups:
            raise InputError(
                f"{what} has {self.outputs} filters in {self.groups} groups; allowed "
                f"is a multiple of the groups."
            )

    @property
    def inputs(self) -> int:
        return self.kernel.shape[1] * self.groups

    @property
    def outputs(self) -> int:
        return self.kernel.shape[2]

    @property
    def taps(self) -> int:  # type: ignore[override]  # frozen: nobody writes either
        """How many steps are in a sum."""
        return self.kernel.shape[0]

    @property
    def of_window(self) -> Dense:
        """What it does with the steps of a sum, side by side: taps m numbers.

        Groups are blocks of one matrix, whose other numbers are 0.
        """
        taps, each, n = self.kernel.shape
        groups = self.groups
        matrix = np.zeros((taps, groups, each, groups, n // groups), "float32")
        split = self.kernel.reshape(taps, each, groups, -1)
        for group in range(groups):
            matrix[:, group, :, group] = split[:, :, group]
        flat = matrix.reshape(taps * self.inputs, n)
        return Dense(self.name, flat, self.bias, self.activation)


@dataclass(frozen=True, eq=False, repr=False)
class Recurrent(Layer):
    """A recurrent layer: one direction.

    ``masked``: a masked step leaves the states, and so the output, as they were; with
    ``zero_masked`` its output is 0 instead. ``go_backwards``: the last step is taken
    first, and the outputs stand in the order in which they were computed.
    ``initial``: (n,) for each state, by name, before the first step; None for zeros.
    """

    cell: RecurrentWeights
    return_sequences: bool = False
    go_backwards: bool = False
    masked: bool = False
    zero_masked: bool = False
    initial: Mapping[str, Array] | None = None

    def __post_init__(self) -> None:
        names, initial = self.cell.spec.family.states, self.initial
        if initial is not None:
            if set(initial) != set(names):
                raise InputError(
                    f"The layer {self} must have initial states for "
                    f"{', '.join(names)}; received {', '.join(map(str, initial))}."
                )
            what, n = f"The layer {self}", (self.outputs,)
            self._hold(initial={k: frozen(what, k, initial[k], n) for k in names})
        if self.zero_masked and not self.masked:
            raise InputError(
                f"The layer {self} has zero_masked=True; allowed only with masked=True."
            )

    @property
    def inputs(self) -> int:
        return self.cell.features

    @property
    def outputs(self) -> int:
        return self.cell.units

    @property
    def turns(self) -> bool:
        return self.go_backwards and self.return_sequences

    @property
    def why_no_step(self) -> str:
        if not self.go_backwards:
            return ""
        return f"{self.name} has go_backwards=True and begins at the end"

    def recurrent(self) -> tuple[Recurrent, ...]:
        return (self,)


@dataclass(frozen=True, eq=False, repr=False)
class Bidirectional(Layer):
    """Two layers over the same steps, the second one backwards.

    ``merge`` is one of :data:`MERGES`. The second layer's outputs are put in the order
    of the first one's before they are merged.
    """

    forward: Recurrent
    backward: Recurrent
    merge: str = "concat"

    def __post_init__(self) -> None:
        one, other = self.forward, self.backward
        one_of(f"The layer {self} has merge_mode", self.merge, MERGES)
        if (one.go_backwards, other.go_backwards) != (False, True):
            raise InputError(
                f"The layer {self} must have a first layer that goes forwards and a "
                f"second one that goes backwards; received go_backwards="
                f"{one.go_backwards} and {other.go_backwards}."
            )
        fits = {(d.inputs, d.return_sequences, d.masked) for d in (one, other)}
        widths = {d.outputs for d in (one, other)}
        if len(fits) > 1 or (len(widths) > 1 and self.merge != "concat"):
            raise InputError(
                f"The layer {self} has directions that do not fit together: they must "
                f"have the same features, return_sequences and mask, and the same "
                f"units unless merge_mode is concat."
            )

    @property
    def return_sequences(self) -> bool:
        """Whether there is an output for each step."""
        return self.forward.return_sequences

    @property
    def inputs(self) -> int:
        return self.forward.inputs

    @property
    def outputs(self) -> int:
        widths = [layer.outputs for layer in self.recurrent()]
        return sum(widths) if self.merge == "concat" else widths[0]

    @property
    def why_no_step(self) -> str:
        return f"{self.name} is Bidirectional and needs the whole sequence"

    def recurrent(self) -> tuple[Recurrent, ...]:
        return (self.forward, self.backward)
