"""The reader of JSON files: RTNeural, AIDA-X, GuitarML, Neural Amp Modeler.

They describe amplifiers: a recurrent layer or more and a Dense, sample by sample.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.cells import cell_of
from slimrnn.ir.chain import model_of
from slimrnn.ir.described import Described
from slimrnn.ir.model import Model
from slimrnn.utils import foreign
from slimrnn.variants import CellSpec, get

Array = np.ndarray
File = Mapping[str, Any]
_NAM_SILENCE = 0.5  # seconds that the player begins with


def from_json(path: Path, torch: str = "") -> Model:
    """The model of a JSON file."""
    with foreign.reading(path, "a model in JSON"):
        found = json.loads(foreign.text(path).removeprefix("\ufeff"))
        if not isinstance(found, dict):
            raise InputError(f"{path} has no JSON object; received {type(found)}.")
        for fits, read in _FORMATS:
            if fits(found):
                return read(found, path.stem, torch)
        keys = ", ".join(sorted(map(str, found))[:8])
        raise InputError(
            f"{path} is JSON of no known model: it has {keys}; allowed: RTNeural, "
            f"AIDA-X, GuitarML, Neural Amp Modeler, a state_dict of PyTorch."
        )


def _numbers(what: str, given: Any) -> Array:
    """Nested lists as an array."""
    try:
        return np.asarray(given, "float32")
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{what} has weights that are no array of numbers ({error})."
        ) from error


def _rtneural(file: File, name: str, torch: str) -> Model:
    """RTNeural's; AIDA-X adds a skip and gains in dB."""
    features, gains = file["in_shape"][-1], []
    for which in ("in_gain", "out_gain"):
        gains.append(np.float32(10 ** (float(file.get(which) or 0) / 20)))
    layers = [
        _rtneural_layer(entry, f"layer_{k}") for k, entry in enumerate(file["layers"])
    ]
    scale = {"scale": gains[0], "columns": layers[-1].get("n")}
    front = [Described("Rescaling", "in_gain", {"scale": gains[0]}, features=features)]
    behind = [Described("Add", "skip", scale)] if file.get("in_skip") else []
    last = [Described("Rescaling", "out_gain", {"scale": gains[1]})]
    said = []
    if layers[0].features is None:
        layers[0] = replace(layers[0], features=features)
    for gain, where in zip(gains, (front, last), strict=True):
        if gain == 1:
            where.clear()
        else:
            said.append(f"a gain of {gain:.4g}")
    if behind:
        said.append("the input added to the output")
    program = "AIDA-X" if {"in_skip", "in_gain", "metadata"} & set(file) else "RTNeural"
    return model_of(
        name,
        [*front, *layers, *behind, *last],
        origin=f"{program}, JSON",
        translated="; ".join(said),
    )


#: RTNeural's types as Keras's kinds
_RTNEURAL = {
    "dense": "Dense",
    "time-distributed-dense": "Dense",
    "conv1d": "Conv1D",
    "lstm": "LSTM",
    "gru": "GRU",
    "batchnorm": "BatchNormalization",
    "activation": "Activation",
}


def _rtneural_layer(entry: File, name: str) -> Described:
    kind, outputs = str(entry["type"]), entry["shape"][-1]
    if kind not in _RTNEURAL:
        raise InputError(
            f"The layer {name} is of the type {kind}; allowed: {', '.join(_RTNEURAL)}."
        )
    weights = [_numbers(f"The layer {name} ({kind})", w) for w in entry["weights"]]
    settings: dict[str, Any] = {"n": outputs, "return_sequences": True}
    settings["activation"] = entry.get("activation") or _USUAL.get(kind, "linear")
    if kind == "gru":
        settings["reset_after"] = True
    elif kind == "batchnorm":
        affine = len(weights) == 4
        settings |= {"epsilon": entry["epsilon"], "scale": affine, "center": affine}
    elif kind == "conv1d":
        settings |= {"dilation_rate": entry["dilation"], "padding": "causal"}
        settings |= {"groups": entry.get("groups") or 1}
        settings |= {"strides": entry.get("strides") or 1}
        taps, shape = np.ravel(entry["kernel_size"])[-1], weights[0].shape
        if weights[0].ndim != 3 or (shape[0], shape[2]) != (taps, outputs):
            raise InputError(
                f"The layer {name} (conv1d) says that it has {taps} taps and gives "
                f"{outputs} numbers, and its kernel has the shape {shape}."
            )
    elif kind != "activation":
        columns = {"lstm": 4}.get(kind, 1) * int(outputs)
        if weights[0].ndim != 2 or weights[0].shape[1] != columns:
            raise InputError(
                f"The layer {name} ({kind}) says that it gives {outputs} numbers, and "
                f"its first matrix has the shape {weights[0].shape}."
            )
    return Described(_RTNEURAL[kind], name, settings, weights)


_USUAL = {"lstm": "tanh", "gru": "tanh"}


