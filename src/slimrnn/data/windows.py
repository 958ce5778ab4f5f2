"""Columns -> sequences: a row, a group, or a window of rows is one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from slimrnn.data.columns import Column, Table
from slimrnn.data.options import SPLITS
from slimrnn.data.sequences import Origin, Sequences
from slimrnn.data.targets import ELSE, are_class_numbers
from slimrnn.errors import InputError
from slimrnn.utils.checks import known, nearest, whole

Array = np.ndarray
MOST_BYTES = 4 << 30


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What of a table makes sequences.

    Args:
        features: names of columns, in a list or with commas between; None: all that
            hold numbers, but the target (of a forecast: with it) and the group.
        target: of the column, or of several columns of numbers, to be learned.
        group: of the column that says which rows belong together.
        window: rows of a sequence; None: a group is one, or without groups a row.
        stride: rows from one window to the next; None: 1, or with a burn-in as many as
            count in a window, so that each row counts once.
        horizon: rows from a window's last to its target: 0 is its last row itself.
            None: 0.
        split: one of `slimrnn.data.options.SPLITS`.
        each_step: whether each row of a sequence has its target, rather than its last.
        burn_in: how many first steps of a sequence do not count, of targets for each.
    """

    features: str | Sequence[str] | None = None
    target: str | Sequence[str] | None = None
    group: str | None = None
    window: int | None = None
    stride: int | None = None
    horizon: int | None = None
    split: str = "auto"
    each_step: bool = False
    burn_in: int = 0

    def __post_init__(self) -> None:
        known("split", self.split, SPLITS)
        whole("burn_in", self.burn_in, 0)
        for name, least in (("window", 1), ("stride", 1), ("horizon", 0)):
            value = getattr(self, name)
            if value is not None:
                whole(name, value, least)
            if value is not None and self.window is None:
                raise InputError(
                    f"{name}={value} was given without a window; give --window too, or "
                    f"leave it out."
                )

    @property
    def given(self) -> list[str]:
        """The names of what was given."""
        return [
            name
            for name, value in vars(self).items()
            if value not in (None, "auto", False)
            and name not in ("each_step", "burn_in")
        ]


@dataclass(frozen=True, eq=False)
class Found:
    """What a table holds, for `slimrnn.data.reading.checked`.

    Args:
        arrays: x and, where there is a target, y; x_offsets of unequal groups.
        names: of the features.
        origin: of windows.
        naive: as y: the targets' last known values, of a forecast.
        labels: what the classes are called.
        notes: what a user should know, in sentences.
        reason: why the target is taken for what it is, where the columns say so.
    """

    arrays: dict[str, Array]
    names: tuple[str, ...]
    origin: Origin | None = None
    naive: Array | Sequences | None = None
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""


def arrange(
    table: Table, choice: Choice, where: str, task: str, labels: bool = True
) -> Found:
    """The sequences of a table, and their targets.

    Example:
        >>> from slimrnn.data.columns import table
        >>> rows = table({"a": range(6), "y": [0, 1, 0, 1, 0, 1]}, "mine")
        >>> found = arrange(rows, Choice(target="y", window=3), "mine", "auto")
        >>> found.arrays["x"].shape, found.arrays["y"].tolist()
        ((4, 3, 1), [0.0, 1.0, 0.0, 1.0])
    """
    columns = _Columns(table, where)
    target = columns.named(choice.target, "target") if labels else ()
    if labels and not target:
        raise InputError(
            f"{where} has the columns {_listed(table)}: which of them is to be learned "
            "must be said; give --target NAME."
        )
    group = columns.named(choice.group, "group")
    features = columns.features(choice, target, group)
    x = columns.numbers(features)
    rows = len(x)
    number = columns.groups(group) if group else np.zeros(rows, int)
    order = np.argsort(number, kind="stable")
    x, number = x[order], number[order]
    y, names = columns.targets(target, task, choice.horizon) if target else (None, ())
    y = None if y is None else y[order]
    reason = "a forecast" if choice.horizon else ""
    if names:
        reason = "y holds texts"
        if table[target[0]].is_numbers:
            reason = f"y holds only the whole numbers {names[0]} to {names[-1]}{ELSE}"
    about = Found(
        *({}, features),
        labels=names,
        notes=tuple(columns.notes(features)),
        reason=reason,
    )
    if choice.window is not None:
        return _windows(x, y, number, choice, where, about)

    arrays: dict[str, Array] = {"x": x[:, :, None]}  # each row is a series
    if choice.each_step and not group:
        raise InputError(
            "Without a window and a group, a row is a sequence of its own and has one "
            "target; give --window or --group, or leave out --each-step."
        )
    if group:
        offsets = np.flatnonzero(np.diff(number, prepend=-1, append=number[-1] + 1))
        if y is not None and not choice.each_step:
            y = _one_a_group(y, offsets, target, columns.texts(group)[order], where)
        arrays = {"x": x, "x_offsets": offsets}
    if choice.split == "time":
        raise InputError(
            "split='time' was given without a window: only windows follow each other "
            "in time; give --window too, or leave it out."
        )
    return replace(about, arrays=arrays if y is None else {**arrays, "y": y})


