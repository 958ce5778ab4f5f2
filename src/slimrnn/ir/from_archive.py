"""The reader of ``.keras`` files, without Keras; nothing in the file is run."""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from slimrnn.ir import graph, hdf5
from slimrnn.ir.architecture import of_archive
from slimrnn.ir.keras_config import Array, Reading
from slimrnn.ir.model import Model
from slimrnn.utils import foreign

_WEIGHTS = "model.weights.h5"
#: their weights lie as the original's do; the class itself reads them
_PACKED = ("slim22>LSTMs", "slimrnn>PackedCell")
#: where a layer keeps those of its own and of others, in the order of its weights
_PLACES = ("cell", "layer", "forward_layer", "backward_layer")


def from_archive(path: Path) -> Model:
    """The model of a ``.keras`` file."""
    with foreign.reading(path, hdf5.KERAS_MODEL):
        found, version = of_archive(path)
        with zipfile.ZipFile(path) as archive:
            if _is_packed(found):
                from slimrnn.ir import from_keras

                return from_keras.from_file(path)
            hdf5.numbers_in(path, _WEIGHTS)
            weights = io.BytesIO(archive.read(_WEIGHTS))
        reading = ByClass(path, found, version, path.suffix)
    with hdf5.opened(path, weights) as file:
        return reading.model(file)


def _is_packed(tree: Any) -> bool:
    """Whether a configuration has one of the layers that need their class."""
    if isinstance(tree, dict):
        if tree.get("registered_name") in _PACKED:
            return True
        tree = list(tree.values())
    return isinstance(tree, list) and any(map(_is_packed, tree))


class ByClass(Reading):
    """A group of weights is one of HDF5; its layers lie by class and number."""

    def groups(self, links: Iterable[graph.Link], group: Any) -> list[Any]:
        """By class and number within their model."""
        seen: Counter[str] = Counter()
        found = []
        for link in links:
            name = _snake_case(str(link.entry["class_name"]))
            place = f"layers/{name}" + (f"_{seen[name]}" if seen[name] else "")
            seen[name] += 1
            found.append(group.get(place, {}))
        return found

    def arrays(self, group: Any) -> Iterator[Array]:
        """Those of its own, then those of the layers that it has."""
        own = group.get("vars", {})
        for name in sorted(own, key=int):
            yield hdf5.array(f"{self.path}: {own[name].name}", own[name])
        for place in _PLACES:
            if place in group:
                yield from self.arrays(group[place])


def _snake_case(name: str) -> str:
    """As Keras makes names of classes."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