def _guitarml(file: File, name: str, torch: str) -> Model:
    """PyTorch's layers, as Automated-GuitarAmpModelling saves them."""
    from slimrnn.ir import torch_layers  # here: the other formats need none

    about = file["model_data"]
    kind, skip = str(about["unit_type"]), int(about.get("skip") or 0)
    if kind not in torch_layers.TORCH:
        raise InputError(
            f"The unit_type is {kind}; allowed: {', '.join(torch_layers.TORCH)}."
        )
    modules = torch_layers.groups(_tensors(file["state_dict"]))
    if set(modules) != {"rec", "lin"}:
        raise InputError(
            f"The state_dict has the modules {', '.join(modules)}; expected rec, lin."
        )
    layers = [
        *torch_layers.layers("rec", kind, modules["rec"]),
        *torch_layers.layers("lin", "Linear", modules["lin"]),
    ]
    said = [f"PyTorch's {kind}"]
    if skip:
        layers.append(Described("Add", "skip", {"columns": skip}))
        said.append("the input added to the output")
    model = model_of(name, layers, origin="GuitarML, JSON", translated="; ".join(said))
    sizes = {
        "input_size": model.inputs,
        "output_size": model.outputs,
        "hidden_size": model.layers[0].outputs,
        "num_layers": len([*model.recurrent()]),
    }
    for key, found in sizes.items():
        if key in about and about[key] != found:
            raise InputError(
                f"The {key} is {about[key]}, and the weights have {found}."
            )
    return model


def _tensors(state: File) -> dict[str, Array]:
    return {key: _numbers(f"The tensor {key}", given) for key, given in state.items()}


def _nam(file: File, name: str, torch: str) -> Model:
    """Neural Amp Modeler's LSTM: one row of numbers."""
    if file["architecture"] != "LSTM":
        raise InputError(
            f"The architecture is {file['architecture']}; allowed is LSTM."
        )
    sizes = {"input_size": 1, "hidden_size": 0, "num_layers": 1, **file["config"]}
    m, n, depth = (_size(sizes, key) for key in list(sizes)[:3])
    numbers = _Row(_numbers("The model", file["weights"]))
    layers: list[Described] = []
    for place in range(depth):
        wide, called = (m if not place else n), f"lstm_{place}"
        both = numbers.take(4 * n, wide + n)
        weights = {
            "kernel": np.ascontiguousarray(both[:, :wide].T),
            "recurrent_kernel": np.ascontiguousarray(both[:, wide:].T),
            "bias": numbers.take(4 * n),
        }
        settings = {
            "return_sequences": True,
            "initial": {"h": numbers.take(n), "c": numbers.take(n)},
        }
        cell = cell_of(called, CellSpec(get("LSTM")), weights)
        layers.append(Described("RNN", called, settings, cell=cell))
    outputs = (len(numbers) - numbers.at) // (n + 1)
    head = [np.ascontiguousarray(numbers.take(outputs, n).T), numbers.take(outputs)]
    layers.append(Described("Dense", "head", {}, head))
    if numbers.at != len(numbers):
        raise InputError(
            f"The model has {len(numbers)} weights, of which {numbers.at} are used by "
            f"{depth} layers of {n} units."
        )
    silence = round(_NAM_SILENCE * float(file.get("sample_rate") or 48000))
    return model_of(
        name,
        layers,
        origin="Neural Amp Modeler, JSON",
        translated=f"its trained initial states (its player begins with {silence} "
        f"steps of silence)",
    )


_MOST = 1 << 16  # units, features, layers


def _size(sizes: File, key: str) -> int:
    value = sizes[key]
    if not isinstance(value, int) or not 1 <= value <= _MOST:
        raise InputError(f"The {key} must be from 1 to {_MOST}; received {value}.")
    return value


class _Row:
    """A row of numbers, taken from the front."""

    def __init__(self, numbers: Array):
        self.numbers, self.at = numbers.ravel(), 0

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, *shape: int) -> Array:
        """The next numbers, as an array."""
        count = int(np.prod(shape, dtype=object))
        if not 0 < count <= len(self) - self.at:
            raise InputError(
                f"The model has {len(self)} weights, and its sizes want more."
            )
        self.at += count
        return self.numbers[self.at - count : self.at].reshape(shape)


def _state_dict(file: File, name: str, torch: str) -> Model:
    from slimrnn.ir.from_torch import from_tensors

    model = from_tensors(_tensors(file), name, torch)
    return replace(model, origin="PyTorch state_dict, JSON")


Reader = Callable[[File, str, str], Model]
_FORMATS: tuple[tuple[Callable[[File], bool], Reader], ...] = (
    (lambda file: {"layers", "in_shape"} <= set(file), _rtneural),
    (lambda file: {"model_data", "state_dict"} <= set(file), _guitarml),
    (lambda file: {"architecture", "weights", "config"} <= set(file), _nam),
    (lambda file: any("weight_ih" in key for key in file), _state_dict),
)
