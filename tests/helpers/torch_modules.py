"""PyTorch modules as people write them; without torch, an empty table."""

import numpy as np

from ir_models import normal
from slimrnn.deploy.program import program, simulator
from torch_nets import Net, nn, torch

FIRST = {"batch_first": True}
M, N = 3, 4  # features and units


def _flat(x):
    return x.transpose(0, 1).reshape(len(x[0]), -1)


def _as_rows(self, x):
    rows = self.rnn(x)[0].contiguous().view(-1, N)
    return torch.sigmoid(self.lin(rows)).view(x.size(0), x.size(1), 2)


def _alone(self, x):
    """As tutorials have it, with a state that stays."""
    y, self.state = self.rnn(x.view(len(x), 1, -1), self.state)
    return self.lin(y.view(len(x), -1))[-1]


def _keeps_its_state(net):
    net.state = torch.zeros(1, 1, N), torch.zeros(1, 1, N)
    return net


def _joined(h):
    return torch.cat((h[-2, :, :], h[-1, :, :]), dim=1)


def _at_their_ends(self, x):
    y = self.rnn(x)[0]
    return self.lin(torch.cat((y[:, -1, :N], y[:, 0, N:]), 1))


def _apart(self, x):
    y = self.rnn(x)[0].view(len(x), x.size(1), 2, N)
    return self.lin(torch.cat([y[:, :, 0][:, -1], y[:, :, 1][:, 0]], 1))


def _joined_and_summed(self, x):
    both = torch.cat([*self.rnn(x)[1]], 1)
    return self.lin(both[:, :N] + both[:, N:])


def _layers_apart(self, x):
    h = self.rnn(x)[1].view(2, 2, len(x), N)[-1]
    return self.lin(torch.cat((h[0], h[1]), -1))


def _scaled(self, x):
    return 3 * self.lin(self.rnn((x - self.mean) / self.deviation)[0][:, -1]) + 1


def _normalized(net):
    for name in ("mean", "deviation"):
        net.register_buffer(name, torch.rand(M) + 0.5)
    return net


def _states_of_zeros(self, x):
    zeros = torch.zeros(2, x.size(0), N)
    return self.lin(self.rnn(x, (zeros, zeros))[0][:, -1, :])


def _own_states(net):
    net.h = nn.Parameter(torch.randn(1, 1, N))
    return net


def _from_its_own(self, x):
    return self.lin(self.rnn(x, self.h.expand(1, len(x), N))[0])


def _spotter(self, x):
    x = self.pool(torch.relu(self.norm(self.conv(x.permute(0, 2, 1))))).permute(0, 2, 1)
    return torch.sigmoid(self.lin(self.rnn(x)[1][0].squeeze(0)))


def _causal(self, x):
    padded = nn.functional.pad(x.transpose(1, 2), (2, 0))
    return self.lin(self.rnn(torch.relu(self.conv(padded).transpose(1, 2)))[0])


def _of(forward, kind=None, /, units=N, **more):
    """A recurrent layer and a Linear after it."""
    options = {
        key: more.pop(key) for key in ("bidirectional", "num_layers") if key in more
    }
    rnn = (kind or nn.LSTM)(more.pop("features", M), N, **options, **FIRST)
    return Net(forward, rnn=rnn, lin=nn.Linear(units, 2), **more)


#: with their parameters, as nn has them
_ACTIVATIONS = (
    {}
    if nn is None
    else {
        "LeakyReLU": lambda: nn.LeakyReLU(0.2),
        "PReLU": nn.PReLU,
        "PReLU of each": lambda: nn.PReLU(6),
        "ELU": lambda: nn.ELU(0.5),
        "CELU": lambda: nn.CELU(0.7),
        "GELU by tanh": lambda: nn.GELU("tanh"),
        "Hardtanh": lambda: nn.Hardtanh(-2.0, 0.5),
        "Softplus": lambda: nn.Softplus(2.0),
        **{
            kind.__name__: kind
            for kind in (
                *(nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softsign),
                *(nn.ReLU6, nn.Hardswish, nn.Hardsigmoid),
            )
        },
    }
)


