"""`slimrnn show`: what a model is, what it costs, and what can be done with it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rich.table import Table

from slimrnn import backends
from slimrnn.cli import inputs
from slimrnn.cli.console import answered, console, plain, say
from slimrnn.cli.size import facts as facts_of_sizes
from slimrnn.cli.size import table as table_of_sizes
from slimrnn.experiments.analysis.grouping import plural

if TYPE_CHECKING:
    from slimrnn.ir import Model
    from slimrnn.ir import layers as ir


def add(commands: Any) -> None:
    """Adds `show`."""
    command = commands.add_parser(
        "show",
        help="show a trained model: its layers, its cost, what can be done with it",
        description="Show a trained model, whoever trained it: its layers and their "
        "parameters, where it is\nfrom and what was translated, what a step costs on a "
        "device, and what can be done with it.",
        epilog="Example:  slimrnn show lstm_model.h5",
    )
    inputs.model(command)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn show`."""
    backends.start()
    backends.settle()
    from slimrnn.ir import read

    model = read(args.model, torch=args.torch, architecture=args.architecture)
    if answered(lambda: facts(model)):
        return 0
    say(console(), *page(model))
    return 0


def facts(model: Model) -> dict[str, Any]:
    """What a model is, as JSON holds it."""
    from slimrnn.deploy.size import sizes

    heads = ("name", "kind", "inputs", "outputs", "parameters")
    return {
        "name": model.name,
        "origin": model.origin,
        "translated": model.translated,
        "steps": model.steps,
        "inputs": model.inputs,
        "outputs": model.outputs,
        "each_step": model.return_sequences,
        "layers": [dict(zip(heads, row, strict=True)) for row in _rows(model)],
        "sizes": facts_of_sizes(sizes(model)),
        "uses": dict(_uses(model)),
    }


def page(model: Model) -> Iterator[Table | str]:
    """What is shown, part by part."""
    from slimrnn.deploy.size import sizes

    yield f"{model.name}: {model.origin or 'a model'}"
    if model.translated:
        yield f"read: {model.translated}"
    yield _layers(model)
    steps = f"{model.steps} steps" if model.steps else "any number of steps"
    takes = "an index" if model.takes_indices else plural(model.inputs, "number")
    gives = "for each step" if model.return_sequences else "for the sequence"
    yield f"{steps}; {takes} a step in, {plural(model.outputs, 'number')} {gives} out"
    yield from table_of_sizes({model.name: sizes(model)})
    yield "\n".join(f"{what}: {how}" for what, how in _uses(model))


def _layers(model: Model) -> Table:
    table, total = plain("layer", "kind", numbers=("in", "out", "parameters")), 0
    for name, kind, *sizes in _rows(model):
        total += sizes[-1]
        table.add_row(name, kind, *(f"{number:,}" for number in sizes))
    table.add_row("all", "", "", "", f"{total:,}")
    return table


def _rows(model: Model) -> Iterator[tuple[str, str, int, int, int]]:
    """Each layer: its name, kind, numbers in and out, parameters."""
    for layer in model.layers:
        kind = _KINDS.get(type(layer).__name__, _usual)(layer)
        yield layer.name, kind, layer.inputs, layer.outputs, layer.parameters


def _usual(layer: ir.Layer) -> str:
    function = getattr(layer, "activation", "linear")
    return type(layer).__name__ + ("" if function == "linear" else f", {function}")


def _recurrent(layer: ir.Recurrent) -> str:
    spec = layer.cell.spec
    said = [spec.variant.name, f"g {spec.activation}, s {spec.recurrent_activation}"]
    said += ["reset_after"] * bool(spec.family.product)
    said += ["backwards"] * layer.go_backwards
    said += ["masked"] * layer.masked
    said += ["initial states"] * (layer.initial is not None)
    said += ["each step"] * layer.return_sequences
    return ", ".join(said)


def _both(layer: ir.Bidirectional) -> str:
    pair = " | ".join(_recurrent(direction) for direction in layer.recurrent())
    return f"Bidirectional {layer.merge}: {pair}"


def _convolution(layer: ir.Conv1D) -> str:
    said = [f"{_usual(layer)}, {plural(layer.taps, 'tap')}"]
    for name in ("strides", "dilation", "groups"):
        said += [f"{name} {getattr(layer, name)}"] * (getattr(layer, name) > 1)
    return ", ".join([*said, *_around(layer, "zeros")])


def _local_pool(layer: ir.LocalPool) -> str:
    said = f"{layer.how} of {plural(layer.taps, 'step')}, strides {layer.strides}"
    return ", ".join([said, *_around(layer, "nothing")])


def _around(layer: Any, what: str) -> list[str]:
    some = layer.before or layer.after
    return [f"{what} {layer.before} before, {layer.after} after"] * bool(some)


#: what a kind of layer is called, by its class; others by their activation
_KINDS: dict[str, Callable[[Any], str]] = {
    "Recurrent": _recurrent,
    "Bidirectional": _both,
    "Conv1D": _convolution,
    "Pool": lambda layer: f"{layer.how} of all steps",
    "LocalPool": _local_pool,
    "Repeat": lambda layer: f"Repeat, {plural(layer.times, 'time')}",
}


def _uses(model: Model) -> Iterator[tuple[str, str]]:
    """What can be done, and how or why not."""
    from slimrnn.deploy import EXPORTERS
    from slimrnn.slimming.conversion import why_not
    from slimrnn.variants import TABLE

    yield "Stream", model.why_no_stream() or "one step at a time"
    cells = [layer.cell.variant for layer in model.recurrent()]
    rows = [
        row.name
        for row in TABLE
        if any(cell.name != row.name and not why_not(cell, row) for cell in cells)
    ]
    yield "slim", f"to {', '.join(rows)}" if rows else "to no variant of the table"
    for exporter in EXPORTERS.values():
        yield f"export --to {exporter.name}", exporter.obstacle or exporter.title
