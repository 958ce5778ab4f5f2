"""A trained model as RTNeural's JSON, which audio plug-ins read.

RTNeural has the full LSTM, and the GRU whose reset gate comes after the product. So
each row is written as its full layer: zeros for the terms that it leaves out, diagonals
for its vectors, biases for its constants.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.deploy.graph.full_lstm import full
from slimrnn.deploy.graph.metadata import metadata, save
from slimrnn.deploy.program.trial import tried
from slimrnn.errors import InputError
from slimrnn.ir import read
from slimrnn.ir.layers import (
    Activation,
    Affine,
    Bidirectional,
    Conv1D,
    Dense,
    Embedding,
    Layer,
    LayerNormalization,
    LocalPool,
    Masking,
    Pool,
    PReLU,
    Recurrent,
    Repeat,
    Skip,
)
from slimrnn.utils import files
from slimrnn.variants import CANDIDATE

Array = np.ndarray
_FUNCTIONS = ("tanh", "relu", "sigmoid", "softmax", "linear")


def to_rtneural(
    model: Any, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a trained model as RTNeural's JSON.

    Args:
        model: what :func:`slimrnn.ir.read` takes: layers of the LSTM's family, GRU with
            ``reset_after``, Dense, Rescaling, activations, and the input added at the
            end, which AIDA-X does.
        path: the file.
        overwrite: whether a file that is there may be replaced.

    RTNeural gives an output for each step, whatever ``return_sequences`` is.

    Returns:
        The path.

    Raises:
        InputError: the file is there, or the model has what RTNeural has not; then
            nothing is written.

    Example:
        >>> import tempfile, keras, slimrnn
        >>> model = keras.Sequential(
        ...     [keras.Input((None, 1)), slimrnn.SlimLSTM(4), keras.layers.Dense(1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     to_rtneural(model, Path(folder, "amp.json")).name
        'amp.json'
    """
    path = files.require_new(path, overwrite)
    found = tried(read(model))
    layers = [_WRITERS[type(layer)](layer) for layer in found.layers]
    skips = [isinstance(layer, Skip) for layer in found.layers]
    if any(skips[:-1]) or found.flatten:
        raise InputError(
            f"The model {found.name} has layers after the input that is added, or "
            f"Flatten; RTNeural's files have neither."
        )
    content: dict[str, Any] = {
        "in_shape": [None, None, found.inputs],
        **({"in_skip": 1} if skips[-1] else {}),
        "layers": [layer for layer in layers if layer],
        "slimrnn": metadata(found, "rtneural"),
    }
    return save(path, json.dumps(content).encode())


def _entry(kind: str, layer: Layer, function: str, *weights: Array) -> dict[str, Any]:
    if function not in _FUNCTIONS:
        raise InputError(
            f"The layer {layer} has the activation {function}; RTNeural has "
            f"{', '.join(_FUNCTIONS)}."
        )
    return {
        "type": kind,
        "activation": "" if function == "linear" else function,
        "shape": [None, None, layer.outputs],
        "weights": [array.tolist() for array in weights],
    }


def _dense(layer: Dense) -> dict[str, Any]:
    bias = np.zeros(layer.outputs) if layer.bias is None else layer.bias
    return _entry("dense", layer, layer.activation, layer.kernel, bias)


def _convolution(layer: Conv1D) -> dict[str, Any]:
    causal = layer.before == layer.span - 1 and layer.strides == layer.groups == 1
    if not causal:
        raise InputError(
            f"The layer {layer} has strides, groups or no causal padding; RTNeural's "
            f"conv1d is causal and has a dilation alone."
        )
    bias = np.zeros(layer.outputs) if layer.bias is None else layer.bias
    return {
        **_entry("conv1d", layer, layer.activation, layer.kernel, bias),
        "kernel_size": [layer.taps],
        "dilation": [layer.dilation],
    }


def _affine(layer: Affine) -> dict[str, Any]:
    return _entry("dense", layer, "linear", np.diag(layer.scale), layer.offset)


def _activation(layer: Activation) -> dict[str, Any]:
    return _entry("activation", layer, layer.activation)


def _skip(layer: Skip) -> dict[str, Any]:
    if (layer.scale != 1).any():
        raise InputError(
            f"The layer {layer} scales the input that it adds; RTNeural's files have "
            f"no such number."
        )
    return {}


def _recurrent(layer: Recurrent) -> dict[str, Any]:
    spec = layer.cell.spec
    used = spec.used(CANDIDATE), spec.of_state, spec.recurrent_activation
    functions = tuple(dict.fromkeys(function.name for function in used))
    reasons = {
        "is masked": layer.masked,
        "has initial states": layer.initial is not None,
        "goes backwards": layer.go_backwards,
        f"has the activations {' and '.join(functions)}": (
            functions != ("tanh", "sigmoid")
        ),
        f"is of the family {spec.family.name}": spec.family.name not in _KINDS,
    }
    for reason, holds in reasons.items():
        if holds:
            raise InputError(
                f"The layer {layer} {reason}; RTNeural has LSTM, and GRU with "
                f"reset_after=True, with tanh and sigmoid that go forwards from zeros."
            )
    gates = full(layer)
    kind, reads_x, reads_h = _KINDS[spec.family.name]
    kernel = np.concatenate([gates[k].kernel for k in reads_x], 1)
    recurrent_kernel = np.concatenate([gates[k].recurrent_kernel for k in reads_h], 1)
    bias = np.concatenate([gates[k].bias for k in reads_x])
    if reads_h != reads_x:  # (2, 3n): of the sums of x, and of those of h
        own = [gates[k].bias * (k not in reads_x) for k in reads_h]
        bias = np.stack([bias, np.concatenate(own)])
    return _entry(kind, layer, "tanh", kernel, recurrent_kernel, bias)


#: RTNeural's layer for a family, and the order of gates that read x, and of those that
#: read h; it has no other
_KINDS = {
    "lstm": ("lstm", ("i", "f", "c", "o"), ("i", "f", "c", "o")),
    "gru_after": ("gru", ("z", "r", "c"), ("z", "r", "n")),
}


def _refused(layer: Layer) -> dict[str, Any]:
    raise InputError(f"RTNeural has nothing like the layer {layer}.")


_WRITERS: dict[type, Callable[[Any], dict[str, Any]]] = {
    **dict.fromkeys((Embedding, Masking, Bidirectional, Pool), _refused),
    **dict.fromkeys((LayerNormalization, LocalPool, PReLU, Repeat), _refused),
    Affine: _affine,
    Dense: _dense,
    Conv1D: _convolution,
    Activation: _activation,
    Skip: _skip,
    Recurrent: _recurrent,
}
