"""What a model takes on a device, known before any compiler is there.

Tables, states and multiply-adds are counted. Code, stack and instructions are sums over
what the generated C does, weighted as :mod:`slimrnn.deploy.program.arithmetic` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from slimrnn.deploy.c.export import DTYPES, compile_model
from slimrnn.deploy.c.project import source_of
from slimrnn.deploy.c.source import Source
from slimrnn.deploy.program.arithmetic import FLOAT32, Arithmetic
from slimrnn.deploy.program.op_count import OpCounter, product_counts
from slimrnn.deploy.program.program import Lowered
from slimrnn.errors import InputError
from slimrnn.ir import read
from slimrnn.ir.layers import (
    Activation,
    Affine,
    Conv1D,
    Dense,
    Embedding,
    LayerNormalization,
    LocalPool,
    Pool,
    PReLU,
    Recurrent,
    Repeat,
)
from slimrnn.ir.model import Model
from slimrnn.utils.markup import table

CORES = tuple(FLOAT32.instructions)


@dataclass(frozen=True, repr=False)
class Size:
    """What a model takes.

    Attributes:
        dtype: ``"float32"`` or ``"int8"``.
        tables: bytes of weights and other tables.
        code: bytes of code on a Cortex-M4.
        state: bytes of a stream's state.
        stack: bytes during a step.
        macs: multiply-adds a step, without the layers after the last one with states;
            where a Conv1D waits, of a step that gives something; with a Repeat, of one
            before it and one after it.
        instructions: a step on each of :data:`CORES`, likewise.
    """

    dtype: str
    tables: int
    code: int
    state: int
    stack: int
    macs: int
    instructions: Mapping[str, int]

    def __repr__(self) -> str:
        counts = [f"{n:,} instructions on {k}" for k, n in self.instructions.items()]
        return (
            f"<Size in {self.dtype}: {self.flash:,} bytes of flash, {self.ram:,} of "
            f"RAM; a step {', '.join([f'{self.macs:,} multiply-adds', *counts])}>"
        )

    def _repr_html_(self) -> str:
        heads = ("", "flash, bytes", "RAM, bytes", "multiply-adds a step")
        row = (self.dtype, self.flash, self.ram, self.macs)
        cores = [f"instructions on {core}" for core in self.instructions]
        return table([*heads, *cores], [*row, *self.instructions.values()])

    @property
    def flash(self) -> int:
        """Tables and code."""
        return self.tables + self.code

    @property
    def ram(self) -> int:
        """State and stack."""
        return self.state + self.stack


def sizes(model: Any) -> dict[str, Size | str]:
    """What a model takes, by dtype; where one is not available, why.

    Raises:
        InputError: a model that is not supported at all.

    Example:
        >>> import keras, slimrnn
        >>> model = keras.Sequential([keras.Input((None, 16)), slimrnn.SlimLSTM(32)])
        >>> sizes(model)["int8"].macs
        1536
    """
    exported = read(model)
    found: dict[str, Size | str] = {}
    for dtype in DTYPES:
        try:
            found[dtype] = size(exported, dtype)
        except InputError as error:
            found[dtype] = str(error)
    return found


def size(model: Model, dtype: str) -> Size:
    """What a model takes in one dtype."""
    # No size depends on T, nor on data but that they can ask for 32 bits of c.
    model = replace(model, steps=None)
    _, x = compile_model(model, FLOAT32.name)
    program, _ = compile_model(model, dtype, x)
    source, arithmetic = source_of(program, "model"), program.arithmetic
    step = _step_counts(source)
    return Size(
        dtype,
        tables=source.layout.table_bytes,
        code=round(_weighted_sum(_static_counts(source), arithmetic.code)),
        state=source.layout.state_bytes,
        stack=source.work_bytes + arithmetic.frame,
        macs=step["macs"] + step["macs alone"],
        instructions={
            core: round(_weighted_sum(step, weights))
            for core, weights in arithmetic.instructions.items()
        },
    )


def _step_counts(source: Source) -> Counter[str]:
    """What a step does: both directions and all layers up to the last recurrent one.

    Those after it are passed when an output is needed: here, if at each step.
    """
    arithmetic, counts = source.arithmetic, Counter({"call": 1})
    if source.quantizes:
        counts["set"] += arithmetic.columns(source.model.inputs)
    parts = source.layout.parts
    last = max(k for k, part in enumerate(parts) if part.held)
    if source.model.return_sequences:
        last = len(parts) - 1
    for part in parts[: last + 1]:
        count = _COUNTS.get(type(part.lowered.layer))
        counts.update(count(part.lowered, arithmetic) if count else {})
    return counts


def _static_counts(source: Source) -> Counter[str]:
    """What the routines say, each once."""
    said = Counter({"file": 1})
    for structure, _ in source.layout.routines.values():
        cell = next(c for c in source.program.cells() if c.structure == structure)
        for what, count in _cell(cell, source.arithmetic).items():
            in_loop = what in ("numbers", "operations") or what.startswith("slim_")
            said[what] += count // cell.outputs if in_loop else count
    parts = source.layout.parts
    dense = sum(isinstance(part.lowered.layer, (Dense, Conv1D)) for part in parts)
    said["products"] += 2 * max(dense - 1, 0)  # a product and a loop of each
    said.update(source.layout.used & set(source.arithmetic.code))
    return said


def _cell(cell: Lowered, arithmetic: Arithmetic) -> Counter[str]:
    return OpCounter(cell, arithmetic).counts


def _dense(dense: Lowered, arithmetic: Arithmetic) -> Counter[str]:
    assert isinstance(dense.layer, (Dense, Conv1D))
    columns = arithmetic.columns(dense.layer.of_window.inputs)
    counts = Counter(product_counts(dense.outputs, columns))
    counts["set"] += dense.outputs
    if dense.layer.activation != "linear":
        counts[f"slim_{dense.layer.activation}"] += dense.outputs
    return counts


def _convolution(conv: Lowered, arithmetic: Arithmetic) -> Counter[str]:
    assert isinstance(conv.layer, Conv1D)
    counts = _dense(conv, arithmetic)
    moved = (1 + conv.layer.taps) * conv.inputs
    counts.update({"loops": 1 + conv.layer.taps, "passes": moved, "numbers": 2 * moved})
    return counts


def _pool(pool: Lowered, arithmetic: Arithmetic) -> Mapping[str, int]:
    assert isinstance(pool.layer, Pool)
    n, divided = pool.inputs, pool.layer.how == "average"
    return {"operations": 2 * n, "numbers": 4 * n, "divisions": n * divided}


def _local_pool(pool: Lowered, arithmetic: Arithmetic) -> Mapping[str, int]:
    assert isinstance(pool.layer, LocalPool)
    n, taps, divided = pool.inputs, pool.layer.taps, pool.layer.how == "average"
    return {
        **{"loops": 1 + taps, "passes": (1 + taps) * n, "pools": 1, "pooled": taps * n},
        **{"operations": taps * n, "numbers": 2 * n + 3 * taps * n},
        "divisions": n * divided,
    }


_COUNTS: dict[type, Callable[[Lowered, Arithmetic], Mapping[str, int]]] = {
    Recurrent: _cell,
    Dense: _dense,
    Conv1D: _convolution,
    LocalPool: _local_pool,
    Pool: _pool,
    Repeat: lambda layer, _: {"set": layer.outputs},
    LayerNormalization: lambda layer, _: {
        "slim_normalize": layer.inputs,
        "normalized": 1,
    },
    Affine: lambda affine, _: {
        "operations": 2 * affine.inputs,
        "numbers": 4 * affine.inputs,
    },
    Activation: lambda layer, _: {
        f"slim_{getattr(layer.layer, 'activation', '')}": layer.inputs
    },
    PReLU: lambda layer, _: {
        **{"slim_relu": layer.inputs, "operations": 3 * layer.inputs},
        "numbers": 3 * layer.inputs,
    },
    Embedding: lambda table, arithmetic: {"set": table.outputs * arithmetic.scaled},
}


def _weighted_sum(counts: Mapping[str, int], weights: Mapping[str, float]) -> float:
    """The sum; a function without a weight of its own has that of ``slim_``."""
    total = 0.0
    for what, count in counts.items():
        group = "slim_" if what.startswith("slim_") else ""
        total += count * weights.get(what, weights.get(group, 0))
    return total
