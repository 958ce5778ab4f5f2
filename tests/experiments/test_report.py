"""The terminal's table, comparison.png, the text of report.html, and exports."""

import base64
import csv
import hashlib
import json
import math
import re
import shutil
import subprocess
import tomllib
from html import escape
from importlib import resources

import pytest
from rich.console import Console

from made_runs import HOSTILE, SITUATIONS, Trial, make_runs, of_each_kind, write_page
from products import each_once
from slimrnn.cli import comparison as terminal
from slimrnn.experiments.analysis import numbers
from slimrnn.experiments.analysis.grouping import by_dataset
from slimrnn.experiments.analysis.statistics import Spread
from slimrnn.experiments.analysis.summary import summarize
from slimrnn.experiments.report import html, style
from slimrnn.experiments.report.csv_latex import latex, write_csv, write_latex
from slimrnn.experiments.report.figure import comparison, write_comparison
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Run

pytestmark = pytest.mark.backend_free


@pytest.fixture(scope="module")
def situation(request, tmp_path_factory):
    return make_runs(tmp_path_factory.mktemp("runs"), SITUATIONS[request.param])


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    return make_runs(tmp_path_factory.mktemp("sweep"), SITUATIONS["sweep"])


@pytest.mark.parametrize("situation", of_each_kind(), indirect=True)
def test_the_image_is_written(situation, tmp_path):
    write_comparison(situation, tmp_path / "comparison.png")
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_the_image_has_a_line_a_variant(tmp_path):
    runs = make_runs(tmp_path, SITUATIONS["three seeds"])
    figure = comparison(runs)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == [
        "training accuracy (fraction correct)",
        "test accuracy (fraction correct)",
    ]
    assert [len(axes.lines) for axes in figure.axes] == [5, 5]
    assert [len(axes.collections) for axes in figure.axes] == [5, 5]


@pytest.mark.parametrize(
    ("width", "legend"),
    [("screen", "inside"), ("column", "inside"), ("page", "beside")],
)
def test_the_image_has_the_size_of_a_column_or_a_page(width, legend, tmp_path):
    runs = make_runs(tmp_path, SITUATIONS["two data sets"])
    look = style.FigureStyle(("pdf", "svg"), width, legend)
    for path in look.files(tmp_path / "a"):
        write_comparison(runs, path, look)
        assert path.stat().st_size > 5000
    svg = (tmp_path / "a.svg").read_text()
    points = float(re.search(r'<svg [^>]*width="([\d.]+)pt"', svg)[1])
    across = 2 if width == "screen" else 1
    assert points == pytest.approx(72 * across * style.WIDTHS[width].inches, rel=0.01)
    assert "LSTM4" in svg
    figure = comparison(runs, look)
    inside = [axes for axes in figure.axes if axes.get_legend()]
    assert len(inside) == (2 if legend == "inside" else 0)
    assert all(not axes.get_title("left") for axes in figure.axes) == (across == 1)


@pytest.mark.parametrize("name", ["_hidden", "$x", r"$\bad$", "long " * 30, HOSTILE])
def test_the_image_shows_any_name_as_it_is(name, tmp_path):
    runs = make_runs(tmp_path, [Trial({"name": name})])
    figure = comparison(runs)
    figure.savefig(tmp_path / "figure.png")
    (text,) = figure.subfigs[0].legends[0].get_texts()
    assert text.get_text().startswith(name[:20])


def test_a_variant_has_one_colour_in_both(tmp_path):
    runs = make_runs(tmp_path, SITUATIONS["twenty"])
    page = write_page(runs, tmp_path).read_text()
    colors = re.findall(r"--v\d+:light-dark\((#\w+),", page)
    assert colors == [line.get_color() for line in comparison(runs).axes[0].lines]
    rows = problem_data(runs, tmp_path)["rows"]
    looks = {(row["color"], row["dash"], row["marker"]) for row in rows}
    assert len(looks) == len(rows)


def test_the_image_of_a_sweep_has_the_best_points(swept):
    figure = comparison(swept)
    assert [len(axes.lines) for axes in figure.axes] == [5, 5]
    names = [text.get_text() for text in figure.subfigs[0].legends[0].get_texts()]
    assert names[0] == "LSTM\nactivation tanh\nlearning rate 0.003"


def test_the_image_has_a_column_a_data_set(tmp_path):
    runs = make_runs(tmp_path, SITUATIONS["two data sets"])
    labels = [axes.get_ylabel() for axes in comparison(runs).axes]
    assert labels == [
        "training accuracy (fraction correct)",
        "test accuracy (fraction correct)",
        "training mean absolute error (target's unit)",
        "test mean absolute error (target's unit)",
    ]


