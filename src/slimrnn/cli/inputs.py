"""What commands read and write: models, sequences."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimrnn import backends
from slimrnn.cli.console import complain
from slimrnn.errors import InputError
from slimrnn.utils.files import require_new

if TYPE_CHECKING:
    import numpy as np

    from slimrnn.ir import Model

ENDING = ".keras"


def model(command: Any) -> None:
    """Adds the model that a command takes, and how a state_dict is read."""
    from slimrnn.ir.formats import FORMATS

    names = ", ".join(known.name for known in FORMATS)
    command.add_argument("model", metavar="MODEL", help=f"a trained model: {names}")
    command.add_argument(
        "--torch",
        metavar="LAYERS",
        default="",
        help="the layers of a PyTorch state_dict whose names do not tell them, such as "
        "lstm:3x64x2,last,linear (default: as its names and shapes tell)",
    )


def read(args: argparse.Namespace) -> Model:
    """The model of the command as data; says on stderr what was translated."""
    backends.settle()
    from slimrnn.ir import read

    found = read(args.model, torch=args.torch)
    if found.translated:
        complain(f"{args.model} ({found.origin}): read {found.translated}.")
    return found


def load(args: argparse.Namespace) -> Any:
    """The model of the command in Keras: as it was saved, or translated."""
    if args.model.endswith(ENDING):
        backends.settle()
        from slimrnn.ir import formats, from_keras

        return from_keras.load(formats.existing(args.model))
    found = read(args)
    from slimrnn.ir.to_keras import to_keras

    return to_keras(found)


def new_model_file(file: str) -> Path:
    """The path of a model to be written, checked before the work.

    Raises:
        InputError: another ending, a file that is there, a folder that is not.
    """
    if not file.endswith(ENDING):
        raise InputError(f"--out must end in {ENDING}; received {file}.")
    return require_new(file)


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
