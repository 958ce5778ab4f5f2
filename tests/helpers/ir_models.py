"""Layers and models of the IR with random numbers, made without Keras."""

import numpy as np

from slimrnn.ir.layers import (
    Affine,
    Conv1D,
    Dense,
    Embedding,
    LayerNormalization,
    Masking,
    Recurrent,
)
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.variants import CellSpec, get


def normal(*shape, seed=0):
    return 0.5 * np.random.default_rng(seed).normal(size=shape).astype("float32")


def affine(width, name="affine"):
    return Affine(name, 1 + normal(width), normal(width, seed=1))


def normalization(width, name="norm"):
    return LayerNormalization(name, 1 + normal(width), normal(width, seed=1), 1e-5)


def masking(width, value=-1.0, name="masking"):
    return Masking(name, width, value)


def embedding(words, outputs, mask_zero=False, name="words"):
    return Embedding(name, normal(words, outputs), mask_zero)


def dense(inputs, outputs, activation="linear", name="head", bias=True):
    bias = normal(outputs, seed=1) if bias else None
    return Dense(name, normal(inputs, outputs), bias, activation)


def conv1d(inputs, outputs, taps=3, name="conv", bias=True, **settings):
    """A causal one, unless the settings say something else."""
    kernel = normal(taps, inputs // settings.get("groups", 1), outputs)
    before = (taps - 1) * settings.get("dilation", 1)
    settings = {"before": before, **settings}
    return Conv1D(name, kernel, normal(outputs) if bias else None, **settings)


def cell(variant, features, units, seed=0, **spec):
    """The weights of a variant; ``spec``: the other arguments of CellSpec."""
    variant = get(variant)
    shapes = enumerate(variant.shapes(features, units).items(), start=10 * seed)
    weights = {name: normal(*shape, seed=k) for k, (name, shape) in shapes}
    return RecurrentWeights(CellSpec(variant, **spec), weights)


def recurrent(features, units, variant="LSTM6", name="cell", **flags):
    return Recurrent(name, cell(variant, features, units), **flags)
