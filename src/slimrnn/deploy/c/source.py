"""A program as C: what the header and the source file of any model have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from slimrnn.deploy.c import templates
from slimrnn.deploy.c.arrays import c_type, folded, table, wrapped
from slimrnn.deploy.c.cell import state_type
from slimrnn.deploy.c.layout import Layout
from slimrnn.deploy.program.c_expression import number, remark
from slimrnn.deploy.program.program import Lowered, Program
from slimrnn.deploy.program.step import Structure
from slimrnn.ir.layers import Embedding
from slimrnn.ir.over_time import OfWindow

#: of the generated files; it changes when their interface does
FORMAT = 1


class Source(ABC):
    """The text of the two files.

    Args:
        layout: of a program.
        name: what all public names begin with.
    """

    def __init__(self, layout: Layout, name: str):
        self.layout, self.name, self.upper = layout, name, name.upper()
        self.program, self.arithmetic = layout.program, layout.program.arithmetic
        self.model = self.program.model
        indices = self.model.takes_indices
        self.input = "int32_t" if indices else self.arithmetic.input
        self.quantizes = self.arithmetic.scaled and not indices
        self.has_floats = self.quantizes or not self.arithmetic.scaled

    def header(self) -> str:
        """NAME.h."""
        upper = self.upper
        guard = f"{upper}_H"
        fields = "".join(
            f"    {kind} {name}{f'[{length}]' if length else ''};\n"
            for kind, name, length in self.layout.state_fields()
        )
        macros = {
            "FORMAT": (FORMAT, "of these files"),
            "INPUTS": (self.model.inputs, "numbers in x, for a step"),
            "OUTPUTS": (self.outputs, "numbers in y"),
            **self._words(),
            **self._scales(),
            "TABLE_BYTES": (self.layout.table_bytes, "the tables, in flash"),
            "STATE_BYTES": (self.layout.state_bytes, f"sizeof({self.name}_state)"),
            "WORK_BYTES": (self.work_bytes, "arrays on the stack during a step"),
        }
        defines = "".join(
            f"#define {f'{upper}_{key}'.ljust(len(upper) + 14)} {value} /* {what} */\n"
            for key, (value, what) in macros.items()
        )
        return f"""\
/* {self.name}: {_summary(self.program)}
 *
 * Made by slimrnn; the weights' SHA-256 is below. No allocation, no library.
 * State belongs to the caller: each stream has its own.
 */
#ifndef {guard}
#define {guard}

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

{defines}{self._macros()}#define {upper}_SHA256 \\
    "{self.model.digest()}"

typedef struct {{
{fields}}} {self.name}_state;

{self._prototypes()}
#ifdef __cplusplus
}}
#endif

#endif
"""

    def first_states(self) -> str:
        """How a sequence begins, in words."""
        some = any(part.lowered.initial for part in self.layout.parts)
        return "the states are those of the model" if some else "all states are 0"

    def reset_lines(self) -> str:
        """The statements that begin a sequence."""
        lines = [f"*state = ({self.name}_state){{0}};"]
        for part in self.layout.parts:
            for state in part.lowered.initial:
                to, first = f"{part.name}_{state}", f"{part.name}_first_{state}"
                heading = f"for (int j = 0; j < {part.lowered.outputs}; j++)"
                lines.append(f"{heading} state->{to}[j] = {first}[j];")
            layer, states = part.lowered.layer, self.layout.states(part.lowered)
            if isinstance(layer, OfWindow) and "wait" in states:
                lines.append(f"state->{part.name}_wait = {layer.waits};")
        return "\n    ".join(lines)

    @property
    def each(self) -> bool:
        """Whether the model gives an output for each step."""
        return self.model.return_sequences

    @property
    def outputs(self) -> int:
        """Numbers in y."""
        return self.model.outputs

    @property
    @abstractmethod
    def work_bytes(self) -> int:
        """The largest local arrays."""

    def _macros(self) -> str:
        """Further macros."""
        return ""

    @abstractmethod
    def _prototypes(self) -> str:
        """The public functions, declared."""

    @abstractmethod
    def _public(self) -> str:
        """The public functions."""

    def _words(self) -> dict[str, tuple[int, str]]:
        first = self.model.layers[0]
        if not isinstance(first, Embedding):
            return {}
        return {"WORDS": (len(first.table), "of x; else the nearest counts")}

    def _scales(self) -> dict[str, tuple[Any, str]]:
        if not self.arithmetic.scaled:
            return {}
        bits = self.program.output_bits
        scales: dict[str, tuple[Any, str]] = {
            "OUTPUT_BITS": (bits, f"y / 2^{bits} is the number that y stands for")
        }
        if self.quantizes:
            scale = number(np.float32(self.program.input_scale))
            scales["INPUT_SCALE"] = (scale, "times x is the number that x stands for")
        return scales

    def _quantize_prototype(self) -> str:
        if not self.quantizes:
            return ""
        return f"""
/* q = the nearest integers to a step of x ({self.upper}_INPUTS); 0 of a NaN. */
void {self.name}_quantize(const float *x, int8_t *q);
"""

    def _left_out(self) -> str:
        if self.arithmetic.scaled and self.model.ends_in_softmax:
            return "; softmax\n * is left out, the largest is the same"
        return ""

    def _run_shape(self) -> str:
        upper = self.upper
        if self.each and not self.model.gives_each:
            return f"({upper}_OUTPUTS) for each step that comes out"
        if self.each:
            return f"(steps, {upper}_OUTPUTS)"
        return f"({upper}_OUTPUTS)"

    def source(self) -> str:
        """NAME.c."""
        parts = [
            f'/* See {self.name}.h. */\n#include "{self.name}.h"\n',
            self._table_macro(),
            templates.CONTRACTION if self.has_floats else "",
            *self._helpers(),
            *(self._routine(name) for name in self.layout.routines),
            *self._tables(),
            self._public(),
        ]
        text = "\n".join(part for part in parts if part)
        return "\n".join(wrapped(line) for line in text.split("\n"))

    def _table_macro(self) -> str:
        return f"""\
