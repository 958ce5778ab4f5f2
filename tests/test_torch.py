"""The layers for PyTorch: those of torch.nn, and the oracle for all variants."""

import copy
import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest

from problems import ROWS
from slimrnn import InputError, reference

torch = pytest.importorskip("torch")
ours = pytest.importorskip("slimrnn.torch")

nn, forward_ad = torch.nn, torch.autograd.forward_ad
pack_sequence = nn.utils.rnn.pack_sequence
pad_packed_sequence = nn.utils.rnn.pad_packed_sequence

LAYERS = {"lstm": ours.SlimLSTM, "gru": ours.SlimGRU, "mgu": ours.SlimMGU}
B, T, M, N = 3, 5, 4, 6
BOTH = (torch.float32, torch.float64)  # in C, and by torch
NEAR = {torch.float32: 2e-6, torch.float64: 1e-12}
FLAGS = tuple(itertools.product((1, 2), *[(False, True)] * 3))


def draw(*shape, dtype=torch.float32):
    random = np.random.default_rng(sum(shape))
    return torch.tensor(random.normal(size=shape), dtype=dtype)


def pair(kind, layers, bias, batch_first, bidirectional, dtype):
    """torch's layer and ours with its weights."""
    torch.manual_seed(0)
    settings = {"num_layers": layers, "bias": bias, "batch_first": batch_first}
    settings |= {"bidirectional": bidirectional, "dtype": dtype}
    theirs = getattr(nn, kind)(M, N, **settings)
    settings |= {"reset_after": True} if kind == "GRU" else {}
    mine = getattr(ours, f"Slim{kind}")(M, N, **settings, variant=kind, time_scale=None)
    mine.load_state_dict(theirs.state_dict())
    return theirs, mine


def of(layer, x, hx=None):
    """Outputs, last states, and the gradients by x and by what is given of states."""
    leaves = [t.clone().requires_grad_() for t in (x, *(hx or ()))]
    states = leaves[1] if len(leaves) == 2 else tuple(leaves[1:]) or None
    y, last = layer(leaves[0], states)
    last = last if isinstance(last, tuple) else (last,)
    loss = (y**2).sum() + sum((state**3).sum() for state in last)
    return [y, *last, *torch.autograd.grad(loss, leaves)]


def assert_near(found, wanted, tolerance):
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape
        assert abs(a - b).max() <= tolerance * max(1, abs(b).max())


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize(("layers", "bias", "batch_first", "bidirectional"), FLAGS)
def test_the_full_rows_are_those_of_torch(
    layers, bias, batch_first, bidirectional, kind, dtype
):
    theirs, mine = pair(kind, layers, bias, batch_first, bidirectional, dtype)
    places = layers * (2 if bidirectional else 1)
    for batch in (B, None):
        lead = (T,) if batch is None else (batch, T) if batch_first else (T, batch)
        x = draw(*lead, M, dtype=dtype)
        states = (places, N) if batch is None else (places, batch, N)
        hx = [draw(*states, dtype=dtype), 0.5 * draw(*states, dtype=dtype)]
        hx = hx[: 1 + (kind == "LSTM")]
        for given in (None, hx):
            wanted = of(theirs, x, given)
            assert_near(of(mine, x, given), wanted, NEAR[dtype])


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_batch_may_be_empty_as_in_torch(kind, dtype):
    layers = pair(kind, 2, True, False, True, dtype)
    for a, b in zip(
        *(of(one, draw(T, 0, M, dtype=dtype)) for one in layers), strict=True
    ):
        assert a.shape == b.shape
    for layer in layers:
        layer(draw(T, 0, M, dtype=dtype))[0].sum().backward()
        assert not any(weight.grad.any() for weight in layer.parameters())


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("ordered", [False, True])
def test_packed_sequences(ordered, bidirectional, dtype):
    theirs, mine = pair("LSTM", 2, True, True, bidirectional, dtype)
    lengths = (5, 3, 1) if ordered else (1, 5, 3)
    given = [draw(length, M, dtype=dtype) for length in lengths]
    packed = pack_sequence(given, enforce_sorted=ordered)
    places = 4 if bidirectional else 2
    hx = tuple(draw(places, B, N, dtype=dtype) for _ in "hc")
    (y, last), (wanted, others) = mine(packed, hx), theirs(packed, hx)
    assert_near((y.data, *last), (wanted.data, *others), NEAR[dtype])
    assert (y.batch_sizes == wanted.batch_sizes).all()
    both = (pad_packed_sequence(p, batch_first=True) for p in (y, wanted))
    (found, found_lengths), (padded, wanted_lengths) = both
    assert_near([found], [padded], NEAR[dtype])
    assert (found_lengths == wanted_lengths).all()


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("name", ROWS)
def test_every_variant_is_the_oracle_s(name, dtype):
    variant = ROWS[name]
    layer = LAYERS[variant.family.removesuffix("_after")](
        M, N, batch_first=True, variant=variant, time_scale=None, dtype=dtype
    )
    weights = {
        k.removesuffix("_l0"): v.detach().double().numpy()
        for k, v in layer.named_parameters()
    }
    x = draw(B, T, M, dtype=dtype)
    wanted = reference.run(variant, x.double().numpy(), weights)
    y, last = layer(x)
    last = last if isinstance(last, tuple) else (last,)
    found = [y, *(state[0] for state in last)]
    expected = [wanted.outputs, *wanted.states.values()]
    for a, b in zip(found, expected, strict=True):
        assert abs(a.detach().double().numpy() - b).max() <= 10 * NEAR[dtype]


