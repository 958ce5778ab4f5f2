"""``slimrnn export`` and ``slimrnn size``: their grammar, and what they do."""

from __future__ import annotations

import argparse
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from slimrnn import backends
from slimrnn.cli import variants
from slimrnn.deploy import EXPORTERS
from slimrnn.deploy.exporters import Exporter
from slimrnn.errors import InputError

if TYPE_CHECKING:
    import numpy as np


def add_export(commands: Any) -> None:
    """Add ``slimrnn export`` to the subparsers."""
    titles = [exporter.title for exporter in EXPORTERS.values()]
    command = commands.add_parser(
        "export",
        help=f"write a trained model as {' or '.join(titles)}",
        description="Write a trained Keras model for a device: C99 without any "
        "library, in float32 or in\nintegers; ONNX; or LiteRT.",
        epilog="Examples:\n  slimrnn export model.keras --to c --out firmware\n"
        "  slimrnn export model.keras --to c --dtype int8 --calibrate data.npz --out "
        "fw\n  slimrnn export model.keras --to onnx --out served --name voice",
    )
    _model(command)
    command.add_argument(
        "--to", metavar="FORMAT", required=True, help=f"one of {', '.join(EXPORTERS)}"
    )
    command.add_argument(
        "--dtype",
        metavar="NAME",
        help="; ".join(
            f"of {to}: {_usual_first(exporter.dtypes)}"
            for to, exporter in EXPORTERS.items()
            if len(exporter.dtypes) > 1
        ),
    )
    command.add_argument(
        "--mode",
        metavar="NAME",
        help="; ".join(
            f"of {to}: {_usual_first(exporter.modes)}"
            for to, exporter in EXPORTERS.items()
            if exporter.modes
        )
        + ". scan: whole sequences; lstm: whole sequences, by the operator of a full "
        "LSTM; step: one step, with the states as inputs and outputs",
    )
    command.add_argument("--out", metavar="DIR", required=True, help="a new folder")
    command.add_argument(
        "--name",
        metavar="NAME",
        default="model",
        help="what the files, and in C the functions, begin with (default: model)",
    )
    command.add_argument(
        "--calibrate",
        metavar="FILE",
        help="of int8: sequences like those that the model will get, as FILE.npy, or "
        "the array x_train (else x) of FILE.npz (default: none)",
    )


def add_size(commands: Any) -> None:
    """Add ``slimrnn size`` to the subparsers."""
    command = commands.add_parser(
        "size",
        help="show what a trained model takes on a microcontroller, now and slimmer",
        description="Show the flash, the RAM, the multiply-adds and the instructions a "
        "step that a trained\nKeras model takes on a microcontroller, in float32 and "
        "in integers: as it is, and as\n`slimrnn slim` would make it, a line for each "
        "variant.",
        epilog="Example:  slimrnn size model.keras",
    )
    _model(command)


def _model(command: Any) -> None:
    command.add_argument("model", metavar="MODEL.keras", help="a saved Keras model")


def export(args: argparse.Namespace) -> str:
    """Carry out ``slimrnn export``; the line to print.

    Raises:
        InputError: a mistake in what was given; then nothing is written.
    """
    if args.to not in EXPORTERS:
        raise InputError(
            f"--to must be one of {', '.join(EXPORTERS)}; received {args.to!r}."
        )
    exporter = EXPORTERS[args.to]
    options = dict(_options(args, exporter))
    path = exporter.write(load(args.model), args.out, args.name, **options)
    test = f" (make -C {path} test)" if path.is_dir() else ""
    return f"{exporter.title}, {options.get('dtype', exporter.dtypes[0])}: {path}{test}"


#: the flags that not all exporters have: what takes them, and the function's option
_FLAGS: dict[str, tuple[Callable[[Exporter], bool], str]] = {
    "mode": (lambda exporter: bool(exporter.modes), "mode"),
    "dtype": (lambda exporter: len(exporter.dtypes) > 1, "dtype"),
    "calibrate": (lambda exporter: len(exporter.dtypes) > 1, "calibration"),
}


