"""THE TABLE of what can be read: each format by how its files begin, and its reader."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimrnn.errors import InputError
from slimrnn.utils import files, foreign

if TYPE_CHECKING:
    from slimrnn.ir.model import Model

#: read of a file to know its format
_BEGINNING = 4096


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        name: what people call it.
        endings: that its files usually have.
        reader: the function, as ``module.function`` within ``slimrnn.ir``.
        fits: from the path and its first bytes, whether a file is one.
        options: those of :func:`slimrnn.ir.read` that the reader takes.
    """

    name: str
    endings: str
    reader: str
    fits: Callable[[Path, bytes], bool]
    options: tuple[str, ...] = ()

    def read(self, path: Path, **options: Any) -> Model:
        """The model of a file."""
        module, _, function = self.reader.partition(".")
        if (
            options.get("architecture") is not None
            and _ARCHITECTURE not in self.options
        ):
            raise InputError(
                f"{path} is of {self.name}, which has its architecture with it or in "
                f"its names; an architecture is for weights of Keras in HDF5."
            )
        taken = {key: options[key] for key in self.options if key in options}
        read = getattr(import_module(f"slimrnn.ir.{module}"), function)
        return read(path, **taken)


def _zipped(name: str) -> Callable[[Path, bytes], bool]:
    """Whether a file is a zip with a member whose path ends so."""

    def fits(path: Path, first: bytes) -> bool:
        if not first.startswith(b"PK"):
            return False
        import zipfile  # here: not all files are one

        try:
            with zipfile.ZipFile(path) as archive:
                return any(each.endswith(name) for each in archive.namelist())
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            return False

    return fits


_ARCHITECTURE = "architecture"
#: of a file before torch 1.6: a pickle of the number that it has for its magic
_TORCH_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
KERAS = Format("Keras", ".keras", "from_archive.from_archive", _zipped("config.json"))
FORMATS = (
    KERAS,
    Format(
        "Keras, HDF5",
        ".h5, .hdf5",
        "from_h5.from_h5",
        lambda path, first: first.startswith(b"\x89HDF\r\n\x1a\n"),
        (_ARCHITECTURE,),
    ),
    Format(
        "PyTorch state_dict",
        ".pth, .pt",
        "from_torch.from_file",
        lambda path, first: (
            first.startswith(_TORCH_MAGIC) or _zipped("data.pkl")(path, first)
        ),
        ("torch",),
    ),
    Format(
        "safetensors",
        ".safetensors",
        "from_torch.from_safe",
        lambda path, first: first[5:10] in (b'\0\0\0{"', b"\0\0\0{}"),
        ("torch",),
    ),
    Format(
        "ONNX",
        ".onnx",
        "from_onnx.from_onnx",
        # a message's first field, which is the version of the format
        lambda path, first: first[:1] == b"\x08" and first[1:2] < b"\x20",
    ),
    Format(
        "RTNeural, AIDA-X, GuitarML, Neural Amp Modeler",
        ".json, .aidax, .nam",
        "from_json.from_json",
        lambda path, first: first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"),
        ("torch",),
    ),
)


def from_file(file: str | os.PathLike[str], **options: Any) -> Model:
    """The model of a file; nothing in the file is run."""
    path = existing(file)
    return format_of(path).read(path, **options)


def existing(file: str | os.PathLike[str]) -> Path:
    """The path of a file that is there."""
    path = Path(file)
    try:
        foreign.size_of(path)
    except OSError as error:
        raise InputError(
            f"There is no file {path} ({files.why(error)}); give the path of a saved "
            f"model."
        ) from error
    return path


def format_of(path: Path) -> Format:
    """The format of a file that is there: by how it begins, else by its name."""
    try:
        with open(path, "rb") as opened:
            first = opened.read(_BEGINNING)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({files.why(error)}).") from error
    fitting = [known for known in FORMATS if known.fits(path, first)]
    fitting += [k for k in FORMATS if path.suffix in k.endings.split(", ")]
    if fitting:
        return fitting[0]
    names = "; ".join(f"{known.name} ({known.endings})" for known in FORMATS)
    raise InputError(f"{path} is no model that can be read; allowed: {names}.")


def is_module(model: Any) -> bool:
    """Whether an object in memory is a PyTorch module, and no layer of Keras.

    Neither is imported: whoever has an object of it has done so.
    """
    torch, keras = (sys.modules.get(name) for name in ("torch", "keras"))
    of_keras = keras is not None and isinstance(model, keras.layers.Layer)
    return torch is not None and isinstance(model, torch.nn.Module) and not of_keras


def from_object(model: Any) -> Model:
    """The model of an object in memory: a Keras layer or model, or a PyTorch module."""
    if is_module(model):
        from slimrnn.ir.torch_module import from_module

        return from_module(model)
    from slimrnn.ir.from_keras import from_keras

    return from_keras(model)
