"""ONNX files in onnxruntime: as the model in Keras."""

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest

import slimrnn
from exported_models import (
    CASES,
    FEATURES,
    FUNCTIONS,
    UNITS,
    assert_exported,
    of_functions,
    origin,
)
from layer_problems import assert_same
from problems import ROWS
from products import each_once
from slimrnn.deploy import EXPORTERS
from slimrnn.deploy.graph.onnx import to_onnx
from slimrnn.variants import CANDIDATE, CellSpec
from slimrnn.variants.activations import OF_LAYERS

pytestmark = pytest.mark.backend_free

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SIZES = [(3, 9)]  # batch, time

MODES = EXPORTERS["onnx"].modes
OTHERS = [name for name in CASES if name not in ROWS]


def session_of(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run(path, mode, x):
    """What the file makes of whole sequences; of each step for the one-step model."""
    session = session_of(path)
    if mode != "step":
        return session.run(["y"], {"x": x})[0]
    _, *inputs = session.get_inputs()
    states = {k.name: np.zeros((len(x), k.shape[-1]), "float32") for k in inputs}
    outputs = []
    for t in range(x.shape[1]):
        y, *after = session.run(None, {"x": x[:, t], **states})
        states = dict(zip(states, after, strict=True))
        outputs.append(y)
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize(
    ("name", "mode"), [*each_once(ROWS, MODES), *product(OTHERS, MODES)]
)
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask attached")
def test_as_keras(name, mode, tmp_path):
    assert_exported(CASES[name], mode, to_onnx, run, tmp_path / "model.onnx", SIZES)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("activation", "recurrent"), each_once([*FUNCTIONS, *OF_LAYERS], FUNCTIONS)
)
def test_activations(activation, recurrent, mode, tmp_path):
    case = of_functions(activation, recurrent)
    assert_exported(case, mode, to_onnx, run, tmp_path / "model.onnx", SIZES)


def graphs_of(path):
    """The graph of a file, and the bodies inside."""
    graphs = [onnx.load(path).graph]
    for graph in graphs:
        attributes = [a for node in graph.node for a in node.attribute]
        graphs += [a.g for a in attributes if a.type == onnx.AttributeProto.GRAPH]
    return graphs


@pytest.mark.parametrize("name", ROWS)
def test_what_a_row_leaves_out_is_not_there(name, tmp_path):
    graphs = graphs_of(to_onnx(CASES[name].model, tmp_path / "model.onnx"))
    spec = CellSpec(ROWS[name])
    kinds = Counter(node.op_type for graph in graphs for node in graph.node)
    moving = [k for k in spec.time_varying if k not in (CANDIDATE, spec.family.product)]
    of_state = [spec.of_state] * ("c" in spec.family.states)
    functions = [spec.used(CANDIDATE), *of_state]
    assert kinds["Scan"] == 1
    assert kinds["Sigmoid"] == len(moving)
    assert kinds["Tanh"] == sum(used.name == "tanh" for used in functions)
    held = [tensor for graph in graphs for tensor in graph.initializer]
    found = sum(math.prod(tensor.dims) for tensor in held if len(tensor.dims) == 2)
    shapes = spec.variant.shapes(FEATURES, UNITS).values()
    assert found == UNITS * 3 + sum(math.prod(k) for k in shapes if len(k) == 2)


def test_sizes_are_free(tmp_path):
    model = CASES["stack"].model
    session = session_of(to_onnx(model, tmp_path / "model.onnx"))
    for size in ((1, 1), (2, 1), (1, 7), (5, 3)):
        x, expected = CASES["stack"].problem(*size)
        assert_same(session.run(["y"], {"x": x}), [expected])


@pytest.mark.parametrize("mode", MODES)
def test_the_metadata_of_a_file(mode, tmp_path):
    model = CASES["LSTM4"].model
    layer = model.layers[0].name
    proto = onnx.load(to_onnx(model, tmp_path / "model.onnx", mode=mode))
    onnx.checker.check_model(proto, full_check=True)
    said = {entry.key: entry.value for entry in proto.metadata_props}
    assert said == origin(model, mode)
    assert proto.producer_name == "slimrnn"
    assert proto.producer_version == slimrnn.__version__
    assert "iₜ = σ(u_i ⊙ hₜ₋₁)" in proto.doc_string
    states = [f"{layer}_{name}" for name in "hc"] if mode == "step" else []
    assert names_of(proto.graph.input) == ["x", *states]
    assert names_of(proto.graph.output) == ["y", *(f"next_{k}" for k in states)]


def names_of(values):
    return [value.name for value in values]


def test_equal_names_of_layers_stay_apart(tmp_path):
    path = to_onnx(CASES["equal names"].model, tmp_path / "model.onnx", mode="step")
    names = names_of(onnx.load(path).graph.input)
    assert names == ["x", "a_h", "a_c", "a_h_1", "a_c_1"]
