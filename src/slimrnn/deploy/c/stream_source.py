"""A program that goes one step at a time, as C."""

from __future__ import annotations

from slimrnn.deploy.c.flow import Flow
from slimrnn.deploy.c.source import Source
from slimrnn.ir.layers import Skip


class StreamSource(Source):
    """The text of the two files, with ``NAME_step`` and ``NAME_output``."""

    @property
    def work_bytes(self) -> int:
        """The largest local arrays of step and output."""
        return max(flow.bytes for flow in (self.step_flow(), self.output_flow()))

    def _prototypes(self) -> str:
        name, upper, out = self.name, self.upper, self.arithmetic.vector
        return f"""\
/* Begin a sequence: {self.first_states()}. */
void {name}_reset({name}_state *state);

/* Take a step: x ({upper}_INPUTS){self._whether}. */
{self._gives} {name}_step({name}_state *state, const {self.input} *x);

/* y ({upper}_OUTPUTS), after the steps so far{self._left_out()}. */
void {name}_output(const {name}_state *state, {out} *y);

/* A whole sequence from its beginning: x (steps, {upper}_INPUTS),
 * y {self._run_shape()}. */
void {name}_run({name}_state *state, const {self.input} *x, int32_t steps,
        {out} *y);
{self._quantize_prototype()}"""

    def step_flow(self) -> Flow:
        """The body of NAME_step."""
        flow = Flow(self.program, "return")
        flow.begin("x")
        for part in self.layout.parts:
            if isinstance(part.lowered.layer, Skip):
                flow.keep(part)
        for part in self.layout.parts[: self._split]:
            flow.take(part)
        if not self.model.gives_each:
            flow.lines.append("return 1;")
        return flow

    def output_flow(self) -> Flow:
        """The body of NAME_output."""
        flow = Flow(self.program, "return")
        last = self.layout.parts[self._split - 1]
        flow.value, flow.width = f"state->{last.name}_{last.held}", last.lowered.outputs
        for part in self.layout.parts[self._split :]:
            flow.take(part, "y" if part is self.layout.parts[-1] else "")
        if self._split == len(self.layout.parts):
            flow.copy("y")
        return flow

    @property
    def _gives(self) -> str:
        """The type of what a step returns."""
        return "void" if self.model.gives_each else "int"

    @property
    def _whether(self) -> str:
        if self.model.gives_each:
            return ""
        unchanged = f"{self.name}_output is as it was"
        return f"; 0 where nothing comes out of it yet:\n * {unchanged}"

    @property
    def _split(self) -> int:
        """How many parts belong to a step."""
        return 1 + max(k for k, p in enumerate(self.layout.parts) if p.held)

    def _public(self) -> str:
        name, out = self.name, self.arithmetic.vector
        loop = f"        {name}_step(state, x);\n"
        if self.each and not self.model.gives_each:
            loop = f"        if (!{name}_step(state, x)) continue;\n"
        last = f"    {name}_output(state, y);\n"
        if self.each:
            loop += f"        {name}_output(state, y);\n"
            loop += f"        y += {self.upper}_OUTPUTS;\n"
            last = ""
        return f"""\
void {name}_reset({name}_state *state)
{{
    {self.reset_lines()}
}}

{self._gives} {name}_step({name}_state *state, const {self.input} *x)
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
