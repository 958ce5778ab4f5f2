"""The rounds: in each of them every case of a group takes its turn.

A machine that drifts drifts for all; the order changes from round to round, so that
nobody always runs behind the same neighbour.
"""

import random
import time

from benchmarks.processes import Failed
from benchmarks.results import Timing

PAUSE = 0.004  # seconds between turns, besides what a worker itself waits
#: Who takes longer than SLOW seconds has a turn in every fifth round only, but at
#: least LEAST turns.
SLOW, SELDOM, LEAST = 0.5, 5, 3
#: A case that grows is left out where it would take more seconds than this.
LONGEST = 1.5


def measure(works, rounds, processes, watch, results, progress):
    """Measure works; the results are filled in as they come.

    Args:
        works: what to measure.
        rounds: how often each case has its turn.
        processes: the workers.
        watch: looks at what else the machine does.
        results: where to.
        progress: is notified of each step by ``progress(text, share of the whole)``.
    """
    for number, work in enumerate(works):
        for index, group in enumerate(work.groups):
            share = 1 / len(work.groups) / len(works)
            done = number / len(works) + index * share

            def tell(text, part, work=work, done=done, share=share):
                progress(f"{work.title}: {text}", done + share * part)

            timings = [Timing(work.name, case) for case in group]
            if work.grows:
                for timing in timings:
                    timing.failed = _too_long(timing.case, results.timings)
            results.timings += timings
            ready = _prepare(timings, work.grows, processes, tell)
            _rounds(ready, rounds, processes, watch, tell)
            processes.forget()


def _too_long(case, before):
    """Why a case that grows is left out; empty if it is not."""

    def line(case):
        return case.peer, case.row, case.threads

    like = [t for t in before if t.seconds and line(t.case) == line(case)]
    smaller = [t for t in like if t.case.size < case.size]
    near = max(smaller, key=lambda t: t.case.size, default=None)
    if near and near.best * case.size / near.case.size > LONGEST:
        return f"would take over {LONGEST:g} s"
    return ""


def _prepare(timings, grows, processes, tell):
    """The cases that can run, as (timing, worker, seconds of an iteration)."""
    ready = []
    for k, timing in enumerate(timings):
        if timing.failed:
            continue
        tell(f"preparing {timing.case}", 0.5 * k / len(timings))
        try:
            worker = processes.get(timing.case.peer)
            case = timing.case.config()
            found = worker.ask(
                "prepare", name=str(timing.case), case=case, memory=grows
            )
        except Failed as error:
            timing.failed = str(error)
            continue
        timing.setting, timing.tried = found["setting"], found["tried"]
        timing.memory = found["memory"]
        ready.append((timing, worker, found["lasts"]))
    return ready


def _rounds(ready, rounds, processes, watch, tell):
    if not ready:
        return
    for k in range(rounds):
        tell(f"round {k + 1} of {rounds}", 0.5 + 0.5 * k / rounds)
        order = list(ready)
        random.Random(k).shuffle(order)
        watch.begin(processes.pids)
        for timing, worker, lasts in order:
            if timing.failed or (lasts > SLOW and not _takes_part(k, rounds)):
                continue
            try:
                timing.seconds += worker.ask("turn", name=str(timing.case))["seconds"]
            except Failed as error:
                timing.failed = str(error)
            time.sleep(PAUSE)
        watch.end(processes.pids)


def _takes_part(k, rounds):
    """Whether a slow case has a turn in round k."""
    return k % max(1, min(SELDOM, rounds // LEAST)) == 0
