"""The activations: their facts, once, without a framework.

Keras's functions (``slimrnn.activations``), the engines, the oracle, the C library and
the exporters all read this table. A slope follows from the output alone, so that a
backward pass needs no pre-activation.

A function is written for any namespace with NumPy's names, ``numpy`` or
``keras.ops``: ``ACTIVATIONS["tanh"].function(x, keras.ops)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib import import_module
from math import inf
from typing import Any

from slimrnn.utils.checks import one_of


class _NumPy:
    """NumPy, imported when it is first used: ``slimrnn variants`` needs none."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("numpy"), name)


np: Any = _NumPy()


@dataclass(frozen=True)
class Activation:
    """A function of each number.

    Args:
        name: how it is called.
        function: ``(x, namespace) -> y``.
        slope: ``(y, namespace) -> dy/dx``, of the output; None where it is not known,
            and the framework has to differentiate.
        low: the output's lower bound.
        high: its upper bound.
        inverse: ``y -> x`` in NumPy; None where there is none.

    Example:
        >>> get("hard_sigmoid_keras2").function(1.0)
        np.float64(0.7)
    """

    name: str
    function: Callable[..., Any]
    slope: Any = None  # a callable, or None
    low: float = -inf
    high: float = inf
    inverse: Any = None  # a callable, or None

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Callable, tuple]:
        # By its name where the table has it: functions without one cannot be pickled.
        if ACTIVATIONS.get(self.name) is self:
            return get, (self.name,)
        return type(self), tuple(getattr(self, each.name) for each in fields(self))

    @property
    def is_gate(self) -> bool:
        """Whether the output lies between 0 and 1, as a gate's does."""
        return (self.low, self.high) == (0, 1)


#: the slopes of the hard sigmoids' middle part: Keras 3's, and Keras 2's
HARD_SIGMOIDS = {"hard_sigmoid": 1 / 6, "hard_sigmoid_keras2": 0.2}


def _hard_sigmoid(name: str, slope: float) -> Activation:
    return Activation(
        name,
        lambda x, xp=np: xp.clip(slope * x + 0.5, 0.0, 1.0),
        lambda y, xp=np: slope * xp.sign(y * (1 - y)),  # 0 at the bounds
        0,
        1,
        lambda y: (y - 0.5) / slope,
    )


TANH = Activation(
    "tanh",
    lambda x, xp=np: xp.tanh(x),
    lambda y, xp=np: 1 - y * y,
    -1,
    1,
    lambda y: np.arctanh(y),
)
SIGMOID = Activation(
    "sigmoid",
    # XLA computes tanh as a rational function, and a sigmoid with exp and a division.
    lambda x, xp=np: 0.5 * xp.tanh(0.5 * x) + 0.5,
    lambda y, xp=np: y * (1 - y),
    0,
    1,
    lambda y: np.log(y) - np.log1p(-y),
)
RELU = Activation(
    "relu",
    lambda x, xp=np: xp.maximum(x, 0),
    lambda y, xp=np: xp.sign(y),
    0,
    inf,
    lambda y: y,
)
LINEAR = Activation(
    "linear", lambda x, xp=np: x, lambda y, xp=np: xp.ones_like(y), inverse=lambda y: y
)

#: name -> facts: of cells and of layers, in the order of slimrnn.h
ACTIVATIONS: dict[str, Activation] = {
    known.name: known
    for known in (
        TANH,
        SIGMOID,
        RELU,
        LINEAR,
        *(_hard_sigmoid(name, slope) for name, slope in HARD_SIGMOIDS.items()),
    )
}

#: of SELU: the factor of what is positive, and of exp(x) - 1 beside it
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
#: of the approximation of GELU by a sigmoid: 2 sqrt(2 / pi), and the part of the cube
GELU_STEEPNESS, GELU_CUBE = 1.5957691216057308, 0.044715


def _elu(x: Any, xp: Any = np) -> Any:
    return xp.maximum(x, 0) + xp.expm1(xp.minimum(x, 0))


def erf(x: Any, xp: Any = np) -> Any:
    """The error function, which NumPy lacks."""
    return xp.erf(x) if hasattr(xp, "erf") else np.vectorize(math.erf, "d")(x)


def _softplus(x: Any, xp: Any = np) -> Any:
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


def _gelu_tanh(x: Any, xp: Any = np) -> Any:
    return x * SIGMOID.function(GELU_STEEPNESS * (x + GELU_CUBE * x * x * x), xp)


def _selu(x: Any, xp: Any = np) -> Any:
    falls = SELU_ALPHA * xp.expm1(xp.minimum(x, 0))
    return SELU_SCALE * (xp.maximum(x, 0) + falls)


#: name -> facts: of layers beside the cells alone, in the order of slimrnn.h
OF_LAYERS: dict[str, Activation] = {
    known.name: known
    for known in (
        Activation("relu6", lambda x, xp=np: xp.clip(x, 0, 6), low=0, high=6),
        Activation("hard_tanh", lambda x, xp=np: xp.clip(x, -1, 1), low=-1, high=1),
        Activation("softsign", lambda x, xp=np: x / (1 + xp.abs(x)), low=-1, high=1),
        Activation("elu", _elu, low=-1),
        Activation("selu", _selu, low=-SELU_SCALE * SELU_ALPHA),
        Activation("softplus", _softplus, low=0),
        Activation(
            "gelu", lambda x, xp=np: x * (1 + erf(x * 0.5**0.5, xp)) / 2, low=-0.17
        ),
        Activation("gelu_tanh", _gelu_tanh, low=-0.1701),
        Activation("silu", lambda x, xp=np: x * SIGMOID.function(x, xp), low=-0.2785),
        Activation(
            "hard_silu",
            lambda x, xp=np: x * ACTIVATIONS["hard_sigmoid"].function(x, xp),
            low=-0.375,
        ),
        Activation("mish", lambda x, xp=np: x * xp.tanh(_softplus(x, xp)), low=-0.3089),
    )
}


def get(name: str | Activation) -> Activation:
    """The activation of a name; an :class:`Activation` is taken as it is."""
    if isinstance(name, Activation):
        return name
    one_of("the activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]
