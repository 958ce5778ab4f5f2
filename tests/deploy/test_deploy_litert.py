"""LiteRT files in ai-edge-litert: as the model in Keras."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from exported_models import CASES, FUNCTIONS, assert_exported, of_functions, origin
from layer_problems import assert_same
from problems import ROWS
from products import each_once
from slimrnn.deploy import EXPORTERS
from slimrnn.deploy.graph.litert import to_litert
from slimrnn.variants.activations import OF_LAYERS

pytestmark = pytest.mark.backend_free

litert = pytest.importorskip("ai_edge_litert.interpreter")
schema = pytest.importorskip("ai_edge_litert.schema_py_generated")

#: batch and time; the fused operator has one batch size
SIZES = {"step": [(3, 9)], "lstm": [(1, 9)]}
#: what the fused operator computes: functions of the candidate, and of the gates
FUSED = (("tanh", "relu"), ("sigmoid",))

MODES = EXPORTERS["litert"].modes
OTHERS = [name for name in CASES if name not in ROWS]


def run(path, mode, x):
    """What the file makes of whole sequences; of each step for the one-step model."""
    runner = litert.Interpreter(str(path)).get_signature_runner("serving_default")
    if mode != "step":
        return runner(x=x)["y"]
    states = {
        name: np.zeros((len(x), details["shape"][-1]), "float32")
        for name, details in runner.get_input_details().items()
        if name != "x"
    }
    outputs = []
    for t in range(x.shape[1]):
        states = runner(x=x[:, t], **states)
        outputs.append(states.pop("y"))
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize(
    ("name", "mode"), [*each_once(ROWS, MODES), *product(OTHERS, MODES)]
)
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask attached")
def test_as_keras(name, mode, tmp_path):
    path, case = tmp_path / "model.tflite", CASES[name]
    row = ROWS.get(name)
    if row and row.candidate_activation != row.state_activation:
        case = replace(case, refused=("lstm",))  # which has one function for both
    assert_exported(case, mode, to_litert, run, path, SIZES[mode])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("activation", "recurrent"), each_once([*FUNCTIONS, *OF_LAYERS], FUNCTIONS)
)
def test_activations(activation, recurrent, mode, tmp_path):
    fused = activation in (*FUSED[0], *OF_LAYERS) and recurrent in FUSED[1]
    case = of_functions(activation, recurrent, *(() if fused else ("lstm",)))
    path = tmp_path / "model.tflite"
    assert_exported(case, mode, to_litert, run, path, SIZES[mode])


def test_a_batch_is_free(tmp_path):
    case = CASES["stack"]
    path = to_litert(case.model, tmp_path / "model.tflite")
    for batch in (1, 2, 5):
        x, expected = case.problem(batch, 4)
        assert_same(run(path, "step", x)[:, -1], expected)


def test_a_length_is_free(tmp_path):
    case = CASES["stack"]
    path = to_litert(case.model, tmp_path / "model.tflite", mode="lstm")
    for length in (1, 4, 9):
        x, expected = case.problem(1, length)
        assert_same(run(path, "lstm", x), expected)


def test_the_fused_operator_goes_on_until_it_is_reset(tmp_path):
    case = CASES["LSTM5"]
    path = to_litert(case.model, tmp_path / "model.tflite", mode="lstm")
    interpreter = litert.Interpreter(str(path))
    runner = interpreter.get_signature_runner()
    x, expected = case.problem(1, 8)
    assert_same(runner(x=x[:, :4])["y"], expected[:, :4])
    assert_same(runner(x=x[:, 4:])["y"], expected[:, 4:])
    interpreter.reset_all_variables()
    assert_same(runner(x=x[:, :4])["y"], expected[:, :4])


@pytest.mark.parametrize("mode", MODES)
def test_the_metadata_of_a_file(mode, tmp_path):
    model = CASES["LSTM4"].model
    layer = model.layers[0].name
    path = to_litert(model, tmp_path / "model.tflite", mode=mode)
    file = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    assert "iₜ = σ(u_i ⊙ hₜ₋₁)" in file.description.decode()
    (entry,) = file.metadata
    assert entry.name == b"slimrnn"
    said = json.loads(bytes(file.buffers[entry.buffer].data))
    assert said == origin(model, mode)
    (signature,) = litert.Interpreter(str(path)).get_signature_list().values()
    states = [f"{layer}_{name}" for name in "hc"] if mode == "step" else []
    assert set(signature["inputs"]) == {"x", *states}
    assert set(signature["outputs"]) == {"y", *states}
    shape, free = {"step": ([1, 5], [-1, 5]), "lstm": ([1, 1, 5], [1, -1, 5])}[mode]
    x = file.subgraphs[0].tensors[file.subgraphs[0].inputs[0]]
    assert (list(x.shape), list(x.shapeSignature)) == (shape, free)
