"""PyTorch's modules in memory and in files: what they answer, the model answers."""

from argparse import Namespace
from functools import partial

import numpy as np
import pytest

from ir_models import normal
from json_models import safetensors
from slimrnn import ir
from slimrnn.deploy.program import program, simulator
from slimrnn.errors import InputError
from torch_nets import Net

torch = pytest.importorskip("torch")
torch_modules = pytest.importorskip("torch_modules")
slim = pytest.importorskip("slimrnn.torch")
nn = torch.nn
FIRST = {"batch_first": True}


def classifier():
    def forward(self, x):
        _, (h, _) = self.rnn(self.words(x))
        return torch.softmax(self.b(self.drop(torch.relu(self.a(h[-1])))), -1)

    return Net(
        forward,
        words=nn.Embedding(9, 5),
        rnn=nn.LSTM(5, 4, 2, dropout=0.2, **FIRST),
        a=nn.Linear(4, 3),
        drop=nn.Dropout(),
        b=nn.Linear(3, 2),
    )


def spotter(padding):
    def forward(self, x):
        x = torch.relu(self.conv(x.transpose(1, 2)))
        x = self.other(x).transpose(1, 2)
        return self.head(self.rnn(x)[0][:, -1])

    return Net(
        forward,
        conv=nn.Conv1d(
            3, 6, 3, padding=padding, dilation=2 if padding == "same" else 1
        ),
        other=nn.Conv1d(6, 4, 2, stride=2, groups=2, bias=False),
        rnn=nn.GRU(4, 4, **FIRST),
        head=nn.Linear(4, 2),
    )


def pools(padding):
    def forward(self, x):
        x = self.conv(self.most(x.transpose(1, 2)))
        x = self.rnn(torch.relu(x).transpose(1, 2))[0]
        return self.average(x.transpose(1, 2)).transpose(1, 2)

    return Net(
        forward,
        most=nn.MaxPool1d(2, stride=1, padding=padding),
        conv=nn.Conv1d(3, 4, 2),
        rnn=nn.GRU(4, 4, **FIRST),
        average=nn.AvgPool1d(3, 2, padding, count_include_pad=not padding),
    )


def whole_window(pool):
    """As many steps as there are, which a window is said to have."""

    def forward(self, x):
        x = self.rnn(torch.relu(self.conv(x.transpose(1, 2))).transpose(1, 2))[0]
        return self.lin(pool(x.transpose(1, 2), x.size(1)).squeeze(2))

    return Net(
        forward, conv=nn.Conv1d(3, 4, 2), rnn=nn.GRU(4, 4, **FIRST), lin=nn.Linear(4, 2)
    )


def checkpoint(state, folder):
    """With what training keeps beside the weights, from before torch 1.6."""
    beside = {"epoch": 3, "loss": np.float64(0.5), "options": Namespace(units=4)}
    torch.save(
        {**beside, "state_dict": state},
        folder / "m.ckpt",
        _use_new_zipfile_serialization=False,
    )
    return folder / "m.ckpt"


def whole(state, folder):
    torch.save(state, folder / "m.pth")
    return folder / "m.pth"


#: ways to keep a state_dict
KEPT = {
    "state_dict": whole,
    "checkpoint": checkpoint,
    "safetensors": lambda state, folder: safetensors(
        folder / "m.safetensors", {k: v.numpy() for k, v in state.items()}
    ),
}


MODULES = {
    **{
        f"{kind.__name__}, bias {bias}, both {both}": partial(
            kind, 3, 4, 2, bias=bias, bidirectional=both, **FIRST
        )
        for kind in (nn.LSTM, nn.GRU, nn.RNN)
        for bias in (True, False)
        for both in (True, False)
    },
    "RNN, relu": lambda: nn.RNN(3, 4, nonlinearity="relu", **FIRST),
    "Linear alone": lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)),
    "a classifier of words": classifier,
    "an amplifier": lambda: Net(
        lambda self, x: self.lin(self.rec(x)[0]) + x[..., :1],
        rec=nn.GRU(2, 4, **FIRST),
        lin=nn.Linear(4, 1),
    ),
    **{
        f"a keyword spotter, padding {padding}": partial(spotter, padding)
        for padding in (0, 1, "same")
    },
    **{
        f"pools around cells, {padding} around": partial(pools, padding)
        for padding in (0, 1)
    },
    **{
        f"a window of all steps, {pool.__name__}": partial(whole_window, pool)
        for pool in (nn.functional.max_pool1d, nn.functional.avg_pool1d)
    },
    "last states side by side": lambda: Net(
        lambda self, x: torch.hstack([*self.rnn(x)[1]]),
        rnn=nn.GRU(3, 4, bidirectional=True, **FIRST),
    ),
    "modules of activations": lambda: Net(
        lambda self, x: self.s(self.b(self.h(self.a(self.rnn(x)[0][:, -1])))),
        rnn=nn.LSTM(3, 4, **FIRST),
        a=nn.Linear(4, 3),
        h=nn.Hardsigmoid(),
        b=nn.Linear(3, 2),
        s=nn.Softmax(dim=1),
    ),
    "slopes": lambda: Net(
        lambda self, x: torch.relu(self.b(self.f(self.a(self.rnn(x)[0][:, -1])))),
        rnn=nn.LSTM(3, 4, **FIRST),
        a=nn.Linear(4, 6),
        f=nn.PReLU(6),
        b=nn.Linear(6, 2),
    ),
    "each step normalized": lambda: Net(
        lambda self, x: self.lin(self.norm(self.rnn(x)[0])),
        rnn=nn.LSTM(3, 4, **FIRST),
        norm=nn.LayerNorm(4),
        lin=nn.Linear(4, 1),
    ),
    "words as wide as the layer": lambda: Net(
        lambda self, x: self.rnn(self.words(x))[0],
        words=nn.Embedding(9, 4),
        rnn=nn.LSTM(4, 4, **FIRST),
    ),
    "a number before": lambda: Net(
        lambda self, x: self.lin(self.rec(2 * x)[0]),
        rec=nn.GRU(2, 4, **FIRST),
        lin=nn.Linear(4, 1),
    ),
    "normalized": lambda: Net(
        lambda self, x: self.lin(self.norm(self.rnn(x)[0][:, -1])),
        rnn=nn.RNN(3, 4, **FIRST),
        norm=nn.BatchNorm1d(4),
        lin=nn.Linear(4, 1),
    ),
}


