"""THE TABLE of arithmetics: all that hangs on a dtype."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from slimrnn.deploy.program import formulas, functions, layer_functions, products
from slimrnn.deploy.program.functions import Function

Array = np.ndarray


@dataclass(frozen=True)
class Arithmetic:
    """A dtype: how a step computes in it, how C has it, and what that costs.

    Attributes:
        name: the dtype, as users say it.
        formulas: what a step computes; see :mod:`slimrnn.deploy.program.formulas`.
        functions: of the generated file, in its order.
        product: of the generated file, ``add_product``.
        sums: in what the simulator keeps a sum: integers of the C have 32 bits, which
            is proved.
        input: the C type of x; ``weight`` that of a matrix, ``vector`` of a state or an
            output, ``sum`` of a sum, ``bias`` of a bias or a recurrent vector.
        pair: the columns of a row that lie side by side in a matrix.
        multiple: columns are padded to a multiple of it.
        instructions: by core, for each thing that a step does; ``call`` is for each
            step. A Cortex-M7 takes as many as a Cortex-M4.
        code: bytes on a Cortex-M4: in every file, and for each thing in a routine.
        frame: bytes of stack beside the local arrays.
    """

    name: str
    formulas: type[formulas.Float32] | type[formulas.Int8]
    functions: Mapping[str, Function]
    product: Function
    sums: np.dtype
    input: str
    weight: str
    vector: str
    sum: str
    bias: str
    pair: int
    multiple: int
    instructions: Mapping[str, Mapping[str, float]]
    code: Mapping[str, float]
    frame: int

    @property
    def scaled(self) -> bool:
        """Whether it is of integers: each row of a matrix has a multiplier."""
        return self.weight != self.vector

    @property
    def lowest(self) -> np.generic:
        """The lowest number of a vector."""
        return np.int64(-32768) if self.scaled else np.finfo("float32").min

    def columns(self, count: int) -> int:
        """The columns in memory of a matrix of so many."""
        return -(-count // self.multiple) * self.multiple

    def widened(self, values: Array) -> Array:
        """Inputs, or what an Embedding holds, as a step takes them."""
        values = values.astype(self.sums)
        return values << 8 if self.scaled else values


# The weights of instructions and code are fitted by least squares to gcc 12 with -O2
# and to QEMU's counts, over variants and sizes; the tests hold them to 10 %.
FLOAT32 = Arithmetic(
    "float32",
    formulas.Float32,
    {**functions.FLOAT32, **layer_functions.FLOAT32},
    products.FLOAT32,
    np.dtype("float32"),
    *("float",) * 5,
    pair=1,
    multiple=1,
    instructions={
        "cortex-m0": {
            **{"macs": 194, "macs alone": 194, "blocks": 62.7, "operations": 102},
            **{"slim_tanh": 1924, "slim_sigmoid": 2220, "slim_": 400},
            **{"divisions": 500, "slim_normalize": 688, "normalized": 1790},
            **{"slim_elu": 1200, "slim_selu": 1330, "slim_softplus": 3950},
            **{"slim_gelu": 4250, "slim_gelu_tanh": 3310, "slim_silu": 2770},
            **{"slim_mish": 3040},
        },
        "cortex-m4": {
            **{"macs": 3.73, "macs alone": 6.57, "blocks": 21.8, "alone": 14.2},
            **{"products": 32.7, "set": 3.76, "passes": 2.1, "numbers": 0.7},
            **{"operations": 1.16, "slim_tanh": 29.0, "slim_sigmoid": 30.6},
            **{"slim_": 10, "call": 2, "slim_normalize": 20.0, "normalized": 35},
            **{"pools": 45, "pooled": 3.0},
            **{"slim_elu": 24, "slim_selu": 26, "slim_softplus": 66},
            **{"slim_gelu": 68, "slim_gelu_tanh": 54, "slim_silu": 47},
            **{"slim_mish": 51},
        },
    },
    code={
        **{"file": 776, "products": 21.4, "operations": 10.1, "slim_": 9.2},
        **{"slim_exp": 230, "slim_softmax": 38, "slim_gated": 70},
        **{"slim_softplus": 220, "slim_gelu": 180, "slim_mish": 90},
    },
    frame=80,
)
INT8 = Arithmetic(
    "int8",
    formulas.Int8,
    {**functions.INT8, **layer_functions.INT8},
    products.INT8,
    np.dtype("int64"),
    *("int8_t", "int8_t", "int16_t", "int32_t", "int16_t"),
    pair=2,
    multiple=4,
    instructions={
        "cortex-m0": {
            **{"macs": 5.0, "macs alone": 10.3, "blocks": 268, "alone": 88.5},
            **{"set": 3.8, "numbers": 3.15, "operations": 2.39, "call": 146},
            **{"slim_tanh": 15.4, "slim_": 22.3, "divisions": 95},
            **{"slim_normalize": 184, "normalized": 340},
            **{"slim_softsign": 115, **dict.fromkeys(layer_functions.RESTING, 35)},
        },
        "cortex-m4": {
            **{"macs": 1.62, "macs alone": 6.63, "blocks": 49.7, "products": 43.4},
            **{"set": 3.79, "numbers": 1.89, "operations": 0.74},
            **{"slim_tanh": 10.7, "slim_": 12.5, "slim_normalize": 39.7},
            **{"normalized": 160, "pools": 53, "pooled": 1.3},
            **dict.fromkeys(layer_functions.RESTING, 22),
        },
    },
    code={
        **{"file": 712, "products": 22.8, "numbers": 13.6, "operations": 1.9},
        **{"slim_": 40.8, "slim_rest": 50},
    },
    frame=136,
)
ARITHMETICS = {known.name: known for known in (FLOAT32, INT8)}
