"""What was tried and what came out, as the table of ``docs/reliability.md``."""

import os

import pytest

#: how many times the usual number of tries: SLIMRNN_ATTACK=20 takes half an hour
SCALE = int(os.environ.get("SLIMRNN_ATTACK", "1"))
ROWS = []


@pytest.fixture
def tries():
    """Tells how many tries there are, of how many by default."""
    return lambda usual: usual * SCALE


@pytest.fixture
def row():
    """Takes a line of the table: what was tried, how often, what came out."""
    return lambda *cells: ROWS.append(cells)


def pytest_terminal_summary(terminalreporter):
    if ROWS:
        terminalreporter.section("attacks")
    for cells in ROWS:
        terminalreporter.write_line(f"| {' | '.join(map(str, cells))} |")
