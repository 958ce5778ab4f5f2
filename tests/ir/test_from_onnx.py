"""ONNX files of PyTorch's exporter and of ours: what they answer, the model answers."""

import numpy as np
import pytest

import torch_modules
from deploy_problems import model_of
from exported_models import CASES
from ir_models import normal
from problems import ROWS
from slimrnn import deploy, ir
from slimrnn.deploy.program import program, simulator
from slimrnn.errors import InputError
from slimrnn.variants import get
from torch_nets import Net, nn, torch

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
TIME, BATCH, M, N = 6, 2, 3, 4
FLOAT = onnx.TensorProto.FLOAT


def saved(path, nodes, arrays, shape=("batch", "time", M), outputs=("y",), dtype=FLOAT):
    """A file of these operators, from x to y."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    proto.ir_version = 8
    path.write_bytes(proto.SerializeToString())
    return path


def answered(path, x):
    """What ONNX Runtime gives, and what the model that was read gives."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given, *_) = session.get_inputs()
    expected = session.run(None, {given.name: x})[0]
    return expected, ir.read(path, recurrent=False)


def node(kind, inputs, outputs, **settings):
    return helper.make_node(kind, inputs.split(), outputs.split(), **settings)


TURN = node("Transpose", "x", "t", perm=[1, 0, 2])
#: after Y (T, D, B, n): what comes of it
ENDS = {
    "all steps": [
        node("Transpose", "Y", "u", perm=[2, 0, 1, 3]),
        node("Reshape", "u all", "y"),
    ],
    "time first": [
        node("Transpose", "Y", "u", perm=[0, 2, 1, 3]),
        node("Reshape", "u all", "y"),
    ],
    "the last h": [
        node("Transpose", "H", "u", perm=[1, 0, 2]),
        node("Reshape", "u flat", "y"),
    ],
}
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
ARRAYS = {"all": np.array([0, 0, -1]), "flat": np.array([0, -1])}


def weights(kind, ways, bias=True):
    rows = GATES[kind] * N
    found = {"W": normal(ways, rows, M), "R": normal(ways, rows, N, seed=1)}
    return {**found, "B": normal(ways, 2 * rows, seed=2)} if bias else found


@pytest.mark.backend_free
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind", GATES)
def test_recurrent_operators(kind, direction, end, tmp_path):
    if direction == "reverse" and end != "the last h":
        pytest.skip("a layer of our own has these in the opposite order")
    ways = 2 if direction == "bidirectional" else 1
    bias = end != "time first"
    arrays = {**weights(kind, ways, bias), **ARRAYS}
    settings = {"hidden_size": N, "direction": direction}
    inputs = "t W R B" if bias else "t W R"
    nodes = [TURN, node(kind, inputs, "Y H", **settings), *ENDS[end]]
    path = saved(tmp_path / "m.onnx", nodes, arrays)
    x = normal(BATCH, TIME, M)
    expected, model = answered(path, x)
    found = simulator.run(program.float32(model), x)
    if end == "time first":
        found = found.swapaxes(0, 1)
    np.testing.assert_allclose(found, expected, atol=2e-6)


