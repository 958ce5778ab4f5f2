"""The times of a comparison's variants, measured in turns when all are trained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from slimrnn import timing
from slimrnn.errors import InputError
from slimrnn.experiments.run import build
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import MODEL, Run, mapping
from slimrnn.experiments.run.trainer import Batching
from slimrnn.timing import Ratio, Time
from slimrnn.utils import files
from slimrnn.utils.checks import number
from slimrnn.variants import BASELINE

TIMES = "times.json"


@dataclass(frozen=True)
class Times:
    """What each variant takes.

    Attributes:
        works: by the title of the work and the variant's name; the first variant is
            the reference of the ratios.
        quiet: whether nothing else seems to have kept the machine busy.
    """

    works: dict[str, dict[str, Time]]
    quiet: bool

    @classmethod
    def measure(cls, runs: Sequence[Run], seconds: float = 20.0) -> Times | None:
        """The times of one run of each variant; None where none has ended well.

        Args:
            runs: on the same data; the reference is the LSTM, or the first variant.
            seconds: for all.
        """
        chosen: dict[str, Run] = {}
        for run in runs:
            if run.result.get("status") == "done" and (run.path / MODEL).exists():
                chosen.setdefault(Settings.from_config(run.config).name, run)
        if not chosen:
            return None
        settings = Settings.from_config(next(iter(chosen.values())).config)
        dataset = build.load(settings)
        models = {}
        for name, run in sorted(chosen.items(), key=lambda x: x[0] != BASELINE):
            models[name] = build.build(Settings.from_config(run.config), dataset)
            optimizer = models[name].optimizer
            optimizer.build(models[name].trainable_variables)
            models[name].load_weights(run.path / MODEL)
        part, _ = build.parts(settings, dataset)
        batch = Batching(settings, dataset).shuffled(part)[0]
        one = dataset.test.median().x.padded()
        works = timing.measure(models, one, batch, seconds)
        return cls(works, timing.is_quiet(works))


def write(folder: Path, found: Mapping[str, Times]) -> None:
    """Keep the times of each data set in a folder of results."""
    content = {name: asdict(times) for name, times in found.items()}
    files.write(folder / TIMES, json.dumps(content, indent=1))


def read(folder: Path) -> dict[str, Times]:
    """The times in a folder of results, by data set; none where it has none."""
    content = mapping(folder / TIMES)
    try:
        return {name: _times(**given) for name, given in content.items()}
    except (TypeError, AttributeError) as error:
        raise InputError(f"{folder / TIMES} is damaged ({error}).") from error


def _times(works: Mapping[str, Mapping[str, Mapping]], quiet: bool) -> Times:
    variants = {tuple(of) for of in works.values()}
    if len(variants) != 1 or variants == {()}:
        raise TypeError("its works are not all of the same variants")
    found = {
        title: {name: _time(**each) for name, each in of.items()}
        for title, of in works.items()
    }
    return Times(found, quiet)


def _time(minimum: float, median: float, ratio: Mapping[str, float] | None) -> Time:
    if not all(map(number, (minimum, median, *(ratio or {}).values()))):
        raise TypeError("a time is no number")
    return Time(minimum, median, None if ratio is None else Ratio(**ratio))
