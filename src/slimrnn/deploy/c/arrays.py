"""Tables and long lines in C."""

from __future__ import annotations

import re

import numpy as np

from slimrnn.deploy.program.c_expression import number

Array = np.ndarray

_C_TYPES = {
    "float32": "float",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
}
#: the NumPy type of each C type
NUMPY = {kind: name for name, kind in _C_TYPES.items()}
_WIDTH = 88


def table(
    kind: str, name: str, values: Array, comment: str, place: str = "TABLE "
) -> str:
    """An array with its numbers."""
    texts = ", ".join(number(value) for value in values.ravel())
    return (
        f"/* {comment} */\nstatic const {place}{kind} {name}[{values.size}] = {{\n"
        f"    {folded(texts)},\n}};\n"
    )


def folded(texts: str) -> str:
    """A list on lines that are not too long."""
    lines, line = [], ""
    for text in texts.split(", "):
        if len(line) + len(text) + 8 > _WIDTH:
            lines.append(line.rstrip())
            line = ""
        line += f"{text}, "
    return "\n    ".join([*lines, line.rstrip(", ")])


def wrapped(line: str) -> str:
    """A statement on lines that are not too long; comments stay as they are."""
    start = len(line) - len(line.lstrip())
    if len(line) <= _WIDTH or line.lstrip().startswith(("*", "/*")):
        return line
    breaks = [
        match.end()
        for match in re.finditer(r", | (?=[-+*?:] )|(?<=\)) ", line[:_WIDTH])
        if match.start() > start
        # not inside an index
        and line[: match.start()].count("[") == line[: match.start()].count("]")
    ]
    if not breaks:
        return line
    first, rest = line[: breaks[-1]].rstrip(), line[breaks[-1] :]
    return first + "\n" + wrapped(" " * (start + 4) + rest)


def c_type(table: Array) -> str:
    """The C type of a table's numbers."""
    return _C_TYPES[table.dtype.name]
