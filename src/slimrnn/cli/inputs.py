"""What commands read and write: models, sequences."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimrnn import backends
from slimrnn.errors import InputError
from slimrnn.utils.files import require_new

if TYPE_CHECKING:
    import numpy as np

ENDING = ".keras"


def load(file: str) -> Any:
    """The Keras model of a file: see ``slimrnn.ir.from_keras.load``."""
    backends.settle()
    from slimrnn.ir.from_keras import load

    return load(file)


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
