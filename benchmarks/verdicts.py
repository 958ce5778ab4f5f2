"""Which targets are met: ``targets.toml`` against what was measured."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers import title
from benchmarks.results import Results, Timing

TARGETS = Path(__file__).with_name("targets.toml")


@dataclass(frozen=True)
class Verdict:
    """One line of the table: a case of ours against a target.

    Attributes:
        target: the target's table in ``targets.toml``.
        ours: our timing.
        peer: the peer's, the fastest one's; None if there is none.
        reason: why it cannot be judged; empty if it can.
        control: the timing beside which the short table shows the ratio; None without.
    """

    target: dict[str, Any]
    ours: Timing
    peer: Timing | None
    reason: str = ""
    control: Timing | None = None

    @property
    def ratios(self) -> tuple[float, float] | None:
        """How many times faster ours is, by minimum and by median."""
        if self.reason or self.peer is None:
            return None
        return ratios(self.ours, self.peer)

    @property
    def found(self) -> str:
        """The two ratios as the table shows them."""
        if self.ratios is None:
            return ""
        if "most" in self.target:
            return " / ".join(f"{1 / ratio:.2f}" for ratio in self.ratios)
        show = "{:.0%}" if self.target.get("share") else "{:.2f}"
        return " / ".join(map(show.format, self.ratios))

    @property
    def is_met(self) -> bool:
        """Whether the target is met, by the minimum and by the median."""
        least = 1 / self.target["most"] if "most" in self.target else None
        return self._keeps(least or self.target["target"]) and not self.is_impossible

    @property
    def is_stretched(self) -> bool:
        """Whether the stretch is met too."""
        return "stretch" in self.target and self._keeps(self.target["stretch"])

    def _keeps(self, least) -> bool:
        return min(self.ratios or (0.0,)) >= least

    @property
    def is_impossible(self) -> bool:
        """Whether more than the whole was reached: then the whole was not measured."""
        whole = self.target.get("share") or "most" in self.target
        return bool(whole) and max(self.ratios or (0.0,)) > 1

    @property
    def said(self) -> str:
        """The verdict in a word."""
        if self.reason:
            return "-"
        if self.is_impossible:
            return "IMPOSSIBLE"
        if not self.is_met:
            return "MISSED"
        return "stretch" if self.is_stretched else "met"

    @property
    def wanted(self) -> str:
        """The target as the table shows it."""
        target = self.target
        if "most" in target:
            return f"at most {target['most']:g}x"
        show = "{:.0%}" if target.get("share") else "{:g}x"
        both = [target["target"], *([target["stretch"]] if "stretch" in target else [])]
        return " / ".join(map(show.format, both))


def ratios(ours: Timing, peer: Timing) -> tuple[float, float]:
    """How many times faster ours is than a peer, by minimum and by median."""
    return peer.best / ours.best, peer.middle / ours.middle


def targets() -> list[dict[str, Any]]:
    """The targets, as the file has them."""
    return tomllib.loads(TARGETS.read_text(encoding="utf-8"))["target"]


def judge(results: Results) -> list[Verdict]:
    """A verdict for each target, row and way of ours that the run was asked for."""
    found: list[Verdict] = []
    for target in targets():
        task = target.get("task", target["work"])
        for row in target["rows"]:
            for way in target["ours"]:
                found += _judge(results, target, task, way, row)
    return found


def _judge(results, target, task, way, row) -> Iterable[Verdict]:
    """The verdicts at each shape at which ours was asked for."""
    work = target["work"]
    for ours in results.timings:
        case = ours.case
        if (ours.work, case.peer, case.row, case.task) != (work, way, row, task):
            continue
        backend = way.partition("-")[2]

        def find(name, task=task, shape=case.shape, backend=backend):
            name = name.format(row=row, backend=backend)
            return results.of(work, f"{name} {task} {shape}")

        peers = [find(p, target.get("peer_task", task)) for p in target.get("peer", [])]
        yield _verdict(target, ours, peers, find(target.get("control", "-")))


def _verdict(target, ours, peers, control) -> Verdict:
    ran = [p for p in peers if p and p.seconds]
    best = min(ran, key=lambda p: p.best, default=None)
    control = control if control and control.seconds else None
    if not ours.seconds:
        return Verdict(target, ours, best, ours.failed or "not measured", control)
    if peers and not best:
        names = " or ".join(target["peer"])
        why = next((p.failed for p in peers if p and p.failed), "not measured")
        return Verdict(target, ours, None, f"no {names}: {why}", control)
    return Verdict(target, ours, best, "", control)


def name(timing: Timing) -> str:
    """What the tables call a case; what is no row of a layer has a name of its own."""
    return {
        "floor": "products at the peak",
        "product": "recurrent product",
        "reading": "reading its weights once",
        "inside": f"{timing.case.row}, inside C",
    }.get(timing.case.task) or title(timing.case.peer, timing.case.row)