def printed(runs, width):
    console = Console(width=width, highlight=False, force_terminal=False)
    with console.capture() as capture:
        for part in terminal.comparison(runs, width):
            console.print(part)
    return capture.get()


@pytest.mark.parametrize(
    ("situation", "width"),
    each_once(SITUATIONS, (80, 100, 120)),
    indirect=["situation"],
)
def test_the_terminal_shows_all_at_any_width(situation, width):
    text = printed(situation, width)
    cut = [word for word in text.split() if "…" in word]
    assert all(HOSTILE.startswith(word.rstrip("…")) for word in cut)
    assert max(map(len, text.splitlines())) <= width
    for own in by_dataset(situation).values():
        summary = summarize(own)
        least = 3 if summary.metric == "accuracy" else None
        for row in summary.best:
            assert row.variant[:12] in text
            if row.difference and row.difference.low is not None:
                _, low, high = numbers.difference(row.difference, least)
                assert f"{low}, {high}" in text


def test_the_terminal_shows_what_was_chosen(swept):
    lines = [line.split() for line in printed(swept, 80).splitlines()]
    chosen = [line[:3] for line in lines if line[1:2] == ["tanh"]]
    assert chosen == [
        [row.variant, *map(str, row.values.values())] for row in summarize(swept).best
    ]
    assert len(chosen) == 5


def problem_data(runs, folder):
    page = write_page(runs, folder).read_text()
    start = page.index('id="data">') + len('id="data">')
    (problem,) = json.loads(page[start : page.index("</script>", start)])
    return problem


def test_the_page_escapes_what_users_name(tmp_path):
    runs = make_runs(tmp_path, SITUATIONS["custom"])
    page = write_page(runs, tmp_path).read_text()
    assert HOSTILE not in page
    assert "<title>Slim &amp; &lt;b&gt;small&lt;/b&gt;</title>" in page
    assert page.count("</script>") == 2 + len(html.libraries())
    assert problem_data(runs, tmp_path)["rows"][2]["name"] == HOSTILE
    commands = page.count("<pre")
    assert commands == 1 + len(runs) - 1, "a user's own variant has no command"


def test_numbers_that_json_lacks_do_not_break_the_page(tmp_path):
    lost = Run(
        tmp_path,
        {"variant": "LSTM", "seed": math.nan},
        {},
        [{"epoch": 1, "loss": math.inf}],
        {"status": "diverged", "test_loss": math.nan},
    )
    (row,) = problem_data([lost], tmp_path)["rows"]
    assert row["score"] == {"mean": None, "std": None, "text": "–"}


def test_the_page_names_no_other_place(tmp_path):
    page = write_page(make_runs(tmp_path, SITUATIONS["custom"]), tmp_path).read_text()
    for library in html.libraries():
        assert library in page
        page = page.replace(library, "")
    for sign in ("http:", "https:", "src=", "@import", "url(//"):
        assert sign not in page


def test_only_the_pages_own_scripts_may_run(tmp_path):
    page = write_page(
        make_runs(tmp_path, SITUATIONS["one epoch"]), tmp_path
    ).read_text()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    assert f"script-src {' '.join(hashes)};" in policy
    assert policy.startswith("default-src 'none';")
    assert "eval" not in policy


def test_the_vendored_libraries_are_as_they_were_released():
    folder = resources.files("slimrnn.experiments.report") / "vendor"
    libraries = tomllib.loads((folder / "vendored.toml").read_text())["library"]
    known = {"vendored.toml"}
    for each in libraries:
        file = (folder / each["file"]).read_bytes()
        assert hashlib.sha256(file).hexdigest() == each["sha256"]
        assert f"v{each['version']} Copyright".encode() in file[:100]
        assert "Permission to use, copy" in (folder / each["license"]).read_text()
        known |= {each["file"], each["license"]}
    assert {path.name for path in folder.iterdir()} == known


def test_the_page_says_how_to_repeat_each_run(swept, tmp_path):
    page = write_page(swept, tmp_path).read_text()
    for run in swept:
        command = Settings.from_config(run.config).command()
        assert f">{escape(command)}</pre>" in page


def test_a_page_of_hundreds_of_points_is_no_large_file(swept, tmp_path):
    one = write_page(swept[:1], tmp_path).stat().st_size
    per_run = (write_page(swept, tmp_path).stat().st_size - one) / len(swept)
    assert per_run < 3000
    assert one < 600_000


