"""A trained model as a LiteRT file (``.tflite``), without TensorFlow.

Sizes: B sequences, T steps, m features, n units.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.deploy.exporters import EXPORTERS
from slimrnn.deploy.graph.builder import Node
from slimrnn.deploy.graph.full_lstm import FullGate, full_gates
from slimrnn.deploy.graph.layers import begin, forward, one_step, over_steps
from slimrnn.deploy.graph.litert_builder import LiteRTGraph
from slimrnn.deploy.graph.metadata import metadata, save, summary
from slimrnn.deploy.program.trial import tried
from slimrnn.errors import InputError
from slimrnn.ir import read
from slimrnn.ir.layers import Recurrent
from slimrnn.ir.model import Model
from slimrnn.utils import files
from slimrnn.utils.checks import known

_EXPORTER = EXPORTERS["litert"]
#: the activations of the fused operator; its gates' is always the sigmoid
_FUSED = {"tanh": "TANH", "relu": "RELU"}


def to_litert(
    model: Any,
    path: str | os.PathLike[str],
    *,
    mode: str = "step",
    overwrite: bool = False,
) -> Path:
    """Write a trained model as a LiteRT file.

    Args:
        model: a Keras model that is a chain; see
            :func:`slimrnn.ir.read`.
        path: the file.
        mode: ``"step"``: one step; the states are inputs and outputs. ``"lstm"``:
            whole sequences; each recurrent layer is the operator
            ``UNIDIRECTIONAL_SEQUENCE_LSTM``, with zeros for the terms that the row
            leaves out.
        overwrite: whether a file that is there may be replaced.

    The file has the signature ``serving_default``. With ``"step"``: ``x`` is (B, m), or
    (B,) int32 indices for an Embedding; ``y`` is the output; for each state, such as
    ``lstm_h``, there are an input and an output of that name, (B, n) each, which
    begin as zeros, or as the metadata ``initial`` says. B is free.

    With ``"lstm"``: ``x`` is (1, T, m) or (1, T). T is free, unless the model has it.
    The operator keeps its states from run to run: call the interpreter's
    ``reset_all_variables()`` before each new sequence.

    Returns:
        The path.

    Raises:
        InputError: the package ``ai-edge-litert`` is missing, the file is there, the
            model cannot be described, or it has a layer that the mode does not
            allow.

    Example:
        >>> import tempfile, keras, slimrnn
        >>> model = keras.Sequential(
        ...     [keras.Input((None, 3)), slimrnn.SlimLSTM(4), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     to_litert(model, Path(folder, "model.tflite")).name
        'model.tflite'
    """
    known("mode", mode, _EXPORTER.modes)
    path = files.require_new(path, overwrite)
    graph, description = LiteRTGraph(), tried(read(model))
    if mode == "step":
        one_step(graph, description, "{}")
    else:
        _sequence(graph, description)
    text = summary(description, _EXPORTER.modes[mode])
    return save(path, graph.finish(description.name, text, metadata(description, mode)))


def _sequence(graph: LiteRTGraph, model: Model) -> None:
    """The file of a model over one whole sequence."""
    # The operator's states have one size: a batch that is free is refused by it.
    leading = (1, model.steps or "time")
    y = forward(graph, model, begin(graph, model, leading), over_steps(_lstm))
    if model.flatten:
        shape = graph.constant(np.array([1, -1]), "shape")
        size = (
            model.steps_of(model.steps) * model.outputs
            if model.steps
            else "time*outputs"
        )
        y = graph.operator("RESHAPE", [y, shape], (1, size))
    graph.output("y", y)


def _lstm(layer: Recurrent, x: Node, skipped: Node | None, in_order: bool) -> Node:
    """A recurrent layer as the fused operator."""
    graph, n, gates = x.graph, layer.outputs, _fused_gates(layer)
    if layer.initial is not None:
        raise InputError(
            f"The layer {layer.name} has initial states, and those of the fused "
            f"operator are 0; use mode='step'."
        )
    if layer.go_backwards:
        x = graph.turned(x)
    order = [gates[name] for name in ("i", "f", "c", "o")]
    none = [None]
    outputs = graph.operator(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        [
            x,
            *(graph.constant(gate.kernel.T, "kernel") for gate in order),
            *(graph.constant(gate.recurrent_kernel.T, "recurrent") for gate in order),
            *none * 3,  # peepholes
            *(graph.constant(gate.bias, "bias") for gate in order),
            *none * 2,  # a projection
            graph.variable("h", (1, n)),
            graph.variable("c", (1, n)),
            *none * 4,  # layer normalization
        ],
        (*x.shape[:-1], n),
        options="UnidirectionalSequenceLSTMOptions",
        fusedActivationFunction=getattr(
            graph.schema.ActivationFunctionType, _FUSED[layer.cell.spec.of_state.name]
        ),
    )
    if not layer.return_sequences:
        return graph.over_time("last", outputs)
    return graph.turned(outputs) if layer.go_backwards and in_order else outputs


def _fused_gates(layer: Recurrent) -> dict[str, FullGate]:
    """The layer's gates, if the fused operator can compute them."""
    g, s, of_state = (function.name for function in layer.cell.spec.functions)
    if s != "sigmoid" or g not in _FUSED or of_state != g:
        raise InputError(
            f"The layer {layer.name} has the activations {g}, {s} (recurrent) and "
            f"{of_state} (of its state); allowed with mode='lstm': "
            f"{' or '.join(_FUSED)} for both, and sigmoid. Use another mode."
        )
    return full_gates(layer)
