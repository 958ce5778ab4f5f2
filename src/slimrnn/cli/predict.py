"""`slimrnn predict`: what a model answers to sequences, as a file."""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimrnn import backends
from slimrnn.cli import flags, inputs, run_flags
from slimrnn.cli.console import console, say
from slimrnn.errors import InputError
from slimrnn.utils import files

if TYPE_CHECKING:
    import numpy as np

ENDINGS = (".csv", ".npy", ".wav")


def add(commands: Any) -> None:
    """Adds `predict`."""
    command = commands.add_parser(
        "predict",
        help="write what a trained model answers to sequences",
        description="Write what a trained model answers to each sequence of a "
        "file, or at each step\nwhere the model does so: class and outputs as .csv, or "
        "the outputs as .npy.\nTargets are not needed. A .wav streams through "
        "the model to a .wav.",
        epilog="Example:\n  slimrnn predict runs/a/model.keras --data new.csv "
        "--features a,b --window 50 --out answers.csv",
    )
    inputs.model(command)
    command.add_argument(
        "--out", metavar="FILE", required=True, help="a new .csv, .npy or .wav"
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
    if out.suffix == ".wav":
        return _play(args, out)
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
            reading = _reading(model, args.model)
            Path(unfinished).write_text(table(answers, x.lengths, *reading))
    say(console(), f"{len(x):,} answers: {out}")
    return 0


def _play(args: argparse.Namespace, out: Path) -> int:
    """A sound through the model, sample by sample; no framework is needed."""
    from slimrnn.data import sound
    from slimrnn.data.options import is_sound
    from slimrnn.stream import Stream

    if not is_sound(args.data):
        raise InputError(
            f"A .wav is what a sound becomes; give --data FILE.wav; received "
            f"{args.data or args.dataset}."
        )
    rate, x = sound.read(args.data)
    y = Stream(inputs.read(args)).run(x)
    with files.atomic_file(out) as unfinished:
        sound.write(unfinished, rate, y)
    say(console(), f"{len(y):,} samples: {out}")
    return 0


def _reading(model: Any, file: str) -> tuple[str, list[str]]:
    """A model's last activation, and what its run calls the classes."""
    from slimrnn.experiments.run.store import labels

    last = getattr(model.layers[-1], "activation", None)
    return getattr(last, "__name__", ""), labels(Path(file).parent)


def table(
    answers: np.ndarray, steps: np.ndarray, activation: str, labels: list[str]
) -> str:
    """The answers as CSV: the class where there are classes, then the outputs.

    Args:
        answers: (N, n) of sequences, or (N, T, n) of each step.
        steps: (N,) how many steps each sequence has; after them there is no answer.
        activation: the model's last.
        labels: what the classes are called, where they are more than numbers.

    Example:
        >>> import numpy as np
        >>> each = np.array([[[0.25, 0.75], [1, 0]]])
        >>> print(table(each, np.array([2]), "softmax", ["idle", "run"]), end="")
        sequence,step,class,output 0,output 1
        0,0,run,0.25,0.75
        0,1,idle,1,0
    """
    import numpy as np  # here: --help does without it

    outputs = answers.shape[-1]
    classes = activation == "softmax" or (activation == "sigmoid" and outputs == 1)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    heads = [*["step"] * (answers.ndim > 2), *["class"] * classes]
    writer.writerow(["sequence", *heads, *(f"output {k}" for k in range(outputs))])
    for number in np.ndindex(answers.shape[:-1]):
        if number[1:] and number[1] >= steps[number[0]]:
            continue
        row, said = answers[number], []
        if classes:
            found = int(row.argmax() if outputs > 1 else row[0] > 0.5)
            said = [labels[found] if found < len(labels) else found]
        writer.writerow([*number, *said, *(f"{value:.9g}" for value in row)])
    return file.getvalue()
