"""The files of an exported model: the source, its self test, and how to build them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slimrnn.deploy.c.arrays import table
from slimrnn.deploy.c.layout import lay_out
from slimrnn.deploy.c.sequence_source import SequenceSource
from slimrnn.deploy.c.source import Source
from slimrnn.deploy.c.stream_source import StreamSource
from slimrnn.deploy.program.program import Program

Array = np.ndarray


def project(
    program: Program, name: str, vectors: tuple[Array, Array]
) -> dict[str, str]:
    """The files by name.

    Args:
        program: of a model.
        name: a C identifier.
        vectors: steps (T, m), and the outputs after each (T, n), for the self test.

    """
    source = source_of(program, name)
    return {
        f"{name}.h": source.header(),
        f"{name}.c": source.source(),
        f"{name}_test.c": _test(source, *vectors),
        "main.c": _example(source),
        "Makefile": _makefile(name),
    }


def source_of(program: Program, name: str) -> Source:
    """The source: of a model that can be streamed, or of one that needs all steps."""
    kind = SequenceSource if program.model.why_no_stream() else StreamSource
    return kind(lay_out(program, name), name)


def _test(source: Source, x: Array, expected: Array) -> str:
    name, upper, out = source.name, source.upper, source.arithmetic.vector
    given = table(source.input, "x", x, f"({len(x)}, {x[0].size})", place="")
    wanted = table(out, "expected", expected, f"{expected.shape}", place="")
    return f"""\
/* The self test of {name}: how many numbers differ from the exporter's. Each must be
 * the same to the last bit. */
#include "{name}.h"

#define STEPS {len(x)}

{given}
{wanted}
int {name}_test(void);

{_test_body(source, expected)}
#ifndef {upper}_NO_MAIN
int main(void)
{{
    return {name}_test() != 0;
}}
#endif
"""


def _test_body(source: Source, expected: Array) -> str:
    """The function: each step of a stream, or the whole sequence."""
    name, upper, vector = source.name, source.upper, source.arithmetic.vector
    if isinstance(source, SequenceSource):
        return f"""\
int {name}_test(void)
{{
    static {name}_state state;
    static {vector} y[{expected.size}], work[{upper}_WORK(STEPS)];
    int wrong = 0;

    {name}_run(&state, x, STEPS, y, work);
    for (int k = 0; k < {expected.size}; k++) {{
        if (y[k] != expected[k]) wrong++;
    }}
    return wrong;
}}
"""
    step = f"{name}_step(&state, x + t * {upper}_INPUTS)"
    if not source.model.gives_each:
        step = f"if (!{step}) continue"
    return f"""\
int {name}_test(void)
{{
    static {name}_state state;
    const {vector} *wanted = expected;
    {vector} y[{upper}_OUTPUTS];
    int wrong = 0;

    {name}_reset(&state);
    for (int t = 0; t < STEPS; t++) {{
        {step};
        {name}_output(&state, y);
        for (int k = 0; k < {upper}_OUTPUTS; k++) {{
            if (y[k] != *wanted++) wrong++;
        }}
    }}
    return wrong;
}}
"""


@dataclass(frozen=True)
class Usage:
    """What a program does with a model, from the user's numbers on, as lines of C.

    Attributes:
        declared: its variables.
        begin: once; empty where a sequence is given whole.
        take: a step, or the whole sequence.
        outputs: after the last step.
        numbers: how many outputs there are.
        value: the output k as what it stands for; a class is the largest one's k.
    """

    declared: list[str]
    begin: list[str]
    take: list[str]
    outputs: list[str]
    numbers: str
    value: str


def usage_of(source: Source) -> Usage:
    """How a model is used."""
    name, upper, out = source.name, source.upper, source.arithmetic.vector
    whole = isinstance(source, SequenceSource)
    steps = max(10, source.model.least_steps)
    size = f"{steps} * {upper}_INPUTS" if whole else f"{upper}_INPUTS"
    each = isinstance(source, SequenceSource) and source.each
    rows = f"{source.model.steps_of(steps)} * " if each else ""
    numbers = f"{rows}{upper}_OUTPUTS"
    given = "float" if source.quantizes else source.input
    what = f"{steps} steps" if whole else "a step"
    declared = [f"static {name}_state state;"]
    declared += [f"static {given} x[{size}]; /* {what} of your data */"]
    declared += [f"static {source.input} q[{size}];"] * source.quantizes
    declared += [f"static {out} y[{numbers}];"]
    declared += [f"static {out} work[{upper}_WORK({steps})];"] * whole
    x = "q" if source.quantizes else "x"
    value = "(double)y[k]"
    if source.arithmetic.scaled:
        value += f" / {2.0**source.program.output_bits!r}"
    if whole:
        step = f"{name}_quantize(x + t * {upper}_INPUTS, q + t * {upper}_INPUTS);"
        take = [f"for (int t = 0; t < {steps}; t++) {step}"] * source.quantizes
        take += [f"{name}_run(&state, {x}, {steps}, y, work);"]
        return Usage(declared, [], take, [], numbers, value)
    take = [f"{name}_quantize(x, q);"] * source.quantizes
    take += [f"{name}_step(&state, {x});"]
    begin, outputs = [f"{name}_reset(&state);"], [f"{name}_output(&state, y);"]
    return Usage(declared, begin, take, outputs, numbers, value)


def shown(source: Source, numbers: str, value: str, number: str, of_class: str):
    """The lines that print the outputs, or the class of the largest."""
    loop = f"for (int k = 0; k < {numbers}; k++)"
    if not _picks(source):
        return [f"{loop} {number.format(value)}"]
    return [
        "int best = 0;",
        f"{loop} if (y[k] > y[best]) best = k;",
        of_class.format("best"),
    ]


def _example(source: Source) -> str:
    """main.c."""
    use = usage_of(source)
    printed = ('printf("%g\\n", {});', 'printf("class %d\\n", {});')
    show = shown(source, use.numbers, use.value, *printed)
    take, last = use.take, [*use.outputs, *show]
    if use.begin:
        if source.model.return_sequences:  # an answer at each step
            take, last = [*take, *last], []
        inside = (f"    {line}" for line in take)
        take = ["for (int t = 0; t < 10; t++) {", *inside, "}"]
    lines = [*use.declared, "", *use.begin, *take, *last, "return 0;"]
    body = "".join(f"    {line}\n" if line else "\n" for line in lines)
    return f"""\
#include <stdio.h>
#include "{source.name}.h"

int main(void)
{{
{body}}}
"""


def _picks(source: Source) -> bool:
    """Whether the outputs are those of classes, of which the largest counts."""
    each = isinstance(source, SequenceSource) and source.each
    return source.model.ends_in_softmax and not each


def _makefile(name: str) -> str:
    return f"""\
CFLAGS ?= -O2
CFLAGS += -std=c99 -ffp-contract=off -Wall -Wextra

main: main.o {name}.o
{name}_test: {name}_test.o {name}.o
main.o {name}.o {name}_test.o: {name}.h

.PHONY: test clean
test: {name}_test
\t./{name}_test && echo "{name}: all numbers are as they should be"
clean:
\trm -f main {name}_test *.o
"""
