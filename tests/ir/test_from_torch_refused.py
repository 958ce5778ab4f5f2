"""PyTorch's modules that are no model here: each is refused in a sentence."""

from functools import partial

import pytest

from slimrnn import ir
from slimrnn.errors import InputError
from torch_nets import Net

torch = pytest.importorskip("torch")
nn = torch.nn
FIRST = {"batch_first": True}


def behind_cells(pool):
    """A module that pools the outputs of a GRU."""
    return lambda: Net(
        lambda self, x: self.pool(self.rnn(x)[0].transpose(1, 2)).transpose(1, 2),
        rnn=nn.GRU(3, 4, **FIRST),
        pool=pool,
    )


def of_sizes(forward):
    """A module whose forward has its last state, and its input."""
    return Net(
        lambda self, x: forward(self, self.rnn(x)[0][:, -1:], x),
        rnn=nn.GRU(3, 3, **FIRST),
        out=nn.GRU(3, 4, **FIRST),
        conv=nn.Conv1d(3, 3, 34),
    )


def of_both(forward):
    return Net(
        lambda self, x: forward(self.rnn(x)[0]),
        rnn=nn.GRU(3, 4, bidirectional=True, **FIRST),
    )


REFUSED = {
    **{
        sentence: (behind_cells(pool), f"pool has {sentence}; allowed")
        for sentence, pool in {
            "ceil_mode=1": nn.MaxPool1d(2, ceil_mode=True),
            r"dilations=\[2\]": nn.MaxPool1d(2, 1, dilation=2),
            "count_include_pad=1": nn.AvgPool1d(3, padding=1),
        }.items()
    },
    **{
        f"{what} in its numbers": (
            partial(of_sizes, forward),
            r"computes with how many steps or sequences it gets; .*\(1, 30, 1\)",
        )
        for what, forward in {
            "its steps": lambda self, h, x: self.out(h.repeat(1, x.size(1), 1))[0],
            "half of them": lambda self, h, x: self.out(
                h.expand(-1, x.size(1) // 2, -1)
            )[0],
            "their inverse": lambda self, h, x: self.out(x)[0] / x.size(1),
            "its sequences": lambda self, h, x: self.out(x)[0] * len(x),
            "a window of half": lambda self, h, x: nn.functional.max_pool1d(
                self.out(x)[0].transpose(1, 2), x.size(1) // 2
            ).transpose(1, 2),
            "steps up to 100": lambda self, h, x: self.out(
                self.conv(nn.functional.pad(x, (0, 0, 0, 100 - x.size(1))).mT).mT
            )[0],
        }.items()
    },
    **{
        f"both directions, {what}": (partial(of_both, forward), sentence)
        for what, (forward, sentence) in {
            "backwards at the end": (
                lambda y: torch.cat((y[:, -1, :4], y[:, -1, 4:]), 1),
                "another step of .* than the one to which it comes last",
            ),
            "the other way round": (
                lambda y: torch.cat((y[:, 0, 4:], y[:, -1, :4]), 1),
                "allowed are two recurrent layers over the same steps, forwards and",
            ),
            "another part": (lambda y: y[:, :, :3], "cuts the axis features from 0"),
            "the first step": (lambda y: y[:, 0], "gives the step 0; allowed is"),
            "an end beside all": (
                lambda y: y[:, -1:, :4] + y[:, :, 4:],
                "allowed are two recurrent layers over the same steps",
            ),
            "backwards alone": (lambda y: y[:, :, 4:], "goes backwards and gives all"),
        }.items()
    },
    "all steps twice": (
        lambda: Net(
            lambda self, x: self.rnn(x)[0].repeat(1, 2, 1), rnn=nn.GRU(3, 4, **FIRST)
        ),
        "repeats other numbers than one output for all steps",
    ),
    "a pool alone": (lambda: nn.Sequential(nn.MaxPool1d(2)), "no layer that computes"),
    "a projection": (lambda: nn.LSTM(3, 4, proj_size=2), "has proj_size"),
    "another layer": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 2), nn.Linear(4, 2)),
        "does not take .*; allowed is one that takes any number of steps",
    ),
    "attention": (
        lambda: Net(
            lambda self, x: torch.softmax(self.rec(x)[0], 1) * self.rec(x)[0],
            rec=nn.GRU(2, 4, **FIRST),
        ),
        "is not over the features",
    ),
    "a forward that asks its numbers": (
        lambda: Net(
            lambda self, x: self.rec(x)[0] if x.sum() > 0 else x, rec=nn.GRU(2, 4)
        ),
        "torch.export cannot follow the forward of Net",
    ),
    "two inputs": (
        lambda: nn.Bilinear(2, 3, 4),
        r"does not take \(\d+, \d+\) \(.*missing 1 required",
    ),
    "nothing": (lambda: nn.Sequential(nn.Dropout()), "no layer that computes"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", REFUSED)
def test_modules_that_are_refused(what):
    make, sentence = REFUSED[what]
    with pytest.raises(InputError, match=sentence):
        ir.read(make())
