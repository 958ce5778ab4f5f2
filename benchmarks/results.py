"""The numbers of a run of the benchmark, and their file."""

import json
import statistics
from dataclasses import dataclass, field, fields
from typing import Any

from benchmarks.works import Case
from slimrnn.errors import InputError


@dataclass
class Timing:
    """What was measured of a case, or why nothing was.

    Attributes:
        work: the name of the case's work.
        case: what was timed.
        setting: the way that it ran, the fastest of those that it has.
        tried: the seconds of each of them, before the rounds.
        seconds: of each iteration, or of one of its calls.
        memory: bytes that the process takes at the peak of an iteration, besides what
            it had before the case was built; 0 where nobody looked.
        failed: why there are none, or no more.
    """

    work: str
    case: Case
    setting: str = ""
    tried: dict[str, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    failed: str = ""
    memory: int = 0

    @property
    def best(self) -> float:
        """The minimum."""
        return min(self.seconds)

    @property
    def middle(self) -> float:
        """The median."""
        return statistics.median(self.seconds)


@dataclass
class Results:
    """A run of the benchmark.

    Attributes:
        about: the machine, the versions, the options.
        quiet: what ``machine.Watch`` noticed.
        timings: of all cases, in the order of the works.
    """

    about: dict[str, Any] = field(default_factory=dict)
    quiet: dict[str, Any] = field(default_factory=dict)
    timings: list[Timing] = field(default_factory=list)

    def of(self, work, name):
        """The timing of ``"PEER ROW TASK SHAPE"`` in a work; None if there is none."""
        for timing in self.timings:
            if timing.work == work and str(timing.case) == name:
                return timing
        return None

    def write(self, path):
        """Write all numbers as JSON, whole or not at all."""
        cases = [
            {
                "work": t.work,
                **t.case.config(),
                **({"failed": t.failed} if t.failed else {}),
                "setting": t.setting,
                "tried": t.tried,
                **({"memory": t.memory} if t.memory else {}),
                **(
                    {"minimum": t.best, "median": t.middle, "seconds": t.seconds}
                    if t.seconds
                    else {}
                ),
            }
            for t in self.timings
        ]
        text = (
            f'{{\n"about": {json.dumps(self.about, indent=1)},\n'
            f'"quiet": {_a_line_each(self.quiet)},\n'
            f'"cases": {_a_line_each(cases)}\n}}\n'
        )
        unfinished = path.with_name(path.name + ".tmp")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)


def read(path):
    """The results in a file.

    Raises:
        InputError: it is missing, or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        timings = [
            Timing(
                case["work"],
                Case.of({f.name: case[f.name] for f in fields(Case) if f.name in case}),
                case["setting"],
                case["tried"],
                case.get("seconds", []),
                case.get("failed", ""),
                case.get("memory", 0),
            )
            for case in found["cases"]
        ]
        return Results(found["about"], found["quiet"], timings)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} holds no results of `slimrnn bench`.") from None


def _a_line_each(items):
    """JSON that a person can scan: an item a line."""
    if isinstance(items, dict):
        lines = [f" {json.dumps(k)}: {json.dumps(v)}" for k, v in items.items()]
        return "{\n" + ",\n".join(lines) + "\n}"
    return "[\n" + ",\n".join(f" {json.dumps(item)}" for item in items) + "\n]"
