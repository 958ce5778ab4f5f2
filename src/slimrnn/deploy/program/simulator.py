"""The simulator: what the C computes, bit for bit, with NumPy.

It is the reference of the tests, gives the vectors of the self test, and gives the
accuracy of integers without a board.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from slimrnn.deploy.program import inputs
from slimrnn.deploy.program.backend import Simulator
from slimrnn.deploy.program.formulas import shifted
from slimrnn.deploy.program.program import Lowered, Program
from slimrnn.deploy.program.step import emit_step
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

Array = np.ndarray

#: steps of which integers take an average: so many 16-bit numbers fit 32 bits
MOST_AVERAGED = 65535

_MERGED: dict[str, Callable[[Array, Array], Array]] = {
    "concat": lambda a, b: np.concatenate([a, b], -1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / np.float32(2),
}


def run(
    program: Program,
    x: Array,
    mask: Array | None = None,
    *,
    each: bool = False,
    reach: dict[str, float] | None = None,
) -> Array:
    """The outputs of whole sequences.

    Args:
        program: of a model.
        x: (B, T, m) float32, or int8 for integers; (B, T) indices for an Embedding.
        mask: (B, T), False where a step is skipped; the model's own mask is taken too.
        each: give the output after each step even where the model gives the last one.
        reach: is given the largest magnitude of the state c, by layer.

    Returns:
        (B, n), or (B, T, n): float32, or whole numbers with ``program.output_bits``.
    """
    return _Run(program, each, reach).layers(x, mask)


class _Run:
    def __init__(self, program: Program, each: bool, reach: dict[str, float] | None):
        self.program, self.each, self.reach = program, each, reach
        self.arithmetic = program.arithmetic
        self.formulas = self.arithmetic.formulas(self._call)
        self.dtype = self.arithmetic.sums

    def _call(self, name: str, value: Array) -> Array:
        return self.arithmetic.functions[name].simulator(value)

    def layers(self, values: Array, mask: Array | None) -> Array:
        """All of them, each over all steps."""
        if not self.program.model.takes_indices:
            values = self.arithmetic.widened(values)
        self.given = values
        for lowered in self.program.layers:
            layer = lowered.layer
            mask = inputs.masked(layer, values, mask)
            values = _RUN[type(layer)](self, layer, lowered, values, mask)
            if layer.turns and mask is not None:
                mask = mask[:, ::-1]
            mask = mask if layer.return_sequences else None
        return values

    def embedding(self, layer: Embedding, lowered: Lowered, x: Array, _: Any) -> Array:
        index = inputs.nearest_index(layer, x)
        return self.arithmetic.widened(lowered.tables["table"][index])

    def masking(self, layer: Masking, lowered: Lowered, x: Array, _: Any) -> Array:
        return x

    def affine(self, layer: Affine, lowered: Lowered, x: Array, _: Any) -> Array:
        return inputs.affine(layer, x)

    def normalization(
        self, layer: LayerNormalization, lowered: Lowered, x: Array, _: Any
    ) -> Array:
        normalize = self.arithmetic.functions["slim_normalize"].simulator
        scale, offset = (lowered.tables[key] for key in ("scale", "offset"))
        return normalize(x, scale, offset, lowered.epsilon, lowered.shift)

    def activation(
        self, layer: Activation, lowered: Lowered, x: Array, _: Any
    ) -> Array:
        x = shifted(x, lowered.lost) if self.arithmetic.scaled else x
        return self._activated(layer.activation, x, lowered)

    def prelu(self, layer: PReLU, lowered: Lowered, x: Array, _: Any) -> Array:
        slope = lowered.tables["slope"].astype(self.dtype)
        return self.formulas.leaked(x, slope, lowered)

    def skip(self, layer: Skip, lowered: Lowered, x: Array, _: Any) -> Array:
        given, scale = self.given[..., : layer.outputs], lowered.tables["scale"]
        return self.formulas.skipped(x, scale.astype(self.dtype), given, lowered)

    def convolution(self, layer: Conv1D, lowered: Lowered, x: Array, _: Any) -> Array:
        first = layer.strides * np.arange(layer.steps_of(x.shape[1]))
        steps = first[:, None] + layer.dilation * np.arange(layer.taps)
        x = np.pad(x, [(0, 0), (layer.before, layer.after), (0, 0)])
        windows = x[:, steps].reshape(len(x), len(first), layer.taps * layer.inputs)
        return self.dense(layer, lowered, windows, _)

    def dense(self, layer: Dense | Conv1D, lowered: Lowered, x: Array, _: Any) -> Array:
        tables = lowered.tables
        flat = x.reshape(-1, x.shape[-1])
        sums = np.zeros((len(flat), layer.outputs), self.dtype)
        sums = sums + tables.get("bias", np.zeros(1)).astype(self.dtype)
        product = self.arithmetic.product.simulator
        sums = product(sums, tables["kernel"], tables.get("kernel_scale"), flat)
        sums = sums.reshape(*x.shape[:-1], -1)
        return self._activated(layer.activation, sums, lowered)

    def pool(
        self, layer: Pool, lowered: Lowered, x: Array, mask: Array | None
    ) -> Array:
        """Step by step: a sum has the order of the C."""
        so_far, outputs = np.zeros_like(x[:, 0]), []
        count = np.zeros((len(x), 1), self.dtype)
        for t in range(x.shape[1]):
            taken = np.ones_like(count, bool) if mask is None else mask[:, t, None]
            taken = taken & (count < MOST_AVERAGED if self.arithmetic.scaled else True)
            step = {
                "average": so_far + x[:, t],
                "max": np.where(count == 0, x[:, t], np.maximum(so_far, x[:, t])),
                "last": x[:, t],
            }[layer.how]
            so_far = np.where(taken, step, so_far)
            count = count + taken.astype(self.dtype)
            outputs.append(self._averaged(so_far, count, layer.how))
        return np.stack(outputs, 1) if self.each else outputs[-1]

    def _averaged(self, so_far: Array, count: Array, how: str) -> Array:
        if how != "average":
            return so_far
        by = np.maximum(count, np.ones_like(count))
        if self.arithmetic.scaled:  # to the nearest
            return (so_far + 32768 * count + count // 2) // by - 32768 * (count > 0)
        return so_far / by

    def local_pool(self, layer: LocalPool, lowered: Lowered, x: Array, _: Any) -> Array:
        """The steps of each window in their order."""
        first = layer.strides * np.arange(layer.steps_of(x.shape[1])) - layer.before
        shape = (len(x), len(first), layer.outputs)
        averages, count = layer.how == "average", np.zeros((len(first), 1), self.dtype)
        found = np.full(shape, 0 if averages else self.arithmetic.lowest, self.dtype)
        for k in range(layer.taps):
            there = ((first + k >= 0) & (first + k < x.shape[1]))[:, None]
            step = x[:, np.clip(first + k, 0, x.shape[1] - 1)]
            more = found + step if averages else np.maximum(found, step)
            found = np.where(there, more, found)
            count = count + there.astype(self.dtype)
        return self._averaged(found, count, layer.how)

    def repeat(self, layer: Repeat, lowered: Lowered, x: Array, _: Any) -> Array:
        return np.repeat(x[:, None], layer.times, axis=1)

    def recurrent(
        self, layer: Recurrent, lowered: Lowered, x: Array, mask: Array | None
    ) -> Array:
        return self._cell(lowered, x, mask, self._gives_each(lowered))

    def bidirectional(
        self, layer: Bidirectional, lowered: Lowered, x: Array, mask: Array | None
    ) -> Array:
        each = self._gives_each(lowered)
        first, second = (self._cell(cell, x, mask, each) for cell in lowered.directions)
        if each or layer.return_sequences:
            second = second[:, ::-1]
        return _MERGED[layer.merge](first, second)

    def _activated(self, function: str, values: Array, lowered: Lowered) -> Array:
        if function == "linear":
            return values
        known = self.arithmetic.functions[f"slim_{function}"]
        bits = (lowered.bits,) * known.of_bits
        return known.simulator(values, *bits)

    def _gives_each(self, lowered: Lowered) -> bool:
        return self.each and lowered is self.program.last

    def _cell(
        self, cell: Lowered, values: Array, mask: Array | None, each: bool
    ) -> Array:
        layer, structure = cell.recurrent, cell.structure
        batch, steps = values.shape[:2]
        names = structure.spec.family.states
        vectors = {}
        for name in names:
            vectors[name] = np.zeros((batch, cell.outputs), self.dtype)
            vectors[name] += cell.initial.get(name, np.zeros(1)).astype(self.dtype)
        backend = Simulator(cell, self.arithmetic, vectors)
        order = range(steps)[::-1] if layer.go_backwards else range(steps)
        outputs = []
        for t in order:
            before = dict(vectors)
            vectors["x"] = values[:, t]
            emit_step(structure, backend, self.formulas)
            output = vectors["h"]
            if self.reach is not None and "c" in vectors:
                known = self.reach.get(cell.name, 0.0)
                self.reach[cell.name] = max(known, float(abs(vectors["c"]).max()))
            if layer.masked and mask is not None:
                taken = mask[:, t, None]
                for name in names:
                    vectors[name] = np.where(taken, vectors[name], before[name])
                output = vectors["h"]
                if layer.zero_masked:
                    output = np.where(taken, output, np.zeros_like(output))
            outputs.append(output)
        return np.stack(outputs, 1) if each or layer.return_sequences else outputs[-1]


_RUN: dict[type, Callable[..., Array]] = {
    Embedding: _Run.embedding,
    Masking: _Run.masking,
    Affine: _Run.affine,
    LayerNormalization: _Run.normalization,
    Activation: _Run.activation,
    PReLU: _Run.prelu,
    Skip: _Run.skip,
    Dense: _Run.dense,
    Conv1D: _Run.convolution,
    LocalPool: _Run.local_pool,
    Pool: _Run.pool,
    Repeat: _Run.repeat,
    Recurrent: _Run.recurrent,
    Bidirectional: _Run.bidirectional,
}
