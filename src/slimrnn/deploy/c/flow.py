"""The statements of a chain of layers in C."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from slimrnn.deploy.c.arrays import NUMPY
from slimrnn.deploy.c.layout import Part
from slimrnn.deploy.program.c_expression import Text, number
from slimrnn.deploy.program.formulas import shifted
from slimrnn.deploy.program.program import Program
from slimrnn.deploy.program.simulator import MOST_AVERAGED
from slimrnn.ir.layers import (
    Activation,
    Affine,
    Conv1D,
    Dense,
    Embedding,
    LayerNormalization,
    LocalPool,
    Masking,
    Pool,
    PReLU,
    Recurrent,
    Skip,
)
from slimrnn.ir.over_time import OfWindow


class Flow:
    """The statements of a chain of layers, from one vector to the next.

    Args:
        program: whose layers they are.
        leave: the statement that skips a masked step; empty where none is.
    """

    def __init__(self, program: Program, leave: str):
        self.program, self.arithmetic = program, program.arithmetic
        self.leave = leave
        self.given = ""  # the model's input of this step, where it is not at hand
        self.value, self.width = "x", 0
        self.arrays: dict[str, tuple[str, int]] = {}
        self.padded: set[str] = set()  # the arrays that end with zeros
        self.lines: list[str] = []

    @property
    def bytes(self) -> int:
        """What the local arrays take."""
        return sum(
            np.dtype(NUMPY[kind]).itemsize * size for kind, size in self.arrays.values()
        )

    def text(self) -> str:
        """The function's body."""
        declared = [
            f"{kind} {name}[{size}]{' = {0}' if name in self.padded else ''};"
            for name, (kind, size) in self.arrays.items()
        ]
        return "".join(f"    {line}\n" for line in [*declared, *self.lines])

    def join(self, other: Flow) -> None:
        """Have another flow's local arrays too."""
        for name, (kind, size) in other.arrays.items():
            self._array(name, kind, size)
        self.padded |= other.padded

    def _array(self, name: str, kind: str, size: int) -> str:
        known = self.arrays.get(name, (kind, 0))[1]
        self.arrays[name] = (kind, max(size, known))
        return name

    def vector(self, name: str, size: int, suffix: str = "_y") -> str:
        """A local array for a layer's output."""
        columns = self.arithmetic.columns(size)
        if columns != size:
            self.padded.add(name + suffix)
        return self._array(name + suffix, self.arithmetic.vector, columns)

    def begin(self, value: str) -> None:
        """The input."""
        model = self.program.model
        self.value, self.width = value, model.inputs
        if self.arithmetic.scaled and not model.takes_indices:
            self.value = self.vector("wide_x", self.width, "")
            self.lines.append(f"widen({self.value}, {value}, {self.width});")

    def take(self, part: Part, to: str = "") -> None:
        """One layer more; its result goes to an array of its own, or to a given one."""
        layer = part.lowered.layer
        _TAKE[type(layer)](self, layer, part, to)

    def copy(self, to: str) -> None:
        """The values, as they are."""
        self._each(to, self.width, f"{self.value}[j]")
        self.value = to

    def _each(self, to: str, count: int, value: str) -> None:
        line = f"for (int j = 0; j < {count}; j++) {to}[j] = {value};"
        self.lines.append(line)

    def _embedding(self, layer: Embedding, part: Part, to: str) -> None:
        self.width = layer.outputs
        x, last = f"*{self.value}", len(layer.table) - 1
        nearest = f"{x} < 0 ? 0 : {x} < {last} ? {x} : {last}"
        self.lines.append(f"const int32_t row = {nearest};")
        if layer.mask_zero and self.leave:
            self.lines.append(f"if (row == 0) {self.leave}; /* a masked step */")
        row = f"{part.name}_table + {self.width} * row"
        if self.arithmetic.scaled:
            self.value = self.vector(part.name, self.width)
            self.lines.append(f"widen({self.value}, {row}, {self.width});")
        else:
            self.value = f"({row})"

    def _masking(self, layer: Masking, part: Part, to: str) -> None:
        if not self.leave:
            return
        value = number(np.float32(layer.value))
        self.lines += [
            "int masked = 1;",
            f"for (int j = 0; j < {layer.inputs}; j++) "
            f"if ({self.value}[j] != {value}) masked = 0;",
            f"if (masked) {self.leave};",
        ]

    def _affine(self, layer: Affine, part: Part, to: str) -> None:
        to = to or self.vector(part.name, self.width)
        self._each(
            to,
            self.width,
            f"{part.name}_scale[j] * {self.value}[j] + {part.name}_offset[j]",
        )
        self.value = to

    def _normalization(self, layer: LayerNormalization, part: Part, to: str) -> None:
        to = to or self.vector(part.name, self.width)
        lowered, name = part.lowered, part.name
        more = number(np.float32(lowered.epsilon))
        if self.arithmetic.scaled:
            more = f"UINT64_C({lowered.epsilon}), {lowered.shift}"
        self.lines.append(
            f"slim_normalize({to}, {self.value}, {name}_scale, {name}_offset, "
            f"{self.width}, {more});"
        )
        self.value = to

    def _skip(self, layer: Skip, part: Part, to: str) -> None:
        to = to or self.vector(part.name, self.width)
        given = self.given or f"state->{part.name}_x[j]"
        numbers = Text(f"{self.value}[j]"), Text(f"{part.name}_scale[j]"), Text(given)
        formulas = self.arithmetic.formulas(lambda *_: None)
        value = formulas.skipped(*numbers, part.lowered)
        self._each(to, self.width, self._stored(value))
        self.value = to

    def keep(self, part: Part) -> None:
        """Have the input for a Skip, which is computed after the step."""
        count = part.lowered.outputs
        self._each(f"state->{part.name}_x", count, f"{self.value}[j]")

    def _prelu(self, layer: PReLU, part: Part, to: str) -> None:
        to = to or self.vector(part.name, self.width)
        formulas = self.arithmetic.formulas(lambda name, x: Text(f"{name}({x})"))
        value, slope = Text(f"{self.value}[j]"), Text(f"{part.name}_slope[j]")
        value = formulas.leaked(value, slope, part.lowered)
        self._each(to, self.width, self._stored(value))
        self.value = to

    def _stored(self, value: Any) -> str:
        """A number for a vector."""
        return f"(int16_t)({value})" if self.arithmetic.scaled else str(value)

    def _called(self, function: str, value: Any, part: Part) -> str:
        name = f"slim_{function}"
        of_bits = self.arithmetic.functions[name].of_bits
        return (
            f"{name}({value}, {part.lowered.bits})" if of_bits else f"{name}({value})"
        )

    def _activation(self, layer: Activation, part: Part, to: str) -> None:
        to = to or self.vector("activation", self.width)
        if layer.activation == "softmax":
            if self.value != to:
                self.copy(to)
            self.lines.append(f"slim_softmax({to}, {self.width});")
        else:
            value = shifted(Text(f"{self.value}[j]"), part.lowered.lost)
            value = self._called(layer.activation, value, part)
            cast = "(int16_t)" if self.arithmetic.scaled else ""
            self._each(to, self.width, f"{cast}{value}")
        self.value = to

    def dense(self, layer: Dense, part: Part, to: str) -> None:
        """A Dense, or what a Conv1D does with the steps of a sum."""
        scaled = self.arithmetic.scaled
        rows, columns = layer.outputs, self.arithmetic.columns(layer.inputs)
        to = to or self.vector(part.name, rows)
        sums = self._array("sums", self.arithmetic.sum, rows) if scaled else to
        start = f"clear({sums}, {rows});"
        if "bias" in part.tables:
            start = f"copy({sums}, {part.name}_bias, {rows});"
        scale = f"{part.name}_kernel_scale, " if scaled else ""
        self.lines += [
            start,
            f"add_product({sums}, {part.name}_kernel, {scale}{self.value}, {rows}, "
            f"{columns});",
        ]
        value, function = f"{sums}[j]", layer.activation
        if function == "softmax" and not scaled:
            self.lines.append(f"slim_softmax({to}, {rows});")
        elif function not in ("linear", "softmax"):
            value = self._called(function, value, part)
        if scaled:
            self._each(to, rows, f"(int16_t){value}")
        elif "(" in value:
            self._each(to, rows, value)
        self.value, self.width = to, rows

    def _slide(self, layer: OfWindow, part: Part) -> None:
        """Keep this step; leave where nothing comes out yet."""
        m, name = layer.inputs, f"state->{part.name}"
        self._each(f"({name}_x + {m} * {name}_at)", m, f"{self.value}[j]")
        self.lines.append(f"if (++{name}_at == {layer.span}) {name}_at = 0;")
        if not layer.gives_each:
            self.lines.append(f"if ({name}_wait-- > 0) return 0;")
            self.lines.append(f"{name}_wait = {layer.strides - 1};")

    def _from(self, layer: OfWindow, part: Part) -> list[str]:
        """Where the k-th step of a window lies among those that are kept."""
        return [
            f"int32_t from = state->{part.name}_at + {layer.dilation} * k;",
            f"if (from >= {layer.span}) from -= {layer.span};",
        ]

    def _convolution(self, layer: Conv1D, part: Part, to: str) -> None:
        self._slide(layer, part)
        m, name = layer.inputs, f"state->{part.name}"
        self.window(
            layer,
            *self._from(layer, part),
            f"for (int j = 0; j < {m}; j++) window[{m} * k + j] = "
            f"{name}_x[{m} * from + j];",
        )
        self.dense(layer.of_window, part, f"{name}_y")

    def window(self, layer: Conv1D, *lines: str) -> None:
        """The steps of a sum, side by side, from what is done for the k-th one."""
        self.value = self.vector("window", layer.taps * layer.inputs, "")
        heading = f"for (int k = 0; k < {layer.taps}; k++) {{"
        self.lines += [heading, *(f"    {line}" for line in lines), "}"]

    def _local_pool(self, layer: LocalPool, part: Part, to: str) -> None:
        self._slide(layer, part)
        x = f"state->{part.name}_x[{layer.width} * from + j]"
        self.local_pool(
            layer, f"state->{part.name}_y", self._from(layer, part), x, str(layer.taps)
        )

    def local_pool(
        self, layer: LocalPool, to: str, places: list[str], x: str, count: str
    ) -> None:
        """A local pool of the numbers x of ``count`` steps, into an array.

        Args:
            layer: what is computed.
            to: the array.
            places: what is done for the k-th step, before its numbers are read.
            x: its j-th number.
            count: how many steps there are.
        """
        n, averages, found = layer.width, layer.how == "average", to
        scaled = self.arithmetic.scaled
        if averages and scaled:
            found = self._array("sums", self.arithmetic.sum, n)
        each, y = f"for (int j = 0; j < {n}; j++)", f"{found}[j]"
        first = "0" if scaled else "0.0f"
        taken = f"{y} = {y} + {x};"
        if not averages:
            first = number(self.arithmetic.lowest)
            taken = f"if ({x} > {y}) {y} = {x};"
        self._each(found, n, first)
        heading = f"for (int k = 0; k < {layer.taps}; k++) {{"
        inside = [*places, f"{each} {taken}"]
        self.lines += [heading, *(f"    {line}" for line in inside), "}"]
        if averages and scaled:
            self._each(to, n, _nearest(f"(uint32_t)({y} + 32768 * {count})", count))
        elif averages:
            self._each(to, n, f"{y} / (float){count}")
        self.value, self.width = to, n

    def _pool(self, layer: Pool, part: Part, to: str) -> None:
        n, name, x = layer.outputs, f"state->{part.name}", f"{self.value}[j]"
        count, y = f"{name}_count", f"{name}_y[j]"
        if layer.how == "last":
            self._each(f"{name}_y", n, x)
        elif layer.how == "max":
            heading = f"for (int j = 0; j < {n}; j++)"
            self.lines += [
                f"{heading} if ({count} == 0 || {x} > {y}) {y} = {x};",
                f"{count} = 1;",
            ]
        elif self.arithmetic.scaled:
            term = f"(uint32_t)((int32_t){x} + 32768)"
            self.lines += [
                f"if ({count} < {MOST_AVERAGED}) {{",
                f"    {count}++;",
                f"    for (int j = 0; j < {n}; j++) {name}_sum[j] += {term};",
                "}",
            ]
            self._each(f"{name}_y", n, _nearest(f"{name}_sum[j]", count))
        else:
            self.lines.append(f"{count}++;")
            self.lines.append(f"for (int j = 0; j < {n}; j++) {name}_sum[j] += {x};")
            self._each(f"{name}_y", n, f"{name}_sum[j] / (float){count}")
        self.value, self.width = f"{name}_y", n

    def _recurrent(self, layer: Recurrent, part: Part, to: str) -> None:
        structure, n = part.lowered.structure, layer.outputs
        sums = self._array("sums", self.arithmetic.sum, len(structure.slots) * n)
        states = structure.spec.family.states
        passed = "".join(f", state->{part.name}_{state}" for state in states)
        reset = ""
        if structure.resets_before:
            size = self.arithmetic.columns(n)
            reset = ", " + self._array("reset_h", self.arithmetic.vector, size)
            self.padded |= {"reset_h"} if size != n else set()
        self.lines.append(
            f"{part.routine}_step(&{part.name}, {self.value}{passed}, {sums}{reset});"
        )
        self.value, self.width = f"state->{part.name}_h", n


def _nearest(total: str, count: str) -> str:
    """A total of so many numbers, each of them 32768 more, as their mean."""
    mean = f"({total} + (uint32_t){count} / 2) / (uint32_t){count}"
    return f"(int16_t)((int32_t)({mean}) - 32768)"


_TAKE: dict[type, Callable[[Flow, Any, Part, str], None]] = {
    Embedding: Flow._embedding,
    Masking: Flow._masking,
    Affine: Flow._affine,
    LayerNormalization: Flow._normalization,
    Skip: Flow._skip,
    Dense: Flow.dense,
    Conv1D: Flow._convolution,
    LocalPool: Flow._local_pool,
    Pool: Flow._pool,
    Activation: Flow._activation,
    PReLU: Flow._prelu,
    Recurrent: Flow._recurrent,
}
