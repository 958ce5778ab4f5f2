"""Layers in standard operators, once for all formats.

Sizes: B sequences, T steps, m features, n units.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from slimrnn.deploy.graph.builder import Array, Graph, Node, Shape
from slimrnn.deploy.program.formulas import Float32
from slimrnn.deploy.program.program import structure_of, tables_of
from slimrnn.deploy.program.step import emit_step
from slimrnn.errors import InputError
from slimrnn.ir.layers import (
    Activation,
    Affine,
    Bidirectional,
    Conv1D,
    Dense,
    Embedding,
    LayerNormalization,
    LocalPool,
    Masking,
    Pool,
    PReLU,
    Recurrent,
    Repeat,
    Skip,
)
from slimrnn.ir.model import Model
from slimrnn.ir.over_time import OfWindow
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.variants import FAMILIES

States = dict[str, Node]
#: of a matrix, a bias and the matrix's name
Product = Callable[[Array, Array | None, str], Node]

#: how a layer that looks at more than one step is written: from its input, and from
#: which steps are skipped
Writer = Callable[[Any, Node, Node | None], Node]
#: one direction: also from whether outputs stand in the order of the input
Direction = Callable[[Recurrent, Node, Node | None, bool], Node]


def begin(graph: Graph, model: Model, leading: Shape) -> Node:
    """The model's input ``x``: features after the leading axes, or indices.

    Of an index that an Embedding does not have, the nearest one counts.
    """
    first = model.layers[0]
    if isinstance(first, Embedding):
        index = graph.input("x", leading, "int32")
        graph.scope = first.name
        index = graph.elementwise("maximum", index, 0)
        return graph.elementwise("minimum", index, len(first.table) - 1)
    return graph.input("x", (*leading, model.inputs))


def forward(graph: Graph, model: Model, x: Node, of_steps: Writer) -> Node:
    """All layers, one after the other.

    Args:
        graph: where they are written.
        model: what is written.
        x: its input.
        of_steps: writes a layer that looks at more than one step.
    """
    skipped, given = None, x
    layer: Any
    for layer in model.layers:
        graph.scope = layer.name
        skips = _SKIPS.get(type(layer))
        skipped = (skips and skips(layer, x)) or skipped
        write = _WRITERS.get(type(layer))
        x = write(layer, x, given) if write else of_steps(layer, x, skipped)
        skipped = graph.turned(skipped) if layer.turns and skipped else skipped
        skipped = skipped if layer.return_sequences else None
    return x


def _zero_index(layer: Embedding, x: Node) -> Node | None:
    if not layer.mask_zero:
        return None
    return x.graph.with_last_axis(x.graph.elementwise("equal", x, 0))


def _masked_value(layer: Masking, x: Node) -> Node:
    return x.graph.all(x.graph.elementwise("equal", x, layer.value))


#: which steps a layer masks, with a last axis of size 1
_SKIPS: dict[type, Callable[[Any, Node], Node | None]] = {
    Embedding: _zero_index,
    Masking: _masked_value,
}


def _skip(layer: Skip, x: Node, given: Node) -> Node:
    first = np.eye(given.width, layer.outputs, dtype="float32") * layer.scale
    return x + x.graph.product(given, first, None, "scale")


def _dense(layer: Dense, x: Node, _: Node) -> Node:
    product = x.graph.product(x, layer.kernel, layer.bias, "kernel")
    return x.graph.activation(layer.activation, product)


def _affine(layer: Affine, x: Node, _: Node) -> Node:
    scaled = x * x.graph.constant(layer.scale, "scale")
    return scaled + x.graph.constant(layer.offset, "offset")


def _local_pool_step(
    layer: LocalPool, x: Node, before: States, _: Node | None
) -> tuple[Node, States]:
    return x, {}  # of one step: any other gives nothing for some


#: a layer from what it gets, and from the model's input
_WRITERS: dict[type, Callable[[Any, Node, Node], Node]] = {
    Embedding: lambda layer, x, _: x.graph.look_up(layer.table, x),
    # What it sets to 0 is what no recurrent layer sees.
    Masking: lambda layer, x, _: x,
    Affine: _affine,
    LayerNormalization: lambda layer, x, _: x.graph.normalized(x, layer),
    Dense: _dense,
    Skip: _skip,
    Activation: lambda layer, x, _: x.graph.activation(layer.activation, x),
    PReLU: lambda layer, x, _: x.graph.prelu(x, layer),
    Repeat: lambda layer, x, _: x.graph.repeated(x, layer.times),
}


def one_step(graph: Graph, model: Model, rename: str) -> None:
    """The whole file of a one-step model: x and the states in, y and the states out.

    A state is called ``rename`` after the step, with its name before it for ``{}``.
    """
    why = model.why_no_stream()
    if why:
        raise InputError(
            f"The model {model.name} cannot go one step at a time: {why}. Export the "
            f"whole sequence."
        )
    after: dict[str, Node] = {}

    def of_steps(layer: Any, x: Node, skipped: Node | None) -> Node:
        widths, write = _STEPS[type(layer)]
        before = {
            name: graph.input(f"{layer.name}_{name}", ("batch", width))
            for name, width in widths(layer).items()
        }
        y, states = write(layer, x, before, skipped)
        after.update({before[name].name: states[name] for name in states})
        return y

    y = forward(graph, model, begin(graph, model, ("batch",)), of_steps)
    graph.output("y", y)
    for name, node in after.items():
        graph.output(rename.format(name), node)


def over_steps(write: Direction) -> Writer:
    """A writer of whole sequences, from one of a single direction."""

    def bidirectional(layer: Any, x: Node, skipped: Node | None) -> Node:
        outputs = []
        for inner in (layer.forward, layer.backward):
            x.graph.scope = f"{layer.name}/{inner.name}"
            outputs.append(write(inner, x, skipped, True))
        return _merged(layer, *outputs)

    writers: dict[type, Writer] = {
        Recurrent: lambda layer, x, skipped: write(layer, x, skipped, False),
        Bidirectional: bidirectional,
        Conv1D: lambda layer, x, _: x.graph.activation(
            layer.activation, x.graph.convolution(x, layer)
        ),
        LocalPool: lambda layer, x, _: x.graph.pooling(x, layer),
        Pool: _pooled,
    }
    return lambda layer, x, skipped: writers[type(layer)](layer, x, skipped)


def _merged(layer: Bidirectional, forwards: Node, backwards: Node) -> Node:
    """The outputs of both directions as one."""
    if layer.merge == "concat":
        return forwards.graph.concatenate([forwards, backwards])
    if layer.merge == "mul":
        return forwards * backwards
    total = forwards + backwards
    return total * 0.5 if layer.merge == "ave" else total


def step(
    layer: Recurrent, of_x: Product, before: States, skipped: Node | None
) -> tuple[Node, States]:
    """One step: the output, and the states after it.

    Args:
        layer: what is written.
        of_x: the product of x with a matrix, and a bias.
        before: the states before the step, (B, n) each.
        skipped: (B, 1), where the layer is masked.
    """
    writer = _StepWriter(layer.cell, of_x, before)
    graph, after = before["h"].graph, writer.take()
    if not layer.masked:
        return after["h"], after
    after = _kept(graph, skipped, before, after)
    if layer.zero_masked:
        return graph.elementwise("where", skipped, 0.0, after["h"]), after
    return after["h"], after


def _kept(graph: Graph, skipped: Node | None, before: States, after: States) -> States:
    """The states after a step; of a skipped one those before."""
    if skipped is None:
        return after
    return {k: graph.elementwise("where", skipped, before[k], after[k]) for k in after}


def _pooled(layer: Pool, x: Node, skipped: Node | None) -> Node:
    graph = x.graph
    if layer.how != "average" or skipped is None:
        return graph.over_time(layer.how, x)
    total = graph.over_time("sum", graph.elementwise("where", skipped, 0.0, x))
    count = graph.over_time("sum", graph.elementwise("where", skipped, 0.0, 1.0))
    return total / graph.elementwise("maximum", count, 1.0)


def _pool_step(
    layer: Pool, x: Node, before: States, skipped: Node | None
) -> tuple[Node, States]:
    graph = x.graph
    if layer.how == "last":
        return x, {}
    count = before["count"] + graph.constant(1.0)
    if layer.how == "max":
        largest = graph.elementwise("maximum", before["largest"], x)
        first = graph.elementwise("equal", before["count"], 0.0)
        largest = graph.elementwise("where", first, x, largest)
        return largest, {"largest": largest, "count": count}
    after = {"sum": before["sum"] + x, "count": count}
    after = _kept(graph, skipped, before, after)
    return after["sum"] / graph.elementwise("maximum", after["count"], 1.0), after


def _so_far(layer: Pool) -> dict[str, int]:
    kept = {"average": "sum", "max": "largest"}.get(layer.how)
    return {kept: layer.outputs, "count": 1} if kept else {}


def _cell_step(
    layer: Recurrent, x: Node, before: States, skipped: Node | None
) -> tuple[Node, States]:
    return step(layer, partial(x.graph.product, x), before, skipped)


def _convolution_step(
    layer: Conv1D, x: Node, before: States, _: Node | None
) -> tuple[Node, States]:
    frames, after = [x], {}
    if before:
        past = before["x"]
        frames = [
            *(x.graph.split(past, layer.span - 1) if layer.span > 2 else [past]),
            x,
        ]
        after = {"x": x.graph.concatenate(frames[1:]) if layer.span > 2 else x}
    taken = frames[:: layer.dilation]
    window = x.graph.concatenate(taken) if layer.taps > 1 else x
    return _dense(layer.of_window, window, x), after


def _past(layer: OfWindow) -> dict[str, int]:
    """The steps before this one."""
    if not layer.gives_each:
        raise InputError(
            f"The layer {layer} gives nothing for some steps (strides="
            f"{layer.strides}, {layer.waits} steps to begin with), and a file of one "
            f"step always does. Export the whole sequence."
        )
    past = (layer.span - 1) * layer.inputs
    return {"x": past} if past else {}


def _cell_states(layer: Recurrent) -> dict[str, int]:
    states = FAMILIES[layer.cell.variant.family].states
    return dict.fromkeys(states, layer.outputs)


#: of a layer that looks at more than one step: the widths of its states, and a step
_STEPS: dict[type, tuple[Callable[[Any], dict[str, int]], Callable]] = {
    Recurrent: (_cell_states, _cell_step),
    Conv1D: (_past, _convolution_step),
    LocalPool: (_past, _local_pool_step),
    Pool: (_so_far, _pool_step),
}


class _StepWriter:
    """The backend that writes a step as operators on whole tensors.

    Args:
        cell: what is written.
        of_x: see :func:`step`.
        before: likewise.
    """

    def __init__(self, cell: RecurrentWeights, of_x: Product, before: States):
        self.structure, self.units = structure_of(cell), cell.units
        self.tables = tables_of(cell)
        self.graph, self.before = before["h"].graph, before
        of_h = partial(self.graph.product, before["h"])
        self.products: dict[str, Product] = {"x": of_x, "h": of_h}
        self.sums: dict[int, Node] = {}
        self.biases: dict[int, Array] = {}  # they wait for their slot's first product
        self.after: States = {}

    def take(self) -> States:
        """The states after the step."""
        formulas = Float32(
            lambda name, x: self.graph.activation(name.removeprefix("slim_"), x)
        )
        emit_step(self.structure, self, formulas)
        return {name: self.after[name] for name in self.before}

    def start(self, slot: int, count: int, weight: str, block: int) -> None:
        """See :class:`slimrnn.deploy.program.step.Backend`, here and below."""
        for k in range(count if weight else 0):
            self.biases[slot + k] = self._block(weight, block + k)

    def product(
        self, slot: int, count: int, weight: str, block: int, vector: str
    ) -> None:
        slots, none = range(slot, slot + count), np.zeros(self.units, "float32")
        bias = None
        if any(k in self.biases for k in slots):
            bias = np.concatenate([self.biases.pop(k, none) for k in slots])
        matrix = self._block(weight, block, count).T
        node = self.products[vector](matrix, bias, weight)
        parts = self.graph.split(node, count) if count > 1 else [node]
        for k, part in zip(slots, parts, strict=True):
            self.sums[k] = self.sums[k] + part if k in self.sums else part

    def loop(self) -> None:
        pass

    def end(self) -> None:
        pass

    def sum(self, slot: int) -> Node:
        return self.sums[slot]

    def weight(self, weight: str, block: int) -> Node:
        return self.graph.constant(self._block(weight, block), weight)

    def state(self, name: str) -> Node:
        return self.before[name]

    def let(self, name: str, value: Any) -> Any:
        return value

    def store(self, name: str | int, value: Node) -> None:
        if isinstance(name, int):
            self.sums[name] = value
        elif name in self.before:
            self.after[name] = value
        else:
            self.products[name] = partial(self.graph.product, value)

    def _block(self, weight: str, first: int, count: int = 1) -> Array:
        """Blocks of a table, which has n rows for each."""
        return self.tables[weight][first * self.units : (first + count) * self.units]
