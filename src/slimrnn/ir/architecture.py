"""The architecture of a file that holds weights alone: what Keras's configuration says.

It is another file, of which nothing is run, or a model of Keras in memory.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from slimrnn.errors import InputError
from slimrnn.ir import hdf5
from slimrnn.utils import foreign

CONFIG, ABOUT = "config.json", "metadata.json"


def configuration(given: Any) -> tuple[dict[str, Any], str]:
    """A model's class_name and config, and the version of the Keras that wrote them.

    Args:
        given: the path of a ``.keras`` or ``.h5`` file or of ``model.to_json()``'s
            text, or a model of Keras in memory.
    """
    if hasattr(given, "to_json"):
        return _said(given.to_json())
    from slimrnn.ir.formats import existing

    path = existing(given)
    with foreign.reading(path, "an architecture of Keras"):
        first = path.open("rb").read(4)
        if first.startswith(b"PK"):
            return of_archive(path)
        if first == b"\x89HDF":
            return _of_hdf5(path)
        return _said(path.read_bytes())


def of_archive(path: Path) -> tuple[dict[str, Any], str]:
    """That of a ``.keras`` file."""
    names = foreign.check_archive(path)
    with zipfile.ZipFile(path) as archive:
        about = _object(archive.read(ABOUT)) if ABOUT in names else {}
        return _object(archive.read(CONFIG)), str(about.get("keras_version") or "3")


def of_attributes(attributes: Any) -> tuple[dict[str, Any], str]:
    """That of an HDF5 file, from its attributes."""
    version = text(attributes.get("keras_version", ""))
    return _object(text(attributes["model_config"])), version


def _of_hdf5(path: Path) -> tuple[dict[str, Any], str]:
    hdf5.numbers_in(path)
    with hdf5.opened(path) as file:
        if "model_config" not in file.attrs:
            raise InputError(f"{path} has no model_config, and so no architecture.")
        return of_attributes(file.attrs)


def _said(content: str | bytes) -> tuple[dict[str, Any], str]:
    """That of ``model.to_json()``, which names a module in Keras 3 alone."""
    found = _object(content)
    usual = "3" if "module" in found else ""
    return found, str(found.get("keras_version") or usual)


def _object(content: str | bytes) -> dict[str, Any]:
    found = json.loads(content)
    if not isinstance(found, dict):
        raise ValueError(f"it has {type(found).__name__} where an object stands")
    return found


def text(value: Any) -> str:
    """What HDF5 hands out as bytes or as text."""
    return value.decode() if isinstance(value, bytes) else str(value)
