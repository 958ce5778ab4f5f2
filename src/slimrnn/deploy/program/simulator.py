"""The simulator: what the C computes, bit for bit, with NumPy.

It is the reference of the tests, gives the vectors of the self test, and tells the
accuracy of integers without a board.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from slimrnn.deploy.program import functions
from slimrnn.deploy.program.arithmetic import Float32, Int8
from slimrnn.deploy.program.backend import Simulator, product
from slimrnn.deploy.program.program import Cell, Dense, Pair, Program
from slimrnn.deploy.program.step import take_step
from slimrnn.ir.model import Activation, Affine, Embedding, Masking
from slimrnn.variants import FAMILIES

Array = np.ndarray

_FUNCTIONS = {"float32": functions.FLOAT32, "int8": functions.INT8}
_NUMBERS: dict[str, type] = {"float32": Float32, "int8": Int8}
#: what a sum is kept in here: integers of the C have 32 bits, and prove it
SUMS: dict[str, np.dtype] = {"float32": np.dtype("float32"), "int8": np.dtype("int64")}
_MERGED: dict[str, Any] = {
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
    seen: dict[str, float] | None = None,
) -> Array:
    """The outputs of whole sequences.

    Args:
        program: of a model.
        x: (B, T, m) float32, or int8 for integers; (B, T) indices for an Embedding.
        mask: (B, T), False where a step is skipped; the model's own mask is taken too.
        each: give the output after each step even where the model gives the last one.
        seen: is given the largest magnitude of the state c, by layer.

    Returns:
        (B, n), or (B, T, n): float32, or whole numbers with ``program.output_bits``.
    """
    return _Run(program, each, seen).layers(x, mask)


class _Run:
    def __init__(self, program: Program, each: bool, seen: dict[str, float] | None):
        self.program, self.each, self.seen = program, each, seen
        known = _FUNCTIONS[program.dtype]
        self.call = lambda name, value: known[name].simulator(value)
        self.numbers = _NUMBERS[program.dtype](self.call)
        self.dtype = SUMS[program.dtype]

    def layers(self, values: Array, mask: Array | None) -> Array:
        """All of them, each over all steps."""
        integers = self.program.dtype == "int8"
        if integers and not self.program.description.takes_indices:
            values = values.astype("int64") << 8
        for place, layer in enumerate(self.program.layers):
            if isinstance(layer, Embedding):
                own = values != 0 if layer.mask_zero else None
                mask = own if mask is None else mask if own is None else mask & own
                values = layer.table[values].astype(self.dtype)
                values = values << 8 if integers else values
            elif isinstance(layer, Masking):
                own = (values != np.float32(layer.value)).any(-1)
                mask = own if mask is None else mask & own
            elif isinstance(layer, Affine):
                values = layer.scale * values + layer.offset
            elif isinstance(layer, Activation):
                values = self._activated(layer.activation, values)
            elif isinstance(layer, Dense):
                values = self._dense(layer, values)
            else:
                values = self._recurrent(place, layer, values, mask)
        return values

    def _activated(self, function: str, values: Array) -> Array:
        if function == "linear":
            return values
        return self.call(f"slim_{function}", values)

    def _dense(self, layer: Dense, values: Array) -> Array:
        tables = layer.tables
        flat = values.reshape(-1, values.shape[-1])
        sums = np.zeros((len(flat), layer.outputs), self.dtype)
        sums = sums + tables.get("bias", np.zeros(1)).astype(self.dtype)
        sums = product(sums, tables["kernel"], tables.get("kernel_scale"), flat)
        sums = sums.reshape(*values.shape[:-1], -1)
        return self._activated(layer.activation, sums)

    def _recurrent(
        self, place: int, layer: Cell | Pair, values: Array, mask: Array | None
    ) -> Array:
        each = self.each and place == self.program.last
        if isinstance(layer, Cell):
            return self._cell(layer, values, mask, each)
        pair = [
            self._cell(cell, values, mask, each)
            for cell in (layer.forward, layer.backward)
        ]
        if each or layer.forward.layer.return_sequences:
            pair[1] = pair[1][:, ::-1]
        return _MERGED[layer.merge](*pair)

    def _cell(self, cell: Cell, values: Array, mask: Array | None, each: bool) -> Array:
        batch, steps = values.shape[:2]
        names = FAMILIES[cell.structure.variant.family].states
        vectors = {k: np.zeros((batch, cell.units), self.dtype) for k in names}
        machine = Simulator(cell.structure, cell.units, cell.tables, vectors)
        order = range(steps)[::-1] if cell.layer.go_backwards else range(steps)
        outputs = []
        for t in order:
            before = dict(vectors)
            vectors["x"] = values[:, t]
            take_step(cell.structure, machine, self.numbers)
            output = vectors["h"]
            if self.seen is not None and "c" in vectors:
                known = self.seen.get(cell.name, 0.0)
                self.seen[cell.name] = max(known, float(abs(vectors["c"]).max()))
            if cell.layer.masked and mask is not None:
                taken = mask[:, t, None]
                for name in names:
                    vectors[name] = np.where(taken, vectors[name], before[name])
                output = vectors["h"]
                if cell.layer.zero_masked:
                    output = np.where(taken, output, np.zeros_like(output))
            outputs.append(output)
        if each or cell.layer.return_sequences:
            return np.stack(outputs, 1)
        return outputs[-1]
