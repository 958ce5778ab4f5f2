"""HTML from Python values: what is text is escaped, always."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

_ALONE = ("input",)  # have no end tag


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | None | Iterable["Child"]


def tag(name: str, /, *children: Child, **attributes: Any) -> Markup:
    """An element.

    Args:
        name: of the element.
        children: texts, elements, lists of both; None is left out.
        attributes: by name, with ``_`` for ``-`` and after Python's own words; True is
            an attribute without a value, None and False are left out.

    Example:
        >>> tag("td", "a < b", tag("b", "c"), class_="n", data_row=1, hidden=False)
        '<td class="n" data-row="1">a &lt; b<b>c</b></td>'
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    end = "" if name in _ALONE else f"</{name}>"
    return Markup(f"<{name}{written}>{join(children)}{end}")


def join(children: Child) -> Markup:
    """Texts and elements one after the other."""
    if children is None:
        return Markup()
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(html.escape(children))
    return Markup("".join(map(join, children)))


def definitions(entries: Mapping[str, Any]) -> Markup:
    """Names and values, as a list of pairs."""
    return tag(
        "dl",
        [
            tag("div", tag("dt", name.replace("_", " ")), tag("dd", _plain(value)))
            for name, value in entries.items()
        ],
    )


def table(*rows: Iterable[Any]) -> Markup:
    """Rows of texts and elements, the first one of heads: what a notebook shows.

    Example:
        >>> table(["flash"], [1024])
        '<table><tr><th>flash</th></tr><tr><td>1,024</td></tr></table>'
    """

    def cell(kind: str, value: Any) -> Markup:
        text = f"{value:,}" if isinstance(value, int) else value
        return tag(kind, text)

    heads, *others = rows
    lines = [("th", heads), *(("td", row) for row in others)]
    return tag("table", [tag("tr", [cell(k, v) for v in row]) for k, row in lines])


def _plain(value: Any) -> str:
    return "–" if value is None else str(value)
