"""`slimrnn slim`: a trained model with slim layers, trained again."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from slimrnn import backends
from slimrnn.cli import flags, inputs, run_flags, time_table
from slimrnn.cli.console import console, plain, progress, say
from slimrnn.data.metrics import first_of
from slimrnn.slimming.options import Options
from slimrnn.utils.files import atomic_file
from slimrnn.utils.settings import settings_of
from slimrnn.variants.files import NAMES, load

OPTIONS = settings_of(Options)


if TYPE_CHECKING:
    from slimrnn.slimming.measurement import Figures


def add(commands: Any) -> None:
    """Adds `slim`."""
    command = commands.add_parser(
        "slim",
        help="make a trained model slim: replace its recurrent layers, train again",
        description="Replace the LSTM or GRU layers of a trained model by slim "
        "ones, which start\nfrom the trained weights, and train the model to answer as "
        "before. Prints accuracy,\nparameters, flash and time before and after.",
        epilog="Example:\n  slimrnn slim model.keras --to LSTM6 --dataset digits "
        "--out slim.keras",
    )
    inputs.model(command)
    command.add_argument("--to", metavar="VARIANT", required=True, help=NAMES)
    command.add_argument(
        "--out", metavar="SLIMMED.keras", required=True, help="a new file"
    )
    command.add_argument(
        "--gate-constants",
        metavar="GATE=X",
        nargs="+",
        default=["trained"],
        help="of gates that become constants: values such as f=0.59; `variant`, "
        "its own; or `trained`, the trained gates' where x and h are 0 (default: "
        "trained)",
    )
    run_flags.add(command, settings=run_flags.DATA)
    training = command.add_argument_group("training")
    for name, about in OPTIONS.items():
        usual = getattr(Options, name)
        flags.flag(
            training,
            flags.spelled(name),
            about.metavar,
            about.help,
            usual,
            applied=True,
        )
    flags.backend(training)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn slim`."""
    options = {name: getattr(args, name) for name in OPTIONS}
    Options(**options)
    variant, constants = load(args.to), _gate_constants(args.gate_constants)
    out, source = inputs.new_model_file(args.out), run_flags.data(args)
    backends.start(args.backend)
    from slimrnn import timing
    from slimrnn.data.adapter import Adapter, layers_in
    from slimrnn.experiments.run.times import Times
    from slimrnn.slimming.measurement import measure
    from slimrnn.slimming.training import slim

    model = inputs.load(args)
    dataset = source.load()
    screen, going = console(), progress()
    before = measure(model, dataset)
    slimmed = slim(
        model,
        variant,
        dataset,
        gate_constants=constants,
        watch=lambda line: going.print(_epoch(line, args.epochs), markup=False),
        **options,
    )
    after = measure(slimmed, dataset)
    with atomic_file(out) as unfinished:
        slimmed.save(unfinished)
    screen.print(table(before, after))
    one = Adapter.of(model, dataset).one(dataset.test).x.padded()
    works = timing.measure({"before": model, "after": slimmed}, one, seconds=10)
    for part in time_table.tables({"": Times(works, timing.is_quiet(works))}):
        screen.print(part)
    for layer in layers_in(slimmed):
        found = getattr(layer, "gate_constants", None) or {}
        if found:
            shown = ", ".join(f"{k} = {v:g}" for k, v in found.items())
            say(screen, f"Constant gates of {layer.name}: {shown}")
    say(screen, f"Model: {args.out}")
    return 0


def table(before: Figures, after: Figures) -> Table:
    """The figures of both models, side by side."""
    found = plain("", numbers=("before", "after", "ratio"))
    old, new = (_shown(figures) for figures in (before, after))
    for title, (value, form) in old.items():
        if title in new:
            values = (value, new[title][0])
            ratio = "" if form == SCORE else f"×{values[1] / value:.2f}"
            found.add_row(title, *map(form.format, values), ratio)
    return found


SCORE, COUNT = "{:.3f}", "{:,}"


def _shown(figures: Figures) -> dict[str, tuple[float, str]]:
    """The figures and their forms, by title."""
    return {
        f"test {figures.metric}": (figures.score, SCORE),
        "parameters of the recurrent layers": (figures.recurrent_parameters, COUNT),
        "parameters of the model": (figures.parameters, COUNT),
        **{
            f"flash of a Cortex-M4 in bytes, {dtype}": (count, COUNT)
            for dtype, count in figures.flash.items()
        },
    }


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
    metric = first_of(line, "val_")
    where = f"epoch {line['epoch']:>{len(str(epochs))}}/{epochs}"
    score, loss = line[f"val_{metric}"], line["val_loss"]
    return f"{where}  validation {metric} {score:.3f}, loss {loss:.4f}"
