"""A model in integers: 8 bits for matrices, 16 for what a step computes.

Each row of a matrix has a scale of its own, and W and U have scales apart. The input is
int8 with one scale, which calibration data determine. All else has a fixed number of
fraction bits (see ``deploy.program.formulas``), and that nothing leaves 32 bits is
proved here from the weights; where it cannot be, there is no program.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from slimrnn.deploy.program import inputs, simulator
from slimrnn.deploy.program import program as programs
from slimrnn.deploy.program.arithmetic import INT8
from slimrnn.deploy.program.functions import WIDE
from slimrnn.deploy.program.joined import joined
from slimrnn.deploy.program.layer_functions import MOST_BITS
from slimrnn.deploy.program.program import Lowered, Program
from slimrnn.deploy.program.state_format import StateFormat, state_format
from slimrnn.deploy.program.step import MATRICES, ONE_BITS, SUM_BITS
from slimrnn.errors import InputError
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
from slimrnn.variants.activations import ACTIVATIONS, OF_LAYERS

Array = np.ndarray

_INT8, _INT16 = 127, 32767
#: numbers of 16 bits whose sum fits 32
_MOST_NORMALIZED = 65535


def int8(model: Model, x: Array) -> Program:
    """The program in integers.

    Args:
        model: what is quantized.
        x: (B, T, m), or (B, T) indices: data like those that the model will get. They
            determine the scale of the input, and how far c goes where no bound is
            known.

    Raises:
        InputError: a layer or an activation that integers do not have, a bound that
            cannot be proved, or data of another shape.
    """
    return _Quantizer(model, inputs.check(model, x)).program()


class _Quantizer:
    def __init__(self, model: Model, x: Array):
        self.model = model
        self.affine: list[Affine] = []
        self.layers: list[Lowered] = []
        self.scale, self.reach = 1.0, 1.0  # of the vector so far: a unit, the largest
        self.bits = ONE_BITS  # of its fraction
        self.units = _INT16  # the largest integer in it
        self.c_reach: dict[str, float] = {}  # how far c goes, by layer
        simulator.run(programs.float32(model), x, reach=self.c_reach)
        self.input_reach = self._input_reach(x)

    def _input_reach(self, x: Array) -> float:
        if self.model.takes_indices:
            return 1.0
        values, mask = inputs.front(self.model, x)
        values = values if mask is None else values[mask]
        return float(abs(values).max(initial=0)) or 1.0

    def program(self) -> Program:
        self.input_scale = input_scale = self.input_reach / _INT8
        self._vector(input_scale / 256, _INT8 * 256)
        layers = joined(self.model.layers)
        for layer in layers:
            self.is_last = layer is layers[-1]
            _QUANTIZE[type(layer)](self, layer)
        return Program(
            INT8,
            self.model,
            tuple(self.layers),
            input_scale,
            tuple(self.affine),
            self.bits,
        )

    def rescaling(self, layer: Affine) -> None:
        if self.layers:
            raise InputError(
                f"int8 takes Rescaling, Normalization and BatchNormalization before "
                f"all other layers, or before a Dense, Conv1D or recurrent layer whose "
                f"weights can hold them; {layer.name} stands after "
                f"{self.layers[-1].name}."
            )
        self.affine.append(layer)

    def masking(self, layer: Masking) -> None:
        """The caller leaves those steps out."""

    def activation(self, layer: Activation) -> None:
        if layer.activation == "softmax":
            self._check_softmax(layer)
            return
        self._check_fraction(layer)
        taken, bits = _format(layer.activation, self.reach)
        if layer.activation == "relu":
            taken = bits = self.bits
        self._check_reach(layer, self.reach, bits)
        self.layers.append(Lowered(layer, {}, bits, lost=self.bits - taken))
        self._fraction(bits)

    def _check_fraction(self, layer: Activation | PReLU) -> None:
        if self.scale != 2.0**-self.bits:
            raise InputError(
                f"int8 takes {layer} after a layer with weights or states; it stands "
                f"at the front."
            )

    def _check_reach(self, layer: Layer, reach: float, bits: int) -> None:
        if bits < 0:
            raise InputError(
                f"int8: the outputs of {layer.name} can reach {reach:.0f}, and 16 bits "
                f"hold {_INT16}; scale its weights down."
            )

    def _check_softmax(self, layer: Activation | Dense | Conv1D) -> None:
        if not self.is_last:
            raise InputError(
                f"int8 has no softmax but at the end, where it is left out; "
                f"{layer.name} is not at the end."
            )

    def prelu(self, layer: PReLU) -> None:
        """The fraction bits that hold the result, and the slope in 16 bits."""
        self._check_fraction(layer)
        largest = float(abs(layer.slope).max())
        reach = self.reach * max(1.0, largest)
        bits = min(self.bits, _bits_of(reach))
        of_slope = min(ONE_BITS, _bits_of(max(largest, 2.0**-SUM_BITS)))
        lost = self.bits - bits
        self._check_reach(layer, reach, min(bits, of_slope, 30 - of_slope - lost))
        slope = self._fixed(layer.name, "slope", layer.slope, of_slope)
        self.layers.append(
            Lowered(layer, {"slope": slope}, bits, lost=lost, shift=of_slope + lost)
        )
        self._fraction(bits)

    def _vector(self, scale: float, units: int) -> None:
        self.scale, self.units, self.reach = scale, units, scale * units

    def normalization(self, layer: LayerNormalization) -> None:
        """A deviation is at most sqrt(n - 1) of the root of their mean square."""
        largest = float(abs(layer.scale).max())
        reach = largest * math.sqrt(layer.inputs) + float(abs(layer.offset).max())
        bits = min(ONE_BITS, _bits_of(max(reach, 2.0**-SUM_BITS)))
        of_scale = min(bits + 15, _bits_of(max(largest, 2.0**-30)))
        epsilon = max(1, round(256 * layer.epsilon / self.scale**2))
        if bits < 0 or layer.inputs > _MOST_NORMALIZED or epsilon >= 2**61:
            raise InputError(
                f"int8: {layer.name} gives up to {reach:.3g} of {layer.inputs} numbers "
                f"of up to {self.reach:.3g}; allowed are {_INT16}, {_MOST_NORMALIZED} "
                f"and numbers that are not far below its epsilon, {layer.epsilon:g}."
            )
        tables = {
            "scale": self._fixed(layer.name, "scale", layer.scale, of_scale),
            "offset": self._fixed(layer.name, "offset", layer.offset, bits),
        }
        self.layers.append(
            Lowered(layer, tables, bits, shift=of_scale - bits, epsilon=epsilon)
        )
        self._fraction(bits)

    def pool(self, layer: Pool | LocalPool | Repeat) -> None:
        """An average, rounded to the nearest, or a largest stays within the range."""
        self.layers.append(Lowered(layer))

    def embedding(self, layer: Embedding) -> None:
        table, scale = _rounded(layer.table, abs(layer.table).max(initial=0))
        self.layers.append(Lowered(layer, {"table": table}))
        self._vector(float(scale) / 256, _INT8 * 256)

    def skip(self, layer: Skip) -> None:
        """The fraction bits that hold the sum, and the scale as so many more."""
        if self.affine:
            raise InputError(
                f"int8 rounds the input after Rescaling and Normalization, and the "
                f"layer {layer} adds it before them; leave one of them out."
            )
        have, reach = self.bits, self.reach
        largest = abs(layer.scale).max() * self.input_reach
        bits = min(have, _bits_of(reach + largest))
        if bits < 0:
            raise InputError(
                f"int8: the outputs of {layer.name} can reach {reach + largest:.0f}, "
                f"and 16 bits hold {_INT16}; scale the inputs down."
            )
        factors = layer.scale.astype(float) * self.input_scale / 256 * 2.0**bits
        shift = math.floor(math.log2(_INT16 / max(abs(factors).max(), 2.0**-30)))
        shift = max(0, min(30, shift))
        scale = np.round(factors * 2.0**shift).astype("int16")
        self.layers.append(
            Lowered(layer, {"scale": scale}, bits, lost=have - bits, shift=shift)
        )
        self._fraction(bits)

    def dense(self, layer: Dense | Conv1D) -> None:
        if layer.activation == "softmax":
            self._check_softmax(layer)
        floats = programs.dense_tables(layer)
        kernel = floats["kernel"].astype(float)
        bias = np.zeros(layer.outputs) if layer.bias is None else layer.bias
        function = "linear" if layer.activation == "softmax" else layer.activation
        reach = float((abs(kernel).sum(-1) * self.reach + abs(bias)).max())
        reach = max(reach, 2.0**-SUM_BITS)  # all weights may be 0
        bits, output_bits = _format(function, reach)
        self._check_reach(layer, reach, bits)
        tables = self._matrix(layer.name, "kernel", kernel, bits)
        if layer.bias is not None:
            tables["bias"] = self._fixed(layer.name, "bias", layer.bias, bits)
        made = replace(layer, activation=function)
        self.layers.append(Lowered(made, tables, output_bits))
        self._fraction(output_bits)

    def _fraction(self, bits: int) -> None:
        """What comes out of the layer has so many fraction bits."""
        self.bits = bits
        self._vector(2.0**-bits, _INT16)

    def recurrent(self, layer: Recurrent) -> None:
        self.layers.append(self._cell(layer))
        self._fraction(self.layers[-1].structure.h_bits)

    def bidirectional(self, layer: Bidirectional) -> None:
        if layer.merge != "concat":
            raise InputError(
                f"int8 takes a Bidirectional with merge_mode='concat'; {layer.name} "
                f"has {layer.merge!r}."
            )
        pair = (self._cell(layer.forward), self._cell(layer.backward))
        self.layers.append(Lowered(layer, directions=pair))
        bits = {cell.structure.h_bits for cell in pair}
        if len(bits) > 1:
            raise InputError(
                f"int8 takes a Bidirectional whose directions have outputs of one "
                f"range; those of {layer.name} have {min(bits)} and {max(bits)} "
                f"fraction bits."
            )
        self._fraction(bits.pop())

    def _cell(self, layer: Recurrent) -> Lowered:
        found = state_format(layer, self.c_reach.get(layer.name, 1.0))
        h_bits = Lowered(layer, bits=found.bits).structure.h_bits
        tables: dict[str, Array] = {}
        for name, table in programs.tables_of(layer.cell).items():
            if name in MATRICES:
                kept = (self.scale, self.units)
                if name == "recurrent_kernel":
                    self.scale, self.units = 2.0**-h_bits, _INT16
                tables |= self._matrix(layer.name, name, table.astype(float), SUM_BITS)
                self.scale, self.units = kept
            elif name == "gate":
                ones = np.round(table.astype(float) * 2**ONE_BITS)
                tables[name] = np.minimum(ones, _INT16).astype("int16")
            else:
                tables[name] = self._fixed(layer.name, name, table, SUM_BITS)
        initial = self._initial(layer, h_bits, found)
        return Lowered(
            layer, tables, found.bits, found.saturates, found.wide, initial=initial
        )

    def _initial(
        self, layer: Recurrent, h_bits: int, of_c: StateFormat
    ) -> dict[str, Array]:
        """The initial states, which must lie where a step leaves them."""
        found = {}
        for name, values in (layer.initial or {}).items():
            bits = of_c.bits if name == "c" else h_bits
            wide = of_c.wide and name == "c"
            most = WIDE if wide else _INT16
            rounded = np.round(values.astype(float) * 2.0**bits)
            if abs(rounded).max() > most:
                raise InputError(
                    f"int8: the initial {name} of {layer.name} reaches "
                    f"{abs(values).max():.3g}, and its integers hold "
                    f"{most / 2**bits:.3g}."
                )
            found[name] = rounded.astype("int32" if wide else "int16")
        return found

    def _matrix(
        self, layer: str, name: str, matrix: Array, bits: int
    ) -> dict[str, Array]:
        """A matrix in 8 bits, and what multiplies the sum of each row."""
        values, scales = _rounded(matrix, abs(matrix).max(-1, keepdims=True))
        scales = scales.ravel()
        largest = int(abs(values.astype("int64")).sum(-1).max(initial=0)) * self.units
        if largest >= 2**31:
            raise InputError(
                f"int8: a sum over a row of {name} in {layer} can reach {largest}, and "
                f"32 bits hold {2**31 - 1}; use fewer units or smaller weights."
            )
        factors = np.round(scales * self.scale * 2.0 ** (bits + 32))
        if factors.max(initial=0) >= 2**31:
            raise InputError(
                f"int8: the weights of {name} in {layer} times its inputs are too "
                f"large for 32 bits; scale the inputs or the weights down."
            )
        return {name: values, f"{name}_scale": factors.astype("int32")}

    def _fixed(self, layer: str, name: str, values: Array, bits: int) -> Array:
        rounded = np.round(values.astype(float) * 2.0**bits)
        if abs(rounded).max(initial=0) > _INT16:
            raise InputError(
                f"int8: {name} of {layer} reaches {abs(values).max():.3g}, and 16 bits "
                f"hold {_INT16 / 2**bits:.3g}; train it to smaller weights."
            )
        return rounded.astype("int16")


def _format(name: str, reach: float) -> tuple[int, int]:
    """The fraction bits of what an activation gets, up to a reach, and gives."""
    known = (ACTIVATIONS | OF_LAYERS)[name]
    if not math.isinf(known.high):
        return SUM_BITS, ONE_BITS if known.high == 1 else SUM_BITS
    most = MOST_BITS if name in OF_LAYERS else ONE_BITS
    ends = abs(known.function(np.array([-reach, reach])))
    bits = min(most, _bits_of(max(reach, float(ends.max()))))
    return bits, bits


def _bits_of(reach: float) -> int:
    """The fraction bits with which 16 bits hold so large a number, and some more."""
    return math.floor(math.log2((_INT16 - 7) / (reach * 1.01)))


def _rounded(values: Array, largest: Array) -> tuple[Array, Array]:
    """Numbers of 8 bits, and their scale."""
    scale = np.where(largest > 0, largest, 1).astype(float) / _INT8
    return np.round(values / scale).astype("int8"), scale


_QUANTIZE: dict[type, Callable[[_Quantizer, Any], None]] = {
    Embedding: _Quantizer.embedding,
    Masking: _Quantizer.masking,
    Affine: _Quantizer.rescaling,
    LayerNormalization: _Quantizer.normalization,
    Skip: _Quantizer.skip,
    Dense: _Quantizer.dense,
    Conv1D: _Quantizer.dense,
    LocalPool: _Quantizer.pool,
    Pool: _Quantizer.pool,
    Repeat: _Quantizer.pool,
    Activation: _Quantizer.activation,
    PReLU: _Quantizer.prelu,
    Recurrent: _Quantizer.recurrent,
    Bidirectional: _Quantizer.bidirectional,
}