def _options(args: argparse.Namespace, exporter: Exporter) -> Iterator[tuple[str, Any]]:
    for flag, (takes, option) in _FLAGS.items():
        given = getattr(args, flag)
        if given is None:
            continue
        if not takes(exporter):
            names = [other.name for other in EXPORTERS.values() if takes(other)]
            raise InputError(
                f"--{flag} is for --to {' or '.join(names)}; received --to {args.to}."
            )
        yield option, read_sequences(given) if flag == "calibrate" else given


def _usual_first(values: Iterable[str]) -> str:
    first, *_ = values
    return f"{', '.join(values)} (default: {first})"


def size(args: argparse.Namespace) -> list[Table | str]:
    """Carry out ``slimrnn size``; what to print.

    Raises:
        InputError: no such file, or a model that is not supported.
    """
    from slimrnn.deploy.size import CORES, Size, sizes

    table = variants.plain()
    for title in ("", ""):
        table.add_column(title, no_wrap=True)
    for title in ("flash", "tables", "RAM", "state", "multiply-adds", *CORES):
        table.add_column(title, justify="right")
    notes: dict[str, list[str]] = {}
    model = load(args.model)
    found = {"as it is": sizes(model)}
    found |= {row: sizes(slim) for row, slim in _slimmer(model)}
    for row, by_dtype in found.items():
        for k, (dtype, size) in enumerate(by_dtype.items()):
            if isinstance(size, Size):
                counts = (size.flash, size.tables, size.ram, size.state, size.macs)
                figures = (*counts, *size.instructions.values())
                table.add_row("" if k else row, dtype, *(f"{n:,}" for n in figures))
            else:
                notes.setdefault(f"{dtype} cannot be had: {size}", []).append(row)
    legend = (
        "Bytes; multiply-adds and instructions of one step. Flash is tables and code, "
        "RAM is state and stack (Cortex-M4, gcc -O2)."
    )
    reasons = [f"{what} ({', '.join(rows)})" for what, rows in notes.items()]
    return [table, *reasons, legend]


def _slimmer(model: Any) -> Iterator[tuple[str, Any]]:
    """The model with slimmer layers: a row, and the model that has it."""
    from slimrnn.slimming import rebuild
    from slimrnn.variants import TABLE

    for row in TABLE:
        with suppress(InputError):  # a row that the layers do not become
            slim = rebuild(model, row)
            if slim.count_params() < model.count_params():
                yield row.name, slim


_DAMAGED = (
    *(ValueError, TypeError, KeyError, OSError, EOFError),
    *(zipfile.BadZipFile, zlib.error),
)


def load(file: str) -> Any:
    """A saved model.

    Raises:
        InputError: no such file, or one that is no Keras model.
    """
    path = Path(file)
    if not path.is_file():
        raise InputError(f"There is no file {path}; give a model saved by model.save.")
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise InputError(
            f"{path} is not a saved Keras model; give a .keras file, as "
            f"model.save('NAME.keras') writes it."
        )
    backends.settle()
    import keras

    import slimrnn.layers  # noqa: F401 (Keras finds the layers of the file)

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except _DAMAGED as error:
        first = str(error).strip().partition("\n")[0]
        raise InputError(
            f"{path} cannot be read as a Keras model ({first})."
        ) from error


def read_sequences(file: str) -> np.ndarray:
    """The sequences of a file of NumPy; nothing in it is executed.

    Raises:
        InputError: no such file, another format, or no array of that name.
    """
    import numpy as np  # here: the quick commands do without it

    path = Path(file)
    if not path.is_file():
        raise InputError(f"There is no file {path} to calibrate with.")
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            names = [name for name in ("x_train", "x") if name in found.files]
            if not names:
                raise InputError(
                    f"{path} has the arrays {', '.join(found.files)}; expected x_train "
                    f"or x."
                )
            return found[names[0]]
    except InputError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read as .npy or .npz of plain numbers ({error})."
        ) from error