FUNCTIONS = {
    "a GRU that resets after": ("GRU", {"linear_before_reset": 1}),
    "hard sigmoids": (
        "LSTM",
        {
            "activations": ["HardSigmoid", "Tanh", "Tanh"],
            "activation_alpha": [0.2],
            "activation_beta": [0.5],
        },
    ),
    "Keras 3's": (
        "GRU",
        {
            "activations": ["HardSigmoid", "Relu"],
            "activation_alpha": [1 / 6],
            "activation_beta": [0.5],
        },
    ),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("what", FUNCTIONS)
def test_functions(what, tmp_path):
    kind, settings = FUNCTIONS[what]
    nodes = [TURN, node(kind, "t W R B", "Y H", hidden_size=N, **settings)]
    arrays = {**weights(kind, 1), **ARRAYS}
    path = saved(tmp_path / "m.onnx", [*nodes, *ENDS["all steps"]], arrays)
    x = normal(BATCH, TIME, M)
    expected, model = answered(path, x)
    np.testing.assert_allclose(
        simulator.run(program.float32(model), x), expected, atol=2e-6
    )


@pytest.mark.backend_free
def test_numbers_around_a_layer(tmp_path):
    """``2 - (y - 3) * c / 4``, on rows of all steps of all sequences."""
    names = {"three": 3, "two": 2, "four": 4}
    arrays = {k: np.float32(v) for k, v in names.items()}
    arrays |= {**weights("RNN", 1), "c": normal(N), "rows": np.array([-1, N])}
    nodes = [
        TURN,
        node("RNN", "t W R B", "Y H", hidden_size=N),
        node("Transpose", "Y", "u", perm=[2, 0, 1, 3]),
        node("Reshape", "u rows", "r"),
        node("Sub", "r three", "a"),
        node("Mul", "c a", "b"),
        node("Div", "b four", "d"),
        node("Sub", "two d", "y"),
    ]
    path = saved(tmp_path / "m.onnx", nodes, arrays)
    x = normal(BATCH, TIME, M)
    expected, model = answered(path, x)
    assert not model.flatten
    assert not model.translated
    found = simulator.run(program.float32(model), x)
    np.testing.assert_allclose(found.reshape(-1, N), expected, atol=2e-6)


@pytest.mark.backend_free
def test_first_states(tmp_path):
    arrays = {
        **weights("LSTM", 1),
        **ARRAYS,
        "h": normal(1, 1, N),
        "c": normal(1, 1, N),
    }
    settings = {"hidden_size": N}
    nodes = [
        TURN,
        node("LSTM", "t W R B  h c".replace("  ", " none "), "Y H", **settings),
    ]
    nodes[1].input[4] = ""
    path = saved(tmp_path / "m.onnx", [*nodes, *ENDS["all steps"]], arrays)
    x = normal(1, TIME, M)
    expected, model = answered(path, x)
    np.testing.assert_allclose(
        simulator.run(program.float32(model), x), expected, atol=2e-6
    )


@pytest.mark.backend_free
def test_first_states_of_zeros_for_each_layer(tmp_path):
    """As PyTorch's exporter of today has them, where the sequences are free."""
    arrays = {
        **weights("GRU", 1),
        **ARRAYS,
        "zero": np.zeros((), "float32"),
        "shape": np.array([2, BATCH, N]),
        **{name: np.array([k]) for k, name in enumerate(("from", "to"))},
    }
    nodes = [
        *(TURN, node("Expand", "zero shape", "both")),
        node("Slice", "both from to from", "h"),
        node("GRU", "t W R B none h", "Y H", hidden_size=N),
    ]
    nodes[-1].input[4] = ""
    path = saved(tmp_path / "m.onnx", [*nodes, *ENDS["all steps"]], arrays)
    x = normal(BATCH, TIME, M)
    expected, model = answered(path, x)
    np.testing.assert_allclose(
        simulator.run(program.float32(model), x), expected, atol=2e-6
    )


def read_back(case, path, mode):
    """A model that was written and read, which must answer as the one in Keras."""
    deploy.to_onnx(case.model, path, mode=mode)
    x, expected = case.problem(3, 9)
    found = ir.read(path, recurrent=False)
    answer = simulator.run(program.float32(found), x).reshape(expected.shape)
    np.testing.assert_allclose(answer, expected, atol=2e-6)
    return found


@pytest.mark.backend_free
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask attached")
def test_our_scan_is_the_same_cells(name, tmp_path):
    case = CASES[name]
    if name == "Average, masked words":
        with pytest.raises(InputError, match=r"Where.*cannot be read"):
            read_back(case, tmp_path / "m.onnx", "scan")
        return
    found, model = read_back(case, tmp_path / "m.onnx", "scan"), ir.read(case.model)
    for one, other in zip(found.recurrent(), model.recurrent(), strict=True):
        assert one.cell.spec == other.cell.spec
        assert (one.masked, one.go_backwards) == (other.masked, other.go_backwards)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    "name", [name for name in ROWS if "lstm" not in CASES[name].refused]
)
def test_our_operator_lstm_is_full(name, tmp_path):
    found = read_back(CASES[name], tmp_path / "m.onnx", "lstm")
    gates = get("LSTM").gates
    assert all(layer.cell.variant.gates == gates for layer in found.recurrent())


@pytest.mark.backend_free
@pytest.mark.parametrize("what", ["a number", "the words", "no words"])
def test_a_scan_that_was_changed_is_refused(what, tmp_path):
    path = deploy.to_onnx(CASES["LSTM4"].model, tmp_path / "m.onnx")
    proto = onnx.load(path)
    (scan,) = [each for each in proto.graph.node if each.op_type == "Scan"]
    if what == "a number":
        (body,) = [a.g for a in scan.attribute if a.name == "body"]
        tensor = body.initializer[0]
        array = numpy_helper.to_array(tensor) * np.float32(2)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    else:
        changed = scan.doc_string.replace("LSTM4", "LSTM3")
        scan.doc_string = changed if what == "the words" else ""
    onnx.save(proto, path)
    with pytest.raises(InputError, match=r"Scan.*is not as slimrnn writes it"):
        ir.read(path)