SLIM = {
    layer.__name__: (layer, variant)
    for layer, variant in (
        (slim.SlimLSTM, "LSTM6"),
        (slim.SlimGRU, "GRU3"),
        (slim.SlimMGU, "MGU2"),
    )
}


@pytest.mark.parametrize("name", torch_modules.MODULES)
def test_a_module_as_people_write_them(name):
    module = torch_modules.made(name)
    torch_modules.assert_same_answers(ir.read(module), module)


@pytest.mark.parametrize("name", MODULES)
def test_a_module(name):
    torch.manual_seed(0)
    module = MODULES[name]()
    torch_modules.assert_same_answers(ir.read(module, recurrent=False), module)


@pytest.mark.parametrize("kind", SLIM)
@pytest.mark.parametrize("both", [False, True])
def test_a_slim_layer(kind, both):
    """Those of slimrnn.torch, whichever engine computes them."""
    layer, variant = SLIM[kind]
    module = Net(
        lambda self, x: self.lin(self.rnn(x)[0][:, -1]),
        rnn=layer(3, 4, 2, variant=variant, bidirectional=both, **FIRST),
        lin=nn.Linear(8 if both else 4, 2),
    )
    torch_modules.assert_same_answers(model := ir.read(module), module)
    assert {layer.cell.variant.name for layer in model.recurrent()} == {variant}


def test_time_first():
    model = ir.read(module := nn.LSTM(3, 4))
    x = normal(3, 7, 3)
    with torch.no_grad():
        expected = module(torch.as_tensor(x).transpose(0, 1))[0].transpose(0, 1)
    found = simulator.run(program.float32(model), x)
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-6)


@pytest.mark.parametrize("kind", KEPT)
@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("GRU, bias True, both True", ""),
        ("each step normalized", ""),
        ("slopes", "lstm,last,linear,prelu,linear,leaky_relu:0"),
        ("words as wide as the layer", ""),
        ("LSTM, bias False, both False", "lstm:3x4x2"),
        (
            "a classifier of words",
            "embedding:9x5,lstm:5x4x2,last,linear:4x3,relu,linear,softmax",
        ),
        ("normalized", "rnn:3x4,last,batchnorm"),
        ("the last step of both directions", "lstm,last,linear"),
        ("the last states of both directions", "gru,ends,linear,softmax"),
        ("the most of all steps", "gru,max,linear"),
    ],
)
def test_a_state_dict(name, spelled, kind, tmp_path):
    module = MODULES[name]() if name in MODULES else torch_modules.made(name)
    path = KEPT[kind](module.state_dict(), tmp_path)
    if name.startswith("words as wide") and kind == "safetensors":
        with pytest.raises(InputError, match="several orders, such as rnn, words and"):
            ir.read(path)
        spelled = "embedding,lstm"
    torch_modules.assert_same_answers(ir.read(path, torch=spelled), module)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_numbers_of_other_types(dtype, tmp_path):
    module = nn.GRU(3, 4).to(dtype)
    torch.save(module.state_dict(), tmp_path / "m.pt")
    found, wanted = ir.read(tmp_path / "m.pt"), ir.read(module.float())
    assert [*map(str, found.layers)] == ["tensors (Recurrent)"]
    assert found.layers[0].cell == wanted.layers[0].cell


SPELLED = {
    "lstm:3x5": "has lstm:3x5, and the module rnn there is of 3x4x1",
    "gru": "has gru, and the module rnn there is of LSTM",
    "lstm,last,dropout": "has 'dropout'; allowed: lstm, gru",
    "lstm,last,linear,leaky_relu:a,linear": "leaky_relu:a; after leaky_relu: stands",
    "last": "last, mean, max, ends after lstm",
    "lstm,linear,linear,linear": "no tensors left for linear",
    "": "does not say what stands between two Linear",
    "lstm": "leaves out the modules a, b",
}


@pytest.mark.parametrize("spelled", SPELLED)
def test_layers_that_do_not_fit(spelled, tmp_path):
    modules = {"rnn": nn.LSTM(3, 4), "a": nn.Linear(4, 3), "b": nn.Linear(3, 2)}
    torch.save(nn.ModuleDict(modules).state_dict(), tmp_path / "m.pth")
    with pytest.raises(InputError, match=SPELLED[spelled]):
        ir.read(tmp_path / "m.pth", torch=spelled)


def test_a_pickled_module_is_named(tmp_path):
    torch.save(nn.LSTM(3, 4), tmp_path / "m.pth")
    with pytest.raises(InputError, match=r"torch.nn.modules.rnn.LSTM, which is not"):
        ir.read(tmp_path / "m.pth")
