"""Arithmetic that is written down in C and not done."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from slimrnn.errors import InputError

#: the words of C99, and main
KEYWORDS = {
    *("auto", "break", "case", "char", "const", "continue", "default", "do", "double"),
    *("else", "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long"),
    *("main", "register", "restrict", "return", "short", "signed", "sizeof", "static"),
    *("struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while"),
}
_SHIFT, _SUM, _PRODUCT, _ATOM = range(4)


class Text:
    """An expression in C, with the parentheses that it needs and no others.

    Example:
        >>> a, b = Text("a"), Text("b[j]")
        >>> print(np.float32(0.5) * a + b * (a + 1) >> 15)
        (0.5f * a + b[j] * (a + 1)) >> 15
    """

    __array_ufunc__ = None  # NumPy's scalars leave the operation to this class

    def __init__(self, text: str, level: int = _ATOM):
        self.text, self.level = text, level

    def __str__(self) -> str:
        return self.text

    @property
    def is_atom(self) -> bool:
        """Whether it never needs parentheses."""
        return self.level == _ATOM

    def _in(self, level: int) -> str:
        return self.text if self.level >= level else f"({self.text})"

    def __add__(self, other: Any) -> Text:
        right = written(other)
        return Text(f"{self._in(_SUM)} + {right._in(_PRODUCT)}", _SUM)

    def __sub__(self, other: Any) -> Text:
        return other.__rsub__(self)

    def __rsub__(self, other: Any) -> Text:
        return Text(f"{written(other)._in(_SUM)} - {self._in(_PRODUCT)}", _SUM)

    def __mul__(self, other: Any) -> Text:
        right = written(other)
        return Text(f"{self._in(_PRODUCT)} * {right._in(_ATOM)}", _PRODUCT)

    def __truediv__(self, other: Any) -> Text:
        return Text(f"{self._in(_PRODUCT)} / {written(other)._in(_ATOM)}", _PRODUCT)

    __floordiv__ = __truediv__  # of whole numbers from 0 on

    def __rmul__(self, other: Any) -> Text:
        return written(other) * self

    def __rshift__(self, other: int) -> Text:
        # Compilers warn of a sum in a shift without parentheses.
        return Text(f"{self._in(_ATOM)} >> {other}", _SHIFT)


def written(value: Any) -> Text:
    """A number as C writes it; an expression is taken as it is."""
    if isinstance(value, Text):
        return value
    level = _ATOM if value >= 0 else _PRODUCT
    return Text(number(value), level)


def number(value: Any) -> str:
    """A number in C: the shortest one that is read as the same.

    Example:
        >>> number(np.float32(0.1)), number(np.float32(3e10)), number(np.int8(-3))
        ('0.1f', '3e+10f', '-3')
    """
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    with np.errstate(over="ignore"):
        text = str(np.float32(value))
    if not np.isfinite(np.float32(text)):
        raise InputError(
            f"A number of the C would be {text}, which C has no word for: weights or "
            f"calibration data are too large or too small; scale them."
        )
    return f"{text}f" if set(text) & set(".e") else f"{text}.0f"


def remark(text: str) -> str:
    """A text of the user's for a comment, which it cannot end.

    Example:
        >>> remark("a */ b")
        'a * / b'
    """
    return " ".join(text.split()).replace("*/", "* /").replace("/*", "/ *")


#: whose names systems that do not distinguish capitals, or make, would confuse with its
_FILES = ("main", "makefile", "gnumakefile")


def check_name(name: Any) -> None:
    """Refuses what is no name in C.

    Raises:
        InputError: it is none.
    """
    if (
        not isinstance(name, str)
        or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", name)
        or name in KEYWORDS
        or name.lower() in _FILES
    ):
        raise InputError(
            f"The name must be a C identifier: letters, digits and _, beginning with a "
            f"letter, no word of the language, and none of {', '.join(_FILES)}, which "
            f"are files beside it; received {name!r}."
        )
