"""A trained model as a library for the Arduino IDE."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import slimrnn
from slimrnn.deploy.c.export import Array, written
from slimrnn.deploy.c.project import project, shown, source_of, usage_of
from slimrnn.deploy.c.source import Source
from slimrnn.deploy.program.program import Program


def to_arduino(
    model: Any,
    out: str | os.PathLike[str],
    name: str = "model",
    dtype: str = "float32",
    calibration: Any = None,
) -> Path:
    """Write a trained model as an Arduino library.

    The folder, put into the IDE's ``libraries``, has ``library.properties``, the C of
    :func:`slimrnn.deploy.to_c` in ``src``, an example sketch, and the self test in
    ``extras``. The C is that of ``to_c``, and gives the same bits.

    Arguments, result and errors are those of :func:`slimrnn.deploy.to_c`.

    Example:
        >>> import tempfile, keras
        >>> model = keras.Sequential(
        ...     [keras.Input((None, 3)), slimrnn.SlimLSTM(4), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = to_arduino(model, Path(folder, "new"), name="tiny")
        ...     sorted(file.name for file in path.iterdir())
        ['examples', 'extras', 'library.properties', 'src']
    """
    return written(_library, model, out, name, dtype, calibration)


def _library(
    program: Program, name: str, vectors: tuple[Array, Array]
) -> dict[str, str]:
    made = project(program, name, vectors)
    return {
        "library.properties": _properties(program, name),
        f"src/{name}.h": made[f"{name}.h"],
        f"src/{name}.c": made[f"{name}.c"],
        f"extras/{name}_test.c": made[f"{name}_test.c"],
        f"examples/{name}/{name}.ino": _sketch(source_of(program, name)),
    }


def _properties(program: Program, name: str) -> str:
    variants = {layer.cell.variant.name for layer in program.model.recurrent()}
    return f"""\
name={name}
version={slimrnn.__version__.split("+")[0]}
author=slimrnn
maintainer=slimrnn
sentence=A trained recurrent network, a step at a time, in {program.dtype}.
paragraph={", ".join(sorted(variants))}; written by slimrnn, without allocation.
category=Data Processing
url=
architectures=*
includes={name}.h
"""


def _sketch(source: Source) -> str:
    """A step in each loop, or a whole sequence where the model needs one."""
    use = usage_of(source)
    printed = ("Serial.println({});", "Serial.println({});")
    show = shown(source, use.numbers, use.value, *printed)
    lines = [*use.take, *use.outputs, *show, "delay(100);"]
    first = ["Serial.begin(115200);", *use.begin]
    return f"""\
#include <{source.name}.h>

{_lines(use.declared)}
void setup()
{{
{_lines(first, "    ")}}}

void loop()
{{
    /* x = ...: your numbers */
{_lines(lines, "    ")}}}
"""


def _lines(lines: list[str], before: str = "") -> str:
    return "".join(f"{before}{line}\n" for line in lines)
