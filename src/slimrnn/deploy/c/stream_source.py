"""A program as C: the header and the source file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from slimrnn.deploy.c import templates
from slimrnn.deploy.c.arrays import NUMPY, c_type, folded, table, wrapped
from slimrnn.deploy.c.flow import Flow
from slimrnn.deploy.c.layout import Layout
from slimrnn.deploy.program.c_expression import number, remark
from slimrnn.deploy.program.functions import TANH_TABLE
from slimrnn.deploy.program.program import Cell, Program
from slimrnn.deploy.program.step import Structure
from slimrnn.variants import FAMILIES

#: of the generated files; it changes when their interface does
FORMAT = 1


class Source:
    """The text of the two files.

    Args:
        layout: of a program.
        name: what all public names begin with.
    """

    def __init__(self, layout: Layout, name: str):
        self.layout, self.name, self.upper = layout, name, name.upper()
        self.program, self.types = layout.program, layout.types
        description = self.program.description
        self.input = "int32_t" if description.takes_indices else self.types.input

    # The header -----------------------------------------------------------------

    def header(self) -> str:
        """NAME.h."""
        d, upper = self.program.description, self.upper
        guard = f"{upper}_H"
        fields = "".join(
            f"    {self.types.vector} {name}[{length}];\n"
            for name, length in self.layout.state_fields()
        )
        macros = {
            "FORMAT": (FORMAT, "of these files"),
            "INPUTS": (d.inputs, "numbers in x, for a step"),
            "OUTPUTS": (self.outputs, "numbers in y"),
            **self._scales(),
            "TABLE_BYTES": (self.layout.table_bytes, "the tables, in flash"),
            "STATE_BYTES": (self.state_bytes, f"sizeof({self.name}_state)"),
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

{defines}{self._macros()}#define {upper}_SHA256 \\
    "{d.digest()}"

typedef struct {{
{fields}}} {self.name}_state;

{self._prototypes()}
#endif
"""

    @property
    def each(self) -> bool:
        """Whether the model gives an output for each step."""
        return self.program.description.return_sequences

    def _macros(self) -> str:
        """Further macros."""
        return ""

    @property
    def outputs(self) -> int:
        """Numbers in y."""
        return self.program.description.outputs

    @property
    def state_bytes(self) -> int:
        """The size of the state."""
        size = np.dtype(NUMPY[self.types.vector]).itemsize
        return size * sum(length for _, length in self.layout.state_fields())

    @property
    def work_bytes(self) -> int:
        """The largest local arrays of step and output."""
        return max(flow.bytes for flow in (self.step_flow(), self.output_flow()))

    def _scales(self) -> dict[str, tuple[Any, str]]:
        if not self.types.scaled:
            return {}
        bits = self.program.output_bits
        scales: dict[str, tuple[Any, str]] = {
            "OUTPUT_BITS": (bits, f"y / 2^{bits} is the number that y stands for")
        }
        if not self.program.description.takes_indices:
            scale = number(np.float32(self.program.input_scale))
            scales["INPUT_SCALE"] = (scale, "times x is the number that x stands for")
        return scales

    def _prototypes(self) -> str:
        name, upper, out = self.name, self.upper, self.types.vector
        return f"""\
/* Begin a sequence: all states are 0. */
void {name}_reset({name}_state *state);

/* Take a step: x ({upper}_INPUTS). */
void {name}_step({name}_state *state, const {self.input} *x);

/* y ({upper}_OUTPUTS), after the steps so far{self._left_out()}. */
void {name}_output(const {name}_state *state, {out} *y);

/* A whole sequence from its beginning: x (steps, {upper}_INPUTS),
 * y {self._run_shape()}. */
void {name}_run({name}_state *state, const {self.input} *x, int32_t steps,
        {out} *y);
{self._quantize_prototype()}"""

    def _quantize_prototype(self) -> str:
        if not self._quantizes:
            return ""
        return f"""
/* q = the nearest integers to a step of x ({self.upper}_INPUTS). */
void {self.name}_quantize(const float *x, int8_t *q);
"""

    def _left_out(self) -> str:
        if self.types.scaled and self.program.description.ends_in_softmax:
            return "; softmax\n * is left out, the largest is the same"
        return ""

    def _run_shape(self) -> str:
        upper = self.upper
        if self.each:
            return f"(steps, {upper}_OUTPUTS)"
        return f"({upper}_OUTPUTS)"

    @property
    def _quantizes(self) -> bool:
        return self.types.scaled and not self.program.description.takes_indices

    # The source -----------------------------------------------------------------

    def source(self) -> str:
        """NAME.c."""
        parts = [
            f'/* See {self.name}.h. */\n#include "{self.name}.h"\n',
            self._table_macro(),
            templates.CONTRACTION if self._quantizes or not self.types.scaled else "",
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
        used, types = self.layout.used, self.types
        if "clear" in used:
            yield templates.CLEAR.format(sum=types.sum)
        if "copy" in used:
            yield templates.COPY.format(sum=types.sum, bias=types.bias)
        if "widen" in used or self._quantizes:
            yield templates.WIDEN
        product = (
            templates.ADD_PRODUCT_INT8 if types.scaled else templates.ADD_PRODUCT_FLOAT
        )
        yield product
        if "slim_tanh" in self.layout.integer_functions():
            yield table("int16_t", "tanh_table", TANH_TABLE, "tanh, as Q15")
        for name, function in types.functions.items():
            if name in used:
                yield function.source

    def _routine(self, name: str) -> str:
        structure, routine = self.layout.routines[name]
        types, vector = self.types, self.types.vector
        part = next(p for p in self.layout.parts if p.routine == name)
        fields = "".join(
            f"    const TABLE {c_type(values)} *{key}; "
            f"/* {_blocks(structure, key)} */\n"
            for key, values in part.tables.items()
        )
        family = FAMILIES[structure.variant.family]
        states = "".join(f", {vector} *{state}" for state in family.states)
        names = " and ".join(family.states)
        gates = ", ".join(structure.slots)
        count = len(structure.slots) + structure.resets_after
        sums = f"{count} n" if count > 1 else "n"
        reset = f", {vector} *reset_h" if structure.resets_before else ""
        equations = "".join(
            f" *     {line}\n" for line in structure.variant.equations()
        )
        n = "    const int n = cell->units;\n"
        if any("padded" in line for line in routine.lines):
            n += f"    const int padded = (n + {types.multiple - 1}) / "
            n += f"{types.multiple} * {types.multiple};\n"
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
{types.sum} *sums{reset})
{{
{n}
{lines}
}}
"""

    def _tables(self) -> Iterator[str]:
        for part in self.layout.parts:
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
                inputs = self.types.columns(part.layer.inputs)
                yield (
                    f"static const TABLE struct {part.routine} {part.name} = {{\n"
                    f"    {inputs}, {part.layer.units},\n    {folded(names)},\n}};\n"
                )

    def step_flow(self) -> Flow:
        """The body of NAME_step."""
        flow = Flow(self.program, self.types, "return")
        flow.begin("x")
        for part in self.layout.parts[: self._split]:
            flow.take(part)
        return flow

    def output_flow(self) -> Flow:
        """The body of NAME_output."""
        flow = Flow(self.program, self.types, "return")
        flow.value = f"state->{self.layout.parts[self._split - 1].name}_h"
        flow.width = self.layout.parts[self._split - 1].layer.units
        for part in self.layout.parts[self._split :]:
            flow.take(part, "y" if part is self.layout.parts[-1] else "")
        if self._split == len(self.layout.parts):
            flow.copy("y")
        return flow

    @property
    def _split(self) -> int:
        """How many parts belong to a step."""
        return 1 + max(k for k, p in enumerate(self.layout.parts) if p.routine)

    def _public(self) -> str:
        name, out = self.name, self.types.vector
        loop = f"        {name}_step(state, x);\n"
        last = f"    {name}_output(state, y);\n"
        if self.each:
            loop += f"        {name}_output(state, y);\n"
            loop += f"        y += {self.upper}_OUTPUTS;\n"
            last = ""
        return f"""\
