"""What a value must be, in sentences."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

from slimrnn.errors import InputError


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """The value, if it is a whole number in a range: Python's, NumPy's, but no truth.

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
    """Refuses a value that does not fit."""
    if not fits:
        raise InputError(
            f"The {name.replace('_', ' ')} must be {allowed}; received {value!r}."
        )


def numbers(name: str, value: Any) -> None:
    """Refuses what is no mapping of names to numbers; None is none."""
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


def nearest(word: Any, names: Iterable[str], likeness: float = 0.6) -> str:
    """The name that somebody who wrote the word may have meant; empty for none.

    Args:
        word: in any case.
        names: those that there are.
        likeness: how much alike they must be, from 0, where one is always found, to 1.

    Example:
        >>> nearest("LSTN4", ["LSTM", "LSTM4"]), nearest("speed", ["units"])
        ('LSTM4', '')
    """
    same = {name.lower(): name for name in names}
    import difflib  # here: a name that is known needs none

    found = difflib.get_close_matches(str(word).lower(), same, 1, likeness)
    return same[found[0]] if found else ""


def memory() -> int:
    """Bytes of memory that the machine has; where it does not say, 8 GB."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 33


def one_of(what: str, value: Any, allowed: Iterable[str]) -> None:
    """Refuses a word that is not one of those allowed."""
    if value not in (words := list(allowed)):
        raise InputError(
            f"{what[0].upper()}{what[1:]} must be one of {', '.join(words)}; "
            f"received {value!r}."
        )


def known(what: str, value: Any, allowed: Iterable[str]) -> None:
    """Refuses a name that is not allowed, and names the nearest that is."""
    names = sorted(allowed)
    if value in names:
        return
    raise InputError(
        f"Unknown {what} {value!r}; the nearest is {nearest(value, names, 0)}. "
        f"Allowed: {', '.join(names)}."
    )
