"""The table of exporters: what it says is so, and what is derived from it says it."""

import inspect
from importlib import metadata
from pathlib import Path

import pytest

from slimrnn import deploy
from slimrnn.deploy import EXPORTERS
from slimrnn.deploy.program.arithmetic import ARITHMETICS

pytestmark = pytest.mark.backend_free

DOCS = Path(__file__).parents[2] / "docs" / "deploy.md"
exporters = pytest.mark.parametrize("name", EXPORTERS)


@exporters
def test_the_function_is_public(name):
    exporter = EXPORTERS[name]
    function = getattr(deploy, exporter.function)
    assert exporter.function in deploy.__all__
    assert function is exporter.load()
    usual = {
        key: p.default for key, p in inspect.signature(function).parameters.items()
    }
    assert usual.get("mode") == next(iter(exporter.modes), None)
    assert usual.get("dtype", "float32") == exporter.dtypes[0]
    assert set(exporter.dtypes) <= set(ARITHMETICS)


@exporters
def test_the_extra_exists(name):
    extra = EXPORTERS[name].extra
    assert not extra or extra in metadata.metadata("slimrnn").get_all("Provides-Extra")


@exporters
def test_an_obstacle_says_how_to_install_it(name):
    exporter = EXPORTERS[name]
    without = type(exporter)("x", "X", "x", extra="some", needs=("no_such_package",))
    assert "no_such_package is not installed" in without.obstacle
    assert "pip install 'slimrnn[some]'" in without.obstacle
    assert bool(exporter.extra) == bool(exporter.needs)


@exporters
def test_the_docs_have_its_row(name):
    exporter = EXPORTERS[name]
    cells = (
        f"`{name}`",
        exporter.title,
        f"`NAME{exporter.ending}`" if exporter.ending else "a folder",
        ", ".join(f"`{mode}`" for mode in exporter.modes),
        ", ".join(exporter.dtypes),
        f"`slimrnn[{exporter.extra}]`"
        if exporter.extra
        else ", ".join(exporter.programs),
    )
    row = "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"
    assert row in DOCS.read_text(encoding="utf-8").splitlines()
