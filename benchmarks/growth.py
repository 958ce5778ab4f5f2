"""How the time and the memory of training grow; and what more threads would do."""

import math
import statistics
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.firmware.report import Table
from benchmarks.peers import title
from benchmarks.works import GROWTH, G, shape

#: BLOCK and MOST_TASKS in the engine's C: sequences of a block, and how many tasks
#: share the blocks of a call. What is less than two blocks is cut into smaller ones.
BLOCK, MOST_TASKS = 8, 16
AXES = {"steps": "T", "units": "n", "batch": "B", "layers": "layers"}
LEAST_MEMORY = 5e7  # bytes: less is what a process has besides, after compiling
TIME, MEMORY = "best", "memory"  # fields of a timing


@dataclass(frozen=True)
class Key:
    """A line of the picture: a layer of a peer, on so many threads."""

    peer: str
    row: str
    threads: int

    @property
    def name(self):
        """As tables call it."""
        many = f", {self.threads} thread{'s' * (self.threads > 1)}"
        return title(self.peer, self.row) + (many if self.threads else "")

    @property
    def is_native(self):
        """Whether it is this library's engine."""
        return self.peer.startswith("native")


def lines(results, axis, what=TIME):
    """Line -> {size: seconds, or bytes}, along an axis of ``GROWTH``."""
    found: dict[Key, dict[int, float]] = {}
    for timing in results.timings:
        case = timing.case
        value = case.layers if axis == "layers" else getattr(case.shape, axis)
        is_there = case.shape == shape(axis, value) and value in GROWTH[axis]
        others = 1 if axis != "layers" else case.layers
        if timing.work != "growth" or not is_there or case.layers != others:
            continue
        points = found.setdefault(Key(case.peer, case.row, case.threads), {})
        if timing.seconds and getattr(timing, what):
            points[value] = getattr(timing, what)
    return {key: points for key, points in found.items() if points}


def slope(points, least=0.0):
    """The slope of the upper half on logarithmic axes; None of fewer than two points.

    Args:
        points: size -> what grows with it.
        least: less is not counted.

    Example:
        >>> slope({1: 9.0, 2: 8.0, 4: 16.0, 8: 32.0})
        1.0
    """
    upper = [k for k in sorted(points)[len(points) // 2 :] if points[k] >= least]
    if len(upper) < 2:
        return None
    x = np.log([float(value) for value in upper])
    y = np.log([points[value] for value in upper])
    return round(float(np.polyfit(x, y, 1)[0]), 2)


def tables(results):
    """What is seen in the growth that was measured; nothing where none was."""
    if not lines(results, "steps"):
        return []
    return [_slopes(results), *_threads(results)]


def _slopes(results):
    rows: dict[Key, list[str]] = {}
    for axis in GROWTH:
        of_time = lines(results, axis)
        of_memory = lines(results, axis, MEMORY)
        for key, points in of_time.items():
            reached = max(points)
            end = f" (to {reached:,})" if reached < GROWTH[axis][-1] else ""
            found = slope(points), slope(of_memory.get(key, {}), LEAST_MEMORY)
            text = " / ".join("-" if one is None else f"{one:.2f}" for one in found)
            rows.setdefault(key, ["" for _ in GROWTH])[list(GROWTH).index(axis)] = (
                text + end
            )
    heads = ["time / memory", *(f"with {AXES[axis]}" for axis in GROWTH)]
    sizes = "B={}, T={}, m={}, n={}".format(*G)
    return Table(
        f"Slopes on logarithmic axes, of the upper half of the sizes, around {sizes}",
        heads,
        [[key.name, *cells] for key, cells in rows.items()],
    )


@dataclass(frozen=True)
class Threads:
    """How threads share a call: they take tasks, which are blocks of sequences.

    t(B, p) = t(B, 1) * (rest + (1 - rest) * busiest(B, p) / busiest(B, 1))

    Attributes:
        rest: the share of a call on one thread that more of them do not shorten.
    """

    rest: float

    @classmethod
    def of(cls, one, several, threads):
        """The model of the times on one thread and on several, by the batch."""
        # The median: where a tape just fits the caches, single ratios are too good.
        rest = statistics.median(
            (several[b] / one[b] - part(b, threads)) / (1 - part(b, threads))
            for b in _whole(one, several)
        )
        return cls(min(max(rest, 0.0), 1.0))

    def faster(self, batch, threads):
        """How many times faster than one so many threads are."""
        return 1 / (self.rest + (1 - self.rest) * part(batch, threads))

    def off(self, one, several, threads):
        """By what part the model is off what was measured, at the most."""
        return max(
            abs(one[batch] / self.faster(batch, threads) / several[batch] - 1)
            for batch in _whole(one, several)
        )


def _whole(one, several):
    """The batches that were measured on both, of two blocks or more."""
    return [b for b in one if b in several and b >= 2 * BLOCK]


def part(batch, threads):
    """What part of all blocks the busiest of several threads takes."""
    return busiest(batch, threads) / busiest(batch, 1)


def busiest(batch, threads):
    """How many blocks the busiest thread takes.

    Example:
        >>> busiest(32, 1), busiest(32, 3), busiest(256, 16), busiest(256, 32)
        (4, 2, 2, 2)
    """
    blocks = math.ceil(batch / BLOCK)
    tasks = min(blocks, MOST_TASKS)
    return math.ceil(tasks / threads) * math.ceil(blocks / tasks)


MORE_THREADS = ((32, 2), (32, 4), (256, 2), (256, 4), (256, 8), (256, 16))


def _threads(results):
    measured = lines(results, "batch")
    rows = []
    for key, several in measured.items():
        one = measured.get(replace(key, threads=1), {})
        if not key.is_native or key.threads < 2 or not _whole(one, several):
            continue
        model = Threads.of(one, several, key.threads)
        off = model.off(one, several, key.threads)
        faster = [f"{model.faster(*more):.1f}" for more in MORE_THREADS]
        rows.append([key.row, f"{model.rest:.1%}", f"{off:.0%}", *faster])
    heads = ["", "rest", "off by at most"]
    heads += [f"B={batch}, {threads} threads" for batch, threads in MORE_THREADS]
    about = "What more threads would do: times faster than one, by the model"
    return [Table(about, heads, rows)] if rows else []
