"""A program that needs the whole sequence, as C: one function, and memory for rows.

Each recurrent layer, Conv1D and local pool is run over all steps before the next one
begins, so that it may go backwards or look ahead; what it gives for each step lies in
memory of the caller. The rows of a Repeat are one row in the state, which stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from slimrnn.deploy.c.flow import Flow
from slimrnn.deploy.c.layout import Part
from slimrnn.deploy.c.source import Source
from slimrnn.deploy.program.program import Lowered
from slimrnn.ir.layers import Bidirectional, Conv1D, LocalPool, Pool, Repeat
from slimrnn.ir.over_time import OfWindow

_MERGED = {"sum": "{} + {}", "mul": "{} * {}", "ave": "({} + {}) / 2.0f"}


@dataclass(frozen=True)
class Stage:
    """A recurrent layer, Conv1D, pool or Repeat, and what stands before it.

    ``parts`` has both directions; none where what stands before a window is kept.
    ``kept`` says whether the next layer, or the output, takes a row for each step.
    """

    before: list[Part]
    layer: Lowered
    parts: list[Part]
    kept: bool

    @property
    def merge(self) -> str:
        """How two directions become one row; empty for a layer of one."""
        layer = self.layer.layer
        return layer.merge if isinstance(layer, Bidirectional) else ""


class SequenceSource(Source):
    """The text of the two files, with ``NAME_run`` alone."""

    @property
    def work_bytes(self) -> int:
        """The local arrays."""
        return self._body().bytes

    def _stages(self) -> Iterator[Stage]:
        before: list[Part] = []
        parts = iter(self.layout.parts)
        for layer in self.program.layers:
            if layer.cells:
                those = [next(parts) for _ in layer.cells]
                kept = those[0].lowered.recurrent.return_sequences
                yield Stage(before, layer, those, kept)
                before = []
            elif isinstance(layer.layer, (Pool, Repeat)):
                yield Stage(before, layer, [next(parts)], False)
                before = []
            elif isinstance(layer.layer, OfWindow):
                if before:
                    yield Stage(before, before[-1].lowered, [], True)
                yield Stage([], layer, [next(parts)], True)
                before = []
            else:
                before.append(next(parts))

    def _width(self, stage: Stage) -> int:
        """The numbers of a row in memory."""
        return self.arithmetic.columns(stage.layer.outputs)

    def work(self, steps: str) -> str:
        """How many numbers of the caller's memory it takes, as C and JavaScript."""
        each, more = 0, 1
        times = 0  # the steps since a Repeat
        for stage in self._stages():
            if isinstance(stage.layer.layer, Repeat):
                times = stage.layer.layer.times
            width = self._width(stage) * stage.kept
            each, more = each + width * (not times), more + width * times
        return f"{steps} * {each} + {more}"

    def _macros(self) -> str:
        return (
            f"#define {self.upper}_WORK(steps) ({self.work('(steps)')}) "
            f"/* numbers in work */\n"
        )

    def _prototypes(self) -> str:
        return f"""\
/* A whole sequence: x (steps, {self.upper}_INPUTS), of which no step is masked,
 * y {self._run_shape()}{self._left_out()},
 * work ({self.upper}_WORK(steps)). */
{self._run()};
{self._quantize_prototype()}"""

    def _run(self) -> str:
        name, vector = self.name, self.arithmetic.vector
        return (
            f"void {name}_run({name}_state *state, const {self.input} *x, "
            f"int32_t steps,\n        {vector} *y, {vector} *work)"
        )

    def _public(self) -> str:
        return f"{self._run()}\n{{\n{self._body().text()}}}\n{self._quantize()}"

    def _body(self) -> Flow:
        body = Flow(self.program, "")
        stages = list(self._stages())
        if not any(stage.kept for stage in stages):
            body.lines.append("(void)work;")
        body.lines.append("if (steps < 0) steps = 0;")
        body.lines += self.reset_lines().split("\n    ")
        rows, pitch, self.steps = "x", f"{self.upper}_INPUTS", "steps"
        most = self.steps  # rows that a stage can give
        for place, stage in enumerate(stages):
            kept = f"rows_{place}"
            if stage.kept:
                body.lines.append(f"{self.arithmetic.vector} *const {kept} = work;")
                body.lines.append(f"work += {most} * {self._width(stage)};")
            if isinstance(stage.layer.layer, Repeat):
                (held,) = stage.parts
                rows, pitch = f"state->{held.name}_{held.held}", "0"
                self._repeat(body, stage, stages[place - 1], rows)
                most = self.steps = str(stage.layer.layer.times)
                continue
            if isinstance(stage.layer.layer, OfWindow):
                self._windows(body, stage, (rows, pitch), place)
            elif isinstance(stage.layer.layer, Pool):
                flow = self._begun(
                    (*stage.before, *stage.parts), f"{rows} + t * {pitch}"
                )
                _into(body, flow, self._each_step)
            elif not stage.parts:
                flow = self._begun(stage.before, f"{rows} + t * {pitch}")
                flow.copy(f"({kept} + t * {self._width(stage)})")
                _into(body, flow, self._each_step)
            for part in stage.parts if stage.layer.cells else ():
                self._direction(body, stage, part, f"{rows} + t * {pitch}", kept)
            rows, pitch = kept, str(self._width(stage))
        self._head(body, stages[-1], rows, pitch)
        return body

    @property
    def _each_step(self) -> str:
        return f"for (int32_t t = 0; t < {self.steps}; t++)"

    def _begun(self, parts: Sequence[Part], value: str) -> Flow:
        """The layers from a row on."""
        flow = Flow(self.program, "")
        if value.startswith("x "):
            flow.begin(f"({value})")
        else:
            flow.value = f"({value})"
            flow.width = next((part.lowered.inputs for part in parts), 0)
        for part in parts:
            flow.take(part)
        return flow

    def _windows(
        self, body: Flow, stage: Stage, given: tuple[str, str], place: int
    ) -> None:
        """All steps that come out of a Conv1D or a local pool."""
        layer, (rows, pitch) = stage.layer.layer, given
        assert isinstance(layer, OfWindow)
        left = f"left_{place}"
        steps = f"steps_{place}"
        more = layer.before + layer.after - layer.span
        body.lines += [
            f"const int32_t {left} = {self.steps} + ({more});",
            f"const int32_t {steps} = {left} < 0 ? 0 : {left} / {layer.strides} + 1;",
        ]
        place_of = (
            f"const int32_t u = {layer.strides} * t + {layer.dilation} * k - "
            f"{layer.before};"
        )
        to = f"(rows_{place} + t * {self._width(stage)})"
        flow = Flow(self.program, "")
        if isinstance(layer, LocalPool):
            self._local_pool(flow, layer, (to, rows, pitch), place_of)
        else:
            self._convolution(flow, stage, (to, rows, pitch), place_of)
        self.steps = steps
        _into(body, flow, self._each_step)

    def _local_pool(
        self, flow: Flow, layer: LocalPool, where: tuple[str, str, str], place_of: str
    ) -> None:
        to, rows, pitch = where
        x = f"{rows}[{pitch} * u + j]"
        inside = f"if (u < 0 || u >= {self.steps}) continue;"
        places = [place_of, inside, "count++;"]
        if rows == "x" and self.arithmetic.scaled:
            wide, n = flow.vector("wide_x", layer.width, ""), layer.width
            places.append(f"widen({wide}, x + {pitch} * u, {n});")
            x = f"{wide}[j]"
        flow.lines.append("int32_t count = 0;")
        flow.local_pool(layer, to, places, x, "count")

    def _convolution(
        self, flow: Flow, stage: Stage, where: tuple[str, str, str], place_of: str
    ) -> None:
        layer, (to, rows, pitch) = stage.layer.layer, where
        assert isinstance(layer, Conv1D)
        window, frame = f"window + {layer.inputs} * k", f"{rows} + {pitch} * u"
        taken = f"widen({window}, {frame}, {layer.inputs});"
        each = f"for (int j = 0; j < {layer.inputs}; j++)"
        if rows != "x" or not self.arithmetic.scaled:
            taken = f"{each} ({window})[j] = ({frame})[j];"
        flow.window(
            layer,
            place_of,
            f"if (u >= 0 && u < {self.steps}) {taken}",
            f"else {each} ({window})[j] = 0;",
        )
        flow.dense(layer.of_window, stage.parts[0], to)

    def _direction(
        self, body: Flow, stage: Stage, part: Part, value: str, rows: str
    ) -> None:
        """One direction over all steps."""
        backwards = part.lowered.recurrent.go_backwards
        flow = self._begun((*stage.before, part), value)
        if stage.kept:
            row = f"({self.steps} - 1 - t)" if backwards and not stage.merge else "t"
            to = f"{rows}[{row} * {self._width(stage)}"
            flow.lines.append(self._merged(stage, part, to))
        way = f"for (int32_t t = {self.steps}; t-- > 0;)"
        _into(body, flow, way if backwards else self._each_step)

    def _merged(self, stage: Stage, part: Part, to: str) -> str:
        """The statement that puts a direction's output into a row."""
        n, h = part.lowered.outputs, f"state->{part.name}_h[j]"
        second = part is stage.parts[-1] and len(stage.parts) == 2
        if second and stage.merge == "concat":
            first = stage.parts[0].lowered.outputs
            to += f" + {first} + j]" if to[-1] != "[" else f"{first} + j]"
        else:
            to += " + j]" if to[-1] != "[" else "j]"
        if second and stage.merge in _MERGED:
            h = _MERGED[stage.merge].format(to, h)
        return f"for (int j = 0; j < {n}; j++) {to} = {h};"

    def _head(self, body: Flow, last: Stage, rows: str, pitch: str) -> None:
        """What stands after the last recurrent layer."""
        place = self.layout.parts.index(last.parts[-1]) + 1
        behind = self.layout.parts[place:]
        flow, each = self._last(last), self.each
        if each:
            flow.value = f"({rows} + t * {pitch})"
        flow.given = f"x[t * {self.upper}_INPUTS + j]"
        if self.arithmetic.scaled:
            flow.given = f"{flow.given} * 256"
        _chain(flow, behind, "y")
        heading = ""
        if each:
            heading = f"{self._each_step[:-1]}, y += {self.upper}_OUTPUTS)"
        _into(body, flow, heading)

    def _last(self, stage: Stage) -> Flow:
        """A flow from what a stage gave for the last step."""
        flow = Flow(self.program, "")
        if stage.merge and not stage.kept:
            flow.value = flow.vector("merged", stage.layer.outputs)
            for part in stage.parts:
                flow.lines.append(self._merged(stage, part, f"{flow.value}["))
        elif stage.parts:
            flow.value = f"state->{stage.parts[0].name}_{stage.parts[0].held}"
        flow.width = stage.layer.outputs
        return flow

    def _repeat(self, body: Flow, stage: Stage, last: Stage, to: str) -> None:
        """The one row of a Repeat."""
        flow = self._last(last)
        _chain(flow, stage.before, to)
        _into(body, flow, "")


def _chain(flow: Flow, parts: Iterable[Part], to: str) -> None:
    """Layers up to an array."""
    parts = list(parts)
    for part in parts:
        flow.take(part, to if part is parts[-1] else "")
    if not parts:
        flow.copy(to)


def _into(body: Flow, flow: Flow, heading: str) -> None:
    """A flow's statements, in a loop where there is a heading."""
    body.join(flow)
    if heading:
        body.lines += [f"{heading} {{", *(f"    {line}" for line in flow.lines), "}"]
    else:
        body.lines += flow.lines
