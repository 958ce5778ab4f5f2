"""A description with its numbers laid out for one arithmetic.

A program is what the C writer writes down, and what the simulator runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slimrnn.deploy.program.step import Structure
from slimrnn.ir import model as ir
from slimrnn.ir.model import Activation, Affine, Masking, Model, RecurrentWeights
from slimrnn.variants import ACTIVATIONS

Array = np.ndarray


@dataclass(frozen=True)
class Cell:
    """One direction of a recurrent layer.

    ``tables`` has, as far as the row has them: ``kernel`` and ``recurrent_kernel``
    (rows, columns) with the blocks of the gates below one another, for integers
    ``kernel_scale`` and ``recurrent_kernel_scale`` (rows,), ``recurrent_vector``,
    ``bias``, ``gate`` (the values of gates that are the same at each step), and
    ``reset_bias``.
    """

    layer: ir.Recurrent
    structure: Structure
    tables: Mapping[str, Array]

    @property
    def name(self) -> str:
        """The layer's."""
        return self.layer.name

    @property
    def inputs(self) -> int:
        """How many numbers it gets."""
        return self.layer.inputs

    @property
    def units(self) -> int:
        """How many numbers it gives."""
        return self.layer.outputs

    outputs = units


@dataclass(frozen=True)
class Dense:
    """``y = activation(kernel x + bias)``; tables as those of a cell.

    ``bits`` is the number of fraction bits of y, of integers.
    """

    name: str
    activation: str
    tables: Mapping[str, Array]
    bits: int = 0

    @property
    def inputs(self) -> int:
        """How many numbers it gets."""
        return self.tables["kernel"].shape[1]

    @property
    def outputs(self) -> int:
        """How many numbers it gives."""
        return self.tables["kernel"].shape[0]


@dataclass(frozen=True)
class Pair:
    """Both directions."""

    layer: ir.Bidirectional
    forward: Cell
    backward: Cell

    @property
    def name(self) -> str:
        """The layer's."""
        return self.layer.name

    @property
    def merge(self) -> str:
        """How their outputs become one."""
        return self.layer.merge

    @property
    def outputs(self) -> int:
        """How many numbers it gives."""
        return self.layer.outputs


Layer = ir.Embedding | Masking | Affine | Dense | Activation | Cell | Pair


@dataclass(frozen=True)
class Program:
    """A model for one arithmetic.

    Attributes:
        dtype: ``"float32"`` or ``"int8"``.
        description: what it was made of.
        layers: in the order of the description.
        input_scale: of integers: x is ``input_scale`` times the int8.
        input_affine: of integers: what x goes through before it is rounded.
        output_bits: of integers: the fraction bits of the output.
    """

    dtype: str
    description: Model
    layers: tuple[Layer, ...]
    input_scale: float = 1.0
    input_affine: tuple[Affine, ...] = field(default=())
    output_bits: int = 0

    @property
    def last(self) -> int:
        """The place of the last recurrent layer."""
        return max(
            k for k, layer in enumerate(self.layers) if isinstance(layer, (Cell, Pair))
        )

    def cells(self) -> list[Cell]:
        """The recurrent layers, both directions of each pair."""
        found = []
        for layer in self.layers:
            if isinstance(layer, Pair):
                found += [layer.forward, layer.backward]
            elif isinstance(layer, Cell):
                found.append(layer)
        return found


def float32(description: Model) -> Program:
    """The program in float32."""
    layers = tuple(convert(layer, _cell, _dense) for layer in description.layers)
    return Program("float32", description, layers)


def convert(layer: Any, cell: Any, dense: Any) -> Layer:
    """A layer of the description by functions for cells and for Dense layers."""
    if isinstance(layer, ir.Recurrent):
        return cell(layer)
    if isinstance(layer, ir.Bidirectional):
        return Pair(layer, cell(layer.forward), cell(layer.backward))
    return dense(layer) if isinstance(layer, ir.Dense) else layer


def structure_of(cell: RecurrentWeights, **others: Any) -> Structure:
    """What the cell's routine depends on."""
    return Structure(
        cell.variant,
        cell.activation,
        cell.recurrent_activation,
        cell.reset_after,
        cell.reset_after and cell.reset_bias is not None,
        **others,
    )


def tables_of(cell: RecurrentWeights, structure: Structure) -> dict[str, Array]:
    """The tables of a cell as float32, still without scales."""
    tables: dict[str, Array] = {}
    split = cell.variant.split(cell.weights)
    for weight in cell.weights:
        kept = [split[gate][weight] for gate in structure.blocks(weight)]
        if kept:
            tables[weight] = np.ascontiguousarray(np.concatenate(kept, -1).T)
        if weight == "bias" and structure.blocks("gate"):
            function = ACTIVATIONS[cell.recurrent_activation].function
            gates = structure.blocks("gate")
            static = [split[gate]["bias"].astype(float) for gate in gates]
            tables["gate"] = function(np.concatenate(static)).astype("float32")
    if cell.reset_bias is not None:
        tables["reset_bias"] = cell.reset_bias
    return tables


def _cell(layer: ir.Recurrent) -> Cell:
    structure = structure_of(layer.cell)
    return Cell(layer, structure, tables_of(layer.cell, structure))


def _dense(layer: ir.Dense) -> Dense:
    tables = {"kernel": np.ascontiguousarray(layer.kernel.T)}
    if layer.bias is not None:
        tables["bias"] = layer.bias
    return Dense(layer.name, layer.activation, tables)