void {name}_reset({name}_state *state)
{{
    *state = ({name}_state){{0}};
}}

void {name}_step({name}_state *state, const {self.input} *x)
{{
{self.step_flow().text()}}}

void {name}_output(const {name}_state *state, {out} *y)
{{
{self.output_flow().text()}}}

void {name}_run({name}_state *state, const {self.input} *x, int32_t steps, {out} *y)
{{
    {name}_reset(state);
    for (; steps > 0; steps--, x += {self.upper}_INPUTS) {{
{loop}    }}
{last}}}
{self._quantize()}"""

    def _quantize(self) -> str:
        if not self._quantizes:
            return ""
        count = self.program.description.inputs
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
        v = v > 127.0f ? 127.0f : v < -127.0f ? -127.0f : v;
        q[k] = (int8_t)(v < 0.0f ? v - 0.5f : v + 0.5f);
    }}
}}
"""


def _summary(program: Program) -> str:
    kinds = [
        remark(layer.structure.variant.name)
        if isinstance(layer, Cell)
        else type(layer).__name__
        for layer in program.layers
    ]
    widths = [layer.outputs for layer in program.layers]
    parts = [f"{k} {n}" for k, n in zip(kinds, widths, strict=True)]
    return f"{program.description.inputs} inputs, {', '.join(parts)}, {program.dtype}."


def _blocks(structure: Structure, table: str) -> str:
    """Which gates a table is of."""
    weight = table.removesuffix("_scale")
    if weight == "reset_bias":
        return "of the product that r multiplies"
    return f"of {', '.join(structure.blocks(weight))}"
