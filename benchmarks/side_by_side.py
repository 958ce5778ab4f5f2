"""Several runs of the benchmark side by side: a column of ratios for each."""

from dataclasses import dataclass, field

from rich import box
from rich.table import Table

from benchmarks import machine
from benchmarks.report import title
from benchmarks.verdicts import judge, name

_HEADS = ("work", "ours", "peer", "target")
NOTE = (
    "Times faster than the peer, by the minimum / by the median; a share, or times as "
    "long at most, where the target is one. What missed its target says so."
)


@dataclass
class Line:
    """One case of ours against one target, in several runs."""

    work: str
    ours: str
    wanted: str
    peers: dict[str, None] = field(default_factory=dict)  # the fastest may differ
    cells: dict[int, str] = field(default_factory=dict)  # by the number of the run

    def texts(self, runs):
        """Of the whole line."""
        peers = " or ".join(self.peers)
        cells = (self.cells.get(k, "") for k in range(runs))
        return self.work, self.ours, peers, self.wanted, *cells


def lines(several):
    """What was judged in any of these runs, in the order of the targets."""
    found: dict[tuple, Line] = {}
    for k, results in enumerate(several):
        for verdict in judge(results):
            if verdict.reason:
                continue
            work, ours = title(verdict.ours), name(verdict.ours)
            line = Line(work, ours, verdict.wanted)
            line = found.setdefault((work, ours, str(verdict.target)), line)
            line.peers[name(verdict.peer)] = None
            missed = "" if verdict.is_met else f" {verdict.said}"
            line.cells[k] = verdict.found + missed
    return list(found.values())


def heads(several):
    """Of the columns: for each run its machine and instruction set."""
    return [*_HEADS, *(machine.short(results.about) for results in several)]


def table(several):
    """For a terminal."""
    shown = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=NOTE
    )
    for k, head in enumerate(heads(several)):
        shown.add_column(head, justify="left" if k < 3 else "right")
    for line in lines(several):
        shown.add_row(*line.texts(len(several)))
    return shown


def markdown(several):
    """For a document."""
    rows = [heads(several), ["---"] * 3 + ["---:"] * (1 + len(several))]
    rows += [line.texts(len(several)) for line in lines(several)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + f"\n\n{NOTE}"