def _activated(self, x):
    x = self.before(self.conv(x.transpose(1, 2))).transpose(1, 2)
    return self.lin(self.behind(self.rnn(x)[0][:, -1]))


def _around(made):
    """An activation of features that lie in the middle, and of those of a step."""
    return _of(
        _activated,
        nn.GRU,
        features=6,
        units=6,
        conv=nn.Conv1d(M, 6, 3),
        before=made(),
        behind=nn.Sequential(nn.Linear(N, 6), made()),
    )


def _autoencoder(repeated, units=N):
    """What is known of all steps, for so many steps, from which others are made."""
    return Net(
        lambda self, x: self.lin(self.out(repeated(self.rnn(x)[1][0]))[0]),
        rnn=nn.LSTM(M, N, **FIRST),
        out=nn.LSTM(N, units, 2, **FIRST),
        lin=nn.Linear(units, M),
    )


def _through_few(self, x):
    x = torch.tanh(self.few(self.rnn(x)[0][:, -1]))
    return self.lin(self.out(x.unsqueeze(1).expand(-1, 5, 2))[1])[-1]


_BOTH = {"bidirectional": True, "units": 2 * N}
#: modules; each gets (B, T, M), but those of words, which get indices below 9
MODULES = (
    {}
    if nn is None
    else {
        "states of zeros": lambda: _of(_states_of_zeros, num_layers=2),
        "states of its own": lambda: _own_states(_of(_from_its_own, nn.GRU)),
        "the last step of both directions": lambda: _of(
            lambda self, x: self.lin(self.rnn(x)[0][:, -1]), **_BOTH
        ),
        "the last states of both directions": lambda: _of(
            lambda self, x: torch.softmax(self.lin(_joined(self.rnn(x)[1])), 1),
            nn.GRU,
            **_BOTH,
        ),
        "the last states of two layers of both": lambda: _of(
            lambda self, x: self.lin(torch.cat([*self.rnn(x)[1][0][2:]], 1)),
            num_layers=2,
            **_BOTH,
        ),
        "the last states, side by side": lambda: _of(
            lambda self, x: self.lin(_flat(self.rnn(x)[1][0])), **_BOTH
        ),
        "both directions, each at its end": lambda: _of(_at_their_ends, **_BOTH),
        "both directions, an axis of their own": lambda: _of(_apart, nn.GRU, **_BOTH),
        "the last states, by layer and direction": lambda: _of(
            _layers_apart, nn.GRU, num_layers=2, **_BOTH
        ),
        "the sum of both directions": lambda: _of(
            lambda self, x: self.lin(torch.add(*self.rnn(x)[0].chunk(2, -1)).mean(1)),
            bidirectional=True,
        ),
        "the sum of their last states": lambda: _of(
            _joined_and_summed, nn.GRU, bidirectional=True
        ),
        "the product of their last states": lambda: _of(
            lambda self, x: self.lin(self.rnn(x)[1][1] * self.rnn(x)[1][0]),
            nn.GRU,
            bidirectional=True,
        ),
        "the last state backwards": lambda: _of(
            lambda self, x: self.lin(self.rnn(x)[1][-1]), nn.GRU, bidirectional=True
        ),
        "the last state of the second layer": lambda: _of(
            lambda self, x: self.lin(self.rnn(x)[1][-1]), nn.GRU, num_layers=2
        ),
        "the mean of words": lambda: _of(
            lambda self, x: torch.sigmoid(self.lin(self.rnn(self.words(x))[0].mean(1))),
            words=nn.Embedding(9, M, padding_idx=0),
            num_layers=2,
            **_BOTH,
        ),
        "the most of all steps": lambda: _of(
            lambda self, x: self.lin(self.rnn(x)[0].max(dim=1)[0]), nn.GRU
        ),
        "a pool of all steps": lambda: _of(
            lambda self, x: self.lin(
                self.pool(self.rnn(x)[0].transpose(1, 2)).squeeze(-1)
            ),
            pool=nn.AdaptiveAvgPool1d(1),
        ),
        "the input added before the head": lambda: Net(
            lambda self, x: self.lin(self.rnn(x)[0] + x),
            rnn=nn.LSTM(M, M, **FIRST),
            lin=nn.Linear(M, 2),
        ),
        "scaled by buffers": lambda: _normalized(_of(_scaled)),
        "a keyword spotter": lambda: _of(
            _spotter,
            features=6,
            conv=nn.Conv1d(M, 6, 3, padding=1),
            norm=nn.BatchNorm1d(6),
            pool=nn.MaxPool1d(2),
        ),
        "features first": lambda: _of(
            lambda self, x: self.lin(self.rnn(self.conv(x).transpose(1, 2))[0]),
            nn.GRU,
            features=6,
            conv=nn.Conv1d(M, 6, 3),
        ),
        "a convolution with weight norm": lambda: _of(
            _causal,
            nn.GRU,
            features=6,
            conv=nn.utils.parametrizations.weight_norm(nn.Conv1d(M, 6, 3)),
        ),
        "a stack in a loop": lambda: Net(
            lambda self, x: _through(self.stack, x),
            stack=nn.ModuleList(
                nn.LSTM(M if k == 0 else N, N, **FIRST) for k in range(3)
            ),
        ),
        "with its state": lambda: Net(
            _with_state,
            rnn=nn.RNN(M, N, nonlinearity="relu", **FIRST),
            lin=nn.Linear(N, 2),
        ),
        "steps as rows": lambda: _of(_as_rows),
        "numbers": lambda: _of(
            lambda self, x: self.lin(self.rnn(x.unsqueeze(-1))[0]), features=1
        ),
        "numbers of one sequence": lambda: _keeps_its_state(
            Net(_alone, rnn=nn.LSTM(1, N), lin=nn.Linear(N, 2))
        ),
        **{
            f"{name} around": lambda name=name, made=made: _around(made)
            for name, made in _ACTIVATIONS.items()
        },
        "an autoencoder": lambda: _autoencoder(
            lambda h: h[-1][:, None].repeat(1, 8, 1)
        ),
        "an autoencoder, interleaved": lambda: _autoencoder(
            lambda h: h.transpose(0, 1).repeat_interleave(8, 1), 5
        ),
        "repeated, behind a few numbers": lambda: _of(
            _through_few, few=nn.Linear(N, 2), out=nn.GRU(2, N, **FIRST)
        ),
        "halves": lambda: _of(
            lambda self, x: self.lin(torch.cat(self.rnn(x)[1][0].chunk(2), -1)[0]),
            **_BOTH,
        ),
    }
)


