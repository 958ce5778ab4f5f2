"""`slimrnn data`: what is understood of data, before anything is trained."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from slimrnn.cli import run_flags
from slimrnn.cli.console import answered, console, plain, say
from slimrnn.errors import InputError

if TYPE_CHECKING:
    from slimrnn.data import Dataset
    from slimrnn.data.columns import Column

MOST_SHOWN = 30  # columns, classes


def add(commands: Any) -> None:
    """Adds `data`."""
    command = commands.add_parser(
        "data",
        help="show what is understood of your data, before training",
        description="Show what is understood of data: columns, missing values, "
        "sequences, their lengths,\nfeatures, the task, classes, and what an answer "
        "without training is worth.",
        epilog="Example:\n  slimrnn data sensors.csv --target activity --group person "
        "--window 50 --stride 10",
    )
    command.add_argument(
        "file", metavar="FILE", nargs="?", help="the same as --data FILE"
    )
    run_flags.add(command, settings=run_flags.DATA)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn data`."""
    if args.file is not None:
        if args.data or args.dataset:
            raise InputError("The data were given twice; give FILE alone.")
        args.data = args.file
    options = run_flags.data(args)
    screen = console()
    from slimrnn.data import columns

    if answered(lambda: facts(options.load())):
        return 0
    path = Path(options.data or "")
    if path.suffix.lower() in columns.READERS:
        # Shown before what follows may refuse it.
        screen.print(of_columns(columns.read(path)))
    say(screen, *about(options.load()))
    return 0


def facts(dataset: Dataset) -> dict[str, Any]:
    """What a data set is, as JSON holds it."""
    from slimrnn.data.scoring import baselines

    return {
        "name": dataset.name,
        "task": dataset.task,
        "reason": dataset.reason,
        "training": len(dataset.train),
        "test": len(dataset.test),
        "steps": [
            int(end(end(part.x.lengths) for part in (dataset.train, dataset.test)))
            for end in (min, max)
        ],
        "features": dataset.features,
        "names": dataset.names,
        "vocabulary": dataset.vocabulary,
        "classes": dataset.classes,
        "labels": dataset.labels,
        "each_step": dataset.each_step,
        "metric": dataset.metric,
        "baselines": baselines(dataset),
        "notes": dataset.notes,
    }


def of_columns(table: dict[str, Column]) -> Table:
    """The columns of a file."""
    import numpy as np  # here: --help does without it

    heads = ("missing", "different", "least", "most")
    found = plain("column", "holds", numbers=heads)
    for name, column in list(table.items())[:MOST_SHOWN]:
        values = column.values[~column.missing]
        ends = ("", "")
        if column.is_numbers and len(values):
            ends = (f"{values.min():.6g}", f"{values.max():.6g}")
        different = len(np.unique(values))
        found.add_row(
            escape(name),
            "numbers" if column.is_numbers else "texts",
            f"[red]{column.missing.sum():,}[/]" if column.missing.any() else "0",
            "1, constant" if different == 1 else f"{different:,}",
            *ends,
        )
    if len(table) > MOST_SHOWN:
        found.add_row(f"and {len(table) - MOST_SHOWN:,} more")
    return found


def about(dataset: Dataset) -> Iterator[str | Table]:
    """What a data set is, in sentences and a table of its classes."""
    import numpy as np

    from slimrnn.data.scoring import baselines

    yield str(dataset)
    if dataset.names:
        yield f"Features: {', '.join(dataset.names)}"
    yield from dataset.notes
    both = (dataset.train, dataset.test)
    lengths = np.concatenate([part.x.lengths for part in both])
    yield (
        f"Steps of a sequence: {lengths.min():,} to {lengths.max():,}, median "
        f"{np.median(lengths):,.0f}"
    )
    origin = dataset.train.origin
    if origin is not None:
        yield f"Training, validation and test are split by {origin.by}."
    if dataset.classes is None:
        y = np.concatenate([part.targets for part in both])
        yield (
            f"Targets: {y.min():.6g} to {y.max():.6g}, mean {y.mean():.6g}, standard "
            f"deviation {y.std():.6g}"
        )
    else:
        yield _classes(dataset)
    for name, score in baselines(dataset).items():
        yield f"Always {name}: test {dataset.metric} {score:.4g}"


def _classes(dataset: Dataset) -> Table:
    import numpy as np

    found = plain("class", numbers=("training", "test"))
    counts = [
        np.bincount(part.targets, minlength=dataset.classes or 0)
        for part in (dataset.train, dataset.test)
    ]
    names = dataset.labels or tuple(map(str, range(dataset.classes or 0)))
    for name, *own in list(zip(names, *counts, strict=True))[:MOST_SHOWN]:
        found.add_row(name, *(f"{count:,}" for count in own))
    return found
