"""The tables: the targets, all times, what could not run, and the short one."""

from collections import defaultdict

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from benchmarks import growth, machine
from benchmarks.verdicts import judge, name, ratios
from benchmarks.works import works
from slimrnn.backends import BACKENDS

TASKS = {"fit64": "fit of 64 batches"}
TITLES = {work.name: work.title for work in works(BACKENDS)}


def introduction(results):
    """The machine and the versions, in lines."""
    about = results.about
    versions = about.get("versions", {})
    return [
        f"{machine.short(about)}, Python {about['python']}",
        ", ".join(f"{k} {v}" for k, v in sorted(versions.items())),
    ]


def tables(results):
    """All that is printed of a run."""
    verdicts = judge(results)
    parts = []
    if any(not v.reason for v in verdicts):
        parts += [Text("\nTargets", style="bold"), _targets(verdicts), _LEGEND]
    for work in TITLES:
        timings = [t for t in results.timings if t.work == work and t.seconds]
        if timings and work != "growth":
            parts += _times(work, timings)
    parts += [table.screen() for table in growth.tables(results)]
    parts += _failures(results.timings)
    parts += [machine.noise(results.quiet)]
    return parts


_LEGEND = (
    "A target is met if both ratios reach it, by the minimum and by the median; behind "
    "it, its stretch."
)


def _targets(verdicts):
    table = _table()
    for head in ("work", "ours"):
        table.add_column(head, no_wrap=True)
    for head in ("min\nms", "median\nms"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("peer", no_wrap=True)
    for head in ("min\nms", "times faster\nmin / median", "target"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    work, target = None, None
    for verdict in verdicts:
        if verdict.reason:
            continue
        if work and verdict.target is not target:
            table.add_section()
        of = title(verdict.ours)
        table.add_row(of if of != work else "", *_cells(verdict))
        work, target = of, verdict.target
    return table


def title(timing):
    """What was done, as a table's first column says it."""
    shape = timing.case.shape
    if timing.work == "small":
        task = TASKS.get(timing.case.task, timing.case.task)
        return f"{task}, T={shape.steps}, n={shape.units}"
    if timing.work == "keras":
        return "train_on_batch at S" if timing.case.task == "fit" else "forward at S"
    return TITLES[timing.work]


def _cells(verdict):
    ours, peer = verdict.ours, verdict.peer
    color = "green" if verdict.is_met else "bold red"
    return (
        name(ours),
        _ms(ours.best),
        _ms(ours.middle),
        name(peer),
        _ms(peer.best),
        verdict.found,
        verdict.wanted,
        f"[{color}]{verdict.said}[/]",
    )


def _ms(seconds):
    """Milliseconds in three digits or so; microseconds where they are few.

    Example:
        >>> _ms(1.23456), _ms(0.0123456), _ms(6.54321e-7)
        ('1235', '12.3', '0.654 µs')
    """
    value = 1e3 * seconds
    if value < 0.1:
        return f"{1e3 * value:.3g} µs"
    return f"{value:.{max(0, 3 - len(str(int(value))))}f}"


def _times(work, timings):
    """A table a task and shape: rows against peers, the minimum of each."""
    tasks = defaultdict(list)
    for timing in timings:
        if timing.case.task not in ("floor", "product", "reading"):
            tasks[timing.case.task, timing.case.shape].append(timing)
    for (task, shape), some in tasks.items():
        peers = list(dict.fromkeys(t.case.peer for t in some))
        sizes = "B={}, T={}, m={}, n={}".format(*shape)
        yield Text(f"\n{TITLES[work]}: {task}, {sizes}; minimum, ms", style="bold")
        table = _table()
        table.add_column("")
        for peer in peers:
            table.add_column(peer, justify="right", no_wrap=True)
        for row in dict.fromkeys(t.case.row for t in some):
            found = {t.case.peer: _ms(t.best) for t in some if t.case.row == row}
            table.add_row(row, *(found.get(peer, "") for peer in peers))
        yield table


def _failures(timings):
    """A line for each reason: what could not be measured."""
    reasons = defaultdict(list)
    for timing in timings:
        if timing.failed:
            reasons[timing.case.peer, timing.failed].append(timing.case)
    lines = []
    for (peer, reason), cases in reasons.items():
        rows = list(dict.fromkeys(f"{case.row} {case.task}" for case in cases))
        shown = ", ".join(rows[:3]) + (f" and {len(rows) - 3} more" * (len(rows) > 3))
        lines.append(f"[yellow]{peer}[/] ({shown}): {escape(reason)}")
    return ["\n[bold]Not measured[/]", *lines, ""] if lines else []


def markdown(results):
    """The tables of docs/benchmark.md: ratios, the control of equal work, growth."""
    lines = [
        "| work | layer | faster than | times | equal-work control | times |",
        "| --- | --- | --- | ---: | --- | ---: |",
    ]
    seen = set()
    for verdict in judge(results):
        control, ours, peer = verdict.control, verdict.ours, verdict.peer
        if verdict.reason or not peer or "control" not in verdict.target:
            continue
        # One way of ours is enough here, the first that ran.
        backend = "torch" in ours.case.peer and ours.work == "keras"
        key = (ours.work, ours.case.row, peer.case.row, backend)
        if key in seen:
            continue
        seen.add(key)
        beside = (name(control), _times_faster(ours, control)) if control else ("", "")
        found = (title(ours), name(ours), name(peer), _times_faster(ours, peer))
        lines.append(f"| {' | '.join((*found, *beside))} |")
    parts = ["\n".join([*lines, ""])] if seen else []
    parts += [table.markdown() for table in growth.tables(results)]
    return "\n".join(parts).strip() or "Nothing was measured that the tables show."


def _times_faster(ours, peer):
    return " / ".join(f"{ratio:.1f}" for ratio in ratios(ours, peer))


def _table():
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
