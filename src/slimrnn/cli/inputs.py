"""What commands read and write: models, sequences."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimrnn import backends
from slimrnn.errors import InputError
from slimrnn.utils.files import require_new

if TYPE_CHECKING:
    import numpy as np

ENDING = ".keras"
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
    if path.suffix != ENDING or not zipfile.is_zipfile(path):
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