@pytest.mark.parametrize(
    ("spread", "least", "text"),
    [
        (Spread(0.93, 0.006, 3), 3, "0.930 ± 0.006"),
        (Spread(0.93, 0.00042, 3), 3, "0.9300 ± 0.0004"),
        (Spread(0.93, 0.0, 3), 3, "0.930 ± 0.000"),
        (Spread(189.26, 32.7, 3), None, "189 ± 33"),
        (Spread(1.6404, 0.0021, 2), None, "1.640 ± 0.002"),
        (Spread(0.5, None, 1), None, "0.500"),
        (Spread(), 3, "–"),
    ],
)
def test_a_deviation_is_rounded_as_its_mean_and_never_to_zero(spread, least, text):
    assert numbers.spread(spread, least) == text


def exported(write, runs, path):
    write(runs, path)
    return path.read_text(encoding="utf-8")


def test_csv_has_all_points_in_full(swept, tmp_path):
    text = exported(write_csv, swept, tmp_path / "a.csv")
    lines = list(csv.DictReader(text.splitlines()))
    summary = summarize(swept)
    assert len(lines) == len(summary.rows) == 60
    for line, row in zip(lines, summary.rows, strict=True):
        assert line["variant"] == row.variant
        assert float(line["learning_rate"]) == row.values["learning_rate"]
        assert line["best"] == str(row.is_best)
        assert line["test_accuracy_mean"] == str(row.score.mean or "")
        low = row.difference and row.difference.low
        assert line["difference_low"] == str(low or "")


def test_csv_of_two_data_sets_is_one_table(tmp_path):
    runs = make_runs(tmp_path, SITUATIONS["two data sets"])
    text = exported(write_csv, runs, tmp_path / "a.csv")
    lines = list(csv.DictReader(text.splitlines()))
    assert [line["data"] for line in lines] == ["digits"] * 2 + ["mine.npz"] * 3
    for line in lines:
        assert bool(line["test_mae_mean"]) == (line["data"] == "mine.npz")


@pytest.mark.parametrize("name", ['a,"b"\nc', "=1+1", "@SUM(A1)", "ünïcode", HOSTILE])
def test_csv_holds_any_name(name, tmp_path):
    runs = make_runs(tmp_path, [Trial({"name": name})])
    write_csv(runs, tmp_path / "a.csv")
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["variant"].removeprefix("'") == name
    assert line["variant"][0] not in "=+-@"


def test_latex_has_the_best_points(swept, tmp_path):
    text = exported(write_latex, swept, tmp_path / "a.tex")
    rows = text.split("\\midrule\n")[1].split("\\bottomrule")[0].splitlines()
    assert len(rows) == 5
    assert rows[0].startswith("LSTM & tanh & 0.003 & 8{,}256 & $0.9")
    assert "$[-0." in rows[1]
    columns = re.search(r"tabular}\{(\w+)\}", text)[1]
    assert {row.count("&") + 1 for row in rows} == {len(columns)}


def test_latex_compiles(tmp_path):
    program = shutil.which("pdflatex") or shutil.which("tectonic")
    if program is None:
        pytest.skip("neither pdflatex nor tectonic is here")
    inputs = []
    for k, (name, trials) in enumerate(SITUATIONS.items()):
        if name not in ("sweep", "twenty"):  # which are large, and no other tables
            write_latex(make_runs(tmp_path / name, trials), tmp_path / f"{k}.tex")
            inputs.append(f"\\input{{{k}.tex}}")
    (tmp_path / "a.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}"
        f"{''.join(inputs)}\\end{{document}}"
    )
    done = subprocess.run(
        [program, *["-halt-on-error"] * ("pdflatex" in program), "a.tex"],
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-500:]
    assert (tmp_path / "a.pdf").exists()


def test_latex_says_what_its_numbers_are(swept, tmp_path):
    text = exported(write_latex, swept, tmp_path / "a.tex")
    head, _, foot = text.partition("\\midrule")
    assert "(fraction correct)" in head
    assert "(s)" in head
    assert "standard deviation of 3 seeds" in foot
    assert r"95\,\% interval" in foot
    for mean, deviation in re.findall(r"\$([\d.]+) \\pm ([\d.]+)\$", text):
        assert len(mean.partition(".")[2]) == len(deviation.partition(".")[2])
        assert float(deviation) > 0


def test_latex_prints_any_name():
    signs = "\\&%$#_{}~^<>|"
    plain = latex(f"a{signs}\n b")
    assert "\n" not in plain
    for sign in "&%$#_":
        assert re.search(rf"(?<!\\)\{sign}", plain) is None
    assert plain.count("{") == plain.count("}")
