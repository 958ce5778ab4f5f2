"""A variant's drawing shows the terms that it has, and nothing beside the picture."""

import re
from xml.etree import ElementTree

import pytest

from problems import OWN, ROWS
from slimrnn import cli, get
from slimrnn.variants import TABLE
from slimrnn.variants.drawing import svg

pytestmark = pytest.mark.backend_free

AFTER = [f"{row.name} reset_after" for row in TABLE if row.family == "gru"]


def variant(name):
    name, _, after = name.partition(" ")
    found = {row.name: row for row in (*TABLE, *OWN)}[name]
    return found.with_reset_after() if after else found


@pytest.mark.parametrize("name", [*ROWS, *AFTER])
def test_each_term_is_drawn_once_and_within_the_picture(name):
    drawn = variant(name)
    picture = ElementTree.fromstring(svg(drawn))
    kinds = [element.get("class") for element in picture.iter()]
    counts = {term: len(drawn.blocks(term)) for term in ("kernel", "recurrent_kernel")}
    assert kinds.count("matrix") == sum(counts.values())
    vectors = len(drawn.blocks("recurrent_vector")) + len(drawn.blocks("bias"))
    assert kinds.count("vector") == vectors
    width, height = float(picture.get("width")), float(picture.get("height"))
    for path in picture.iter("{http://www.w3.org/2000/svg}path"):
        for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path.get("d")):
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= height
    texts = {e.text for e in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {f"{value:g}" for value in drawn.constants.values()} <= texts


def test_the_command_prints_it_and_asks_for_a_name(capsys):
    assert cli.main(["variants", "LSTM6", "--svg"]) == 0
    assert capsys.readouterr().out == f"{svg(get('LSTM6'))}\n"
    assert cli.main(["variants", "--svg"]) == 2
    assert "received no name" in capsys.readouterr().err
