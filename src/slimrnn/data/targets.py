"""What y is: classes or numbers, and why it is taken for that."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from slimrnn.data.options import TASKS
from slimrnn.errors import InputError
from slimrnn.utils.checks import known

Array = np.ndarray

INT32 = np.iinfo(np.int32).max
#: so many different whole numbers, written as floats, are never a regression unasked
FEW = 20
#: what may be wished instead of classes; floats that are no classes cannot become any
ELSE = "; else: --task regression"
NUMBERS = "--task regression takes them as numbers"


@dataclass(frozen=True)
class Targets:
    """The targets of each part, and why they are taken for what they are."""

    parts: tuple[Array, ...]
    reason: str


def read(parts: Mapping[str, Array], where: str, task: str = "auto") -> Targets:
    """The targets of each part, labels (N,) int32 or targets (N, k) float32.

    Example:
        >>> found = read({"y": np.array([1.0, 0.0, 1.0, 0.0])}, "mine")
        >>> found.parts[0].dtype.name, found.reason.partition("; ")[0]
        ('int32', 'y holds only the whole numbers 0 to 1, written as floats')
    """
    known("task", task, TASKS)
    for name, y in parts.items():
        if y.ndim not in (1, 2) or 0 in y.shape:
            raise InputError(
                f"{where}: {name} is {shown(y)}: it must be of shape (N,) or (N, k), "
                "classes or numbers, or (N, T, k) for each step; reshape it."
            )
    rows = [y.reshape(len(y), -1) for y in parts.values()]
    numbers = [floats(y, f"{where}: {k}") for k, y in zip(parts, rows, strict=True)]
    mixed = task == "auto" and any(y.dtype.kind != "f" for y in rows)
    fractions = not all(_whole(y).all() for y in rows)
    if len({y.shape[1] for y in rows}) > 1 or (mixed and fractions):
        shapes = (f"{name} is {shown(y)}" for name, y in parts.items())
        raise InputError(
            f"{where}: {' and '.join(shapes)}: all must hold the same; make them alike."
        )
    all_rows = np.concatenate(rows)
    classes, reason = _are_classes(all_rows, task)
    if not classes:
        return Targets(tuple(numbers), reason)
    if all_rows.shape[1] > 1 and _one_hot(all_rows):
        rows = [y.argmax(axis=1, keepdims=True) for y in rows]
    elif all_rows.shape[1] > 1 or not _whole(all_rows).all():
        wrong = all_rows[~_whole(all_rows)]
        what = f"numbers such as {wrong[0]:g}" if wrong.size else "no one-hot rows"
        raise InputError(
            f"{where}: {next(iter(parts))} is {shown(next(iter(parts.values())))} and "
            f"holds {what}, which are no classes: give whole numbers (N,) or one-hot "
            f"rows; {NUMBERS}."
        )
    labels = tuple(
        _labels(y, f"{where}: {k}") for k, y in zip(parts, rows, strict=True)
    )
    _check_classes(dict(zip(parts, labels, strict=True)), where)
    return Targets(labels, reason)


def _are_classes(y: Array, task: str) -> tuple[bool, str]:
    """Whether all targets (N, k) are classes, and why."""
    if task != "auto":
        return task == "classification", f"as --task {task} says"
    if y.shape[1] > 1:
        if _one_hot(y):
            return True, f"y holds one-hot rows of {y.shape[1]}{ELSE}"
        return y.dtype.kind != "f", f"y holds {y.shape[1]} numbers each"
    if y.dtype.kind != "f":
        return True, f"y holds whole numbers{ELSE}"
    if are_class_numbers(y):
        span = f"{y.min():g} to {y.max():g}"
        return True, f"y holds only the whole numbers {span}, written as floats{ELSE}"
    return False, f"y holds {len(np.unique(y)):,} different numbers, written as floats"


def are_class_numbers(y: Array) -> bool:
    """Whether floats are few whole numbers, or 0, 1, 2, ... without gaps.

    Example:
        >>> are_class_numbers(np.array([1.0, 2.0])), are_class_numbers(np.array([0.5]))
        (True, False)
    """
    seen = np.unique(y)
    gapless = seen[0] == 0 and seen[-1] == len(seen) - 1 and 2 * len(seen) <= len(y)
    return bool(_whole(seen).all() and (gapless or len(seen) <= FEW))


def _whole(y: Array) -> Array:
    return y == np.floor(y) if y.dtype.kind == "f" else np.ones(y.shape, bool)


def _one_hot(y: Array) -> bool:
    return bool(np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())


def floats(x: Array, where: str) -> Array:
    """Numbers as float32, in which all of them must be finite."""
    with np.errstate(over="ignore"):  # reported below
        found = x.astype(np.float32)
    if not np.isfinite(found).all():
        place = tuple(map(int, np.argwhere(~np.isfinite(found))[0]))
        raise InputError(
            f"{where} is {x[place]} at {place}: every number must be finite, in "
            "float32; remove or replace those that are not."
        )
    return found


def _labels(y: Array, where: str) -> Array:
    if y.min() < 0 or y.max() >= INT32:
        raise InputError(
            f"{where} has labels from {y.min():.15g} to {y.max():.15g}: they must be "
            f"0, 1, 2, ... without gaps; renumber them ({NUMBERS})."
        )
    return y.astype(np.int32).ravel()


def _check_classes(labels: Mapping[str, Array], where: str) -> None:
    """Refuse classes that no training sample shows, and a single class."""
    (train, first), *others = labels.items()
    seen = np.unique(first)
    unseen = [np.setdiff1d(y, seen).size for _, y in others]
    if len(seen) < 2 or seen[-1] != len(seen) - 1 or any(unseen):
        found = [f"{train} has {_some(seen)} as labels"]
        found += [f"{name} {_some(np.unique(y))}" for name, y in others]
        raise InputError(
            f"{where}: {' and '.join(found)}: the training labels must be 0, 1, 2, ... "
            f"without gaps, two or more, and cover all others; renumber them "
            f"({NUMBERS})."
        )


def _some(labels: Array) -> str:
    """Write a few labels out, and of many the ends."""
    if len(labels) > 12:
        return f"{_some(labels[:6])}, ..., {labels[-1]}"
    return ", ".join(map(str, labels))


def shown(array: Array) -> str:
    """What an error says of an array."""
    return f"{array.dtype} of shape {array.shape}"
