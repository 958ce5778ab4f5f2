"""The kinds of layers that do the same with each step."""

from __future__ import annotations

from dataclasses import dataclass

from slimrnn.ir.data import finite, frozen, one_of
from slimrnn.ir.layer import ACTIVATIONS, Array, AsWide, Layer
from slimrnn.utils import checks

#: of a normalization: so that no number of float32 is divided by 0
LEAST_EPSILON = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class Embedding(Layer):
    """``y = table[index]``; index 0 masks a step where ``mask_zero`` is set.

    ``table``: (words, n).
    """

    table: Array
    mask_zero: bool = False

    def __post_init__(self) -> None:
        self._hold(table=frozen(f"The layer {self}", "table", self.table, (None, None)))

    @property
    def inputs(self) -> int:
        return 1

    @property
    def outputs(self) -> int:
        return self.table.shape[1]

    @property
    def makes_mask(self) -> bool:
        return self.mask_zero


@dataclass(frozen=True, eq=False, repr=False)
class Masking(AsWide):
    """A step whose features all equal ``value`` is skipped."""

    value: float

    def __post_init__(self) -> None:
        super().__post_init__()
        finite(f"The layer {self}", self.value)

    @property
    def makes_mask(self) -> bool:
        return True


@dataclass(frozen=True, eq=False, repr=False)
class Activation(AsWide):
    """A function of each number; of all of them for softmax."""

    activation: str

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(f"The layer {self} has the activation", self.activation, ACTIVATIONS)


@dataclass(frozen=True, eq=False, repr=False)
class PReLU(Layer):
    """``y = x`` where x is positive, else ``slope * x``: LeakyReLU too.

    ``slope``: (n,).
    """

    slope: Array

    def __post_init__(self) -> None:
        self._hold(slope=frozen(f"The layer {self}", "slope", self.slope, (None,)))

    @property
    def inputs(self) -> int:
        return len(self.slope)


@dataclass(frozen=True, eq=False, repr=False)
class Scaled(Layer):
    """A layer with a ``scale`` and an ``offset`` for each number, both (m,)."""

    scale: Array
    offset: Array

    def __post_init__(self) -> None:
        what = f"The layer {self}"
        self._hold(scale=frozen(what, "scale", self.scale, (None,)))
        self._hold(offset=frozen(what, "offset", self.offset, self.scale.shape))

    @property
    def inputs(self) -> int:
        return len(self.scale)


@dataclass(frozen=True, eq=False, repr=False)
class Affine(Scaled):
    """``y = scale * x + offset``: Rescaling and Normalization."""


@dataclass(frozen=True, eq=False, repr=False)
class LayerNormalization(Scaled):
    """``y = scale * (x - mean) / sqrt(variance + epsilon) + offset``, of each step."""

    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = checks.number(self.epsilon) and self.epsilon >= LEAST_EPSILON
        what = f"a number of {LEAST_EPSILON} or more"
        checks.check(f"epsilon of {self}", self.epsilon, fits, what)


@dataclass(frozen=True, eq=False, repr=False)
class Skip(Layer):
    """``y = x + scale * input[:n]``, where ``input`` is the model's.

    ``scale``: (n,).
    """

    scale: Array

    def __post_init__(self) -> None:
        self._hold(scale=frozen(f"The layer {self}", "scale", self.scale, (None,)))

    @property
    def inputs(self) -> int:
        return len(self.scale)


@dataclass(frozen=True, eq=False, repr=False)
class Dense(Layer):
    """``y = activation(x kernel + bias)``, at each step where there are steps.

    ``kernel``: (m, n). ``bias``: (n,), or None.
    """

    kernel: Array
    bias: Array | None = None
    activation: str = "linear"

    def __post_init__(self) -> None:
        what = f"The layer {self}"
        self._hold(kernel=frozen(what, "kernel", self.kernel, (None, None)))
        if self.bias is not None:
            self._hold(bias=frozen(what, "bias", self.bias, (self.outputs,)))
        one_of(f"{what} has the activation", self.activation, ACTIVATIONS)

    @property
    def inputs(self) -> int:
        return self.kernel.shape[0]

    @property
    def outputs(self) -> int:
        return self.kernel.shape[1]

    @property
    def of_window(self) -> Dense:
        """What it does with the steps that it looks at: one, unlike a Conv1D."""
        return self
