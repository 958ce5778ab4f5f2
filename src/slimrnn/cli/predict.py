"""`slimrnn predict`: what a model answers to sequences, as a file."""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimrnn import backends
from slimrnn.cli import flags, inputs, run_flags
from slimrnn.cli.console import console
from slimrnn.errors import InputError
from slimrnn.utils import files

if TYPE_CHECKING:
    import numpy as np

ENDINGS = (".csv", ".npy")


def add(commands: Any) -> None:
    """Adds `predict`."""
    command = commands.add_parser(
        "predict",
        help="write what a trained model answers to sequences",
        description="Write what a trained model answers to each sequence of a "
        "file: class and outputs\nas .csv, or the outputs as .npy. Targets are not "
        "needed.",
        epilog="Example:\n  slimrnn predict runs/a/model.keras --data new.csv "
        "--features a,b --window 50 --out answers.csv",
    )
    inputs.model(command)
    command.add_argument(
        "--out", metavar="FILE", required=True, help="a new .csv or .npy"
    )
    run_flags.add(command, settings=run_flags.DATA)
    flags.backend(command)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn predict`."""
    if not args.out.endswith(ENDINGS):
        raise InputError(
            f"--out must end in {' or '.join(ENDINGS)}; received {args.out}."
        )
    out, options = files.require_new(args.out), run_flags.data(args)
    backends.start(args.backend)
    import numpy as np

    from slimrnn.data import Part
    from slimrnn.data.adapter import Adapter, Takes

    model, x = inputs.load(args), options.sequences("test")
    adapter = Adapter.fit(Takes.of(model), options.data_name, x)
    answers = adapter.answers(model, Part(x, np.zeros(len(x), "int32")))
    with files.atomic_file(out) as unfinished:
        if out.suffix == ".npy":
            with open(unfinished, "wb") as file:
                np.save(file, answers)
        else:
            Path(unfinished).write_text(table(answers, *_reading(model, args.model)))
    console().print(f"{len(x):,} answers: {out}", soft_wrap=True, markup=False)
    return 0


def _reading(model: Any, file: str) -> tuple[str, list[str]]:
    """A model's last activation, and what its run calls the classes."""
    from slimrnn.experiments.run.store import labels

    last = getattr(model.layers[-1], "activation", None)
    return getattr(last, "__name__", ""), labels(Path(file).parent)


def table(answers: np.ndarray, activation: str, labels: list[str]) -> str:
    """The answers as CSV: the class where there are classes, then the outputs.

    Example:
        >>> import numpy as np
        >>> print(table(np.array([[0.25, 0.75]]), "softmax", ["idle", "run"]), end="")
        sequence,class,output 0,output 1
        0,run,0.25,0.75
    """
    rows = answers.reshape(len(answers), -1)
    classes = None
    if answers.ndim == 2 and activation == "softmax":
        classes = rows.argmax(axis=1)
    elif answers.ndim == 2 and activation == "sigmoid" and rows.shape[1] == 1:
        classes = (rows[:, 0] > 0.5).astype(int)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    outputs = [f"output {k}" for k in range(rows.shape[1])]
    writer.writerow(["sequence", *["class"] * (classes is not None), *outputs])
    for number, row in enumerate(rows):
        said = []
        if classes is not None:
            found = int(classes[number])
            said = [labels[found] if found < len(labels) else found]
        writer.writerow([number, *said, *(f"{value:.9g}" for value in row)])
    return file.getvalue()
