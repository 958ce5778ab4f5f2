"""What the writers of a single model file share: ONNX's and LiteRT's."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import slimrnn
from slimrnn.errors import InputError
from slimrnn.ir.model import Model
from slimrnn.utils import files


def require(module: str, package: str, extra: str) -> Any:
    """A module of an optional package.

    Raises:
        InputError: it is not installed; the sentence says how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"This needs the package {package}, which cannot be imported ({error}); "
            f"install it with: pip install 'slimrnn[{extra}]'."
        ) from error


def check(
    path: str | os.PathLike, form: str, forms: Iterable[str], overwrite: bool
) -> Path:
    """The path, if it can be written.

    Raises:
        InputError: an unknown form, a file that is there, a folder that is not.
    """
    if form not in forms:
        raise InputError(
            f"The form must be one of {', '.join(forms)}; received {form!r}."
        )
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the path of a file.")
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} exists already and is not replaced; give another path, remove it, "
            f"or ask for it with overwrite=True."
        )
    if not path.parent.is_dir():
        raise InputError(
            f"There is no folder {path.parent} to write {path.name} to; make it first."
        )
    return path


def save(path: Path, content: bytes) -> Path:
    """Write the file at once: it is whole, or it is not there.

    Raises:
        InputError: the system does not let it be written.
    """
    try:
        files.write(path, lambda file: file.write(content))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    return path


def metadata(model: Model, form: str) -> dict[str, str]:
    """What a file tells about its origin."""
    return {
        "slimrnn": slimrnn.__version__,
        "model": model.name,
        "form": form,
        "variants": ", ".join(
            f"{layer.name}: {layer.cell.variant.name}" for layer in model.recurrent()
        ),
        "weights_sha256": model.digest(),
    }


def summary(model: Model, what: str) -> str:
    """A short text for a file: what it computes, with the equations of its cells."""
    lines = [f"{what} of the model {model.name}, written by slimrnn."]
    for layer in model.recurrent():
        cell = layer.cell
        functions = f"g = {cell.activation}, σ = {cell.recurrent_activation}"
        lines.append(f"{layer.name} ({cell.variant.name}): {functions}")
        lines += cell.variant.equations()
        if cell.reset_after:
            lines.append("where rₜ multiplies U_c hₜ₋₁ and a bias of it, not hₜ₋₁")
    return "\n".join(lines)
