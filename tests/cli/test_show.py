"""`slimrnn show`: what a model is, what it costs, and what can be done with it."""

import pytest
from rich.console import Console

from ir_models import dense, normal, recurrent
from slimrnn.cli.show import page
from slimrnn.deploy import EXPORTERS
from slimrnn.ir.layers import Bidirectional, Conv1D, LocalPool, Pool, Repeat
from slimrnn.ir.model import Model

pytestmark = pytest.mark.backend_free


def shown(*layers, **about):
    console = Console(width=120)
    with console.capture() as capture:
        for part in page(Model("net", layers, **about)):
            console.print(part)
    return capture.get()


CONV = {"before": 4, "dilation": 2, "strides": 3}
BACK = recurrent(4, 2, "LSTM", "back", go_backwards=True)
SHOWN = {
    "a convolution": (
        Conv1D("conv", normal(3, 4, 4), None, "relu", **CONV),
        "Conv1D, relu, 3 taps, strides 3, dilation 2, zeros 4 before, 0 after",
    ),
    "a local pool": (
        LocalPool("pool", 4, "max", 3, 2, 0, 1),
        "max of 3 steps, strides 2, nothing 0 before, 1 after",
    ),
    "repeated": (Repeat("many", 4, 7), "Repeat, 7 times"),
    "a pool": (Pool("pool", 4, "average"), "average of all steps"),
    "a cell": (recurrent(4, 2, "LSTM6"), "LSTM6, g tanh, s sigmoid"),
    "both ways": (
        Bidirectional("both", recurrent(4, 2, "LSTM3"), BACK),
        "Bidirectional concat: LSTM3, g tanh, s sigmoid | LSTM, g tanh, s sigmoid, "
        "backwards",
    ),
}


@pytest.mark.parametrize("what", SHOWN)
def test_a_kind_of_layer(what):
    layer, words = SHOWN[what]
    each = not isinstance(layer, Repeat)
    before = recurrent(3, 4, "GRU", "first", return_sequences=each)
    said = shown(before, layer, dense(layer.outputs, 2))
    assert words in " ".join(said.split())
    assert "3 numbers a step in, 2 numbers" in said


def test_what_can_be_done():
    said = shown(recurrent(3, 4, "LSTM6"), dense(4, 1), origin="Keras 1", steps=9)
    assert said.startswith("net: Keras 1")
    assert "9 steps; 3 numbers a step in, 1 number for the sequence out" in said
    parameters = 4 * (3 + 4 + 1) + 4 + 1
    assert ["all", str(parameters)] in [line.split() for line in said.splitlines()]
    (slim,) = (line for line in said.splitlines() if line.startswith("slim: to "))
    assert "LSTM_C6" in slim
    assert "LSTM6" not in slim.split(": to ")[1].split(", ")
    for name, exporter in EXPORTERS.items():
        assert f"export --to {name}: {exporter.obstacle or exporter.title}" in said
