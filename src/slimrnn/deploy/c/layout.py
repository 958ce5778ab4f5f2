"""A program with everything named, and every table as it lies in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slimrnn.deploy.c import templates
from slimrnn.deploy.c.arrays import NUMPY
from slimrnn.deploy.c.cell import Routine, Writer, laid_out, state_type
from slimrnn.deploy.program.arithmetic import Arithmetic
from slimrnn.deploy.program.c_expression import KEYWORDS
from slimrnn.deploy.program.program import Lowered, Program
from slimrnn.deploy.program.step import MATRICES, Structure
from slimrnn.ir.layers import (
    Activation,
    Conv1D,
    Dense,
    Embedding,
    LayerNormalization,
    LocalPool,
    Pool,
    PReLU,
    Recurrent,
    Repeat,
    Skip,
)
from slimrnn.ir.over_time import OfWindow

Array = np.ndarray


@dataclass
class Part:
    """What a layer has in the files: its C name, tables and routine."""

    lowered: Lowered
    name: str = ""
    tables: dict[str, Array] = field(default_factory=dict)  # as they lie in memory
    shapes: dict[str, str] = field(default_factory=dict)
    routine: str = ""

    @property
    def held(self) -> str:
        """The state that the next layer takes; empty where there is none."""
        return _HELD.get(type(self.lowered.layer), "")


@dataclass
class Layout:
    """A program with everything named and every table laid out."""

    program: Program
    parts: list[Part]  # a part for each direction
    routines: dict[str, tuple[Structure, Routine]]
    used: set[str]

    @property
    def arithmetic(self) -> Arithmetic:
        """The program's."""
        return self.program.arithmetic

    @property
    def function_tables(self) -> dict[str, np.ndarray]:
        """What the functions that it has look up, by name."""
        known = self.arithmetic.functions
        return {
            name: table
            for used in known
            if used in self.used
            for name, table in known[used].tables.items()
        }

    @property
    def table_bytes(self) -> int:
        """What the tables take in flash."""
        tables = [
            table
            for part in self.parts
            for table in (*part.tables.values(), *part.lowered.initial.values())
        ]
        tables += self.function_tables.values()
        return sum(table.nbytes for table in tables)

    @property
    def state_bytes(self) -> int:
        """What the state of a stream takes."""
        fields = self.state_fields()
        sizes = [(np.dtype(NUMPY[kind]).itemsize, n or 1) for kind, _, n in fields]
        widest = max(size for size, _ in sizes)  # to a multiple of which C fills up
        return -(-sum(size * n for size, n in sizes) // widest) * widest

    def state_fields(self) -> list[tuple[str, str, int]]:
        """The state: the type, name and length of each field, 0 for a number."""
        found = [
            (kind or self.arithmetic.vector, f"{part.name}_{state}", length)
            for part in self.parts
            for state, (kind, length) in self.states(part.lowered).items()
        ]
        return sorted(found, key=lambda field: not field[0].endswith("32_t"))

    def states(self, lowered: Lowered) -> States:
        """What a layer keeps from step to step."""
        return _states(lowered, self.program)


def lay_out(program: Program, name: str) -> Layout:
    """Name everything, and put the numbers in the order in which the C reads them."""
    arithmetic = program.arithmetic
    names = _Names(arithmetic, name)
    layout = Layout(program, [], {}, set())
    flat = [cell for layer in program.layers for cell in layer.cells or (layer,)]
    for lowered in flat:
        layout.used |= _calls(lowered, arithmetic)
        part = Part(lowered)
        layout.parts.append(part)
        if not lowered.tables and not part.held:
            continue
        part.name = names.free(lowered.name, derived=_derived(lowered, program))
        segments, units = {"kernel": [(0, 1)]}, lowered.outputs
        if lowered.cells:
            part.routine = _routine(layout, lowered.structure, names)
            segments = layout.routines[part.routine][1].segments
        for key, table in lowered.tables.items():
            part.shapes[key] = str(table.shape).replace(",)", ")")
            if key in MATRICES:
                table = laid_out(table, segments[key], units, arithmetic)
            part.tables[key] = table
    for used in layout.used & set(arithmetic.functions):
        layout.used = layout.used | set(arithmetic.functions[used].needs)
    return layout


def _routine(layout: Layout, structure: Structure, names: _Names) -> str:
    """The name of a structure's routine, which is written once."""
    for known, (other, _) in layout.routines.items():
        if other == structure:
            return known
    cells, columns = layout.program.cells(), layout.arithmetic.columns
    alike = [cell.outputs for cell in cells if cell.structure == structure]
    padded = any(n != columns(n) for n in alike)
    routine = Writer(structure, layout.arithmetic, padded).routine
    layout.used |= routine.used
    name = names.free(structure.variant.name, "_cell", derived=["step"])
    layout.routines[name] = (structure, routine)
    return name


def _calls(lowered: Lowered, arithmetic: Arithmetic) -> set[str]:
    """The helpers that a layer calls, but those of a cell's routine."""
    calls = _CALLS.get(type(lowered.layer))
    return calls(lowered.layer, arithmetic) if calls else set()


def _dense_calls(layer: Dense | Conv1D, arithmetic: Arithmetic) -> set[str]:
    started = "clear" if layer.bias is None else "copy"
    return {"add_product", started} | _activation_calls(layer, arithmetic)


def _activation_calls(
    layer: Dense | Conv1D | Activation, arithmetic: Arithmetic
) -> set[str]:
    return set() if layer.activation == "linear" else {f"slim_{layer.activation}"}


_CALLS: dict[type, Callable[[Any, Arithmetic], set[str]]] = {
    Embedding: lambda layer, arithmetic: {"widen"} if arithmetic.scaled else set(),
    Dense: _dense_calls,
    Conv1D: _dense_calls,
    Activation: _activation_calls,
    PReLU: lambda *_: {"slim_relu"},
    LayerNormalization: lambda *_: {"slim_normalize"},
}


def _states(lowered: Lowered, program: Program) -> States:
    states = _STATES.get(type(lowered.layer))
    return states(lowered.layer, lowered, program) if states else {}


def _cell_states(layer: Recurrent, lowered: Lowered, program: Program) -> States:
    structure, arithmetic = lowered.structure, program.arithmetic
    first, *others = structure.spec.family.states  # the first one is multiplied
    sizes = {first: arithmetic.columns(layer.outputs)}
    sizes |= dict.fromkeys(others, layer.outputs)
    return {s: (state_type(structure, arithmetic, s), n) for s, n in sizes.items()}


def _line_of_steps(layer: OfWindow, _: Lowered, program: Program) -> States:
    """Its last steps, where the oldest lies, how many it waits for, what it gave."""
    if program.model.why_no_stream():  # then all steps are at hand
        return {}
    waits: States = {} if layer.gives_each else {"wait": ("int32_t", 0)}
    return {
        "at": ("int32_t", 0),
        **waits,
        "x": ("", layer.span * layer.inputs),
        "y": ("", program.arithmetic.columns(layer.outputs)),
    }


def _pooled(layer: Pool, _: Lowered, program: Program) -> States:
    """What it gave, and of how many steps; of an average, their sum."""
    states: States = {"y": ("", program.arithmetic.columns(layer.outputs))}
    if layer.how != "last":
        states["count"] = ("int32_t", 0)
    if layer.how == "average":
        kind = "uint32_t" if program.arithmetic.scaled else ""
        states["sum"] = (kind, layer.outputs)
    return states


#: by name, the C type, empty for that of a vector, and the length, 0 for a number
States = dict[str, tuple[str, int]]
_STATES: dict[type, Callable[[Any, Lowered, Program], States]] = {
    Recurrent: _cell_states,
    Conv1D: _line_of_steps,
    LocalPool: _line_of_steps,
    Pool: _pooled,
    Skip: lambda layer, *_: {"x": ("", layer.outputs)},  # of the last step
    Repeat: lambda layer, _, program: {
        "y": ("", program.arithmetic.columns(layer.outputs))
    },
}
_HELD: dict[type, str] = {
    Recurrent: "h",
    **dict.fromkeys((Conv1D, LocalPool, Pool, Repeat), "y"),
}


def _derived(lowered: Lowered, program: Program) -> list[str]:
    """What a part's other names end in: its tables, its states, its output."""
    first = [f"first_{state}" for state in lowered.initial]
    states = _states(lowered, program)
    return [*first, "table", "scale", "offset", "y", *states, *lowered.tables]


class _Names:
    """Names that are free in C.

    Taken are the words of C and whatever the helpers, the functions around the layers,
    and the public names say.
    """

    def __init__(self, arithmetic: Arithmetic, name: str) -> None:
        texts = [text for text in vars(templates).values() if isinstance(text, str)]
        known = (arithmetic.product, *arithmetic.functions.values())
        texts += [function.source for function in known]
        self.taken = set(re.findall(r"[a-z]\w*", " ".join(texts))) | KEYWORDS
        self.taken |= set(_LOCALS.split())
        self.taken |= {f"{name.lower()}_{what}" for what in _PUBLIC.split()}

    def free(self, wanted: str, suffix: str = "", derived: Iterable[str] = ()) -> str:
        """The nearest identifier that nothing else has, nor one that begins with it."""
        base = re.sub(r"\W", "_", wanted.lower(), flags=re.ASCII).strip("_") or "layer"
        if base[0].isdigit() or base in self.taken or _NUMBERED.fullmatch(base):
            base = f"layer_{base}"
        base, k = base + suffix, 1
        endings = ["", *(f"_{what}" for what in derived)]
        name = base
        while self.taken & {name + ending for ending in endings}:
            k += 1
            name = f"{base}_{k}"
        self.taken |= {name + ending for ending in endings}
        return name


#: what the bodies of the public functions have
_LOCALS = (
    "x y t j k q v row state sums reset_h wide_x tanh_table work steps masked merged "
    "merged_y activation activation_y cell window from u"
)
_NUMBERED = re.compile(r"(rows|steps|left|affine)_\d+\w*")
_PUBLIC = "state reset step output run quantize test"