@pytest.mark.backend_free
@pytest.mark.parametrize("pool", ["Average", "Max"])
def test_pools_and_norms_come_back(pool, tmp_path):
    import keras

    layers = keras.layers
    model = ir.read(
        model_of(
            getattr(layers, f"{pool}Pooling1D")(2, strides=1),
            layers.LSTM(4, return_sequences=True),
            layers.LayerNormalization(),
            getattr(layers, f"Global{pool}Pooling1D")(),
            layers.Dense(2),
        )
    )
    path = deploy.to_onnx(model, tmp_path / "m.onnx", mode="lstm")
    x = normal(BATCH, TIME, model.inputs)
    expected, found = answered(path, x)
    kinds = [[type(layer) for layer in each.layers] for each in (model, found)]
    assert kinds[0] == kinds[1]
    np.testing.assert_allclose(
        simulator.run(program.float32(found), x), expected, atol=2e-6
    )


REFUSED = {
    "another operator": ([node("Sin", "x", "y")], "Sin.*cannot be read; allowed"),
    "no layer": ([node("Identity", "x", "y")], "no output that layers give"),
    "a tensor that is not there": (
        [node("LSTM", "t W R", "Y H", hidden_size=N, clip=1.0)],
        "uses t, which nothing gives",
    ),
    "a clip": (
        [TURN, node("LSTM", "t W R", "Y y", hidden_size=N, clip=1.0)],
        "clip=1.0",
    ),
    "all steps backwards": (
        [
            TURN,
            node("LSTM", "t W R", "Y H", hidden_size=N, direction="reverse"),
            *ENDS["all steps"],
        ],
        "goes backwards and gives all steps",
    ),
    "the last sequence of a batch": (
        [
            TURN,
            node("LSTM", "t W R", "Y H", hidden_size=N),
            *ENDS["all steps"][:1],
            node("Gather", "u minus", "y", axis=0),
        ],
        "allowed is the last step",
    ),
    "rounded": (
        [node("Cast", "x", "c", to=onnx.TensorProto.INT32), node("Tanh", "c", "y")],
        "rounds features",
    ),
    "divided by x": ([node("Div", "one x", "y")], "divides by its input"),
    "an operator without an attribute": (
        [node("Cast", "x", "y")],
        r"Cast.*as it stands here: .*the input \(size0, size1, 3\)",
    ),
    "an operator without inputs": (
        [helper.make_node("Tanh", [], ["y"])],
        "Tanh.*as it stands here: it gets nothing",
    ),
    "a step in the middle": (
        [
            TURN,
            node("LSTM", "t W R", "Y H", hidden_size=N),
            node("Gather", "Y two", "y", axis=0),
        ],
        "allowed is the last step",
    ),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(what, tmp_path):
    nodes, sentence = REFUSED[what]
    arrays = {
        **weights("LSTM", 1, False),
        **ARRAYS,
        "two": np.array(2),
        "minus": np.array(-1),
    }
    arrays["one"] = np.float32(1)
    path = saved(tmp_path / "m.onnx", nodes, arrays)
    with pytest.raises(InputError, match=sentence):
        ir.read(path, recurrent=False)


FIRST = {"batch_first": True}
EXPORTED = {
    "all steps": lambda: Net(
        lambda self, x: self.lin(self.rnn(x)[0]),
        rnn=nn.LSTM(M, N, 2, **FIRST),
        lin=nn.Linear(N, 2),
    ),
    "the last step": lambda: Net(
        lambda self, x: torch.softmax(self.lin(self.rnn(x)[0][:, -1]), -1),
        rnn=nn.GRU(M, N, **FIRST),
        lin=nn.Linear(N, 2),
    ),
    "both directions": lambda: Net(
        lambda self, x: torch.tanh(self.lin(self.rnn(x)[0])),
        rnn=nn.LSTM(M, N, bidirectional=True, **FIRST),
        lin=nn.Linear(2 * N, 2),
    ),
    "the input added": lambda: Net(
        lambda self, x: self.lin(self.rnn(x)[0]) + x[..., :1],
        rnn=nn.GRU(M, N, **FIRST),
        lin=nn.Linear(N, 1),
    ),
    "words": lambda: Net(
        lambda self, x: self.lin(self.rnn(self.words(x))[1][0][-1]),
        words=nn.Embedding(9, M),
        rnn=nn.LSTM(M, N, **FIRST),
        lin=nn.Linear(N, 2),
    ),
    "convolutions": lambda: Net(
        lambda self, x: self.rnn(
            torch.relu(self.conv(x.transpose(1, 2))).transpose(1, 2)
        )[0],
        conv=nn.Conv1d(M, 6, 3, padding=2, dilation=2, groups=3),
        rnn=nn.GRU(6, N, **FIRST),
    ),
    "pools": lambda: Net(
        lambda self, x: self.rnn(
            self.average(self.most(x.transpose(1, 2))).transpose(1, 2)
        )[0].mean(1),
        most=nn.MaxPool1d(2, padding=1),
        average=nn.AvgPool1d(3, stride=1),
        rnn=nn.GRU(M, N, **FIRST),
    ),
    "a norm of each step": lambda: Net(
        lambda self, x: self.lin(self.norm(self.rnn(x)[0])),
        rnn=nn.LSTM(M, N, **FIRST),
        norm=nn.LayerNorm(N),
        lin=nn.Linear(N, 1),
    ),
    "a row of all steps": lambda: Net(
        lambda self, x: self.lin(torch.relu(self.rnn(x)[0]).flatten(1)),
        rnn=nn.LSTM(M, N, bidirectional=True, **FIRST),
        lin=nn.Linear(TIME * 2 * N, 2),
    ),
    "a row of all features": lambda: Net(
        lambda self, x: self.lin(
            self.rnn(x)[0].transpose(1, 2).reshape(x.shape[0], -1)
        ),
        rnn=nn.GRU(M, N, **FIRST),
        lin=nn.Linear(TIME * N, 2),
    ),
    "a norm": lambda: Net(
        lambda self, x: self.lin(self.norm(self.rnn(x)[0][:, -1])),
        rnn=nn.RNN(M, N, **FIRST),
        norm=nn.BatchNorm1d(N),
        lin=nn.Linear(N, 1),
    ),
}


def exported(module, x, path, free):
    axes = {"dynamic_axes": {"x": {0: "batch", 1: "time"}}} if free else {}
    torch.onnx.export(
        module, torch.as_tensor(x), path, input_names=["x"], dynamo=False, **axes
    )


@pytest.mark.skipif(torch is None, reason="torch is not installed")
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("what", EXPORTED)
@pytest.mark.filterwarnings("ignore")
def test_what_pytorch_exports(what, fixed, tmp_path):
    torch.manual_seed(0)
    module, path = EXPORTED[what]().eval(), tmp_path / "m.onnx"
    rng = np.random.default_rng(0)
    words = what == "words"
    x = rng.integers(0, 9, (BATCH, TIME)) if words else normal(BATCH, TIME, M)
    exported(module, x, path, not fixed)
    expected, model = answered(path, x)
    assert model.origin == "ONNX, pytorch"
    assert model.steps == (TIME if fixed or what.startswith("a row") else None)
    np.testing.assert_allclose(
        simulator.run(program.float32(model), x), expected, atol=2e-6
    )


@pytest.mark.skipif(torch is None, reason="torch is not installed")
@pytest.mark.parametrize("what", torch_modules.MODULES)
@pytest.mark.filterwarnings("ignore")
def test_modules_as_people_export_them(what, tmp_path):
    module, path = torch_modules.made(what), tmp_path / "m.onnx"
    x = normal(BATCH, TIME, torch_modules.M)
    if "words" in what:
        x = np.random.default_rng(0).integers(0, 9, (BATCH, TIME))
    elif what.startswith("numbers"):
        x = x[: 1 if "one sequence" in what else BATCH, :, :1]
    lying = {
        "features first": lambda: x.swapaxes(1, 2),
        "numbers": lambda: x[..., 0],
        "numbers of one sequence": lambda: x[0, :, 0],
    }
    given = lying[what]() if what in lying else x
    exported(module, given, path, what not in lying)
    expected, model = answered(path, given)
    found = simulator.run(program.float32(model), x)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=2e-6)


@pytest.mark.backend_free
@pytest.mark.parametrize("what", ["beside", "elsewhere", "gone", "short"])
def test_weights_in_a_file_beside(what, tmp_path):
    """As PyTorch has exported them since 2.9."""
    nodes = [TURN, node("LSTM", "t W R", "Y H", hidden_size=N), *ENDS["all steps"]]
    whole = saved(
        tmp_path / "whole.onnx", nodes, {**weights("LSTM", 1, False), **ARRAYS}
    )
    (tmp_path / "in").mkdir()
    path, data = tmp_path / "in" / "m.onnx", tmp_path / "in" / "m.data"
    onnx.save(
        onnx.load(whole),
        path,
        save_as_external_data=True,
        location="m.data",
        size_threshold=0,
    )
    if what == "beside":
        found, wanted = (ir.read(each) for each in (path, whole))
        assert found.layers == wanted.layers
        return
    if what == "elsewhere":
        data.rename(tmp_path / "m.data")
        data.symlink_to(tmp_path / "m.data")
    elif what == "gone":
        data.unlink()
    else:
        data.write_bytes(data.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"m\.(onnx|data)"):
        ir.read(path)
