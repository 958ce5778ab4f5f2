"""The arrays of an ONNX graph: those inside operators, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from slimrnn.ir.flow import Array, Filled


class Body(NamedTuple):
    """The graph inside an operator: as it is in the file, and its arrays."""

    content: bytes
    arrays: dict[str, Array]


def _joined(about: dict[str, Any], *parts: Any) -> Array:
    """Side by side; sizes that are not known are texts, beside which numbers stay."""
    arrays = [np.asarray(part) for part in parts]
    if any(array.dtype.kind in "OU" for array in arrays):
        arrays = [array.astype(object) for array in arrays]
    return np.concatenate(arrays, about["axis"])


def _gathered(x: Array, index: Array, axis: int) -> Array:
    return np.take(x, np.asarray(index, int), axis)


_SMALL = 64  # numbers of a row of pads, and more


def _norm(about: dict[str, Any], x: Array, axes: Any = None) -> Array:
    over = about.get("axes", axes)
    kept = bool(about.get("keepdims", 1))
    return np.linalg.norm(x, axis=tuple(map(int, over)), keepdims=kept)


def _alike(value: Array) -> Filled:
    return Filled(value if np.any(value) else None)


def _filled(about: dict[str, Any], shape: Array) -> Any:
    """Numbers all alike; those of a row, such as pads, one by one."""
    value = about.get("value", np.zeros(1, "float32"))
    if np.size(shape) == 1 and np.ravel(shape)[0] in range(_SMALL):
        return np.full(np.asarray(shape, int), value)
    return _alike(value)


#: operators on what is known: from the attributes and the inputs
FOLDED: dict[str, Callable[..., Any]] = {
    "Add": lambda about, x, y: x + y,
    "Sub": lambda about, x, y: x - y,
    "Mul": lambda about, x, y: x * y,
    "Div": lambda about, x, y: x // y if x.dtype.kind in "iO" else x / y,
    "Cast": lambda about, x: x,
    "Concat": _joined,
    "ConstantOfShape": _filled,
    "Equal": lambda about, x, y: np.asarray(x == y),
    "Where": lambda about, chosen, x, y: np.where(chosen, x, y),
    "Expand": lambda about, x, shape: _alike(x),
    "Gather": lambda about, x, index: _gathered(x, index, about.get("axis", 0)),
    "Identity": lambda about, x: x,
    "ReduceL2": _norm,
    "Reshape": lambda about, x, shape: x.reshape(np.asarray(shape, int)),
    "Slice": lambda about, x, starts, ends, axes=None, steps=None: x[
        slice(int(starts[0]), int(ends[0]), int(1 if steps is None else steps[0]))
    ],
    "Squeeze": lambda about, x, axes=None: np.squeeze(
        x, None if axes is None else tuple(map(int, axes))
    ),
    "Transpose": lambda about, x: np.transpose(x, about.get("perm")),
    "Unsqueeze": lambda about, x, axes: np.expand_dims(x, tuple(map(int, axes))),
}
