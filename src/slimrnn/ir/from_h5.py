"""The reader of Keras's HDF5 files, of its versions 1, 2 (tf.keras too) and 3.

Nothing of Keras is imported, and nothing in the file is run: the configuration is
translated into Keras 3's words, the arrays are read one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimrnn.errors import InputError
from slimrnn.ir import from_archive, graph, hdf5
from slimrnn.ir.architecture import configuration, of_attributes, text
from slimrnn.ir.keras_config import Array, Reading
from slimrnn.ir.model import Model


def from_h5(path: Path, architecture: Any = None) -> Model:
    """A whole model of ``model.save("NAME.h5")``, or weights and an architecture.

    Args:
        path: of the file.
        architecture: of weights alone, such as ``model.save_weights`` writes; see
            :func:`slimrnn.ir.architecture.configuration`.
    """
    hdf5.numbers_in(path)
    with hdf5.opened(path) as file:
        if "model_config" in file.attrs:
            found, version = of_attributes(file.attrs)
        elif architecture is not None:
            found, version = configuration(architecture)
        else:
            raise InputError(
                f"{path} has no model_config: it holds weights alone, or is no file of "
                f"Keras. Give its architecture too (architecture=, --architecture): "
                f"a .keras or .h5 file of the whole model, or model.to_json()'s text."
            )
        kind = from_archive.ByClass if "layers" in file else _ByName
        weights = file.get("model_weights", file)
        return kind(path, found, version, "HDF5").model(weights)


@dataclass(frozen=True)
class _Weights:
    """Those of a layer, or of a model inside the model."""

    group: Any
    names: list[str]


class _ByName(Reading):
    """A group of weights is one of HDF5, which names them in order.

    That of a model inside the model has the names of all its layers' weights.
    """

    def groups(self, links: Iterable[graph.Link], group: Any) -> list[Any]:
        return [self._weights(link.name, group) for link in links]

    def _weights(self, layer: str, group: Any) -> _Weights:
        if isinstance(group, _Weights):
            own = [name for name in group.names if layer in name.split("/")]
            return _Weights(group.group, own)
        found = group.get(layer)
        names = () if found is None else found.attrs.get("weight_names", ())
        return _Weights(found, [text(name) for name in names])

    def arrays(self, group: Any) -> Iterator[Array]:
        for name in group.names:
            what = f"{self.path}: {name} of {group.group.name}"
            yield hdf5.array(what, group.group[name])
