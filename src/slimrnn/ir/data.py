"""What the dataclasses of the IR share: equality by value, arrays that are checked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from slimrnn.errors import InputError

Array = np.ndarray
Shape = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Data:
    """Equal where all fields are, arrays number by number; with no hash."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        compared = [field.name for field in fields(self) if field.compare]
        return all(_same(getattr(self, f), getattr(other, f)) for f in compared)

    def _hold(self, **values: Any) -> None:
        """Set fields of an instance that is being made."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def names(data: Any) -> list[str]:
    """The fields of a dataclass."""
    return [field.name for field in fields(data)]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return set(one) == set(other) and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, Array) or isinstance(other, Array):
        return np.array_equal(one, other)
    return one == other


def arrays(tree: Any) -> Iterator[Array]:
    """All arrays of a dataclass, in the order of its fields."""
    if isinstance(tree, Array):
        yield tree
        return
    if is_dataclass(tree):
        tree = [getattr(tree, name) for name in names(tree)]
    elif isinstance(tree, Mapping):
        tree = list(tree.values())
    if isinstance(tree, (tuple, list)):
        for branch in tree:
            yield from arrays(branch)


def frozen(what: str, name: str, value: Any, shape: Shape) -> Array:
    """A float32 array that nobody writes to.

    Args:
        what: whose it is, as a sentence begins.
        name: of the array.
        value: the array.
        shape: what it must have; None: any number from 1 on.
    """
    found = getattr(value, "shape", None)
    if getattr(value, "dtype", None) != "float32" or not _fits(found, shape):
        sizes = ", ".join("any" if n is None else str(n) for n in shape)
        received = type(value).__name__ if found is None else f"{value.dtype} {found}"
        raise InputError(
            f"{what} must have {name} in float32 of the shape ({sizes}); received "
            f"{received}."
        )
    finite(what, value)
    array = np.array(value, order="C")
    array.setflags(write=False)
    return array


def _fits(found: Shape | None, wanted: Shape) -> bool:
    return (
        found is not None
        and len(found) == len(wanted)
        and all(a and b in (None, a) for a, b in zip(found, wanted, strict=True))
    )


def finite(what: str, values: Any) -> None:
    """Refuse numbers that float32 does not hold."""
    with np.errstate(over="ignore"):
        if not np.isfinite(np.asarray(values).astype("float32")).all():
            raise InputError(
                f"{what} has numbers that are not finite, as after a training that "
                f"diverged; train it again, or give an earlier model."
            )


def one_of(what: str, value: Any, allowed: Collection[str]) -> None:
    """Refuse a name that is not allowed."""
    if value not in allowed:
        raise InputError(f"{what} {value}; allowed: {', '.join(allowed)}.")