class _Columns:
    """The columns of a table, and the sentences that are said of them."""

    def __init__(self, table: Table, where: str):
        self.table = table
        self.where = where

    def named(self, given: str | Iterable[str] | None, what: str) -> tuple[str, ...]:
        """The names of columns that were given."""
        if given is None:
            return ()
        names = given.split(",") if isinstance(given, str) else map(str, given)
        found = tuple(name.strip() for name in names)
        for name in found:
            if name not in self.table:
                near = nearest(name, self.table)
                hint = f" (did you mean {near!r}?)" if near else ""
                raise InputError(
                    f"{self.where} has no column {name!r}{hint}, given as {what}: it "
                    f"has {_listed(self.table)}; give one of these."
                )
        return found

    def features(
        self, choice: Choice, target: tuple[str, ...], group: tuple[str, ...]
    ) -> tuple[str, ...]:
        """The columns that a step is made of."""
        known = target if choice.horizon else ()
        found = self.named(choice.features, "feature")
        leaks = set(found) & (set(target) - set(known))
        if leaks:
            raise InputError(
                f"{sorted(leaks)[0]!r} is a feature and the target: the answer would "
                "be in the question; leave it out of the features, or give --horizon."
            )
        others = [name for name in self.table if name not in (*target, *group)]
        usual = (n for n in (*known, *others) if self.table[n].is_numbers)
        found = found or tuple(usual)
        if not found:
            raise InputError(
                f"{self.where} has no column of numbers beside the target and the "
                f"group: it has {_listed(self.table)}; give --features."
            )
        return found

    def numbers(self, names: Sequence[str]) -> Array:
        """(rows, k) of columns of numbers."""
        for name in names:
            column = self.table[name]
            self._complete(name)
            if not column.is_numbers:
                raise InputError(
                    f"{self.where}: the column {name!r} holds texts such as "
                    f"{column.values[0]!r}: features and numbers to learn must be "
                    "numbers; convert it, or leave it out."
                )
        return np.stack([self.table[name].values for name in names], axis=1)

    def texts(self, names: Sequence[str]) -> Array:
        """A column's values as texts: whole numbers without a point."""
        (name,) = names
        self._complete(name)
        column = self.table[name]
        if column.is_numbers:
            return np.array([f"{value:.15g}" for value in column.values])
        return column.values

    def groups(self, names: Sequence[str]) -> Array:
        """(rows,) the number of each row's group, by its first appearance."""
        texts = self.texts(names)
        _, first, number = np.unique(texts, return_index=True, return_inverse=True)
        rank = np.empty(len(first), int)
        rank[np.argsort(first)] = np.arange(len(first))
        return rank[number]

    def targets(
        self, names: tuple[str, ...], task: str, horizon: int | None
    ) -> tuple[Array, tuple[str, ...]]:
        """The targets of all rows, and what classes are called."""
        if len(names) > 1:
            return self.numbers(names), ()
        column: Column = self.table[names[0]]
        self._complete(names[0])
        if not column.is_numbers and task == "regression":
            self.numbers(names)
        usual = task == "auto" and not horizon
        if column.is_numbers and not (
            (usual or task == "classification") and are_class_numbers(column.values)
        ):
            return column.values, ()
        values, found = np.unique(column.values, return_inverse=True)
        shown = [f"{v:.15g}" if column.is_numbers else str(v) for v in values]
        return found.astype(float), tuple(shown)

    def _complete(self, name: str) -> None:
        column = self.table[name]
        wrong = column.missing.copy()
        if column.is_numbers:
            wrong |= ~np.isfinite(column.values)
        if wrong.any():
            row = int(wrong.argmax()) + 1
            raise InputError(
                f"{self.where}: the column {name!r} has {wrong.sum():,} missing or "
                f"infinite values, the first in row {row:,}: fill them, or leave these "
                "rows or the column out."
            )

    def notes(self, features: tuple[str, ...]) -> Iterable[str]:
        """What is odd about the features."""
        constant = [n for n in features if np.ptp(self.table[n].values) == 0]
        if constant:
            yield (
                f"Constant, of no use: {', '.join(constant)}; leave out of --features."
            )


