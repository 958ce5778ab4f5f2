"""The subcommand `slim`: its grammar, and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slimrnn import backends
from slimrnn.cli import flags
from slimrnn.errors import InputError
from slimrnn.experiments.run import store
from slimrnn.slimming.options import Options
from slimrnn.variants import get

ENDING = ".keras"
#: the settings of the training
_TRAINING = {
    "epochs": ("N", "passes over the training data"),
    "learning_rate": ("X", "step size of Adam"),
    "batch_size": ("N", "sequences in a batch"),
    "temperature": ("T", "softens the trained model's answers: 1 leaves them as is"),
    "mix": ("X", "share of these answers in the loss, from 0 (labels alone) to 1"),
    "validation": ("X", "fraction of the training data kept for validation"),
    "seed": ("N", "of the split, the batches and dropout; 0 or more"),
}


def add(commands: Any) -> None:
    """Adds `slim`."""
    command = commands.add_parser(
        "slim",
        help="make a trained model slim: replace its recurrent layers, train again",
        description="Replace the LSTM or GRU layers of a trained Keras model by slim "
        "ones, which start\nfrom the trained weights, and train the model to answer as "
        "before. Prints accuracy,\nparameters, flash and time before and after.",
        epilog="Example:\n  slimrnn slim model.keras --to LSTM6 --dataset digits "
        "--out slim.keras",
    )
    command.add_argument("model", metavar="MODEL.keras", help="the trained model")
    command.add_argument(
        "--to",
        metavar="VARIANT",
        required=True,
        help="such as LSTM6; `slimrnn variants` lists all",
    )
    command.add_argument(
        "--out", metavar="SLIMMED.keras", required=True, help="a new file"
    )
    command.add_argument(
        "--gate-constants",
        metavar="GATE=X",
        nargs="+",
        default=["trained"],
        help="of gates that become constants: values such as f=0.59; `row`, the "
        "variant's own; or `trained`, the trained gates' where x and h are 0 (default: "
        "trained)",
    )
    data = command.add_argument_group("data")
    one = data.add_mutually_exclusive_group(required=True)
    one.add_argument("--dataset", metavar="NAME", help="such as digits")
    one.add_argument("--data", metavar="FILE.npz", help="your own data instead")
    flags.data_dir(data)
    flags.flag(data, "--words", "N", "most frequent words kept", "the data set's")
    flags.flag(data, "--length", "N", "last steps kept", "the data set's")
    training = command.add_argument_group("training")
    for name, (metavar, what) in _TRAINING.items():
        flag = f"--{name.replace('_', '-')}"
        flags.flag(training, flag, metavar, what, getattr(Options, name), applied=True)
    flags.backend(training)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn slim`."""
    options = {name: getattr(args, name) for name in _TRAINING}
    Options(**options)
    variant, constants = get(args.to), _gate_constants(args.gate_constants)
    _check_out(Path(args.out))
    backends.start(args.backend)
    from slimrnn import data
    from slimrnn.cli.console import console
    from slimrnn.cli.export import load
    from slimrnn.data.adapter import layers_in
    from slimrnn.slimming.measure import measure, table
    from slimrnn.slimming.training import slim

    model = load(args.model)
    dataset = data.load(
        args.dataset,
        file=args.data,
        data_dir=args.data_dir,
        words=args.words,
        length=args.length,
    )
    screen = console()
    before = measure(model, dataset)
    slimmed = slim(
        model,
        variant,
        dataset,
        gate_constants=constants,
        watch=lambda line: screen.print(_epoch(line, args.epochs), markup=False),
        **options,
    )
    after = measure(slimmed, dataset)
    store.save_model(slimmed, Path(args.out))
    screen.print(table(before, after))
    for layer in layers_in(slimmed):
        found = getattr(layer, "gate_constants", None) or {}
        if found:
            shown = ", ".join(f"{k} = {v:g}" for k, v in found.items())
            screen.print(f"Constant gates of {layer.name}: {shown}", markup=False)
    screen.print(f"Model: {args.out}", soft_wrap=True, markup=False)
    return 0


def _check_out(out: Path) -> None:
    """Refuses what cannot be written, before the work."""
    if out.suffix != ENDING:
        raise InputError(f"--out must end in {ENDING}; received {out}.")
    if out.exists():
        raise InputError(f"{out} exists already; give another --out, or remove it.")
    if not out.parent.is_dir():
        raise InputError(f"The folder {out.parent} of --out does not exist; make it.")


def _gate_constants(words: list[str]) -> Any:
    if len(words) == 1 and "=" not in words[0]:
        return words[0]
    found = flags.assignments("--gate-constants", words)
    return {name: flags.value(text) for name, text in found.items()}


def _epoch(line: Mapping[str, Any], epochs: int) -> str:
    """An epoch in a line; epoch 0 is the start.

    Example:
        >>> _epoch({"epoch": 0, "val_accuracy": 0.75, "val_loss": 0.5}, 10)
        'epoch  0/10  validation accuracy 0.750, loss 0.5000'
    """
    metric = "accuracy" if "val_accuracy" in line else "mae"
    where = f"epoch {line['epoch']:>{len(str(epochs))}}/{epochs}"
    score, loss = line[f"val_{metric}"], line["val_loss"]
    return f"{where}  validation {metric} {score:.3f}, loss {loss:.4f}"
