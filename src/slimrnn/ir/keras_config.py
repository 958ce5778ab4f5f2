"""What Keras's configurations of all versions say, in the words of Keras 3.

Nothing of Keras is imported, and nothing is run: the readers of its files bring the
configuration, and the weights of each layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import graph
from slimrnn.ir.cells import CELLS, SLIM_CELLS, keras_cell, slim_cell
from slimrnn.ir.chain import model_of, steps_of
from slimrnn.ir.described import Described, numbers
from slimrnn.ir.model import Model

Array = np.ndarray
Config = Mapping[str, Any]

#: Keras 1's words for Keras 2's
_WORDS = {
    "output_dim": "units",
    "inner_activation": "recurrent_activation",
    "bias": "use_bias",
    **{"nb_filter": "filters", "filter_length": "kernel_size"},
    **{"pool_length": "pool_size", "border_mode": "padding"},
    **{"subsample_length": "strides", "stride": "strides"},
}
_KERAS_2 = "hard_sigmoid_keras2"
#: other names of activations
_NAMES = {"swish": "silu", "hard_swish": "hard_silu"}
#: layers without weights that can be an activation
_LAYERS_OF_NUMBERS = ("ReLU", "LeakyReLU", "ELU")


class Reading:
    """A configuration, being read.

    Args:
        path: of the file.
        found: the model's class_name and config; this is a list of layers in the first
            versions.
        version: of the Keras that wrote it; empty where the file does not say.
        form: of the file, in words.
    """

    def __init__(self, path: Path, found: Config, version: str, form: str) -> None:
        self.path, self.kind = path, found["class_name"]
        self.config: Any = found["config"]
        if isinstance(self.config, list):  # Keras 1 and early 2
            self.config = {"name": path.stem, "layers": self.config}
        if not version:
            layers = [
                e for e in self.config["layers"] if e["class_name"] != "Embedding"
            ]
            version = "1" if any("output_dim" in e["config"] for e in layers) else "2"
        self.major = int(version.partition(".")[0])  # 1, 2 or 3
        self.origin = f"Keras {version}, {form}"
        self.translated: dict[str, None] = {}  # in order, each once

    def groups(self, links: Iterable[graph.Link], group: Any) -> list[Any]:
        """Where the weights of each layer lie, within the group of their model."""
        raise NotImplementedError

    def arrays(self, group: Any) -> Iterable[Array]:
        """The weights of a layer, in Keras's order; a wrapper's are its layers'."""
        raise NotImplementedError

    def model(self, group: Any) -> Model:
        """The file's model, whose weights lie in the group."""
        name = str(self.config.get("name") or self.path.stem)
        links = self._links(self.kind, self.config)
        layers = list(self._layers(links, group))
        shape = next(filter(None, (_input_shape(link.entry) for link in links)), ())
        steps, said = steps_of(shape, layers), "; ".join(self.translated)
        return model_of(name, layers, steps, origin=self.origin, translated=said)

    def _links(self, kind: str, config: Config) -> list[graph.Link]:
        entries = config["layers"]
        if kind == "Sequential":
            return [graph.Link({"name": e["config"]["name"], **e}) for e in entries]
        if kind in MODELS:
            return graph.links(str(config.get("name") or self.path.stem), config)
        raise InputError(
            f"{self.path} holds a {kind}; allowed: a Sequential or functional model, "
            f"as model.save writes it."
        )

    def _layers(self, links: list[graph.Link], group: Any) -> Iterator[Described]:
        """The layers in order; models inside the model are opened."""
        features = None
        groups = self.groups(links, group)
        for link, place in zip(links, groups, strict=True):
            shape = _input_shape(link.entry) or _built_for(link.entry)
            features = shape[-1] if shape and len(shape) > 2 else features
            kind, config = link.entry["class_name"], link.entry["config"]
            if link.operation:
                yield link.operation
            elif kind in MODELS:
                yield from self._layers(self._links(kind, config), place)
            else:
                arrays = list(self.arrays(place))
                yield self.layer(link.entry, arrays, features)
            features = None

    def layer(
        self, entry: Config, arrays: list[Array], features: int | None = None
    ) -> Described:
        """One layer in Keras 3's words."""
        kind, config = _kind(entry), dict(entry["config"])
        if self.major == 1:
            known = {**_WORDS, **_WORDS_OF.get(kind, {})}
            config = {known.get(key, key): value for key, value in config.items()}
        name = str(config.get("name", entry.get("name", kind)))
        self._dtype(f"{name} ({kind})", config.get("dtype"))
        for key in ("activation", "recurrent_activation"):
            if key in config:
                config[key] = self._activation(config[key])
        if self.major < 3 and kind in _GATED:
            config.setdefault("recurrent_activation", self._activation("hard_sigmoid"))
        if kind in _GRU:
            config.setdefault("reset_after", kind == "CuDNNGRU")
            if not config["reset_after"]:
                self._note("a GRU without reset_after")
        if kind in _OF_KIND and (self.major == 1 or kind not in _GATED):
            kind, config, arrays = _OF_KIND[kind](self, kind, config, arrays)
        if kind.startswith("CuDNN"):
            config |= _OF_CUDNN
            self._note(f"{kind} with its own packing of weights")
        inner = tuple(self._inner(kind, config, arrays))
        found = Described(kind, name, config, arrays, inner, features=features)
        if kind == "RNN":
            (cell,) = inner
            read = slim_cell if cell.kind in SLIM_CELLS else keras_cell
            return replace(found, inner=(), cell=read(cell))
        return replace(found, cell=slim_cell(found)) if kind in SLIM_CELLS else found

    def _dtype(self, layer: str, given: Any) -> None:
        """Says that another precision is read as float32."""
        if isinstance(given, Mapping):
            given = given.get("config", {}).get("name")
        if given not in (None, "float32", *_FLOATS):
            raise InputError(
                f"The layer {layer} is of {given}; allowed is float32: give the model "
                f"from before it was quantized."
            )
        if given in _FLOATS:
            self._note(f"{given} as float32")

    def _activation(self, given: Any) -> str | Described:
        name = str(given)
        if isinstance(given, Mapping):  # Keras 3 says a function by a class
            if _kind(given) in _LAYERS_OF_NUMBERS:
                return self.layer(given, [])
            name = str(given.get("config") or given.get("class_name"))
            if _is_own(given):
                name = f"{name}, a function of your own"
        name = name.removeprefix("slimrnn>")
        if name == "hard_sigmoid" and self.major < 3:
            self._note("Keras 1 and 2's hard_sigmoid, clip(0.2 x + 0.5, 0, 1)")
            return _KERAS_2
        return _NAMES.get(name, name)

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
        elif kind == "RNN":
            cell = self.layer(config["cell"], arrays)
            if cell.kind.removesuffix("Cell") not in (*SLIM_CELLS, *CELLS):
                raise InputError(
                    f"The cell {cell} cannot be read; allowed: "
                    f"{', '.join(f'{name}Cell' for name in (*CELLS, *SLIM_CELLS))}."
                )
            yield replace(cell, kind=cell.kind.removesuffix("Cell"))


