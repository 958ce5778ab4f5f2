"""PyTorch modules that go over the steps themselves, or have so many of them."""

import pytest

from ir_models import normal
from slimrnn import ir
from slimrnn.errors import InputError
from torch_nets import Net

torch = pytest.importorskip("torch")
torch_modules = pytest.importorskip("torch_modules")
nn = torch.nn
FIRST = {"batch_first": True}


def looped(forward, **modules):
    """A forward that goes over the steps with cells."""
    cells = {"a": nn.LSTMCell(3, 4), "b": nn.GRUCell(4, 4), "c": nn.RNNCell(3, 4)}
    more = {"first": nn.Linear(3, 3), "lin": nn.Linear(4, 2), **modules}
    return lambda: Net(forward, **cells, **more)


def two_cells(self, x):
    h, c, g, found = torch.zeros(len(x), 4), torch.zeros(len(x), 4), None, []
    for t in range(x.size(1)):
        h, c = self.a(x[:, t], (h, c))
        g = self.b(torch.tanh(h), g)
        found.append(self.lin(g))
    return found


def the_end(self, x):
    h = None
    for step in x.unbind(1):
        h = self.c(torch.relu(self.first(step)), h)
    return self.lin(h)


def from_its_own(self, x):
    h, found = self.own.expand(len(x), 4), []
    for step in self.rnn(x)[0].transpose(0, 1):
        h = self.b(step, h)
        found.append(self.lin(h).unsqueeze(1))
    return torch.cat(found, 1)


def numbers(self, x):
    """As PyTorch's example of a sine has it."""
    h, c, found = torch.zeros(len(x), 4), torch.zeros(len(x), 4), []
    for step in x.split(1, dim=1):
        h, c = self.d(step, (h, c))
        found.append(self.e(h))
    return torch.cat(found, dim=1)


def with_own(module):
    module.own = nn.Parameter(torch.randn(4))
    return module


def of_words(self, x):
    h = None
    for t in range(x.size(1)):
        h = self.b(self.words(x[:, t]), h)
    return self.lin(h)


LOOPS = {
    "over words": looped(of_words, words=nn.Embedding(9, 4)),
    "all steps": looped(lambda self, x: torch.stack(two_cells(self, x), 1)),
    "the last step": looped(lambda self, x: two_cells(self, x)[-1]),
    "with a layer before": looped(the_end),
    "behind a layer": lambda: with_own(
        looped(from_its_own, rnn=nn.LSTM(3, 4, **FIRST))()
    ),
    "over numbers": lambda: Net(numbers, d=nn.LSTMCell(1, 4), e=nn.Linear(4, 1)),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_over_cells(name):
    torch.manual_seed(0)
    module = LOOPS[name]()
    torch_modules.assert_same_answers(ir.read(module, recurrent=False), module)


def steps_of(of, start=None):
    """A loop over other steps, or from other states."""

    def forward(self, x):
        h = h0 = None
        for t in of(x.size(1)):
            h, h0 = self.b(self.up(x[:, t]), h), h
        return self.lin(start(h, h0) if start else h)

    return looped(forward, up=nn.Linear(3, 4))


def the_first_again(self, x):
    found, h = self.b(self.up(x[:, 0])), None
    for t in range(1, x.size(1)):
        h = self.b(self.up(x[:, t]), found)
    return self.lin(h)


REFUSED = {
    "the first step alone": (
        lambda: Net(lambda self, x: self.cell(x[:, 0]), cell=nn.GRUCell(2, 4)),
        r"gives the step 0; allowed is the last one, or all",
    ),
    "each state before its step": (
        looped(
            lambda self, x: torch.stack(
                [x.new_zeros(len(x), 2), *two_cells(self, x)[1:]], 1
            )
        ),
        "stacks other than steps",
    ),
    "steps left out": (steps_of(lambda count: range(0, count, 2)), "allowed is a loop"),
    "steps backwards": (
        steps_of(lambda count: reversed(range(count))),
        "from the first one on; allowed is a loop over all of them",
    ),
    "a few steps": (steps_of(lambda count: range(5)), "the step 4;"),
    "two steps in one": (
        steps_of(range, lambda h, before: h * before),
        "joins what comes of different steps",
    ),
    "another state": (
        looped(the_first_again, up=nn.Linear(3, 4)),
        "cell b goes on from other states",
    ),
    "states of another layer": (
        lambda: Net(
            lambda self, x: self.cell(x[:, 0], self.rnn(x)[1][0]),
            rnn=nn.GRU(3, 4, **FIRST),
            cell=nn.GRUCell(3, 4),
        ),
        "first state that it computes",
    ),
    "a step of a layer": (
        lambda: Net(
            lambda self, x: torch.stack([self.rnn(x)[0][:, k] for k in range(5)], 1),
            rnn=nn.GRU(3, 4, **FIRST),
        ),
        "joins steps, and not all",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", REFUSED)
def test_loops_that_are_refused(what):
    make, sentence = REFUSED[what]
    with pytest.raises(InputError, match=sentence):
        ir.read(make())


def spotter_of_30(self, x):
    x = self.pool(torch.relu(self.conv(x.transpose(1, 2)))).transpose(1, 2)
    return self.head(self.rnn(x)[0])


#: modules of so many steps, whose Linear has weights for the numbers of all
FIXED = {
    "flatten": (
        20,
        lambda: Net(
            lambda self, x: self.lin(self.rnn(x)[0].flatten(1)),
            rnn=nn.LSTM(3, 4, bidirectional=True, **FIRST),
            lin=nn.Linear(20 * 8, 2),
        ),
    ),
    "view": (
        9,
        lambda: Net(
            lambda self, x: self.lin(self.rnn(x)[0].contiguous().view(-1, 36)),
            rnn=nn.LSTM(3, 4, **FIRST),
            lin=nn.Linear(36, 2),
        ),
    ),
    "turned": (
        120,
        lambda: Net(
            lambda self, x: self.lin(
                self.rnn(x)[0].transpose(1, 2).reshape(len(x), -1)
            ),
            rnn=nn.GRU(3, 4, **FIRST),
            lin=nn.Linear(480, 2),
        ),
    ),
    "behind windows": (
        30,
        lambda: Net(
            spotter_of_30,
            conv=nn.Conv1d(3, 6, 3),
            pool=nn.MaxPool1d(2),
            rnn=nn.LSTM(6, 4, **FIRST),
            head=nn.Sequential(
                nn.Flatten(), nn.Linear(14 * 4, 5), nn.ReLU(), nn.Linear(5, 2)
            ),
        ),
    ),
}


@pytest.mark.parametrize("name", FIXED)
def test_a_module_of_so_many_steps(name):
    torch.manual_seed(0)
    steps, make = FIXED[name]
    model = ir.read(module := make())
    assert model.steps == steps
    torch_modules.assert_same_answers(model, module, normal(2, steps, 3))
