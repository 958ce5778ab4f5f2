"""How the time and the memory of training grow; and what more threads would do."""

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.firmware.report import Table
from benchmarks.peers import title
from benchmarks.works import GROWTH, G, shape

#: BLOCK and MOST_TASKS in the engine's C: sequences of a block, and how many tasks
#: share the blocks of a call. What is less than two blocks is cut into smaller ones.
BLOCK, MOST_TASKS = 8, 16
AXES = {"steps": "T", "units": "n", "batch": "B", "layers": "layers"}
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


def slope(points):
    """The slope of the upper half on logarithmic axes; None of fewer than two points.

    Example:
        >>> slope({1: 9.0, 2: 8.0, 4: 16.0, 8: 32.0})
        1.0
    """
    upper = sorted(points)[len(points) // 2 :]
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
            found = slope(points), slope(of_memory.get(key, {}))
            text = " / ".join("" if one is None else f"{one:.2f}" for one in found)
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
class Blocks:
    """The work of threads: they take tasks, which are blocks of sequences.

    t(B, p) = rest + block * (the blocks of the busiest of p threads).

    Attributes:
        rest: seconds that any call takes.
        block: seconds of a block.
    """

    rest: float
    block: float

    @classmethod
    def of(cls, points):
        """The model of what one thread took, by the number of sequences."""
        whole = {b: s for b, s in points.items() if b >= 2 * BLOCK}
        # Relative errors: the short times count as much as the long ones.
        seconds = np.array(list(whole.values()))
        blocks = [busiest(batch, 1) for batch in whole]
        terms = np.stack([np.ones(len(whole)), blocks], axis=1) / seconds[:, None]
        rest, block = np.linalg.lstsq(terms, np.ones(len(whole)), rcond=None)[0]
        if rest < 0:  # of times that are not quiet: nothing takes less than no time
            rest, block = 0, terms[:, 1].sum() / (terms[:, 1] ** 2).sum()
        return cls(float(rest), float(block))

    def seconds(self, batch, threads):
        """What a batch takes on so many threads."""
        return self.rest + self.block * busiest(batch, threads)

    def off(self, points, threads):
        """By what part the model is off what was measured, at the most."""
        return max(
            abs(self.seconds(batch, threads) / found - 1)
            for batch, found in points.items()
            if batch >= 2 * BLOCK
        )


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
    for key, points in measured.items():
        if not key.is_native or key.threads != 1 or max(points) < 4 * BLOCK:
            continue
        model = Blocks.of(points)
        same = {
            k.threads: found
            for k, found in measured.items()
            if (k.peer, k.row) == (key.peer, key.row)
        }
        off = [f"{model.off(found, many):.0%}" for many, found in same.items()]
        faster = [
            f"{model.seconds(batch, 1) / model.seconds(batch, threads):.1f}"
            for batch, threads in MORE_THREADS
        ]
        milliseconds = [f"{1e3 * value:.3f}" for value in (model.rest, model.block)]
        rows.append([key.row, *milliseconds, " / ".join(off), *faster])
    heads = ["", "rest, ms", "a block, ms", "off by at most, 1 / 2 threads"]
    heads += [f"B={batch}, {threads} threads" for batch, threads in MORE_THREADS]
    about = "What more threads would do: times faster than one, by the model"
    return [Table(about, heads, rows)] if rows else []
