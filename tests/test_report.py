"""comparison.png, and the text of report.html."""

import json
import math

import pytest

from made_runs import (
    HOSTILE,
    SITUATIONS,
    Trial,
    in_all_situations,
    make_runs,
    write_page,
)
from slimrnn.experiments.figure import comparison, write_comparison
from slimrnn.experiments.store import Run


@pytest.fixture
def situation(request, tmp_path):
    return make_runs(tmp_path, SITUATIONS[request.param])


@in_all_situations
def test_the_image_is_written(situation, tmp_path):
    write_comparison(situation, tmp_path / "comparison.png")
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_the_image_has_a_line_a_variant(tmp_path):
    runs = make_runs(tmp_path, SITUATIONS["three seeds"])
    figure = comparison(runs)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["training accuracy", "test accuracy"]
    assert [len(axes.lines) for axes in figure.axes] == [5, 5]
    assert [len(axes.collections) for axes in figure.axes] == [5, 5]


@pytest.mark.parametrize("name", ["_hidden", "$x", r"$\bad$", "long " * 30, HOSTILE])
def test_the_image_shows_any_name_as_it_is(name, tmp_path):
    runs = make_runs(tmp_path, [Trial({"name": name})])
    figure = comparison(runs)
    figure.savefig(tmp_path / "figure.png")
    (text,) = figure.legends[0].get_texts()
    assert text.get_text().startswith(name[:20])


def test_a_variant_has_one_colour_in_both(tmp_path):
    runs = make_runs(tmp_path, SITUATIONS["twenty"])
    content = page_data(runs, tmp_path)
    drawn = {line.get_color() for line in comparison(runs).axes[0].lines}
    assert drawn == {row["style"]["color"] for row in content["variants"]}
    looks = [tuple(map(str, row["style"].values())) for row in content["variants"]]
    assert len(set(looks)) == 20


def page_data(runs, folder):
    page = write_page(runs, folder).read_text()
    start = page.index('id="data">') + len('id="data">')
    return json.loads(page[start : page.index("</script>", start)])


def test_the_page_escapes_what_users_name(tmp_path):
    runs = make_runs(tmp_path, SITUATIONS["custom"])
    page = write_page(runs, tmp_path).read_text()
    assert HOSTILE not in page
    assert "<title>Slim &amp; &lt;b&gt;small&lt;/b&gt;</title>" in page
    assert page.count("</script>") == 2
    content = page_data(runs, tmp_path)
    assert content["variants"][2]["variant"] == HOSTILE
    assert content["runs"][0]["folder"] == "run-00"


def test_numbers_that_json_lacks_do_not_break_the_page(tmp_path):
    lost = Run(
        tmp_path,
        {"variant": "LSTM", "seed": math.nan},
        {},
        [{"epoch": 1, "loss": math.inf}],
        {"status": "diverged", "test_loss": math.nan},
    )
    content = page_data([lost], tmp_path)
    assert content["runs"][0]["result"]["test_loss"] is None


def test_the_page_names_no_other_place(tmp_path):
    page = write_page(make_runs(tmp_path, SITUATIONS["custom"]), tmp_path).read_text()
    page = page.replace("http://www.w3.org/2000/svg", "")
    for sign in ("http:", "https:", "src=", "@import", "url(//"):
        assert sign not in page
