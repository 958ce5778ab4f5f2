"""What C needs of each layer of a model: a ``slim_layer`` of slimrnn.h."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import layers as ir
from slimrnn.ir.over_time import OfWindow
from slimrnn.native import library
from slimrnn.variants import WEIGHTS

Array = np.ndarray

#: slim_layer's kinds, in the order of slimrnn.h
EMBEDDING, CELL, DENSE, POINTWISE, MASKING, SKIP, CONVOLUTION = range(7)
AVERAGE, LARGEST, NORMALIZATION, WINDOW_AVERAGE, WINDOW_LARGEST, PRELU = range(7, 13)

#: by number, as slimrnn.h has them
_NUMBERS = {name: k for k, name in enumerate(ir.ACTIVATIONS)}


@dataclass(frozen=True)
class Part:
    """What C needs of a layer, whose arrays it keeps alive."""

    kind: int
    inputs: int
    outputs: int
    weights: tuple[Array | None, ...]  # float32, in the places that C has for them
    activation: str = "linear"
    mask_zero: bool = False
    cell: library.Cell | None = None
    states: Mapping[str, int] = field(default_factory=dict)  # their widths, by name
    initial: Mapping[str, Any] | None = None  # (n,) for each state; None for 0
    steps: tuple[int, int, int] = (0, 0, 0)  # of a window: taps, dilation, strides

    @property
    def work(self) -> int:
        """How many weights a step reads."""
        if self.kind == EMBEDDING:
            return self.outputs
        return sum(w.size for w in self.weights if w is not None)

    def describe(self, layer: library.Layer, states: dict[str, Array]) -> None:
        """Write it into C's structure."""
        layer.kind, layer.inputs, layer.outputs = self.kind, self.inputs, self.outputs
        layer.activation = _NUMBERS[self.activation]
        layer.mask_zero = self.mask_zero
        layer.taps, layer.dilation, layer.strides = self.steps
        if self.cell is not None:
            layer.cell = ctypes.pointer(self.cell)
        for k, array in enumerate(self.weights):
            layer.weights[k] = library.buffer(array)
        for k, array in enumerate(states.values()):
            layer.states[k] = library.buffer(array)


def part_of(layer: ir.Layer) -> Part:
    """The layer for C.

    Raises:
        InputError: a layer that cannot go one step at a time.
    """
    return _PARTS[type(layer)](layer)


def _whole(layer: ir.Layer) -> NoReturn:
    raise InputError(f"A stream goes one step at a time; {layer.why_no_step}.")


def _embedding(layer: ir.Embedding) -> Part:
    words, outputs = layer.table.shape
    return Part(EMBEDDING, words, outputs, (layer.table,), mask_zero=layer.mask_zero)


def _masking(layer: ir.Masking) -> Part:
    value = np.array([layer.value], "float32")
    return Part(MASKING, layer.inputs, layer.outputs, (value,))


def _affine(layer: ir.Affine) -> Part:
    weights = (layer.scale, layer.offset)
    return Part(POINTWISE, layer.inputs, layer.outputs, weights)


def _activation(layer: ir.Activation) -> Part:
    return Part(POINTWISE, layer.inputs, layer.outputs, (), layer.activation)


def _prelu(layer: ir.PReLU) -> Part:
    return Part(PRELU, layer.inputs, layer.outputs, (layer.slope,))


def _skip(layer: ir.Skip) -> Part:
    return Part(SKIP, layer.inputs, layer.outputs, (layer.scale,))


def _dense(layer: ir.Dense) -> Part:
    weights = (layer.kernel, layer.bias)
    return Part(DENSE, layer.inputs, layer.outputs, weights, layer.activation)


def _pool(layer: ir.Pool) -> Part:
    if layer.how == "last":  # which is what a step gives
        return Part(POINTWISE, layer.inputs, layer.outputs, ())
    kind, kept = (AVERAGE, "sum") if layer.how == "average" else (LARGEST, "largest")
    states = {kept: layer.outputs, "count": 1}
    return Part(kind, layer.inputs, layer.outputs, (), states=states)


def _normalization(layer: ir.LayerNormalization) -> Part:
    weights = (layer.scale, layer.offset, np.array([layer.epsilon], "float32"))
    return Part(NORMALIZATION, layer.inputs, layer.outputs, weights)


def _convolution(layer: ir.Conv1D) -> Part:
    part = replace(_dense(layer.of_window), kind=CONVOLUTION, inputs=layer.inputs)
    return _sliding(layer, part)


def _local_pool(layer: ir.LocalPool) -> Part:
    kind = WINDOW_AVERAGE if layer.how == "average" else WINDOW_LARGEST
    return _sliding(layer, Part(kind, layer.inputs, layer.outputs, ()))


def _sliding(layer: OfWindow, part: Part) -> Part:
    """The part, with the steps that the layer looks at."""
    if layer.why_no_step:
        _whole(layer)
    states, first = {"x": layer.span * layer.inputs}, {}
    if not layer.gives_each:
        states["wait"], first["wait"] = 1, layer.waits
    steps = (layer.taps, layer.dilation, layer.strides)
    return replace(part, states=states, initial=first, steps=steps)


def _recurrent(layer: ir.Recurrent) -> Part:
    if layer.why_no_step:
        _whole(layer)
    if layer.zero_masked:
        raise InputError(
            f"The layer {layer} has zero_output_for_mask=True, which a stream cannot "
            f"do where steps are masked; allowed is False."
        )
    cell = layer.cell
    return Part(
        CELL,
        layer.inputs,
        layer.outputs,
        tuple(cell.weights.get(name) for name in WEIGHTS),
        cell=library.cell(cell.spec, cell.features, cell.units),
        states=dict.fromkeys(cell.spec.family.states, layer.outputs),
        initial=layer.initial,
    )


_PARTS: dict[type, Callable[[Any], Part]] = {
    ir.Embedding: _embedding,
    ir.Masking: _masking,
    ir.Affine: _affine,
    ir.Activation: _activation,
    ir.PReLU: _prelu,
    ir.Skip: _skip,
    ir.Dense: _dense,
    ir.Conv1D: _convolution,
    ir.LocalPool: _local_pool,
    ir.LayerNormalization: _normalization,
    ir.Pool: _pool,
    ir.Recurrent: _recurrent,
    ir.Bidirectional: _whole,
    ir.Repeat: _whole,
}