def _one_a_group(
    y: Array, offsets: Array, names: Sequence[str], groups: Array, where: str
) -> Array:
    first = np.repeat(offsets[:-1], np.diff(offsets))
    varies = (y != y[first]).reshape(len(y), -1).any(axis=1)
    if varies.any():
        place = int(varies.argmax())
        raise InputError(
            f"{where}: the target {', '.join(names)} changes within the group "
            f"{groups[place]}: without a window a group is one sequence, with one "
            "target; make it the same in all its rows, or give --window."
        )
    return y[offsets[:-1]]


def _windows(
    x: Array, y: Array | None, number: Array, choice: Choice, where: str, about: Found
) -> Found:
    """Windows that stay within a group."""
    window = choice.window or 1
    once = window - choice.burn_in if choice.burn_in else 1
    stride = choice.stride or max(1, once)
    horizon = choice.horizon or 0 if y is not None else 0
    starts = np.arange(0, len(x) - window - horizon + 1)
    starts = starts[number[starts] == number[starts + window + horizon - 1]]
    within = starts - np.searchsorted(number, number[starts])
    starts = starts[within % stride == 0]
    if len(starts) < (1 if y is None else 2):
        raise InputError(
            f"{where} has {len(x):,} rows in {number[-1] + 1:,} groups: too few for "
            f"windows of {window} with a target {horizon} rows later; give a shorter "
            "window, or more rows."
        )
    size = 4 * len(starts) * window * x.shape[1]
    if size > MOST_BYTES:
        raise InputError(
            f"{where} makes {len(starts):,} windows of {window} rows, "
            f"{size / 2**30:.0f} GB: too many for memory; give a larger --stride."
        )
    views = np.lib.stride_tricks.sliding_window_view(
        x.astype(np.float32), window, axis=0
    )
    arrays = {"x": np.ascontiguousarray(views[starts].swapaxes(1, 2))}
    if y is None:
        return replace(about, arrays=arrays)
    end = starts + window - 1
    by = choice.split
    if by == "auto":
        by = "group" if number[-1] > 0 else "time"
    origin = None
    if by != "fraction":
        origin = Origin(by, number[starts], starts, end + horizon)
    rows = starts[:, None] + np.arange(window) if choice.each_step else end
    naive: Array | Sequences | None = None
    if horizon and not about.labels:
        last = y[rows].reshape(*rows.shape, -1).astype(np.float32)
        naive = Sequences(last) if choice.each_step else last
    arrays["y"] = y[rows + horizon]
    return replace(about, arrays=arrays, origin=origin, naive=naive)


def _listed(names: Iterable[str], most: int = 12) -> str:
    """The names of columns, and of many the first."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
