"""``slimrnn export`` and ``slimrnn size``: their grammar, and what they do."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from slimrnn import backends
from slimrnn.errors import InputError

if TYPE_CHECKING:
    import numpy as np

FORMATS = ("c", "onnx", "litert")
_DTYPES = ("float32", "int8")


def add_export(commands: Any) -> None:
    """Add ``slimrnn export`` to the subparsers."""
    command = commands.add_parser(
        "export",
        help="write a trained model as C99, ONNX or LiteRT",
        description="Write a trained Keras model for a device: C99 without any "
        "library, in float32 or in\nintegers; ONNX; or LiteRT.",
        epilog="Examples:\n  slimrnn export model.keras --to c --out firmware\n"
        "  slimrnn export model.keras --to c --dtype int8 --calibrate data.npz --out "
        "fw\n  slimrnn export model.keras --to onnx --out model.onnx",
    )
    _model(command)
    command.add_argument(
        "--to", metavar="FORMAT", required=True, help=f"one of {', '.join(FORMATS)}"
    )
    command.add_argument(
        "--dtype",
        metavar="NAME",
        default=_DTYPES[0],
        help=f"of C: {', '.join(_DTYPES)} (default: {_DTYPES[0]})",
    )
    command.add_argument(
        "--out",
        metavar="PATH",
        required=True,
        help="of C: a new or empty folder; of the others: a new file",
    )
    command.add_argument(
        "--name",
        metavar="NAME",
        default="model",
        help="of C: what the files and functions begin with (default: model)",
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
        help="show what a trained model takes on a microcontroller",
        description="Show the flash, the RAM, the multiply-adds and the instructions a "
        "step that a trained\nKeras model takes on a microcontroller, in float32 and "
        "in integers.",
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
    if args.to not in FORMATS:
        raise InputError(
            f"--to must be one of {', '.join(FORMATS)}; received {args.to!r}."
        )
    if args.to != "c" and args.dtype != _DTYPES[0]:
        raise InputError(
            f"--dtype {args.dtype} is for --to c; {args.to} is written in float32."
        )
    calibration = None if args.calibrate is None else read_sequences(args.calibrate)
    model = load(args.model)
    if args.to == "c":
        from slimrnn.deploy.c import to_c

        path = to_c(model, args.out, args.name, args.dtype, calibration)
        return f"C99, {args.dtype}: {path} (make -C {path} test)"
    if args.to == "onnx":
        from slimrnn.deploy.onnx import to_onnx as write
    else:
        from slimrnn.deploy.litert import to_litert as write
    return f"{args.to}: {write(model, args.out)}"


def size(args: argparse.Namespace) -> list[Table | str]:
    """Carry out ``slimrnn size``; what to print.

    Raises:
        InputError: no such file, or a model that is not supported.
    """
    from slimrnn.deploy.size import CORES, Size, sizes

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    for title in ("flash", "tables", "RAM", "state", "multiply-adds", *CORES):
        table.add_column(title, justify="right")
    notes = []
    for dtype, found in sizes(load(args.model)).items():
        if isinstance(found, Size):
            counts = (found.flash, found.tables, found.ram, found.state, found.macs)
            figures = (*counts, *found.instructions.values())
            table.add_row(dtype, *(f"{figure:,}" for figure in figures))
        else:
            notes.append(f"{dtype}: {found}")
    legend = (
        "Bytes; multiply-adds and instructions of one step. Flash is tables and code, "
        "RAM is state and stack (Cortex-M4, gcc -O2)."
    )
    return [table, *notes, legend]


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
    except (ValueError, TypeError, KeyError, OSError) as error:
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
