"""Readers of layers that do the same with each step, in Keras's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.described import Described, numbers
from slimrnn.ir.layers import (
    Activation,
    Dense,
    Embedding,
    LayerNormalization,
    Masking,
    PReLU,
    Skip,
)
from slimrnn.ir.so_far import SoFar, check_size, function_of

#: from here on, x / deviation - mean / deviation would lose digits
_CANCELS = 8


def embedding(chain: SoFar, layer: Described) -> None:
    (table,) = layer.arrays("embeddings")
    check_size(layer, "input_dim", len(table))
    check_size(layer, "output_dim", table.shape[-1])
    mask_zero = bool(layer.get("mask_zero", False))
    chain.layers.append(Embedding(layer.name, table, mask_zero))
    chain.mask = mask_zero


def masking(chain: SoFar, layer: Described) -> None:
    value = float(layer.get("mask_value", 0.0))
    chain.layers.append(Masking(layer.name, chain.width(layer), value))
    chain.mask = True


def rescaling(chain: SoFar, layer: Described) -> None:
    chain.affine(layer, layer.get("scale"), layer.get("offset", 0.0))


def normalization(chain: SoFar, layer: Described) -> None:
    mean, variance = layer.weights[:2]
    deviation = np.maximum(np.sqrt(variance), layer.get("epsilon", 1e-7))
    if layer.get("invert"):
        chain.affine(layer, deviation, mean)
    elif abs(mean / deviation).max() < _CANCELS:
        chain.affine(layer, 1 / deviation, -mean / deviation)
    else:
        chain.affine(layer, 1, -mean)
        chain.affine(layer, 1 / deviation, 0)


def _check_axis(chain: SoFar, layer: Described, **usual: Any) -> None:
    """Refuse what is not over the features, and other settings than the usual ones."""
    axis, rank = layer.get("axis", -1), 3 if chain.sequence else 2
    axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
    others = {name: layer.get(name, value) for name, value in usual.items()}
    if axis not in (-1, rank - 1) or others != usual:
        said = "".join(f", {name}={value}" for name, value in others.items())
        allowed = "".join(f", {name}={value}" for name, value in usual.items())
        raise InputError(
            f"The layer {layer} has axis={axis}{said}; allowed is the axis of the "
            f"features, -1{allowed}."
        )


def layer_normalization(chain: SoFar, layer: Described) -> None:
    _check_axis(chain, layer, rms_scaling=False)
    usual = {"gamma": np.ones, "beta": np.zeros}
    names = [k for k, s in zip(usual, _SETTINGS, strict=True) if layer.get(s, True)]
    found = dict(zip(names, layer.arrays(*names), strict=True))
    width = chain.width(layer)
    scale, offset = (
        found.get(k, make(width, "float32")).reshape(-1) for k, make in usual.items()
    )
    epsilon = float(layer.get("epsilon", 1e-3))
    chain.layers.append(LayerNormalization(layer.name, scale, offset, epsilon))


#: whether a normalization has gamma and beta
_SETTINGS = ("scale", "center")


def batch_normalization(chain: SoFar, layer: Described) -> None:
    """Once trained, ``gamma (x - mean) / sqrt(variance + epsilon) + beta``."""
    _check_axis(chain, layer, mode=0)
    scale, center = layer.get("scale", True), layer.get("center", True)
    names = ("gamma",) * bool(scale) + ("beta",) * bool(center)
    found = layer.arrays(*names, "moving_mean", "moving_variance")
    given = dict(zip((*names, "mean", "variance"), found, strict=True))
    deviation = np.sqrt(given["variance"] + np.float32(layer.get("epsilon", 1e-3)))
    scale = given.get("gamma", np.float32(1)) / deviation
    chain.affine(layer, scale, given.get("beta", 0) - scale * given["mean"])


def dense(chain: SoFar, layer: Described) -> None:
    kernel, bias = layer.matrix()
    check_size(layer, "units", kernel.shape[-1])
    chain.layers.append(Dense(layer.name, kernel, bias, function_of(layer)))


def distributed(chain: SoFar, layer: Described) -> None:
    (inner,) = layer.inner
    if inner.kind != "Dense":
        raise InputError(f"{layer} is over {inner}; allowed is TimeDistributed(Dense).")
    layer, *others = inner.parts()
    dense(chain, layer)
    for other in others:
        READERS[other.kind](chain, other)


def activation(chain: SoFar, layer: Described) -> None:
    name = function_of(layer)
    if name != "linear":
        chain.layers.append(Activation(layer.name, chain.width(layer), name))


def softmax(chain: SoFar, layer: Described) -> None:
    _check_axis(chain, layer)
    chain.layers.append(Activation(layer.name, chain.width(layer), "softmax"))


def relu(chain: SoFar, layer: Described) -> None:
    most, slope = layer.get("max_value"), layer.get("negative_slope")
    if layer.get("threshold") or most not in (None, 6) or (slope and most):
        others = ("max_value", "negative_slope", "threshold")
        changed = ", ".join(f"{k}={layer.get(k)}" for k in others if layer.get(k))
        raise InputError(
            f"The layer {layer} has {changed}; allowed are ReLU alone, max_value=6, "
            f"or negative_slope."
        )
    if slope:
        leaky_relu(chain, layer)
        return
    name = "relu6" if most else "relu"
    chain.layers.append(Activation(layer.name, chain.width(layer), name))


def leaky_relu(chain: SoFar, layer: Described) -> None:
    """Keras 2 says alpha."""
    slope = np.float32(layer.get("negative_slope", layer.get("alpha", 0.3)))
    chain.layers.append(PReLU(layer.name, np.resize(slope, chain.width(layer))))


def prelu(chain: SoFar, layer: Described) -> None:
    (slope,), width = layer.arrays("alpha"), chain.width(layer)
    rows = slope.reshape(-1, slope.shape[-1])
    if rows.shape[1] not in (1, width) or (rows != rows[0]).any():
        raise InputError(
            f"The layer {layer} has slopes of the shape {slope.shape}; allowed: one "
            f"for each of the {width} features, or one for all (shared_axes=[1])."
        )
    chain.layers.append(PReLU(layer.name, np.resize(rows[0], width)))


def elu(chain: SoFar, layer: Described) -> None:
    """What is negative is ``alpha`` times that of alpha = 1."""
    alpha, width = np.float32(layer.get("alpha", 1)), chain.width(layer)
    chain.layers.append(Activation(layer.name, width, "elu"))
    if alpha != 1:
        slopes = np.resize(alpha, width)
        chain.layers.append(PReLU(f"{layer.name}_alpha", slopes))


def flattened(chain: SoFar, layer: Described) -> None:
    chain.flatten = chain.sequence


def skip(chain: SoFar, layer: Described) -> None:
    """``y = f(x) + scale * x[:n]``, x being the model's input."""
    given, width = layer.get("scale"), chain.width(layer)
    columns = layer.get("columns") or chain.layers[0].inputs
    scale = np.float32(1) if given is None else numbers(layer, given)
    if columns != width or np.size(scale) not in (1, width):
        raise InputError(
            f"The layer {layer} adds {columns} numbers of the model's input to "
            f"{width}; allowed are as many."
        )
    chain.layers.append(Skip(layer.name, np.resize(scale, width)))


READERS: dict[str, Callable[[SoFar, Described], None]] = {
    "Embedding": embedding,
    "Masking": masking,
    "Rescaling": rescaling,
    "Normalization": normalization,
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "TimeDistributed": distributed,
    "Dense": dense,
    "Activation": activation,
    "ReLU": relu,
    "LeakyReLU": leaky_relu,
    "PReLU": prelu,
    "ELU": elu,
    "Softmax": softmax,
    "Flatten": flattened,
    "Add": skip,
}
