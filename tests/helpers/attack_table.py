"""What was tried and what came out, as the table of ``docs/reliability.md``."""

import os

import pytest

#: how many times the usual number of tries: SLIMRNN_ATTACK=20 takes half an hour
SCALE = int(os.environ.get("SLIMRNN_ATTACK", "1"))


@pytest.fixture
def tries():
    """Tells how many tries there are, of how many by default."""
    return lambda usual: usual * SCALE


@pytest.fixture
def row(record_property):
    """Takes a line of the table: what was tried, how often, what came out."""
    return lambda *cells: record_property("attack", cells)


def pytest_terminal_summary(terminalreporter):
    rows = [
        cells
        for report in terminalreporter.getreports("passed")
        for name, cells in report.user_properties
        if name == "attack"
    ]
    if rows:
        terminalreporter.section("attacks")
    for cells in rows:
        terminalreporter.write_line(f"| {' | '.join(map(str, cells))} |")
