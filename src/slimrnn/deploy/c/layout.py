"""A program with everything named, and every table as it lies in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slimrnn.deploy.c import templates
from slimrnn.deploy.c.cell import TYPES, Routine, Types, Writer, laid_out
from slimrnn.deploy.program.c_expression import KEYWORDS
from slimrnn.deploy.program.functions import TANH_TABLE
from slimrnn.deploy.program.program import Cell, Dense, Layer, Pair, Program
from slimrnn.deploy.program.step import MATRICES, Structure
from slimrnn.ir.model import Activation, Affine, Embedding, Masking
from slimrnn.variants import FAMILIES

Array = np.ndarray


@dataclass
class Part:
    """What a layer has in the files: its C name, tables and routine."""

    layer: Any
    name: str
    tables: dict[str, Array] = field(default_factory=dict)  # as they lie in memory
    shapes: dict[str, str] = field(default_factory=dict)
    routine: str = ""


@dataclass
class Layout:
    """A program with everything named and every table laid out."""

    program: Program
    types: Types
    parts: list[Part]  # a part for each direction
    routines: dict[str, tuple[Structure, Routine]]
    used: set[str]

    @property
    def table_bytes(self) -> int:
        """What the tables take in flash."""
        tables = [table for part in self.parts for table in part.tables.values()]
        shared = TANH_TABLE.nbytes if "slim_tanh" in self.integer_functions() else 0
        return sum(table.nbytes for table in tables) + shared

    def integer_functions(self) -> set[str]:
        """The functions in use, of integers."""
        return self.used if self.types.scaled else set()

    def state_fields(self) -> Iterator[tuple[str, int]]:
        """The state: a field and its length for each state of each cell."""
        for part in self.parts:
            if isinstance(part.layer, Cell):
                family = FAMILIES[part.layer.structure.variant.family]
                units = part.layer.units
                for state in family.states:
                    multiplied = state == family.states[0]
                    length = self.types.columns(units) if multiplied else units
                    yield f"{part.name}_{state}", length


def lay_out(program: Program, name: str) -> Layout:
    """Name everything, and put the numbers in the order in which the C reads them."""
    types = TYPES[program.dtype]
    names = _Names(types, name)
    parts, used = [], set()
    routines: dict[str, tuple[Structure, Routine]] = {}
    cells = program.cells()
    for layer in _flat(program.layers):
        if isinstance(layer, (Masking, Activation)):
            if isinstance(layer, Activation):
                used.add(f"slim_{layer.activation}")
            parts.append(Part(layer, ""))
            continue
        part = Part(layer, names.free(layer.name, derived=_derived(layer)))
        parts.append(part)
        if isinstance(layer, Cell):
            structure = layer.structure
            known = {s: name for name, (s, _) in routines.items()}
            if structure not in known:
                alike = [c.units for c in cells if c.structure == structure]
                padded = any(n != types.columns(n) for n in alike)
                routine = Writer(structure, types, padded).routine
                used |= routine.used
                name = structure.variant.name
                known[structure] = names.free(name, "_cell", derived=["step"])
                routines[known[structure]] = (structure, routine)
            part.routine = known[structure]
            segments = routines[part.routine][1].segments
            units = layer.units
        else:
            segments, units = {"kernel": [(0, 1)]}, layer.outputs
        _fill(part, segments, units, types, used)
    return Layout(program, types, parts, routines, _closed(used, types))


def _flat(layers: Iterable[Layer]) -> Iterator[Any]:
    for layer in layers:
        if isinstance(layer, Pair):
            yield layer.forward
            yield layer.backward
        else:
            yield layer


def _fill(part: Part, segments: dict, units: int, types: Types, used: set[str]) -> None:
    """The tables of a part."""
    layer = part.layer
    if isinstance(layer, Embedding):
        part.tables["table"] = layer.table.ravel()
        part.shapes["table"] = str(layer.table.shape)
        if types.scaled:
            used.add("widen")
    elif isinstance(layer, Affine):
        part.tables |= {"scale": layer.scale, "offset": layer.offset}
        part.shapes |= dict.fromkeys(("scale", "offset"), f"({layer.inputs},)")
    else:
        if isinstance(layer, Dense):
            used |= {"add_product", "copy" if "bias" in layer.tables else "clear"}
            if layer.activation != "linear":
                used.add(f"slim_{layer.activation}")
        for name, table in layer.tables.items():
            is_matrix = name in MATRICES
            part.shapes[name] = str(table.shape).replace(",)", ")")
            if is_matrix:
                table = laid_out(table, segments[name], units, types)
            part.tables[name] = table


def _closed(used: set[str], types: Types) -> set[str]:
    """The functions, and those that they call."""
    known = types.functions
    found = set(used)
    for name in used & set(known):
        found |= set(known[name].needs)
    return found


def _derived(layer: Any) -> list[str]:
    """What a part's other names end in: its tables, its states, its output."""
    states: tuple[str, ...] = ()
    if isinstance(layer, Cell):
        states = FAMILIES[layer.structure.variant.family].states
    return ["table", "scale", "offset", "y", *states, *getattr(layer, "tables", ())]


class _Names:
    """Names that are free in C.

    Taken are the words of C and whatever the helpers, the functions around the layers,
    and the public names say.
    """

    def __init__(self, types: Types, name: str) -> None:
        texts = [text for text in vars(templates).values() if isinstance(text, str)]
        texts += [function.source for function in types.functions.values()]
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
    "x y t j k q v state sums reset_h wide_x tanh_table work steps masked merged "
    "merged_y activation activation_y cell"
)
_NUMBERED = re.compile(r"(rows|affine)_\d+\w*")
_PUBLIC = "state reset step output run quantize test"
