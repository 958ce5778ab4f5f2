"""Activations that a format has no operator for, made of those that it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from slimrnn.deploy.graph.builder import Node
from slimrnn.variants.activations import (
    GELU_CUBE,
    GELU_STEEPNESS,
    HARD_SIGMOIDS,
    SELU_ALPHA,
    SELU_SCALE,
)


def composed(name: str, x: Node) -> Node:
    """An activation by its name."""
    return _COMPOSED[name](x)


def _hard_sigmoid(name: str) -> Callable[[Node], Node]:
    return lambda x: _clip(_plus(x * HARD_SIGMOIDS[name], 0.5), 0.0, 1.0)


def _clip(x: Node, low: float, high: float) -> Node:
    return x.graph.elementwise("minimum", x.graph.elementwise("maximum", x, low), high)


def _plus(x: Node, constant: float) -> Node:
    return x + x.graph.constant(constant)


def _unary(operator: str, x: Node) -> Node:
    return x.graph.elementwise(operator, x)


def _applied(name: str, x: Node) -> Node:
    return x.graph.activation(name, x)


def _gelu(x: Node) -> Node:
    return x * _plus(_unary("erf", x * np.float32(0.5**0.5)), 1.0) * 0.5


def _gelu_tanh(x: Node) -> Node:
    return x * _applied("sigmoid", (x + x * x * x * GELU_CUBE) * GELU_STEEPNESS)


def _softplus(x: Node) -> Node:
    falls = _unary("exp", _unary("abs", x) * -1.0)
    return _applied("relu", x) + _unary("log", _plus(falls, 1.0))


def _selu(x: Node) -> Node:
    below = _applied("elu", x.graph.elementwise("minimum", x, 0.0)) * SELU_ALPHA
    return (_applied("relu", x) + below) * SELU_SCALE


_COMPOSED: dict[str, Callable[[Node], Any]] = {
    **{name: _hard_sigmoid(name) for name in HARD_SIGMOIDS},
    "relu6": lambda x: _clip(x, 0.0, 6.0),
    "hard_tanh": lambda x: _clip(x, -1.0, 1.0),
    "softsign": lambda x: x / _plus(_unary("abs", x), 1.0),
    "selu": _selu,
    "softplus": _softplus,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda x: x * _applied("sigmoid", x),
    "hard_silu": lambda x: x * _applied("hard_sigmoid", x),
    "mish": lambda x: x * _applied("tanh", _applied("softplus", x)),
}
