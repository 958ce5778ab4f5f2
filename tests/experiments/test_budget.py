"""Equal cost: the units that a budget lets a variant have."""

from __future__ import annotations

import json

import numpy as np
import pytest

from slimrnn import cli, get
from slimrnn.deploy.size import size
from slimrnn.errors import InputError
from slimrnn.experiments.run import build
from slimrnn.experiments.run.budget import (
    Candidates,
    limits,
    matched,
    most_units,
)
from slimrnn.experiments.run.settings import Settings
from slimrnn.ir import Model, read
from slimrnn.ir.layers import Dense, Recurrent
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.variants import TABLE, CellSpec

BUDGETS = (
    *("flash=3KB", "flash=2.2kb+ram=300", "ram=0.5KiB", "macs=1.1k"),
    *("instructions=4000", "instructions=9000@cortex-m0"),
    *("latency=0.1ms@cortex-m4:48MHz", "parameters=700"),
)
FAMILIES = ("LSTM", "LSTM6", "LSTM10", "CIFG", "GRU3", "minGRU")
BAD = {
    "flash=4KX": "Unknown unit of flash=4KX 'kx'",
    "latency=5@cortex-m4:64MHz": "Unknown unit of latency=5@cortex-m4:64MHz 'none'",
    "latency=5ms@cortex-m4:64": "Unknown unit",
    "latency=5ms": "must be flash=4KB, ram=1KB",
    "ram=1KB@cortex-m4": "must be flash=4KB, ram=1KB",
    "instructions=9@cortex-m9": "Unknown device of instructions=9@cortex-m9",
    "speed=3": "Unknown budget 'speed'; the nearest is",
    "flash=0": "must be flash=4KB",
    "flash=": "must be flash=4KB",
    "flash=1KB+": "Unknown budget ''",
    "parameters=LSTX": "the nearest is LSTM",
}


def chain(name: str, inputs: int = 8, classes: int = 10) -> Model:
    """A model of one unit, as data."""
    variant = CellSpec(get(name)).variant
    shapes = variant.shapes(inputs, 1)
    weights = {key: np.zeros(shape, "float32") for key, shape in shapes.items()}
    cell = RecurrentWeights(CellSpec(variant), weights)
    head = np.zeros((1, classes), "float32")
    return Model("chain", (Recurrent("cell", cell), Dense("head", head)))


@pytest.mark.parametrize(
    "name",
    [
        row.name
        if row.name in FAMILIES
        else pytest.param(row.name, marks=pytest.mark.exhaustive)
        for row in TABLE
    ],
)
def test_the_units_are_the_most_that_fit(name):
    """Of every budget: so many fit, and none of the next dozen does."""
    candidates = Candidates(chain(name))
    for text in BUDGETS:
        budget = limits(text)
        units = most_units(candidates, budget)
        costs = [
            [x.cost(candidates[units + k]) / x.most for x in budget] for k in range(13)
        ]
        assert max(costs[0]) <= 1, text
        assert all(max(more) > 1 for more in costs[1:]), text


@pytest.mark.parametrize("name", ["LSTM", "LSTM_C6", "GRU"])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_size_is_that_of_the_model_which_is_trained(name, layers):
    settings = matched(Settings.of(name, match="flash=3KB", layers=layers))
    model = read(build.build(settings, build.load(settings)))
    assert size(model, "int8").flash <= 3 * 1024
    assert [cell.cell.units for cell in model.recurrent()] == [settings.units] * layers
    more = Settings.of(name, units=settings.units + 1, layers=layers)
    assert size(read(build.build(more, build.load(more))), "int8").flash > 3 * 1024


def test_a_reference_becomes_its_cost():
    """So that a run repeats: matched again, or by its own command."""
    given = Settings.of("LSTM6", units=20, match="parameters")
    found = matched(given)
    most = get("LSTM").parameters(8, 20)
    assert found.match == f"parameters={most}"
    assert get("LSTM6").parameters(8, found.units) <= most
    assert get("LSTM6").parameters(8, found.units + 1) > most
    assert matched(found) == found
    assert "--units" not in found.command()
    assert matched(Settings.of("LSTM", units=20, match="ram=LSTM")).units == 20


@pytest.mark.parametrize("text", BAD)
def test_a_bad_budget_is_told(text):
    with pytest.raises(InputError, match=".*") as error:
        Settings.of("LSTM6", match=text)
    assert BAD[text] in str(error.value)


TOLD = {
    "flash=1KB": "No variant fits. The smallest: LSTM6 takes 1,",
    "flash=1.7KB": "LSTM takes 1,8",
    "flash=9MB": "more than",
}


@pytest.mark.parametrize("text", TOLD)
def test_a_budget_that_cannot_be_is_told_before_anything_is_written(
    text, tmp_path, capsys
):
    out = tmp_path / "out"
    args = ["compare", "LSTM", "LSTM6", "--match", text, "--out", str(out)]
    assert cli.main(args) == 2
    assert TOLD[text] in capsys.readouterr().err
    assert not out.exists()


def test_a_comparison_has_a_table_for_each_budget(tmp_path, capsys):
    """With the units and the costs, in the terminal, the table and the page."""
    out = tmp_path / "out"
    budgets = "flash=2KB,flash=2.5KB"
    args = f"compare LSTM6 GRU3 --match {budgets} --epochs 1 --seeds 1 --timing 0"
    assert cli.main([*args.split(), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    runs = [json.loads(p.read_text()) for p in out.glob("trials/*/config.json")]
    assert len({(run["variant"], run["units"]) for run in runs}) == 4
    for text in budgets.split(","):
        assert f"digits, {text}" in shown
        assert f"digits, {text}" in (out / "table.csv").read_text()
    for run in runs:
        assert str(run["units"]) in shown
    for path in out.glob("trials/*/result.json"):
        assert f"{json.loads(path.read_text())['flash']:,}" in shown
    assert "instructions a step (Cortex-M4)" in (out / "report.html").read_text()
