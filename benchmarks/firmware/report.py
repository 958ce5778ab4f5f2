"""The tables of the firmware benchmark: on a terminal, and in Markdown for the docs."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich import box
from rich.table import Table as Screen

from benchmarks.firmware.figures import Figures

TARGETS = Path(__file__).with_name("targets.toml")


@dataclass(frozen=True)
class Table:
    """A table with a title; the columns of numbers are those behind the first ones."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1  # how many columns are text

    def screen(self) -> Screen:
        """It on a terminal."""
        table = Screen(title=self.title, title_justify="left", box=box.SIMPLE_HEAD)
        for place, head in enumerate(self.heads):
            justify = "left" if place < self.texts else "right"
            table.add_column(head, justify=justify, overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """It in Markdown, under a heading."""
        rules = ["---"] * self.texts + ["---:"] * (len(self.heads) - self.texts)
        lines = [f"| {' | '.join(row)} |" for row in (self.heads, rules, *self.rows)]
        return "\n".join([f"## {self.title}", "", *lines, ""])


def tables(found: Figures) -> list[Table]:
    """All tables of a run."""
    data = tomllib.loads(TARGETS.read_text(encoding="utf-8"))
    dtypes = dict.fromkeys(figure.dtype for figure in found.figures)
    parts = [_targets(found, data["target"]), _peers(data["peer"])]
    for dtype in dtypes:
        parts += [_instructions(found, dtype), _bytes(found, dtype)]
    return parts


def _targets(found: Figures, targets: Iterable[dict]) -> Table:
    rows = []
    for target in targets:
        case = {key: target[key] for key in ("row", "dtype", "core")}
        for figure in found.find(**case):
            value = getattr(figure, target["figure"])
            wanted = [target[k] for k in ("target", "stretch") if k in target]
            cells = (
                target["what"],
                figure.core,
                f"{value:,}",
                " / ".join(f"{number:,}" for number in wanted),
                f"{target['best_peer']:,}" if "best_peer" in target else "",
                _verdict(value, target),
            )
            rows.append(cells)
    heads = ("16 inputs, 32 units", "core", "found", "target", "best peer", "")
    return Table("Targets", heads, rows, texts=2)


def _verdict(value: int, target: dict) -> str:
    """In a word; how much is missing."""
    if value > target["target"]:
        return f"MISSED by {value / target['target'] - 1:.1%}"
    return "stretch" if value <= target.get("stretch", -1) else "met"


def _peers(peers: Iterable[dict]) -> Table:
    rows = [[peer[key] for key in ("name", "step", "flash", "ram")] for peer in peers]
    heads = ("as measured for the plan, Cortex-M4", "instructions a step")
    return Table("Others", (*heads, "test program", "RAM"), rows)


def _instructions(found: Figures, dtype: str) -> Table:
    table = _by_row(found, dtype, "instructions a step", {"step": ""})
    last = ["head, at most", *_at_most(found, dtype, "output")]
    return replace(table, rows=[*table.rows, last])


def _bytes(found: Figures, dtype: str) -> Table:
    names = {"code": "code, ", "stack": "stack, "}
    table = _by_row(found, dtype, "bytes", names, ("tables", "state"))
    more = _at_most(found, dtype, "quantize")
    last = ["quantize, at most", "", "", *more, *[""] * len(more)]
    return replace(table, rows=[*table.rows, last] if any(more) else table.rows)


def _at_most(found: Figures, dtype: str, key: str) -> list[str]:
    """The largest of all rows on each core; empty where it is 0."""
    largest: dict[str, int] = {}
    for figure in found.find(dtype=dtype):
        known = largest.get(figure.core, 0)
        largest[figure.core] = max(getattr(figure, key), known)
    return [f"{count:,}" if count else "" for count in largest.values()]


def _by_row(
    found: Figures,
    dtype: str,
    title: str,
    names: dict[str, str],
    same: Sequence[str] = (),
) -> Table:
    """Figures by row, each on each core but those that are the same on all."""
    rows, heads = [], {}
    for row in dict.fromkeys(figure.row for figure in found.find(dtype=dtype)):
        some = list(found.find(dtype=dtype, row=row))
        cells = {key: getattr(some[0], key) for key in same}
        for key, name in names.items():
            cells |= {name + figure.core: getattr(figure, key) for figure in some}
        heads = cells
        rows.append([row, *(f"{value:,}" for value in cells.values())])
    return Table(f"{dtype}: {title}", ("variant", *heads), rows)
