"""What trained models lose in integers: `python -m benchmarks.int8 SWEEP`.

Each trained model of a sweep's folder is evaluated on the test of its data set, in
float32 and in the integers that `slimrnn export --dtype int8` writes.
"""

import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import script
from benchmarks.firmware.report import Table
from slimrnn import backends
from slimrnn.cli import flags
from slimrnn.errors import InputError

if TYPE_CHECKING:  # the backend is chosen first
    from slimrnn.deploy.evaluate import Evaluation

TITLE = "int8 against float32"
ARITHMETIC = ("float32", "int8")


@dataclass(frozen=True)
class Found:
    """A trained model, in both arithmetics."""

    dataset: str
    variant: str
    evaluation: "Evaluation"


def evaluated(folder: Path) -> list[Found]:
    """All models of a sweep.

    Raises:
        InputError: no sweep, or one without trained models.
    """
    import keras

    from slimrnn.deploy import evaluate_int8
    from slimrnn.experiments.run import build
    from slimrnn.experiments.run.settings import Settings
    from slimrnn.experiments.sweep import scheduler

    found, loaded = [], {}
    for run in scheduler.runs(folder):
        settings = Settings.from_config(run.config)
        file = run.path / "model.keras"
        if not file.exists():
            continue  # it failed, or has not ended
        key = (settings.dataset, settings.padding)
        if key not in loaded:
            loaded[key] = build.load(settings)
        trained = keras.models.load_model(file, compile=False, safe_mode=True)
        evaluation = evaluate_int8(trained, loaded[key])
        if evaluation.agree is None:
            raise InputError(f"{run.path} is a regression, and has no accuracy.")
        found.append(Found(settings.dataset, settings.name, evaluation))
        print(f"{run.path.name}: {evaluation.lost:+.2f}", file=sys.stderr, flush=True)
    if not found:
        raise InputError(f"{folder} has no trained models; give a sweep's folder.")
    return found


def table(found: Iterable[Found]) -> Table:
    """A line for each data set and row: means over the models, and the worst."""
    groups = defaultdict(list)
    for one in found:
        groups[one.dataset, one.variant].append(one.evaluation)
    heads = (
        "data",
        "variant",
        "models",
        "float32",
        "int8",
        "points lost",
        "at most",
        "agree",
    )
    rows = [
        (
            *names,
            str(len(group)),
            *(
                f"{statistics.mean(getattr(x, k) for x in group):.4f}"
                for k in ARITHMETIC
            ),
            f"{statistics.mean(x.lost for x in group):+.2f}",
            f"{max(x.lost for x in group):+.2f}",
            f"{statistics.mean(x.agree for x in group):.3f}",
        )
        for names, group in sorted(groups.items())
    ]
    return Table(TITLE, heads, rows, texts=2)


def parser() -> flags.Parser:
    top = flags.Parser(
        prog="python -m benchmarks.int8", description=__doc__.partition("\n")[2]
    )
    top.add_argument("sweep", type=Path, metavar="SWEEP", help="a sweep's folder")
    flags.backend(top)
    return top


def main(arguments: list[str] | None = None) -> None:
    """Evaluate, and print the table.

    Raises:
        InputError: an argument does not fit.
    """
    args = parser().parse_args(arguments)
    backends.start(args.backend)
    print(table(evaluated(args.sweep)).markdown())


if __name__ == "__main__":
    script.run(main)
