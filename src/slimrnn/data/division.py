"""What is held out of training, so that it shares nothing with what stays."""

from __future__ import annotations

import numpy as np

from slimrnn.data.sequences import Part, generator
from slimrnn.errors import InputError

Array = np.ndarray

MOST_DRAWS = 100  # of groups, until training has all classes


def held_out(part: Part, classes: int | None, fraction: float, seed: int) -> Array:
    """(N,) 1 for a sample that is held out, 0 for one to train on, -1 for neither.

    By group or by time where the part's origin says so; else by a draw.

    Example:
        >>> from slimrnn.data import load
        >>> held_out(load("digits").train, 10, 0.1, seed=1).sum()
        np.int64(143)
    """
    if not 0 < fraction <= 0.5 or len(part) < 2:
        raise InputError(
            f"cannot split {len(part)} training samples by fraction {fraction!r}: it "
            "must be above 0 and at most 0.5, of two samples or more; give for example "
            "0.1."
        )
    by = "fraction" if part.origin is None else part.origin.by
    return _WAYS[by](part, classes, fraction, generator(seed))


def _by_fraction(
    part: Part, classes: int | None, fraction: float, random: np.random.Generator
) -> Array:
    """Evenly spaced among the sorted classes.

    They lie two places or more apart, so that each class of two or more samples keeps
    one for training.
    """
    order, y = random.permutation(len(part)), part.y
    if classes is not None and isinstance(y, np.ndarray):
        order = order[np.argsort(y[order], kind="stable")]
        shared = np.bincount(y)[y[order]] > 1
        order = order[shared] if shared.any() else order
    count = min(max(1, int(fraction * len(part))), len(order) // 2)
    found = np.zeros(len(part), int)
    found[order[np.arange(count) * len(order) // count]] = 1
    return found


def _by_group(
    part: Part, classes: int | None, fraction: float, random: np.random.Generator
) -> Array:
    """Groups as they are drawn, until they are enough; training has all classes."""
    assert part.origin is not None
    names, group = np.unique(part.origin.group, return_inverse=True)
    sizes = np.bincount(group)
    for _ in range(MOST_DRAWS if len(names) > 1 else 0):
        order = random.permutation(len(names))
        enough = int(np.searchsorted(sizes[order].cumsum(), fraction * len(part))) + 1
        found = np.isin(group, order[: min(enough, len(names) - 1)])
        if classes is None or _shown(part, ~found) == classes:
            return found.astype(int)
    raise InputError(
        f"cannot split {len(names)} groups by fraction {fraction!r}: none of "
        f"{MOST_DRAWS} draws leaves training with all classes; give more groups, or "
        "split by time (--split time)."
    )


def _shown(part: Part, kept: Array) -> int:
    """How many classes the kept samples show."""
    return len(np.unique(part.take(kept).targets))


def _by_time(
    part: Part, classes: int | None, fraction: float, random: np.random.Generator
) -> Array:
    """The last of each group; what overlaps them is for neither."""
    assert part.origin is not None
    found = np.zeros(len(part), int)
    for name in np.unique(part.origin.group):
        own = np.flatnonzero(part.origin.group == name)
        own = own[np.argsort(part.origin.last[own], kind="stable")]
        late = own[len(own) - max(1, int(fraction * len(own))) :]
        if len(own) > 1:
            overlaps = part.origin.last[own] >= part.origin.first[late].min()
            found[own[overlaps]] = -1
            found[late] = 1
    kept = found == 0
    if not kept.any() or not (found == 1).any():
        raise InputError(
            f"cannot split {len(part)} windows by time: all of them overlap the last "
            f"ones; give more rows, shorter windows, or --split fraction."
        )
    if classes is not None and _shown(part, kept) < classes:
        raise InputError(
            "cannot split by time: some classes are only in the last windows; give "
            "more rows, or split by group or fraction (--split)."
        )
    return found


_WAYS = {"fraction": _by_fraction, "group": _by_group, "time": _by_time}
