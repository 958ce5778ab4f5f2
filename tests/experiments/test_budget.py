"""Equal cost: the units that a budget lets a variant have."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from made_runs import SITUATIONS, make_runs, write_page
from slimrnn import cli, get
from slimrnn.cli.comparison import comparison
from slimrnn.deploy.size import size
from slimrnn.errors import InputError
from slimrnn.experiments.analysis.grouping import by_dataset
from slimrnn.experiments.report.csv_latex import write_csv
from slimrnn.experiments.run import build
from slimrnn.experiments.run.budget import Candidates, limits, matched, most_units
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.sweep import scheduler
from slimrnn.ir import Model, read
from slimrnn.ir.layers import Dense, Recurrent
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.variants import TABLE, CellSpec

pytestmark = pytest.mark.backend_free

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


def chain(inputs=8, classes=10) -> Model:
    """A model of one unit, as data."""
    shapes = get("LSTM").shapes(inputs, 1)
    weights = {key: np.zeros(shape, "float32") for key, shape in shapes.items()}
    cell = RecurrentWeights(CellSpec(get("LSTM")), weights)
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
    candidates = Candidates(chain(), CellSpec(get(name)))
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
def test_a_bad_budget_is_reported(text):
    with pytest.raises(InputError) as error:
        Settings.of("LSTM6", match=text)
    assert BAD[text] in str(error.value)


TOLD = {
    "flash=1KB": "No variant fits. The smallest: LSTM6 takes 1,",
    "flash=1.7KB": "LSTM takes 1,8",
    "flash=9MB": "more than",
}


@pytest.mark.parametrize("text", TOLD)
def test_a_budget_that_cannot_be_is_reported_before_anything_is_written(
    text, tmp_path, capsys
):
    out = tmp_path / "out"
    args = ["compare", "LSTM", "LSTM6", "--match", text, "--out", str(out)]
    assert cli.main(args) == 2
    assert TOLD[text] in capsys.readouterr().err
    assert not out.exists()


def test_a_comparison_has_a_table_for_each_budget(tmp_path):
    """With the units and the costs, in the terminal, the table and the page."""
    runs = make_runs(tmp_path, SITUATIONS["two budgets"])
    screen = Console(width=120, file=io.StringIO())
    for part in comparison(runs, screen.width):
        screen.print(part)
    text = screen.file.getvalue()
    page = write_page(runs, tmp_path).read_text()
    write_csv(runs, tmp_path / "table.csv")
    table = (tmp_path / "table.csv").read_text()
    for name, own in by_dataset(runs).items():
        assert name in ("digits, flash=3KB", "digits, flash=4KB")
        assert f'"{name}"' in table
        assert name in page
        shown = text.partition(f"{name}\n")[2].partition("digits, ")[0]
        for run in own:
            assert f" {run.config['units']} " in shown
            assert f"{run.result['flash']:,}" in shown
            assert f"{run.result['instructions']:,}" in shown
    assert "instructions a step (Cortex-M4)" in page


def test_several_budgets_and_layers_are_a_grid(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(scheduler, "check", lambda study: seen.extend(study.trials()))
    monkeypatch.setattr(scheduler.Sweep, "run", lambda self: None)
    args = "compare LSTM6 GRU3 --match flash=3KB,ram=500 --layers 1,2 --seeds 1 "
    args += "--dataset digits"
    assert cli.main([*args.split(), "--timing", "0", "--out", str(tmp_path / "a")]) == 0
    assert len({(x.name, x.match, x.layers, x.units) for x in seen}) == 8
    other = "sweep --set variant=LSTM6,GRU3 layers=1,2 --match flash=3KB,ram=500"
    first, seen[:] = {x.key() for x in seen}, []
    assert cli.main([*other.split(), "--out", str(tmp_path / "b")]) == 0
    assert {x.key() for x in seen} == first
