"""What commands read and write: models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimrnn import backends
from slimrnn.cli.console import note
from slimrnn.errors import InputError
from slimrnn.utils.files import require_new

if TYPE_CHECKING:
    from slimrnn.ir import Model

ENDING = ".keras"


def model(command: Any) -> None:
    """Adds the model that a command takes, and how a state_dict is read."""
    command.add_argument(
        "model",
        metavar="MODEL",
        help="a trained model: .keras or .h5 of Keras, a PyTorch state_dict, or JSON "
        "of RTNeural, AIDA-X, GuitarML or Neural Amp Modeler",
    )
    command.add_argument(
        "--torch",
        metavar="LAYERS",
        default="",
        help="the layers of a PyTorch state_dict whose names do not say them, such as "
        "lstm:3x64x2,last,linear (default: as its names and shapes say)",
    )

    command.add_argument(
        "--architecture",
        metavar="FILE",
        help="of a file with Keras's weights alone: a .keras or .h5 file of the whole "
        "model, or the text of model.to_json() (default: what the file itself says)",
    )


def read(args: argparse.Namespace) -> Model:
    """The model of a command as data; says on stderr what was translated."""
    backends.settle()
    from slimrnn.ir import read

    found = read(args.model, torch=args.torch, architecture=args.architecture)
    if found.translated:
        note(f"{args.model} ({found.origin}): read {found.translated}.")
    return found


def load(args: argparse.Namespace) -> Any:
    """The model of a command in Keras: as it was saved, or translated."""
    backends.settle()
    from slimrnn.ir import formats, from_keras
    from slimrnn.ir.to_keras import to_keras

    path = formats.existing(args.model)
    if formats.format_of(path) is formats.KERAS:
        return from_keras.load(path)
    return to_keras(read(args).from_zeros())


def new_model_file(file: str) -> Path:
    """The path of a model to be written, checked before the work."""
    if not file.endswith(ENDING):
        raise InputError(f"--out must end in {ENDING}; received {file}.")
    return require_new(file)
