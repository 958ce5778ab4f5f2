"""A model as a chain of layers: data only, without Keras."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from slimrnn.variants import Variant

Array = np.ndarray


@dataclass(frozen=True)
class RecurrentWeights:
    """A recurrent layer's cell and weights.

    Attributes:
        variant: the row, with the layer's own constants and without what is not there.
        features: m.
        units: n.
        weights: float32, by name, packed and shaped as ``variant.shapes(m, n)`` tells.
        activation: g.
        recurrent_activation: s; ``"linear"`` where no gate has one.
        reset_after: whether the reset gate multiplies ``U h + reset_bias``, as in
            Keras's GRU, and not h.
        reset_bias: (n,), where there is one; only with ``reset_after``.
    """

    variant: Variant
    features: int
    units: int
    weights: Mapping[str, Array]
    activation: str
    recurrent_activation: str
    reset_after: bool = False
    reset_bias: Array | None = None


@dataclass(frozen=True)
class Embedding:
    """``y = table[index]``; index 0 masks a step where ``mask_zero`` is set."""

    name: str
    table: Array  # (words, n)
    mask_zero: bool

    inputs = 1

    @property
    def outputs(self) -> int:
        """How many numbers it gives for an index."""
        return self.table.shape[1]


@dataclass(frozen=True)
class Masking:
    """A step whose m features all equal ``value`` is skipped."""

    name: str
    value: float
    inputs: int

    @property
    def outputs(self) -> int:
        """As many numbers as it gets."""
        return self.inputs


@dataclass(frozen=True)
class Affine:
    """``y = scale * x + offset``: Rescaling and Normalization."""

    name: str
    scale: Array  # (m,)
    offset: Array  # (m,)

    @property
    def inputs(self) -> int:
        """How many numbers it gets."""
        return len(self.scale)

    outputs = inputs


@dataclass(frozen=True)
class Dense:
    """``y = activation(x kernel + bias)``, at each step where there are steps."""

    name: str
    kernel: Array  # (m, n)
    bias: Array | None  # (n,)
    activation: str  # a value of slimrnn.ir.keras_layers.ACTIVATIONS

    @property
    def inputs(self) -> int:
        """How many numbers it gets."""
        return self.kernel.shape[0]

    @property
    def outputs(self) -> int:
        """How many numbers it gives."""
        return self.kernel.shape[1]


@dataclass(frozen=True)
class Activation:
    """A function of each number; of all n numbers for softmax."""

    name: str
    activation: str
    inputs: int

    @property
    def outputs(self) -> int:
        """As many numbers as it gets."""
        return self.inputs


@dataclass(frozen=True)
class Recurrent:
    """A recurrent layer: one direction.

    ``masked``: a masked step leaves the states, and so the output, as they were; with
    ``zero_masked`` its output is 0 instead. ``go_backwards``: the last step is taken
    first, and the outputs stand in the order in which they were computed.
    """

    name: str
    cell: RecurrentWeights
    return_sequences: bool
    go_backwards: bool
    masked: bool
    zero_masked: bool

    @property
    def inputs(self) -> int:
        """How many numbers it gets."""
        return self.cell.features

    @property
    def outputs(self) -> int:
        """How many numbers it gives."""
        return self.cell.units


@dataclass(frozen=True)
class Bidirectional:
    """Two layers over the same steps, the second one backwards.

    ``merge`` is ``"concat"``, ``"sum"``, ``"mul"`` or ``"ave"``. The second layer's
    outputs are put in the order of the first one's before they are merged.
    """

    name: str
    forward: Recurrent
    backward: Recurrent
    merge: str

    @property
    def return_sequences(self) -> bool:
        """Whether there is an output for each step."""
        return self.forward.return_sequences

    @property
    def inputs(self) -> int:
        """How many numbers it gets."""
        return self.forward.inputs

    @property
    def outputs(self) -> int:
        """Those of both where they stand side by side, else of one."""
        beside = self.backward.outputs if self.merge == "concat" else 0
        return self.forward.outputs + beside


Layer = Embedding | Masking | Affine | Dense | Activation | Recurrent | Bidirectional
MERGES = ("concat", "sum", "mul", "ave")


@dataclass(frozen=True)
class Model:
    """A model as a chain of layers.

    Attributes:
        name: the model's.
        layers: those that compute something, in order; at least one is recurrent.
        steps: T, where the model fixes it.
        return_sequences: whether the last output is one for each step.
        flatten: whether those outputs are one row of T * n numbers.
    """

    name: str
    layers: tuple[Layer, ...]
    steps: int | None
    return_sequences: bool
    flatten: bool

    @property
    def inputs(self) -> int:
        """m: numbers in a step of the input; 1 where it is an index."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """How many numbers the last layer gives, at each step where there are steps."""
        return self.layers[-1].outputs

    @property
    def takes_indices(self) -> bool:
        """Whether the input is the indices of an Embedding."""
        return isinstance(self.layers[0], Embedding)

    @property
    def masked(self) -> bool:
        """Whether steps can be masked."""
        return any(cell.masked for cell in self.recurrent())

    def recurrent(self) -> Iterator[Recurrent]:
        """The recurrent layers, those of both directions too."""
        for layer in self.layers:
            if isinstance(layer, Recurrent):
                yield layer
            elif isinstance(layer, Bidirectional):
                yield layer.forward
                yield layer.backward

    def why_no_stream(self) -> str:
        """Why the model cannot go one step at a time; empty where it can."""
        for layer in self.layers:
            if isinstance(layer, Bidirectional):
                return f"{layer.name} is Bidirectional and needs the whole sequence"
            if isinstance(layer, Recurrent) and layer.go_backwards:
                return f"{layer.name} has go_backwards=True and begins at the end"
        return ""

    @property
    def ends_in_softmax(self) -> bool:
        """Whether the outputs are a softmax."""
        return getattr(self.layers[-1], "activation", "") == "softmax"

    def not_finite(self) -> str:
        """The name of a layer with a number that float32 cannot hold; else empty."""
        found = [
            (layer.name, value) for layer in self.layers for value in _arrays(layer)
        ]
        found += [
            (layer.name, np.array(layer.value))
            for layer in self.layers
            if isinstance(layer, Masking)
        ]
        found += [
            (layer.name, np.array(value))
            for layer in self.recurrent()
            for value in layer.cell.variant.constants.values()
        ]
        with np.errstate(over="ignore"):
            wrong = (k for k, v in found if not np.isfinite(v.astype("f4")).all())
            return next(wrong, "")

    def digest(self) -> str:
        """The SHA-256 of the weights, as hexadecimal digits.

        It is taken over all arrays, in the order of the layers, as little-endian
        float32.
        """
        found = hashlib.sha256()
        for array in _arrays(self.layers):
            found.update(array.astype("<f4").tobytes())
        return found.hexdigest()


def _arrays(tree: Any) -> Iterator[Array]:
    """All arrays of a description, in order."""
    if isinstance(tree, np.ndarray):
        yield tree
    elif is_dataclass(tree):
        for field in fields(tree):
            yield from _arrays(getattr(tree, field.name))
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _arrays(value)
    elif isinstance(tree, tuple):
        for value in tree:
            yield from _arrays(value)