def _kind(entry: Config) -> str:
    """A layer's class; of one's own it has another name than Keras's."""
    kind = str(entry["class_name"])
    return f"{kind}, a class of your own" if _is_own(entry) else kind


def _is_own(entry: Config) -> bool:
    """Whether a class or a function is neither Keras's nor ours."""
    package = str(entry.get("module") or "keras").partition(".")[0]
    registered = str(entry.get("registered_name") or "").rpartition(">")[0]
    ours = registered in ("", "slimrnn", "slim22")
    return not ours or package not in ("keras", "builtins", "slimrnn", "slim22")


def _built_for(entry: Config) -> tuple:
    """(B, T, m) that Keras 3 built a layer for."""
    return tuple((entry.get("build_config") or {}).get("input_shape") or ())


def _input_shape(entry: Config) -> tuple:
    """(B, T, m) where an entry has it."""
    config = entry["config"]
    shape = config.get("batch_input_shape") or config.get("batch_shape") or ()
    if not shape and config.get("input_dim") and entry["class_name"] != "Embedding":
        shape = (None, config.get("input_length"), config["input_dim"])
    return tuple(shape)


def _gate_by_gate(
    reading: Reading, kind: str, config: dict, arrays: list[Array]
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


def _normalization(
    reading: Reading, kind: str, config: dict, arrays: list[Array]
) -> tuple[str, dict, list[Array]]:
    """Its mean and variance are arguments, or were adapted to data."""
    axis = config.get("axis", -1)
    if axis not in (-1, None, [-1], (-1,), []):
        raise InputError(
            f"The layer {config.get('name')} ({kind}) has axis={axis}; allowed: -1, "
            f"None."
        )
    given = [config.get(key) for key in ("mean", "variance")]
    if None not in given:
        arrays = [numbers(config.get("name"), array) for array in given]
    return kind, config, arrays


#: what else a layer is in today's words
_OF_KIND: dict[str, Callable] = {
    "LSTM": _gate_by_gate,
    "GRU": _gate_by_gate,
    "TimeDistributedDense": lambda _, kind, config, arrays: ("Dense", config, arrays),
    "Normalization": _normalization,
}
#: words of Keras 1 that mean something else in a layer
_WORDS_OF = {"Embedding": {"output_dim": "output_dim"}}
_FLOATS = ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")
#: that hold layers, and may stand inside one another
MODELS = ("Sequential", "Functional", "Model")
_GATED, _GRU = ("LSTM", "GRU"), ("GRU", "CuDNNGRU")
_OF_CUDNN = {"activation": "tanh", "recurrent_activation": "sigmoid"}
