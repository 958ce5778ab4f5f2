"""What a value must be, in sentences."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

from slimrnn.errors import InputError


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """The value, if it is a whole number in a range: Python's, NumPy's, but no truth.

    Raises:
        InputError: what was received, and what is allowed.

    Example:
        >>> whole("batch_size", 0, least=1)
        Traceback (most recent call last):
        slimrnn.errors.InputError: The batch size must be a whole number of 1 or more; \
received 0.
    """
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    fits = is_whole and value >= least and (most is None or value <= most)
    limit = f"of {least} or more" if most is None else f"from {least} to {most}"
    check(name, value, fits, f"a whole number {limit}")
    return int(value)


def check(name: str, value: Any, fits: bool, allowed: str) -> None:
    """Refuses a value that does not fit.

    Raises:
        InputError: what was received, and what is allowed.
    """
    if not fits:
        raise InputError(
            f"The {name.replace('_', ' ')} must be {allowed}; received {value!r}."
        )


def numbers(name: str, value: Any) -> None:
    """Refuses what is no mapping of names to numbers; None is none.

    Raises:
        InputError: what was received, and what is allowed.
    """
    if value is None:
        return
    fits = isinstance(value, Mapping) and all(map(number, value.values()))
    check(name, value, fits and bool(value), "numbers by name, such as f=0.59")


def number(value: Any) -> bool:
    """Whether it is a number that can be computed with."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def known(what: str, value: Any, allowed: Iterable[str]) -> None:
    """Refuses a name that is not allowed, and names the nearest that is.

    Raises:
        InputError: what was received, and what is allowed.
    """
    names = sorted(allowed)
    if value in names:
        return
    nearest = difflib.get_close_matches(str(value).lower(), names, n=1, cutoff=0.0)
    raise InputError(
        f"Unknown {what} {value!r}; the nearest is {nearest[0]}. "
        f"Allowed: {', '.join(names)}."
    )
