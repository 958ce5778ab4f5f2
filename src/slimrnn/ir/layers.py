"""The kinds of layers, each a frozen dataclass that checks itself.

Sizes: m numbers go into a layer at a step, n come out of it. Arrays are float32.
"""

from slimrnn.ir.layer import ACTIVATIONS, Array, Layer
from slimrnn.ir.over_time import (
    MERGES,
    POOLS,
    Bidirectional,
    Conv1D,
    LocalPool,
    Pool,
    Recurrent,
    Repeat,
)
from slimrnn.ir.step_layers import (
    Activation,
    Affine,
    Dense,
    Embedding,
    LayerNormalization,
    Masking,
    PReLU,
    Skip,
)

#: all kinds; each table by kind has them all
KINDS: tuple[type[Layer], ...] = (
    *(Embedding, Masking, Affine, LayerNormalization, Dense, Activation, PReLU),
    *(Skip, Conv1D, LocalPool, Recurrent, Bidirectional, Pool, Repeat),
)

__all__ = [
    "ACTIVATIONS",
    "KINDS",
    "MERGES",
    "POOLS",
    "Activation",
    "Affine",
    "Array",
    "Bidirectional",
    "Conv1D",
    "Dense",
    "Embedding",
    "Layer",
    "LayerNormalization",
    "LocalPool",
    "Masking",
    "PReLU",
    "Pool",
    "Recurrent",
    "Repeat",
    "Skip",
]