def _with_state(self, x):
    y, h = self.rnn(x)
    return self.lin(y), h


def _through(stack, x):
    for layer in stack:
        x, _ = layer(x)
    return x


def made(name):
    """A module of the table, with statistics that are not those of the start."""
    torch.manual_seed(0)
    module = MODULES[name]()
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    return module.eval()


def answers(module, x):
    """What a module answers, whatever shape it takes (B, T, m) in."""
    with torch.no_grad():
        if hasattr(module, "state"):  # one sequence after the other, each from zeros
            return np.stack([_answer(_keeps_its_state(module), row) for row in x])
        return _answer(module, x)


def _answer(module, x):
    shapes = x, x.swapaxes(-1, -2), x[..., 0]
    for given in shapes:
        try:
            y = module(torch.as_tensor(given.copy()))
        except (RuntimeError, ValueError):
            continue
        return (y[0] if isinstance(y, tuple) else y).numpy()
    raise AssertionError("It takes none of these shapes.")


def assert_same_answers(model, module, x=None):
    """The simulator of a module's model gives what the module gives.

    Args:
        model: what was read.
        module: PyTorch's.
        x: what both get; numbers or words as the model takes them.
    """
    if x is None:
        words = np.random.default_rng(0).integers(0, 9, (3, 7))
        x = words if model.takes_indices else normal(3, 7, model.inputs)
    expected = answers(module.eval(), x)
    found = simulator.run(program.float32(model), x)
    np.testing.assert_allclose(
        found.reshape(expected.shape) if model.flatten else found, expected, atol=2e-6
    )
