"""The reader of Keras's HDF5 files, of its versions 1, 2 (tf.keras too) and 3.

Nothing of Keras is imported, and nothing in the file is run: the configuration is
translated into Keras 3's words, the arrays are read one by one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from slimrnn.errors import InputError
from slimrnn.ir import graph, hdf5
from slimrnn.ir.keras_config import MODELS, Array, Reading
from slimrnn.ir.model import Model


def from_h5(path: Path) -> Model:
    """A whole model of ``model.save("NAME.h5")``.

    Raises:
        InputError: no HDF5 file, one without a model, a layer that the IR lacks.
    """
    hdf5.numbers_in(path)
    with hdf5.opened(path) as file:
        if "model_config" not in file.attrs:
            raise InputError(
                f"{path} has no model_config: it holds weights alone, or is no file of "
                f"Keras. Save the whole model with model.save('NAME.h5')."
            )
        found = json.loads(_text(file.attrs["model_config"]))
        version = _text(file.attrs.get("keras_version", ""))
        weights = file.get("model_weights", file)
        return _Reading(path, found, version, "HDF5").model(weights)


class _Reading(Reading):
    """A group of weights is one of HDF5, which names them in order."""

    def groups(self, links: Iterable[graph.Link], group: Any) -> list[Any]:
        for link in links:
            if link.entry["class_name"] in MODELS:
                raise InputError(
                    f"The layer {link.name} is a model inside the model; allowed in "
                    f".h5 are layers: save it as .keras, or make one Sequential."
                )
        return [group.get(link.name) for link in links]

    def arrays(self, group: Any) -> Iterator[Array]:
        names = [] if group is None else group.attrs.get("weight_names", ())
        for name in map(_text, names):
            yield hdf5.array(f"{self.path}: {name} of {group.name}", group[name])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
