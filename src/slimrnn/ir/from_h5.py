"""The reader of Keras's HDF5 files, of its versions 1, 2 (tf.keras too) and 3.

Nothing of Keras is imported, and nothing in the file is run: the configuration is
translated into Keras 3's words, the arrays are read one by one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import graph, hdf5
from slimrnn.ir.chain import model_of
from slimrnn.ir.described import Described
from slimrnn.ir.model import Model
from slimrnn.utils import files
from slimrnn.utils.optional import require

Array = np.ndarray
Config = Mapping[str, Any]

#: Keras 1's words for Keras 2's
_WORDS = {
    "output_dim": "units",
    "inner_activation": "recurrent_activation",
    "bias": "use_bias",
}
_KERAS_2 = "hard_sigmoid_keras2"


def from_h5(path: Path) -> Model:
    """A whole model of ``model.save("NAME.h5")``.

    Raises:
        InputError: no HDF5 file, one without a model, a layer that the IR lacks.
    """
    h5py = require("h5py", "h5py", "h5py")
    hdf5.numbers_in(path)
    try:
        with h5py.File(path, "r") as file:
            return _Reading(file, path).model()
    except InputError:
        raise
    except _DAMAGED as error:
        raise files.unreadable(path, "a Keras model", error) from error


#: what foreign bytes make h5py and NumPy raise
_DAMAGED = (
    *(OSError, LookupError, TypeError, ValueError, AttributeError),
    *(RuntimeError, MemoryError, ArithmeticError),
)


class _Reading:
    """One file, open."""

    def __init__(self, file: Any, path: Path):
        self.file, self.path = file, path
        if "model_config" not in file.attrs:
            raise InputError(
                f"{path} has no model_config: it holds weights alone, or is no file of "
                f"Keras. Save the whole model with model.save('NAME.h5')."
            )
        config = json.loads(_text(file.attrs["model_config"]))
        self.kind, self.config = config["class_name"], config["config"]
        if isinstance(self.config, list):  # Keras 1 and early 2
            self.config = {"name": path.stem, "layers": self.config}
        self.translated: dict[str, None] = {}  # in order, each once
        self.version = self._version()
        self.weights = file.get("model_weights", file)

    def _version(self) -> str:
        """Which Keras wrote it; the first ones did not say so."""
        if "keras_version" in self.file.attrs:
            return _text(self.file.attrs["keras_version"])
        old = any("output_dim" in e["config"] for e in self.config["layers"])
        return "1" if old else "2"

    @property
    def major(self) -> int:
        """1, 2 or 3."""
        return int(self.version.partition(".")[0])

    def model(self) -> Model:
        """The file's model."""
        name = str(self.config.get("name") or self.path.stem)
        links = self._links(name)
        layers = list(self._layers(links))
        shape = next(filter(None, (_input_shape(link.entry) for link in links)), ())
        of_indices = any(layer.kind == "Embedding" for layer in layers[:2])
        steps = shape[1] if len(shape) == (2 if of_indices else 3) else None
        return model_of(
            name,
            layers,
            steps,
            origin=f"Keras {self.version}, HDF5",
            translated="; ".join(self.translated),
        )

    def _links(self, name: str) -> list[graph.Link]:
        entries = self.config["layers"]
        if self.kind == "Sequential":
            return [graph.Link({"name": e["config"]["name"], **e}) for e in entries]
        if self.kind in ("Model", "Functional"):
            return graph.links(name, self.config)
        raise InputError(
            f"{self.path} holds a {self.kind}; allowed: a Sequential or functional "
            f"model, as model.save writes it."
        )

    def _layers(self, links: Iterable[graph.Link]) -> Iterator[Described]:
        features = None
        for link in links:
            shape = _input_shape(link.entry)
            features = shape[-1] if shape and len(shape) > 2 else features
            if link.adds:
                yield Described("Add", link.name, link.added)
            else:
                arrays = list(self._arrays(link.name))
                yield self.layer(link.entry, arrays, features)
            features = None

    def layer(
        self, entry: Config, arrays: list[Array], features: int | None = None
    ) -> Described:
        """One layer in Keras 3's words."""
        kind, config = entry["class_name"], dict(entry["config"])
        if self.major == 1:
            known = {**_WORDS, **_WORDS_OF.get(kind, {})}
            config = {known.get(key, key): value for key, value in config.items()}
        for key in ("activation", "recurrent_activation"):
            if key in config:
                config[key] = self._activation(config[key])
        if self.major < 3 and kind in _GATED:
            config.setdefault("recurrent_activation", self._activation("hard_sigmoid"))
        if kind in _GRU:
            config.setdefault("reset_after", kind == "CuDNNGRU")
            if not config["reset_after"]:
                self._note("a GRU without reset_after")
        if kind in _KERAS_1:
            kind, config, arrays = _KERAS_1[kind](self, kind, config, arrays)
        if kind.startswith("CuDNN"):
            config = {**config, **_OF_CUDNN}
            self._note(f"{kind} with its own packing of weights")
        inner = tuple(self._inner(kind, config, arrays))
        name = str(config.get("name", entry.get("name", kind)))
        return Described(kind, name, config, arrays, inner, features=features)

    def _activation(self, given: Any) -> str:
        if isinstance(given, Mapping):  # Keras 3 says a function by a class
            given = given.get("config") or given.get("class_name")
        name = str(given)
        if name == "hard_sigmoid" and self.major < 3:
            self._note("Keras 1 and 2's hard_sigmoid, clip(0.2 x + 0.5, 0, 1)")
            return _KERAS_2
        return name

    def _note(self, what: str) -> None:
        self.translated[what] = None

    def _inner(
        self, kind: str, config: Config, arrays: list[Array]
    ) -> Iterator[Described]:
        """The layers of a wrapper, each with its share of the weights."""
        if kind == "TimeDistributed":
            yield self.layer(config["layer"], arrays)
        elif kind == "Bidirectional":
            first, half = config["layer"], len(arrays) // 2
            usual = {
                **first,
                "config": {
                    **first["config"],
                    "name": f"backward_{first['config'].get('name', 'layer')}",
                    "go_backwards": not first["config"].get("go_backwards", False),
                },
            }
            yield self.layer(first, arrays[:half])
            yield self.layer(config.get("backward_layer") or usual, arrays[half:])

    def _arrays(self, layer: str) -> Iterator[Array]:
        """The weights of a layer, in the order in which Keras saved them."""
        if layer not in self.weights:
            return
        group = self.weights[layer]
        for name in group.attrs.get("weight_names", ()):
            data = group[_text(name)]
            what = f"{self.path}: {_text(name)} of the layer {layer}"
            if data.dtype.kind not in "fiu":
                raise InputError(f"{what} is of {data.dtype}; expected numbers.")
            yield np.asarray(data[()], "float32")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _input_shape(entry: Config) -> tuple:
    """(B, T, m) where an entry tells it."""
    config = entry["config"]
    shape = config.get("batch_input_shape") or config.get("batch_shape") or ()
    if not shape and config.get("input_dim") and entry["class_name"] != "Embedding":
        shape = (None, config.get("input_length"), config["input_dim"])
    return tuple(shape)