def test_gradients_of_both_ways_to_compute_are_the_same():
    torch.manual_seed(1)
    given = {"bidirectional": True, "time_scale": None}
    for name in ("LSTM6", "LSTM10", "GRU1", "MGU2"):
        single = LAYERS[ROWS[name].family](M, N, 2, **given, variant=name)
        double = LAYERS[ROWS[name].family](M, N, 2, **given, variant=name)
        double.double().load_state_dict(single.state_dict())
        found = []
        for layer, x in ((single, draw(T, B, M)), (double, draw(T, B, M).double())):
            (layer(x)[0] ** 2).sum().backward()
            found.append([weight.grad.double() for weight in layer.parameters()])
        assert_near(*found, 1e-5)


def test_gradients_of_each_sample_by_torch_func():
    layer = ours.SlimLSTM(M, N, variant="LSTM5", batch_first=True)
    weights = {name: each.detach() for name, each in layer.named_parameters()}
    x = draw(B, T, M)

    def loss(weights, one):
        return (torch.func.functional_call(layer, weights, one[None])[0] ** 2).sum()

    found = torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)
    for i, one in enumerate(x):
        layer.zero_grad()
        loss(dict(layer.named_parameters()), one).backward()
        for name, each in layer.named_parameters():
            assert_near([found[name][i]], [each.grad], 1e-5)


def by_torch_func(layer, x, v):
    return torch.func.jvp(lambda x: layer(x)[0], (x,), (v,))[1]


def by_forward_ad(layer, x, v):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(layer(forward_ad.make_dual(x, v))[0]).tangent


@pytest.mark.parametrize("forward", [by_torch_func, by_forward_ad])
def test_forward_mode(forward):
    layer = ours.SlimLSTM(M, N, variant="LSTM5", batch_first=True)
    x, v = draw(B, T, M), draw(B, T, M)
    found = forward(layer, x, v)
    double, x, v = layer.double(), x.double(), v.double()
    apart = double(x + 1e-5 * v)[0] - double(x - 1e-5 * v)[0]
    assert_near([found.double()], [apart.detach() / 2e-5], 1e-5)


@pytest.mark.parametrize("name", ["LSTM", "LSTM6", "GRU3", "MGU2"])
def test_gradients_of_gradients(name):
    """As of a penalty on the gradient by x; the doubles are torch's own."""
    layer = LAYERS[ROWS[name].family](M, N, 2, variant=name, bidirectional=True)
    found = []
    for each in (layer, copy.deepcopy(layer).double()):
        x = draw(T, B, M, dtype=each.kernel_l0.dtype).requires_grad_()
        y, last = each(x)
        loss = (y**2).sum() + sum((state**3).sum() for state in last)
        (dx,) = torch.autograd.grad(loss, x, create_graph=True)
        (dx**2).sum().backward()
        gradients = [each.grad.double() for each in (x, *each.parameters())]
        found.append([dx.detach().double(), *gradients])
    assert_near(*found, 1e-4)


def traced(layer, x, path):
    torch.jit.save(torch.jit.trace(layer, x), path)
    return torch.jit.load(path)(x)[0].detach().numpy()


