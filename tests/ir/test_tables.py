"""Tables by kind of layer: each has every kind, or is known to do without."""

import importlib
import pkgutil

import pytest

import slimrnn.deploy
import slimrnn.ir
import slimrnn.stream
from slimrnn.ir.layers import (
    KINDS,
    Affine,
    Bidirectional,
    Conv1D,
    Dense,
    Embedding,
    Layer,
    LocalPool,
    Masking,
    Pool,
    Recurrent,
    Repeat,
    Skip,
)

pytestmark = pytest.mark.backend_free

OVER_TIME = {Recurrent, Conv1D, LocalPool, Pool}  # and have states
#: the kinds that a table does without: they have nothing there
WITHOUT = {
    # neither ever goes step by step
    "slimrnn.deploy.c.flow._TAKE": {Bidirectional, Repeat},
    "slimrnn.deploy.c.layout._STATES": {*KINDS} - {Skip, Repeat, *OVER_TIME},
    "slimrnn.deploy.c.layout._HELD": {*KINDS} - {Repeat, *OVER_TIME},
    "slimrnn.deploy.c.layout._CALLS": {
        *(Masking, Affine, Skip, Recurrent, Bidirectional, LocalPool, Pool, Repeat)
    },
    "slimrnn.deploy.graph.layers._SKIPS": {*KINDS} - {Embedding, Masking},
    "slimrnn.deploy.graph.layers._WRITERS": {Bidirectional, *OVER_TIME},
    "slimrnn.deploy.graph.layers._STEPS": {*KINDS} - OVER_TIME,
    "slimrnn.deploy.program.joined._INTO": {*KINDS} - {Dense, Conv1D, Recurrent},
    "slimrnn.deploy.program.inputs._FRONT": {*KINDS} - {Affine, Masking},
    "slimrnn.deploy.program.inputs._MASKS": {*KINDS} - {Embedding, Masking},
    # no other kind stands behind a cell in a model that a run builds
    "slimrnn.ir.resize._RESIZE": {*KINDS} - {Recurrent, Dense},
    "slimrnn.deploy.size._COUNTS": {Masking, Skip, Bidirectional},
}


def is_table(value):
    """Whether it is a dict whose keys are kinds of layers."""
    kinds = value if isinstance(value, dict) and value else [None]
    return all(isinstance(kind, type) and issubclass(kind, Layer) for kind in kinds)


def tables():
    """All tables of the packages that work from the IR, by name."""
    for package in (slimrnn.ir, slimrnn.stream, slimrnn.deploy):
        found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        for name in [package.__name__, *(module.name for module in found)]:
            for attribute, value in vars(importlib.import_module(name)).items():
                if is_table(value):
                    yield f"{name}.{attribute}", value


TABLES = dict(tables())


def test_the_tables_are_found():
    assert {
        "slimrnn.ir.to_keras._LAYERS",
        "slimrnn.stream.layers._PARTS",
        "slimrnn.deploy.c.flow._TAKE",
        *WITHOUT,
    } <= {*TABLES}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_every_kind(table):
    missing = {*KINDS} - {*TABLES[table]} - WITHOUT.get(table, set())
    names = ", ".join(sorted(kind.__name__ for kind in missing))
    assert not missing, f"{table} has no entry for {names}"


def test_all_kinds_are_known():
    kinds = [Layer]
    for kind in kinds:
        kinds += kind.__subclasses__()
    assert {kind for kind in kinds if not kind.__subclasses__()} == {*KINDS}
