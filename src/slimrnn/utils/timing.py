"""How long a call takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

MOST_CALLS, FEWEST_CALLS, LONGEST_SECONDS = 200, 5, 1.0


def median_seconds(call: Callable[[], Any]) -> float:
    """The median time of a call, behind three that may compile."""
    for _ in range(3):
        call()
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < MOST_CALLS:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
        late = time.perf_counter() - began > LONGEST_SECONDS
        if late and len(times) >= FEWEST_CALLS:
            break
    return statistics.median(times)
