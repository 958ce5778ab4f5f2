"""A trained model as an ONNX file.

Sizes: B sequences, T steps, m features, n units.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

import slimrnn
from slimrnn.deploy.exporters import EXPORTERS
from slimrnn.deploy.graph.builder import Array, Node
from slimrnn.deploy.graph.full_lstm import full_gates
from slimrnn.deploy.graph.layers import (
    Writer,
    begin,
    forward,
    one_step,
    over_steps,
    step,
)
from slimrnn.deploy.graph.metadata import metadata, save, summary
from slimrnn.deploy.graph.onnx_builder import ACTIVATIONS, OnnxGraph
from slimrnn.deploy.program.program import tables_of
from slimrnn.deploy.program.trial import tried
from slimrnn.ir import read
from slimrnn.ir.layers import Recurrent
from slimrnn.ir.model import Model
from slimrnn.ir.onnx_scan import before_loop, described
from slimrnn.utils import files
from slimrnn.utils.checks import known
from slimrnn.utils.optional import require
from slimrnn.variants import FAMILIES

#: a set of operators and a version of the file that onnxruntime reads from 1.12 on
OPSET, IR_VERSION = 17, 8
_EXPORTER = EXPORTERS["onnx"]


def to_onnx(
    model: Any,
    path: str | os.PathLike[str],
    *,
    mode: str = "scan",
    overwrite: bool = False,
) -> Path:
    """Write a trained model as an ONNX file.

    Args:
        model: a Keras model that is a chain; see
            :func:`slimrnn.ir.read`.
        path: the file.
        mode: ``"scan"``: whole sequences; each recurrent layer is the operator
            ``Scan``. ``"lstm"``: whole sequences; each recurrent layer is the
            operator ``LSTM``, with zeros for the terms that the row leaves out, for
            what cannot run a ``Scan``. ``"step"``: one step; the states are inputs
            and outputs.
        overwrite: whether a file that is there may be replaced.

    The input is ``x``: (B, T, m), or (B, T) int32 indices for an Embedding; the output
    is ``y``. B and T are free. With ``"step"`` there is no T, and for each state there
    are an input, such as ``lstm_h``, and an output, ``next_lstm_h``, (B, n) each; the
    states begin as zeros, as they do in the other modes, or as the metadata
    ``initial`` says, by the names of the inputs.

    Returns:
        The path.

    Raises:
        InputError: the package ``onnx`` is missing, the file is there, the model
            cannot be described, or it has a layer that the mode does not allow.

    Example:
        >>> import tempfile, keras, slimrnn
        >>> model = keras.Sequential(
        ...     [keras.Input((None, 3)), slimrnn.SlimLSTM(4), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     to_onnx(model, Path(folder, "model.onnx")).name
        'model.onnx'
    """
    known("mode", mode, _EXPORTER.modes)
    path = files.require_new(path, overwrite)
    onnx = require("onnx", "onnx", "slimrnn[onnx]")
    description = tried(read(model))
    graph = OnnxGraph()
    if mode == "step":
        one_step(graph, description, "next_{}")
    else:
        _sequences(graph, description, over_steps(_SEQUENCES[mode]))
    proto = onnx.helper.make_model(
        graph.finish(description.name),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="slimrnn",
        producer_version=slimrnn.__version__,
        doc_string=summary(description, _EXPORTER.modes[mode]),
    )
    onnx.helper.set_model_props(proto, metadata(description, mode))
    onnx.checker.check_model(proto, full_check=True)
    return save(path, proto.SerializeToString())


def _sequences(graph: OnnxGraph, model: Model, recurrent: Writer) -> None:
    """The file of a model over whole sequences."""
    y = forward(graph, model, begin(graph, model, ("batch", "time")), recurrent)
    if model.flatten:
        y = graph.operator("Flatten", [y], ("batch", f"time*{model.outputs}"), axis=1)
    graph.output("y", y)


def _scan(layer: Recurrent, x: Node, skipped: Node | None, in_order: bool) -> Node:
    """A recurrent layer as a Scan over axis 1, which carries the states."""
    graph, body = x.graph, OnnxGraph(f"{x.graph.scope}/step")
    names = FAMILIES[layer.cell.variant.family].states
    state = (x.shape[0], layer.outputs)
    before = {name: body.input(f"{body.scope}/{name}", state) for name in names}
    sequences: list[Node] = []
    products: list[tuple[Array, Array | None]] = []

    def each_step(sequence: Node, name: str) -> Node:
        """What the body gets of a sequence."""
        sequences.append(sequence)
        shape = (x.shape[0], sequence.width)
        return body.input(f"{body.scope}/{name}", shape, sequence.dtype)

    def of_x(matrix: Array, bias: Array | None, name: str) -> Node:
        """One product for all steps, before the loop."""
        products.append((matrix, bias))
        return each_step(graph.product(x, matrix, bias, name), "of_x")

    now = each_step(skipped, "skipped") if layer.masked and skipped else None
    y, after = step(layer, of_x, before, now)
    for name in names:
        body.output(f"{body.scope}/next_{name}", after[name])
    body.output(f"{body.scope}/y", y)
    backwards = int(layer.go_backwards)
    turned = backwards if in_order and layer.return_sequences else 0
    content = body.finish(body.scope)
    *last, outputs = graph.operators(
        "Scan",
        [*(_initial(layer, x, name) for name in names), *sequences],
        [*([state] * len(names)), (*x.shape[:-1], layer.outputs)],
        doc_string=described(
            layer,
            tables_of(layer.cell),
            {**before_loop(products), **body.arrays()},
            content.SerializeToString(),
        ),
        body=content,
        num_scan_inputs=len(sequences),
        scan_input_axes=[1] * len(sequences),
        scan_input_directions=[backwards] * len(sequences),
        scan_output_axes=[1],
        scan_output_directions=[turned],
    )
    if layer.return_sequences:
        return outputs
    if layer.zero_masked:  # then the last output may be 0, unlike the state
        return graph.operator("Gather", [outputs, graph.constant(-1)], state, axis=1)
    return last[names.index("h")]


def _lstm(layer: Recurrent, x: Node, skipped: Node | None, in_order: bool) -> Node:
    """A recurrent layer as the operator LSTM, whose axis of time is the first."""
    graph, n, gates = x.graph, layer.outputs, full_gates(layer)
    batch, time, _ = x.shape
    order = [gates[name] for name in ("i", "o", "f", "c")]
    kernel = np.concatenate([gate.kernel.T for gate in order])
    recurrent = np.concatenate([gate.recurrent_kernel.T for gate in order])
    bias = np.concatenate([*(gate.bias for gate in order), np.zeros(4 * n, "float32")])
    first: list[Node | None] = []
    if layer.initial is not None:
        axis, shape = graph.vector(0), (1, batch, n)
        states = [_initial(layer, x, name) for name in ("h", "c")]
        first = [None, *(graph.operator("Unsqueeze", [s, axis], shape) for s in states)]
    outputs, last = graph.operators(
        "LSTM",
        [
            graph.operator("Transpose", [x], (time, batch, x.width), perm=[1, 0, 2]),
            graph.constant(kernel[None], "kernel"),
            graph.constant(recurrent[None], "recurrent_kernel"),
            graph.constant(bias[None], "bias"),
            *first,
        ],
        [(time, 1, batch, n), (1, batch, n)],
        hidden_size=n,
        direction="reverse" if layer.go_backwards else "forward",
        **_activations(layer),
    )
    if not layer.return_sequences:
        return graph.operator("Squeeze", [last, graph.vector(0)], (batch, n))
    outputs = graph.operator("Squeeze", [outputs, graph.vector(1)], (time, batch, n))
    outputs = graph.operator("Transpose", [outputs], (batch, time, n), perm=[1, 0, 2])
    return graph.turned(outputs) if layer.go_backwards and not in_order else outputs


def _activations(layer: Recurrent) -> dict[str, list]:
    """The attributes of the operator LSTM that name its functions."""
    g, s, of_state = (function.name for function in layer.cell.spec.functions)
    known = {**ACTIVATIONS, "linear": ("Affine", {"alpha": 1.0, "beta": 0.0})}
    used = [known[name] for name in (s, g, of_state)]
    # A list has an entry for those functions alone that have the parameter.
    parameters = {
        f"activation_{key}": [settings[key] for _, settings in used if settings]
        for key in ("alpha", "beta")
    }
    return {
        "activations": [kind for kind, _ in used],
        **{key: values for key, values in parameters.items() if values},
    }


def _initial(layer: Recurrent, x: Node, name: str) -> Node:
    """A state before the first step, (B, n)."""
    graph, units = x.graph, layer.outputs
    batch = graph.operator("Shape", [x], (1,), dtype="int64", start=0, end=1)
    shape = [batch, graph.vector(units)]
    shape = graph.operator("Concat", shape, (2,), dtype="int64", axis=0)
    if layer.initial is None:
        return graph.operator("ConstantOfShape", [shape], (x.shape[0], units))
    first = graph.constant(layer.initial[name], f"initial_{name}")
    return graph.operator("Expand", [first, shape], (x.shape[0], units))


_SEQUENCES = {"scan": _scan, "lstm": _lstm}
