"""How pictures are drawn: their formats, sizes and legends, in one place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimrnn.utils.checks import known

FORMATS = ("png", "pdf", "svg")
LEGENDS = ("beside", "inside")


@dataclass(frozen=True)
class Width:
    """The size of a picture of one data set.

    Args:
        inches: its width.
        height: in inches too.
        points: of the text.
        line: points of a curve.
        titled: whether the title is part of it; papers have a caption instead.
        legend: where it is, if nobody says.
    """

    inches: float
    height: float
    points: float
    line: float
    titled: bool
    legend: str


#: One column of a paper is 88 mm wide, its page of two columns 181 mm.
WIDTHS = {
    "screen": Width(8.4, 7.2, 10, 1.8, titled=True, legend="beside"),
    "column": Width(3.46, 4.0, 8, 1.2, titled=False, legend="inside"),
    "page": Width(7.13, 4.6, 8, 1.2, titled=False, legend="beside"),
}


@dataclass(frozen=True)
class FigureStyle:
    """How pictures are drawn.

    Args:
        formats: any of :data:`FORMATS`.
        width: one of :data:`WIDTHS`.
        legend: one of :data:`LEGENDS`; None: the width's.

    Example:
        >>> [path.name for path in FigureStyle(("pdf", "svg")).files(Path("a"))]
        ['a.pdf', 'a.svg']
    """

    formats: tuple[str, ...] = FORMATS[:1]
    width: str = "screen"
    legend: str | None = None

    def __post_init__(self) -> None:
        for name in self.formats:
            known("figure format", name, FORMATS)
        known("figure width", self.width, WIDTHS)
        if self.legend is not None:
            known("figure legend", self.legend, LEGENDS)

    @property
    def size(self) -> Width:
        """Inches and points."""
        return WIDTHS[self.width]

    @property
    def inside(self) -> bool:
        """Whether the legend is inside the picture."""
        return (self.legend or self.size.legend) == "inside"

    @property
    def settings(self) -> Any:
        """Matplotlib's: text stays text, so that journals take it and one can edit."""
        size = self.size.points
        return {"pdf.fonttype": 42, "svg.fonttype": "none", "font.size": size}

    def files(self, path: Path) -> Iterator[Path]:
        """A picture's files, one a format, of a path without an ending."""
        return (path.with_name(f"{path.name}.{ending}") for ending in self.formats)
