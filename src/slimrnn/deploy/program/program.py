"""A model with its numbers laid out for one arithmetic.

A program is what the C writer writes down, and what the simulator runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slimrnn.deploy.program.arithmetic import FLOAT32, Arithmetic
from slimrnn.deploy.program.step import Structure
from slimrnn.ir.layers import (
    Activation,
    Affine,
    Bidirectional,
    Conv1D,
    Dense,
    Embedding,
    Layer,
    LayerNormalization,
    LocalPool,
    Masking,
    Pool,
    PReLU,
    Recurrent,
    Repeat,
    Skip,
)
from slimrnn.ir.model import Model
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.variants import CANDIDATE
from slimrnn.variants.gates import TIE_SCALARS

Array = np.ndarray


@dataclass(frozen=True)
class Lowered:
    """A layer with its numbers for one arithmetic.

    Attributes:
        layer: of the model; a softmax that integers leave out is ``"linear"``.
        tables: by name. Matrices are (rows, columns), the blocks of a recurrent
            layer's gates below one another: an Embedding's ``table``, an Affine's
            ``scale`` and ``offset``, a PReLU's ``slope``, ``kernel`` and
            ``recurrent_kernel``, for integers ``kernel_scale`` and
            ``recurrent_kernel_scale`` (rows,),
            ``recurrent_vector``, ``bias``, ``gate`` (the values of gates that are the
            same at each step).
        bits: of integers, the fraction bits of a Dense's output, and of the state c.
        saturates: of integers, whether c can reach the end of its range.
        wide: of integers, whether c has 32 bits; else 16.
        directions: of a Bidirectional, its two layers.
        lost: of integers, by how many fraction bits the output of a Skip or a PReLU is
            shorter than its input, and what an Activation looks at; ``shift``: by how
            many their products are longer than their output.
        epsilon: of a LayerNormalization; of integers, in squares of a unit of its
            input, times 256.
        initial: (n,) of each state that does not begin as 0, by name.
    """

    layer: Layer
    tables: Mapping[str, Array] = field(default_factory=dict)
    bits: int = 0
    saturates: bool = False
    wide: bool = False
    directions: tuple[Lowered, ...] = ()
    lost: int = 0
    shift: int = 0
    epsilon: float = 0
    initial: Mapping[str, Array] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The layer's."""
        return self.layer.name

    @property
    def inputs(self) -> int:
        """How many numbers it gets."""
        return self.layer.inputs

    @property
    def outputs(self) -> int:
        """How many numbers it gives."""
        return self.layer.outputs

    @property
    def recurrent(self) -> Recurrent:
        """The layer, which is one direction of a recurrent one."""
        assert isinstance(self.layer, Recurrent)
        return self.layer

    @property
    def structure(self) -> Structure:
        """What a recurrent layer's routine depends on."""
        return structure_of(
            self.recurrent.cell,
            bits=self.bits,
            saturates=self.saturates,
            wide=self.wide,
        )

    @property
    def cells(self) -> tuple[Lowered, ...]:
        """Each direction of a recurrent layer; none of any other layer."""
        return self.directions or (self,) * isinstance(self.layer, Recurrent)


@dataclass(frozen=True)
class Program:
    """A model for one arithmetic.

    Attributes:
        arithmetic: which one.
        model: what it was made of.
        layers: in the order of the model.
        input_scale: of integers: x is ``input_scale`` times the int8.
        input_affine: of integers: what x goes through before it is rounded.
        output_bits: of integers: the fraction bits of the output.
    """

    arithmetic: Arithmetic
    model: Model
    layers: tuple[Lowered, ...]
    input_scale: float = 1.0
    input_affine: tuple[Affine, ...] = field(default=())
    output_bits: int = 0

    @property
    def dtype(self) -> str:
        """The arithmetic's name."""
        return self.arithmetic.name

    @property
    def last(self) -> Lowered:
        """The last recurrent layer."""
        return [layer for layer in self.layers if layer.cells][-1]

    def cells(self) -> list[Lowered]:
        """The recurrent layers, both directions of each Bidirectional."""
        return [cell for layer in self.layers for cell in layer.cells]


def float32(model: Model) -> Program:
    """The program in float32."""
    layers = tuple(_LOWER[type(layer)](layer) for layer in model.layers)
    return Program(FLOAT32, model, layers)


def structure_of(cell: RecurrentWeights, **others: Any) -> Structure:
    """What the cell's routine depends on."""
    return Structure(cell.spec, tie=cell.tie, **others)


def tables_of(cell: RecurrentWeights) -> dict[str, Array]:
    """The tables of a cell as float32, still without scales."""
    tables: dict[str, Array] = {}
    structure = structure_of(cell)
    split = cell.variant.split(cell.weights)
    for weight in cell.weights:
        if weight == TIE_SCALARS:  # they are in the structure
            continue
        kept = [split[gate][weight] for gate in structure.blocks(weight)]
        if weight == "bias" and weight in split[CANDIDATE]:
            # A shared gate finds the candidate's bias in its sums.
            other = split[CANDIDATE][weight]
            shared = [cell.variant[gate].shared for gate in structure.blocks(weight)]
            kept = [b - other * s for b, s in zip(kept, shared, strict=True)]
        if kept:
            tables[weight] = np.ascontiguousarray(np.concatenate(kept, -1).T)
        if weight == "bias" and structure.blocks("gate"):
            function = cell.spec.recurrent_activation.function
            gates = structure.blocks("gate")
            static = [split[gate]["bias"].astype(float) for gate in gates]
            tables["gate"] = function(np.concatenate(static)).astype("float32")
    return tables


def dense_tables(layer: Dense | Conv1D) -> dict[str, Array]:
    """The tables of a Dense as float32; those of a Conv1D are for all its steps."""
    tables = {"kernel": np.ascontiguousarray(layer.of_window.kernel.T)}
    return tables if layer.bias is None else {**tables, "bias": layer.bias}


def scaled_tables(layer: Affine | LayerNormalization) -> dict[str, Array]:
    """The tables of what scales and adds, as float32."""
    return {"scale": layer.scale, "offset": layer.offset}


def _recurrent(layer: Recurrent) -> Lowered:
    return Lowered(layer, tables_of(layer.cell), initial=layer.initial or {})


def _bidirectional(layer: Bidirectional) -> Lowered:
    pair = (_recurrent(layer.forward), _recurrent(layer.backward))
    return Lowered(layer, directions=pair)


_LOWER: dict[type, Callable[[Any], Lowered]] = {
    Embedding: lambda layer: Lowered(layer, {"table": layer.table}),
    Masking: Lowered,
    Affine: lambda layer: Lowered(layer, scaled_tables(layer)),
    LayerNormalization: lambda layer: Lowered(
        layer, scaled_tables(layer), epsilon=layer.epsilon
    ),
    Skip: lambda layer: Lowered(layer, {"scale": layer.scale}),
    PReLU: lambda layer: Lowered(layer, {"slope": layer.slope}),
    Dense: lambda layer: Lowered(layer, dense_tables(layer)),
    Conv1D: lambda layer: Lowered(layer, dense_tables(layer)),
    Activation: Lowered,
    LocalPool: Lowered,
    Pool: Lowered,
    Repeat: Lowered,
    Recurrent: _recurrent,
    Bidirectional: _bidirectional,
}