/* Where the tables lie: define it as a qualifier, such as __flash for AVR. */
#ifndef {self.upper}_TABLE
#define {self.upper}_TABLE
#endif
#define TABLE {self.upper}_TABLE
"""

    def _helpers(self) -> Iterator[str]:
        used, arithmetic = self.layout.used, self.arithmetic
        if "clear" in used:
            yield templates.CLEAR.format(sum=arithmetic.sum)
        if "copy" in used:
            yield templates.COPY.format(sum=arithmetic.sum, bias=arithmetic.bias)
        if "widen" in used or self.quantizes:
            yield templates.WIDEN
        yield arithmetic.product.source
        for name, values in self.layout.function_tables.items():
            said = "as Q15" if name == "tanh_table" else "less max(x, 0), as Q14"
            what = f"{name.removesuffix('_table')}, {said}"
            yield table("int16_t", name, values, what)
        for name, function in arithmetic.functions.items():
            if name in used:
                yield function.source

    def _routine(self, name: str) -> str:
        structure, routine = self.layout.routines[name]
        arithmetic, vector = self.arithmetic, self.arithmetic.vector
        part = next(p for p in self.layout.parts if p.routine == name)
        fields = "".join(
            f"    const TABLE {c_type(values)} *{key}; "
            f"/* {_blocks(structure, key)} */\n"
            for key, values in part.tables.items()
        )
        family = structure.spec.family
        kinds = {s: state_type(structure, arithmetic, s) for s in family.states}
        states = "".join(f", {kind} *{state}" for state, kind in kinds.items())
        names = " and ".join(family.states)
        gates = ", ".join(structure.slots)
        count = len(structure.slots)
        sums = f"{count} n" if count > 1 else "n"
        reset = f", {vector} *reset_h" if structure.resets_before else ""
        equations = "".join(
            f" *     {line}\n" for line in structure.variant.equations()
        )
        n = "    const int n = cell->units;\n"
        if any("padded" in line for line in routine.lines):
            n += f"    const int padded = (n + {arithmetic.multiple - 1}) / "
            n += f"{arithmetic.multiple} * {arithmetic.multiple};\n"
        lines = "\n".join(routine.lines)
        return f"""\
struct {name} {{
    int inputs; /* m: columns of the kernel */
    int units; /* n */
{fields}}};

/* One step of {remark(structure.variant.name)}:
{equations} * x (m), {names} (n), sums ({sums}) of the gates {gates}.
 */
static void {name}_step(const TABLE struct {name} *cell, const {vector} *x{states}, \
{arithmetic.sum} *sums{reset})
{{
{n}
{lines}
}}
"""

    def _tables(self) -> Iterator[str]:
        for part in self.layout.parts:
            for state, values in part.lowered.initial.items():
                name = f"{part.name}_first_{state}"
                yield table(c_type(values), name, values, f"({values.size})")
            if not part.tables:
                continue
            for key, values in part.tables.items():
                comment = part.shapes[key]
                if part.routine:
                    structure = self.layout.routines[part.routine][0]
                    comment += f", {_blocks(structure, key)}"
                yield table(c_type(values), f"{part.name}_{key}", values, comment)
            if part.routine:
                names = ", ".join(f"{part.name}_{key}" for key in part.tables)
                inputs = self.arithmetic.columns(part.lowered.inputs)
                units = part.lowered.outputs
                yield (
                    f"static const TABLE struct {part.routine} {part.name} = {{\n"
                    f"    {inputs}, {units},\n    {folded(names)},\n}};\n"
                )

    def _quantize(self) -> str:
        if not self.quantizes:
            return ""
        count = self.model.inputs
        lines = "".join(
            f"        v = affine_{k}_scale[k] * v + affine_{k}_offset[k];\n"
            for k in range(len(self.program.input_affine))
        )
        tables = "\n".join(
            table("float", f"affine_{k}_{key}", getattr(affine, key), f"({count})")
            for k, affine in enumerate(self.program.input_affine)
            for key in ("scale", "offset")
        )
        inverse = number(np.float32(1 / self.program.input_scale))
        return f"""
{tables}
void {self.name}_quantize(const float *x, int8_t *q)
{{
    for (int k = 0; k < {count}; k++) {{
        float v = x[k];
{lines}        v = v * {inverse};
        v = v > 127.0f ? 127.0f : v < -127.0f ? -127.0f : v == v ? v : 0.0f;
        q[k] = (int8_t)(v < 0.0f ? v - 0.5f : v + 0.5f);
    }}
}}
"""


def _summary(program: Program) -> str:
    parts = [f"{_kind(layer)} {layer.outputs}" for layer in program.layers]
    return f"{program.model.inputs} inputs, {', '.join(parts)}, {program.dtype}."


def _kind(lowered: Lowered) -> str:
    if lowered.cells == (lowered,):
        return remark(lowered.structure.variant.name)
    return type(lowered.layer).__name__


def _blocks(structure: Structure, table: str) -> str:
    weight = table.removesuffix("_scale")
    return f"of {', '.join(structure.blocks(weight))}"
