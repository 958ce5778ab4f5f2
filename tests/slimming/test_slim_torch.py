"""Slimming a PyTorch module: every kind of place that its recurrent layer can have."""

import numpy as np
import pytest

import slimrnn
from layer_problems import normal
from slimrnn import ir
from slimrnn.deploy.program import program, simulator
from slimrnn.errors import InputError

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
slim = pytest.importorskip("slimrnn.torch")
nn = torch.nn
EXHAUSTIVE = pytest.mark.exhaustive
TIME, FEATURES, UNITS, CLASSES = 6, 3, 5, 4


class Net(nn.Module):
    """A recurrent layer between others, whose last step is classified, or all of them.

    Args:
        recurrent: the layer.
        first: the one before.
        width: of what is classified.
        row: makes that of all steps.
    """

    def __init__(self, recurrent, first=None, width=UNITS, row=None):
        super().__init__()
        self.first, self.row = first or nn.Identity(), row
        self.recurrent = recurrent
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x):
        out, _ = self.recurrent(self.first(x))
        if self.row:
            return self.head(self.row(out))
        return self.head(out[:, -1] if self.recurrent.batch_first else out[-1])


def _lstm(kind=nn.LSTM, features=FEATURES, **options):
    return kind(features, UNITS, **{"batch_first": True, **options})


def normalized(linear):
    """A Linear whose outputs are scaled; it must not take that in."""
    turn = Turned(nn.BatchNorm1d(2))
    turn.inner.running_mean.normal_()
    turn.inner.running_var.uniform_(0.5, 2)
    return nn.Sequential(linear, turn, nn.LayerNorm(2))


class Turned(nn.Module):
    """A module that gets the features in the middle."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x.transpose(1, 2)).transpose(1, 2)


#: modules, and a variant that leaves out nothing of each
MODULES = {
    "a bare LSTM": (_lstm, "LSTM"),
    "LSTM": (lambda: Net(_lstm()), "LSTM"),
    "steps first": (lambda: Net(_lstm(batch_first=False)), "LSTM"),
    "two layers": (lambda: Net(_lstm(num_layers=2, dropout=0.1)), "LSTM"),
    "without bias": (lambda: Net(_lstm(bias=False)), "LSTM"),
    "both directions": (lambda: Net(_lstm(bidirectional=True), width=10), "LSTM"),
    "GRU": (lambda: Net(_lstm(nn.GRU)), "GRU"),
    "a Linear before": (lambda: Net(_lstm(features=2), nn.Linear(FEATURES, 2)), "LSTM"),
    "norms before": (
        lambda: Net(_lstm(features=2), normalized(nn.Linear(FEATURES, 2))),
        "LSTM",
    ),
    "a class called LSTM": (lambda: type("LSTM", (Net,), {})(_lstm()), "LSTM"),
    **{
        f"all steps, {order} by {order}": (
            lambda row=row: Net(_lstm(), width=TIME * UNITS, row=row),
            "LSTM",
        )
        for order, row in {
            "step": lambda y: y.flatten(1),
            "feature": lambda y: y.transpose(1, 2).flatten(1),
        }.items()
    },
    "slim already": (lambda: Net(_lstm(slim.SlimLSTM, variant="LSTM")), "LSTM"),
}
SLIMMER = {"LSTM": ("LSTM3", "LSTM6"), "GRU": ("GRU3", "MGU2", "MGU3")}
CASES = [
    pytest.param(name, variant, marks=() if variant in ("LSTM6", "GRU") else EXHAUSTIVE)
    for name, (_, full) in MODULES.items()
    for variant in (full, *SLIMMER[full])
    if (name, variant) != ("without bias", "LSTM3")  # its gates are biases alone
]
LEARN = [
    pytest.param(name, marks=() if name == "a Linear before" else EXHAUSTIVE)
    for name in ("LSTM", "a Linear before", "norms before", "GRU")
]


def made(name):
    torch.manual_seed(1)
    return MODULES[name][0]().eval()


def answers(module, steps_first=False):
    """What a module answers to the same numbers, in float32."""
    x = torch.as_tensor(normal(5, TIME, FEATURES))
    with torch.no_grad():
        y = module(x.transpose(0, 1) if steps_first else x)
    return (y[0] if isinstance(y, tuple) else y).numpy()


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_a_module_comes_back_with_slim_layers(name, variant):
    """It answers as its own layers as data do; a full one as before."""
    module, first = made(name), name == "steps first"
    before = answers(module, first)
    slimmed = slimrnn.slim(module, variant)
    assert type(slimmed) is type(module) or name == "a bare LSTM"
    after = answers(slimmed, first)
    if variant == MODULES[name][1]:
        np.testing.assert_allclose(after, before, atol=1e-5)
    else:
        assert not np.allclose(after, before, atol=1e-3)
    np.testing.assert_array_equal(answers(module, first), before)
    model = ir.read(slimmed)  # and so it is exported
    np.testing.assert_allclose(
        simulator.run(program.float32(model), normal(5, TIME, FEATURES)),
        after.swapaxes(0, 1) if first and after.ndim > 2 else after,
        atol=2e-6,
    )
    kinds = {type(inner).__module__ for inner in slimmed.modules()}
    assert "slimrnn.torch" in kinds
    assert "torch.nn.modules.rnn" not in kinds


@pytest.mark.parametrize("name", LEARN)
def test_it_learns_to_answer_as_before(name):
    """All layers but a BatchNorm1d are trained; its weights can be saved and loaded."""
    module, full = made(name), MODULES[name][1]
    x = normal(256, TIME, FEATURES)
    y = answers_to(module, x).argmax(-1)
    lines = []
    slimmed = slimrnn.slim(
        *(module, SLIMMER[full][0], (x, y)),
        **{"epochs": 3, "learning_rate": 0.01, "watch": lines.append},
    )
    assert lines[-1]["loss"] < lines[1]["loss"]
    start = slimrnn.slim(module, SLIMMER[full][0])
    before, after = start.state_dict(), slimmed.state_dict()
    norms = [
        f"{name}.{key}"
        for name, inner in start.named_modules()
        if isinstance(inner, nn.BatchNorm1d)
        for key in inner.state_dict()
    ]
    assert [key for key in before if torch.equal(before[key], after[key])] == norms
    start.load_state_dict(after)
    np.testing.assert_array_equal(answers(start), answers(slimmed))


def answers_to(module, x):
    with torch.no_grad():
        return module(torch.as_tensor(x)).numpy()


def test_what_does_not_fit_is_said():
    with pytest.raises(InputError, match="cannot be slimmed to GRU3: LSTM is of the"):
        slimrnn.slim(made("LSTM"), "GRU3")
    with pytest.raises(InputError, match="leaves nothing of gate i of LSTM3"):
        slimrnn.slim(made("without bias"), "LSTM3")
    with pytest.raises(InputError, match="it has no recurrent layer"):
        slimrnn.slim(nn.Sequential(nn.Linear(3, 2)), "LSTM6")
