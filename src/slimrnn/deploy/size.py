"""What a model takes on a device, told before any compiler is there.

Tables, states and multiply-adds are counted. Code, stack and instructions are sums over
what the generated C does, with weights fitted by least squares to gcc 12 with ``-O2``
and to QEMU's counts, over rows and sizes; the tests hold them to 10 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slimrnn.deploy.c.export import DTYPES, compile_model
from slimrnn.deploy.c.project import source_of
from slimrnn.deploy.c.stream_source import Source
from slimrnn.deploy.program.op_count import OpCounter, product_counts
from slimrnn.deploy.program.program import Cell, Dense
from slimrnn.errors import InputError
from slimrnn.ir.from_keras import from_keras
from slimrnn.ir.model import Affine, Embedding, Model

CORES = ("cortex-m0", "cortex-m4")

#: instructions for each thing that a step does, by dtype and core (a Cortex-M7 takes as
#: many as a Cortex-M4); ``call`` is for each step
_INSTRUCTIONS: dict[tuple[str, str], dict[str, float]] = {
    ("int8", "cortex-m0"): {
        **{"macs": 5.0, "macs alone": 10.3, "blocks": 268, "alone": 88.5, "set": 3.8},
        **{"numbers": 3.15, "operations": 2.39, "call": 146},
        **{"slim_tanh": 15.4, "slim_": 22.3},
    },
    ("int8", "cortex-m4"): {
        **{"macs": 1.62, "macs alone": 6.63, "blocks": 49.7, "products": 43.4},
        **{"set": 3.79, "numbers": 1.89, "operations": 0.74},
        **{"slim_tanh": 10.7, "slim_": 12.5},
    },
    ("float32", "cortex-m0"): {
        **{"macs": 194, "macs alone": 194, "blocks": 62.7, "operations": 102},
        **{"slim_tanh": 1924, "slim_sigmoid": 2220, "slim_": 400},
    },
    ("float32", "cortex-m4"): {
        **{"macs": 3.73, "macs alone": 6.57, "blocks": 21.8, "alone": 14.2},
        **{"products": 32.7, "set": 3.76, "passes": 2.1, "numbers": 0.7, "call": 2},
        **{"operations": 1.16, "slim_tanh": 29.0, "slim_sigmoid": 30.6, "slim_": 10},
    },
}
#: bytes of code on a Cortex-M4: in every file, and for each thing that a routine says
_CODE = {
    "int8": {"file": 712, "products": 22.8, "numbers": 13.6, "operations": 1.9}
    | {"slim_": 40.8},
    "float32": {"file": 776, "products": 21.4, "operations": 10.1, "slim_": 9.2}
    | {"softmax": 268},
}
#: bytes of stack beside the local arrays
_FRAMES = {"int8": 136, "float32": 80}


@dataclass(frozen=True)
class Size:
    """What a model takes.

    Attributes:
        dtype: ``"float32"`` or ``"int8"``.
        tables: bytes of weights and other tables.
        code: bytes of code on a Cortex-M4.
        state: bytes of a stream's state.
        stack: bytes during a step.
        macs: multiply-adds a step, without the layers behind the last recurrent one.
        instructions: a step on each of :data:`CORES`, likewise.
    """

    dtype: str
    tables: int
    code: int
    state: int
    stack: int
    macs: int
    instructions: Mapping[str, int]

    @property
    def flash(self) -> int:
        """Tables and code."""
        return self.tables + self.code

    @property
    def ram(self) -> int:
        """State and stack."""
        return self.state + self.stack


def sizes(model: Any) -> dict[str, Size | str]:
    """What a model takes, by dtype; where it cannot be had, the sentence that says why.

    Args:
        model: as :func:`slimrnn.deploy.to_c` takes it.

    Raises:
        InputError: a model that is not supported at all.

    Example:
        >>> import keras, slimrnn
        >>> model = keras.Sequential([keras.Input((None, 16)), slimrnn.SlimLSTM(32)])
        >>> sizes(model)["int8"].macs
        1536
    """
    description = from_keras(model)
    found: dict[str, Size | str] = {}
    for dtype in DTYPES:
        try:
            found[dtype] = size(description, dtype)
        except InputError as error:
            found[dtype] = str(error)
    return found


def size(description: Model, dtype: str) -> Size:
    """What a model takes in one dtype.

    Raises:
        InputError: see :func:`slimrnn.deploy.program.quantize.int8`.
    """
    # No size depends on the data, nor on what they say of the scales.
    program, x = compile_model(description, "float32")
    if dtype != "float32":
        program, _ = compile_model(description, dtype, x)
    source = source_of(program, "model")
    step = _step(source)
    return Size(
        dtype,
        tables=source.layout.table_bytes,
        code=round(_weighed(_said(source), _CODE[dtype])),
        state=source.state_bytes,
        stack=source.work_bytes + _FRAMES[dtype],
        macs=step["macs"] + step["macs alone"],
        instructions={
            core: round(_weighed(step, _INSTRUCTIONS[dtype, core])) for core in CORES
        },
    )


def _step(source: Source) -> Counter[str]:
    """What a step does: both directions and all layers up to the last recurrent one."""
    types, counts = source.types, Counter({"call": 1})
    description = source.program.description
    if types.scaled and not description.takes_indices:
        counts["set"] += types.columns(description.inputs)
    parts = source.layout.parts
    last = max(k for k, part in enumerate(parts) if part.routine)
    for part in parts[: last + 1]:
        layer = part.layer
        if isinstance(layer, Cell):
            counts.update(_cell(source, layer))
        elif isinstance(layer, Dense):
            columns = types.columns(layer.inputs)
            counts.update(product_counts(layer.outputs, columns))
            counts["set"] += layer.outputs
            if layer.activation != "linear":
                counts[f"slim_{layer.activation}"] += layer.outputs
        elif isinstance(layer, Affine):
            counts.update({"operations": 2 * layer.inputs, "numbers": 4 * layer.inputs})
        elif isinstance(layer, Embedding) and types.scaled:
            counts["set"] += layer.outputs
    return counts


def _said(source: Source) -> Counter[str]:
    """What the routines say, each once."""
    said = Counter({"file": 1})
    for structure, _ in source.layout.routines.values():
        cell = next(c for c in source.program.cells() if c.structure == structure)
        for what, count in _cell(source, cell).items():
            in_loop = what in ("numbers", "operations") or what.startswith("slim_")
            said[what] += count // cell.units if in_loop else count
    dense = sum(isinstance(part.layer, Dense) for part in source.layout.parts)
    said["products"] += 2 * max(dense - 1, 0)  # a product and a loop of each
    said["softmax"] = int("slim_softmax" in source.layout.used)
    return said


def _cell(source: Source, cell: Cell) -> Counter[str]:
    columns = source.types.columns
    dtype = source.program.dtype
    return OpCounter(cell, dtype, columns(cell.inputs), columns(cell.units)).counts


def _weighed(counts: Mapping[str, int], weights: Mapping[str, float]) -> float:
    """The sum; a function without a weight of its own has that of ``slim_``."""
    total = 0.0
    for what, count in counts.items():
        group = "slim_" if what.startswith("slim_") else ""
        total += count * weights.get(what, weights.get(group, 0))
    return total