def _gate_by_gate(
    reading: _Reading, kind: str, config: dict, arrays: list[Array]
) -> tuple[str, dict, list[Array]]:
    """Keras 1's W, U and b of each gate, side by side in Keras 2's order."""
    order = {"LSTM": (0, 2, 1, 3), "GRU": (0, 1, 2)}[kind]  # LSTM: i, c, f, o
    if len(arrays) == 3 * len(order):
        reading._note(f"{len(arrays)} arrays of Keras 1's {kind} as three")
        arrays = [
            np.concatenate([arrays[3 * gate + k] for gate in order], axis=-1)
            for k in range(3)
        ]
    return kind, config, arrays


def _time_distributed_dense(
    reading: _Reading, kind: str, config: dict, arrays: list[Array]
) -> tuple[str, dict, list[Array]]:
    return "Dense", config, arrays


#: what a layer of Keras 1 was, in today's words
_KERAS_1: dict[str, Callable] = {
    "LSTM": _gate_by_gate,
    "GRU": _gate_by_gate,
    "TimeDistributedDense": _time_distributed_dense,
}
#: words of Keras 1 that mean something else in a layer
_WORDS_OF = {"Embedding": {"output_dim": "output_dim"}}
_GATED, _GRU = ("LSTM", "GRU"), ("GRU", "CuDNNGRU")
_OF_CUDNN = {"activation": "tanh", "recurrent_activation": "sigmoid"}