def exported_by(dynamo):
    def exported(layer, x, path):
        runtime = pytest.importorskip("onnxruntime")
        if dynamo:
            pytest.importorskip("onnxscript")
        torch.onnx.export(layer, (x,), path, dynamo=dynamo)
        session = runtime.InferenceSession(path)
        return session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]

    return exported


@pytest.mark.filterwarnings("ignore")  # both of the older ways are deprecated
@pytest.mark.parametrize("way", [traced, exported_by(False), exported_by(True)])
def test_a_graph_of_torch_s_has_the_layer_in_it(way, tmp_path):
    layer = ours.SlimLSTM(M, N, variant="LSTM6", batch_first=True).eval()
    x = draw(B, T, M)
    assert (
        abs(way(layer, x, str(tmp_path / "it")) - layer(x)[0].detach().numpy()).max()
        < 1e-6
    )


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_it_is_built_where_torch_is_told_to(device):
    with torch.device(device):
        layer = ours.SlimMGU(M, N)
    assert {each.device.type for each in layer.parameters()} == {device}
    with torch._subclasses.FakeTensorMode():  # which has no numbers at all
        assert ours.SlimLSTM(M, N)(torch.ones(T, B, M))[0].shape == (T, B, N)


def test_it_is_saved_compiled_and_exported(tmp_path):
    layer = ours.SlimLSTM(M, N, num_layers=2, variant="LSTM5", batch_first=True)
    again = ours.SlimLSTM(M, N, num_layers=2, variant="LSTM5", batch_first=True)
    torch.save(layer.state_dict(), tmp_path / "weights.pt")
    again.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    x = draw(B, T, M)
    wanted = layer(x)[0]
    assert torch.equal(again(x)[0], wanted)
    whole = pickle.loads(pickle.dumps(layer))  # as a new process is given it
    assert torch.equal(whole(x)[0], wanted)
    exported = torch.export.export(layer, (x,)).module()
    assert_near([exported(x)[0]], [wanted], 1e-6)
    torch.compiler.reset()  # what other tests compiled counts against a limit
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert_near([compiled(x)[0]], [wanted], 1e-6)


def test_time_scales_start_the_gates():
    layer = ours.SlimLSTM(M, 50, variant="LSTM3", time_scale=(1, 100))
    i, f, o = (
        layer.bias_l0.detach().split(50)[0],
        *layer.bias_l0.detach().split(50)[1:3],
    )
    assert float((i + f).abs().max()) < 1e-5
    assert 0.9 < float(torch.sigmoid(f).mean()) < 1
    plain = ours.SlimLSTM(M, 50, variant="LSTM3", time_scale=None)
    assert set(plain.bias_l0.detach().unique().tolist()) == {0.0, 1.0}
    del o


def test_no_keras_is_imported():
    code = (
        "import sys, torch, slimrnn.torch as s; s.SlimGRU(2, 3)(torch.ones(4, 1, 2)); "
        "s.SlimLSTM(2, 3).double()(torch.ones(4, 1, 2).double()); "
        "sys.exit('keras' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


WRONG = {
    "hidden size": lambda: ours.SlimLSTM(3, 0),
    "dropout must be": lambda: ours.SlimLSTM(3, 4, dropout=2),
    "of the family lstm": lambda: ours.SlimGRU(3, 4, variant="LSTM6"),
    "proj size": lambda: ours.SlimLSTM(3, 4, proj_size=2),
    r"must be torch\.float32, .*; received torch\.float64": lambda: ours.SlimLSTM(3, 4)(
        torch.ones(5, 2, 3).double()
    ),
    "input must be a tensor.*received ndarray": lambda: ours.SlimLSTM(3, 4)(
        np.ones((5, 2, 3), "float32")
    ),
    r"initial states \(h, c\).*received int, int": lambda: ours.SlimLSTM(3, 4)(
        torch.ones(5, 2, 3), [1, 2]
    ),
    r"received the shape \(3,\)": lambda: ours.SlimLSTM(3, 4)(torch.ones(3)),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_mistakes_are_reported(sentence):
    with pytest.raises(InputError, match=sentence):
        WRONG[sentence]()


def test_the_weights_of_another_layer_are_refused():
    for mine, theirs in (
        (ours.SlimLSTM(M, N, variant="LSTM6"), nn.LSTM(M, N)),
        (ours.SlimGRU(M, N, variant="GRU"), nn.GRU(M, N)),
    ):
        with pytest.raises(RuntimeError, match=r"weights of torch\.nn's layer"):
            mine.load_state_dict(theirs.state_dict())
