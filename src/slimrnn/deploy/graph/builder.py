"""A graph of standard operators under construction, whatever the format of the file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from slimrnn.ir.layers import Conv1D, LayerNormalization, LocalPool, PReLU
from slimrnn.ir.over_time import OfWindow

Array = np.ndarray
Shape = tuple[int | str, ...]  # a text: known only when the graph runs


@dataclass(frozen=True, eq=False)
class Node:
    """A tensor of a graph; arithmetic with it adds operators to the graph.

    Attributes:
        graph: the :class:`Graph` in which it is computed.
        name: its name in the file, which no other one has.
        shape: its sizes.
        dtype: ``"float32"``, ``"int32"`` or ``"bool"``.
    """

    graph: Any
    name: str
    shape: Shape
    dtype: str = "float32"

    @property
    def width(self) -> int:
        """The size of the last axis, which is always known."""
        size = self.shape[-1]
        assert isinstance(size, int)
        return size

    __array_ufunc__ = None  # so that NumPy's numbers leave the arithmetic to it

    def __add__(self, other: Node | np.float32) -> Node:
        return self.graph.elementwise("add", self, other)

    def __rsub__(self, other: float | np.float32) -> Node:
        return self.graph.elementwise("subtract", other, self)

    def __mul__(self, other: Node | float | np.float32) -> Node:
        return self.graph.elementwise("multiply", self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Node) -> Node:
        return self.graph.elementwise("divide", self, other)


class Graph(ABC):
    """What the formats share, and the operators that each of them has to offer."""

    #: the format's names of add, subtract, multiply, divide, equal, where, and others
    elementwise_operators: ClassVar[Mapping[str, str]]

    def __init__(self, scope: str = "") -> None:
        self.scope = scope  # what is being written: a prefix of names
        self._names: set[str] = set()
        self._constants: dict[tuple, Node] = {}

    @abstractmethod
    def input(self, name: str, shape: Shape, dtype: str = "float32") -> Node:
        """A tensor that the graph is given."""

    @abstractmethod
    def output(self, name: str, node: Node) -> None:
        """Hand a tensor out."""

    @abstractmethod
    def operators(
        self,
        kind: str,
        inputs: Sequence[Node | None],
        shapes: Sequence[Shape],
        **settings: Any,
    ) -> list[Node]:
        """Add an operator of the format.

        Args:
            kind: the format's name of it.
            inputs: None where an optional one is left out.
            shapes: of its outputs.
            settings: ``dtype`` of its outputs, and those of the operator.
        """

    @abstractmethod
    def activation(self, name: str, x: Node) -> Node:
        """An activation by its name."""

    @abstractmethod
    def product(self, x: Node, matrix: Array, bias: Array | None, name: str) -> Node:
        """``x @ matrix + bias``, over the last axis of x; the matrix has a name."""

    @abstractmethod
    def convolution(self, x: Node, layer: Conv1D) -> Node:
        """A Conv1D over (batch, time, m), before its activation."""

    @abstractmethod
    def pooling(self, x: Node, layer: LocalPool) -> Node:
        """A local pool over (batch, time, m)."""

    @abstractmethod
    def normalized(self, x: Node, layer: LayerNormalization) -> Node:
        """A LayerNormalization over the last axis."""

    @abstractmethod
    def prelu(self, x: Node, layer: PReLU) -> Node:
        """A PReLU over the last axis."""

    @abstractmethod
    def over_time(self, how: str, x: Node) -> Node:
        """(batch, n) of (batch, time, n): the average, max, sum or last."""

    @abstractmethod
    def repeated(self, x: Node, times: int) -> Node:
        """(batch, times, n), all of them (batch, n)."""

    @abstractmethod
    def split(self, x: Node, parts: int) -> list[Node]:
        """Equal parts of the last axis."""

    @abstractmethod
    def concatenate(self, nodes: Sequence[Node]) -> Node:
        """Side by side along the last axis."""

    @abstractmethod
    def look_up(self, table: Array, index: Node) -> Node:
        """The row of a table for each index."""

    @abstractmethod
    def all(self, x: Node) -> Node:
        """Whether all of the last axis is true; the axis is kept."""

    @abstractmethod
    def with_last_axis(self, x: Node) -> Node:
        """X with one axis more, of size 1."""

    @abstractmethod
    def turned(self, x: Node) -> Node:
        """The steps of (batch, time, ...) from the last one to the first."""

    @abstractmethod
    def _store(self, array: Array, name: str) -> Node:
        """Make an array part of the file."""

    def operator(
        self, kind: str, inputs: Sequence[Node | None], shape: Shape, **settings: Any
    ) -> Node:
        """Add an operator with one output."""
        return self.operators(kind, inputs, [shape], **settings)[0]

    def constant(self, value: Array | float | int, name: str = "") -> Node:
        """An array of the file, which holds equal ones once; a number needs no name."""
        array = np.asarray(value)
        array = array.astype({"f": "float32", "i": "int32"}[array.dtype.kind])
        key = array.dtype, array.shape, array.tobytes()
        if key not in self._constants:
            name = self.unique(f"{self.scope}/{name or format(value, 'g')}")
            self._constants[key] = self._store(array, name)
        return self._constants[key]

    def elementwise(self, operator: str, *inputs: Node | float | int) -> Node:
        """An operator that broadcasts; numbers stand for constants."""
        nodes = [x if isinstance(x, Node) else self.constant(x) for x in inputs]
        return self.operator(
            self.elementwise_operators[operator],
            nodes,
            _broadcast(*(node.shape for node in nodes)),
            dtype="bool" if operator == "equal" else nodes[-1].dtype,
        )

    def unique(self, name: str) -> str:
        """This name, or one like it that is not taken."""
        others = (f"{name}_{k}" for k in range(1, len(self._names) + 1))
        free = next(each for each in (name, *others) if each not in self._names)
        self._names.add(free)
        return free


def steps_out(x: Node, layer: OfWindow) -> int | str:
    """How many steps come out of a window; a text where that is not known."""
    steps = x.shape[1]
    if isinstance(steps, int):
        return layer.steps_of(steps)
    if layer.strides == 1 and layer.before + layer.after == layer.span - 1:
        return steps
    return f"{steps} of {layer.name}"


def _broadcast(*shapes: Shape) -> Shape:
    """The shape of what an elementwise operator gives."""
    rank = max(map(len, shapes))
    axes = zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True)
    return tuple(next((size for size in sizes if size != 1), 1) for sizes in axes)
