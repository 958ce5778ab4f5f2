"""report.html in headless Chromium, on a desk and on a phone."""

import csv
import functools
import pathlib
import re
import shutil
import tempfile
import time
from xml.etree import ElementTree

import pytest

from made_runs import FIVE, SITUATIONS, make_runs, of_each_kind, sweep, write_page
from slimrnn.experiments.analysis.grouping import by_dataset
from slimrnn.experiments.analysis.summary import summarize
from slimrnn.experiments.report.charts import place
from slimrnn.experiments.run.settings import Settings

pytestmark = pytest.mark.backend_free

LEFT, ENTER, ESCAPE = "\ue012", "\ue007", "\ue00c"
FITS = "return document.documentElement.scrollWidth <= window.innerWidth"
OVERLAPS = """
const boxes = [...document.querySelectorAll(arguments[0])]
  .map(node => node.getBoundingClientRect()).filter(box => box.width > 0);
return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b =>
  a.left < b.right - 1 && b.left < a.right - 1 &&
  a.top < b.bottom - 2 && b.top < a.bottom - 2)).length
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The runs and the page of a situation, made once."""

    @functools.cache
    def make(situation):
        folder = tmp_path_factory.mktemp("page")
        runs = make_runs(folder, SITUATIONS[situation])
        return runs, write_page(runs, folder)

    return make


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium")
    names = ("chromium", "chromium-browser", "google-chrome")
    binary = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("neither Chromium nor its chromedriver is here")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory() as profile:
        for flag in (
            "headless=new",
            "no-sandbox",
            "disable-gpu",
            "disable-quic",
            "no-first-run",
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
            f"user-data-dir={profile}",
        ):
            options.add_argument(f"--{flag}")
        service = webdriver.ChromeService(executable_path=driver)
        chromium = webdriver.Chrome(options=options, service=service)
        yield chromium
        chromium.quit()


def open_page(browser, path, width=1280):
    resize(browser, width)
    browser.get(path.as_uri())


def resize(browser, width):
    """A window on a desk, or a phone."""
    phone = width < 500
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})
    # The page draws anew before its next frame.
    browser.execute_async_script(
        "requestAnimationFrame(() => setTimeout(arguments[0]))"
    )


# What the page shows, of the data set that is chosen.
SHOWN = (
    "const shown = s => [...document.querySelectorAll(`article:not([hidden]) ${s}`)];"
)


def ask(browser, expression, *arguments):
    return browser.execute_script(f"{SHOWN} return {expression}", *arguments)


def count(browser, selector):
    return ask(browser, "shown(arguments[0]).length", selector)


def texts(browser, selector):
    return ask(browser, "shown(arguments[0]).map(n => n.textContent)", selector)


def press(browser, selector, index=0):
    ask(browser, "shown(arguments[0]).at(arguments[1]).click()", selector, index)


def choose(browser, selector, value):
    """Sets an input or a select as a user does."""
    script = """
    const node = document.querySelector(arguments[0]);
    node.value = arguments[1];
    node.dispatchEvent(new Event("input", {bubbles: true}));
    """
    browser.execute_script(script, selector, value)


def lines(browser, part="curves"):
    return count(browser, f".{part} [aria-label=line] path")


def points(browser, part):
    return count(browser, f".{part} [aria-label=point]")


def table_rows(browser):
    """Of each row that is shown: its variant, whether it is the best, where it is."""
    script = """shown(".results tbody tr:not([hidden])").map(row =>
      ["name", "star", "where"].map(kind =>
        row.querySelector("." + kind)?.textContent ?? null))"""
    return ask(browser, script)


def expected(rows):
    return [
        [row.variant, "★" if row.is_best else None, place(row) or None] for row in rows
    ]


def first_problem(runs):
    """What the page shows when it opens."""
    return summarize(next(iter(by_dataset(runs).values())))


@pytest.mark.parametrize("situation", of_each_kind())
def test_the_page_shows_its_figures(browser, made, situation):
    runs, page = made(situation)
    summary = first_problem(runs)
    open_page(browser, page)
    shows_its_figures(browser, runs, summary)
    resize(browser, 390)
    shows_its_figures(browser, runs, summary)
    requests = "return performance.getEntriesByType('resource').length"
    assert browser.execute_script(requests) == 0
    assert browser.get_log("browser") == []


def shows_its_figures(browser, runs, summary):
    best = summary.best
    has_curves = any(run.metrics for run in runs)
    unfinished = sum(len(row.runs) - row.done for row in best)
    drawn = sum(row.done > 0 for row in best) + (unfinished if has_curves else 0)
    scored = sum(row.score.mean is not None for row in best)
    all_unfinished = sum(len(row.runs) - row.done for row in summary.rows)
    assert count(browser, ".curves svg") == (2 if has_curves else 0)
    assert lines(browser) == 2 * drawn
    assert count(browser, ".curves [aria-label=area] path") == 2 * drawn
    assert count(browser, ".curves [aria-label=end]") == 2 * unfinished * has_curves
    assert points(browser, "costs") == 2 * scored
    assert len(table_rows(browser)) == len(best)
    assert count(browser, ".notice li") == all_unfinished
    assert "NaN" not in ask(browser, "shown('')[0].innerHTML")
    assert browser.execute_script(FITS)


@pytest.mark.parametrize("situation", ["three seeds", "twenty", "sweep"])
def test_no_text_lies_on_another(browser, made, situation):
    open_page(browser, made(situation)[1])
    for width in (1280, 390):
        resize(browser, width)
        for part in ("curves", "costs", "sensitivity"):
            for number in (1, 2):
                words = f"article .{part} figure:nth-child({number}) svg text"
                assert browser.execute_script(OVERLAPS, words) == 0
        if situation == "three seeds":
            assert count(browser, ".costs .label") == 10


def test_the_axes_say_their_units(browser, made):
    open_page(browser, made("sweep")[1])
    labels = ask(
        browser,
        """shown("svg [aria-label$='axis label'] text")
      .map(n => n.textContent)""",
    )
    assert [label for label in labels if "(" not in label] == [
        *("epoch", "epoch"),
        *("learning rate", "learning rate"),
    ]
    assert len(labels) == 12


def test_the_table_sorts(browser, made):
    open_page(browser, made("diverged")[1])
    press(browser, ".results thead button", 1)
    assert table_rows(browser)[0][0] == "LSTM3"
    press(browser, ".results thead button", 1)
    assert table_rows(browser)[0][0] == "LSTM"
    assert count(browser, "th[aria-sort=descending]") == 1
    press(browser, ".results thead button", 0)
    names = [name for name, *_ in table_rows(browser)]
    assert names == ["LSTM", "LSTM3", "LSTM4", "LSTM5a", "LSTM6", "LSTM10"]


def test_the_bars_of_the_table_grow_from_the_left(browser, made):
    open_page(browser, made("three seeds")[1])
    script = """shown(".share").map(bar => [getComputedStyle(bar).backgroundImage,
      bar.style.getPropertyValue("--share")])"""
    bars = ask(browser, script)
    assert len(bars) == 5 * 4
    for image, share in bars:
        left, right = re.findall(r"rgb\(\S+ \S+ \S+\) (\S+?)[,)]", image)
        assert image.startswith("linear-gradient(90deg, ")
        assert float(left.rstrip("%")) == float(share.rstrip("%"))
        assert right == "0px"


def test_the_legend_hides_and_the_switches_switch(browser, made):
    open_page(browser, made("three seeds")[1])
    press(browser, ".legend input", 1)
    assert count(browser, ".legend :not(:checked)[type=checkbox]") == 1
    assert lines(browser) == 8
    assert points(browser, "costs") == 8
    press(browser, ".legend input", 1)
    assert lines(browser) == 10
    press(browser, "input[value=loss]")
    assert texts(browser, ".curves h3") == ["training loss", "test loss"]
    press(browser, "input[value=validation]")
    assert texts(browser, ".curves h3") == ["training loss", "validation loss"]
    for index in range(5):
        press(browser, ".legend input", index)
    assert count(browser, ".costs svg") == 0
    press(browser, ".legend input", 0)
    assert points(browser, "costs") == 2
    assert browser.get_log("browser") == []


def frame(browser, part):
    return browser.find_element("css selector", f".{part} .frame")


def tooltips(browser, part):
    return list(filter(None, texts(browser, f".{part} .tooltip")))


def test_the_tooltips_stay_inside_on_a_phone(browser, made):
    open_page(browser, made("twenty")[1], width=390)
    frame(browser, "curves").send_keys(LEFT)
    tip, chart = (
        browser.find_element("css selector", f".curves {part}").rect
        for part in (".tooltip", "figure")
    )
    assert tip["width"] > 100
    assert chart["x"] <= tip["x"]
    assert tip["x"] + tip["width"] <= chart["x"] + chart["width"]
    assert browser.execute_script(FITS)


def test_the_arrow_keys_read_the_curves(browser, made):
    open_page(browser, made("three seeds")[1])
    chart = frame(browser, "curves")
    chart.send_keys(LEFT)
    (tip,) = tooltips(browser, "curves")
    assert tip.startswith("Epoch 12LSTM0.9")
    assert tip.count("±") == 5
    chart.send_keys(LEFT)
    assert any(tip.startswith("Epoch 11") for tip in tooltips(browser, "curves"))
    chart.send_keys(ESCAPE)
    assert not tooltips(browser, "curves")


def test_the_arrow_keys_read_the_costs_and_open_a_point(browser, made):
    open_page(browser, made("three seeds")[1])
    chart = frame(browser, "costs")
    chart.send_keys(LEFT)
    (tip,) = tooltips(browser, "costs")
    assert tip.startswith("LSTMtest accuracy0.9")
    assert tip.endswith("parameters of the layer8,256")
    chart.send_keys(LEFT)
    chart.send_keys(ENTER)
    assert texts(browser, "dialog[open] h2") == [" LSTM4"]


# -------------------------------------------------------------------------- a sweep


def test_a_sweep_shows_the_best_points_or_all(browser, made):
    runs, page = made("sweep")
    open_page(browser, page)
    summary = first_problem(runs)
    assert table_rows(browser) == expected(summary.best)
    press(browser, "input[value=all]")
    assert table_rows(browser) == expected(summary.rows)
    scored = sum(row.score.mean is not None for row in summary.rows)
    assert points(browser, "costs") == 2 * scored
    assert lines(browser) == 10, "the curves stay legible"
    assert count(browser, ".results .star") == 5
    assert browser.execute_script(FITS)


def test_filters_and_search_leave_what_they_say(browser, made):
    runs, page = made("sweep")
    open_page(browser, page)
    choose(browser, "select[data-axis=learning_rate]", "5")
    places = [where for *_, where in table_rows(browser)]
    assert places == ["activation tanh, learning rate 0.1"] * 5
    choose(browser, "select[data-axis=activation]", "0")
    places = [where for *_, where in table_rows(browser)]
    assert places == ["activation relu, learning rate 0.1"] * 5
    press(browser, ".legend input", 0)
    assert len(table_rows(browser)) == 4
    assert "4 of 60 configurations" in texts(browser, ".shown")[0]
    for axis in ("learning_rate", "activation"):
        choose(browser, f"select[data-axis={axis}]", "")
    press(browser, "input[value=all]")
    choose(browser, "input[type=search]", "Diverged lstm6")
    lost = [r for r in summarize(runs).rows if r.diverged and r.variant == "LSTM6"]
    assert len(table_rows(browser)) == len(lost) > 0
    choose(browser, "input[type=search]", "nothing like it")
    assert table_rows(browser) == []
    assert browser.get_log("browser") == []


def test_a_search_over_many_values_is_filtered_by_its_range(browser, tmp_path):
    rates = [10 ** (-4 + 0.1 * i) for i in range(20)]
    runs = make_runs(tmp_path, sweep(FIVE[:2], rates, ("tanh",), seeds=(1,)))
    open_page(browser, write_page(runs, tmp_path))
    press(browser, "input[value=all]")
    choose(browser, "[data-end=lowest]", "0.001")
    assert len(table_rows(browser)) == 2 * sum(rate >= 0.001 for rate in rates)
    choose(browser, "[data-end=highest]", "0.002")
    within = [rate for rate in rates if 0.001 <= rate <= 0.002]
    assert len(table_rows(browser)) == 2 * len(within) > 0
    assert lines(browser, "sensitivity") == 0
    assert points(browser, "sensitivity") == 2 * len(table_rows(browser))


FRONT = "figure:first-child [aria-label=front]"


def test_the_front_is_that_of_pareto(browser, made):
    open_page(browser, made("three seeds")[1])
    assert count(browser, f".costs {FRONT}") == 5
    assert lines(browser, "costs") == 2
    open_page(browser, made("diverged")[1])
    # LSTM3 is both larger and worse than LSTM4.
    assert points(browser, "costs figure:first-child") == 6
    assert count(browser, f".costs {FRONT}") == 5


def test_the_sensitivity_is_shown_along_an_axis(browser, made):
    open_page(browser, made("sweep")[1])
    assert texts(browser, ".sensitivity h3") == [
        "validation accuracy against learning rate",
        "test accuracy against learning rate",
    ]
    assert lines(browser, "sensitivity") == 10
    assert points(browser, "sensitivity") == 2 * 5 * 6
    choose(browser, "select[data-axis=activation]", "0")
    browser.find_elements("css selector", ".sensitivity .frame")[1].send_keys(LEFT)
    (tip,) = tooltips(browser, "sensitivity")
    assert tip.startswith("learning rate 0.1LSTM")
    open_page(browser, made("three seeds")[1])
    assert count(browser, ".sensitivity") == 0


def test_where_nothing_ended_well_is_a_cross(browser, tmp_path):
    trials = sweep(FIVE[:2], (0.001, 1.0), ("tanh",), seeds=(1, 2))
    runs = make_runs(tmp_path, trials)
    open_page(browser, write_page(runs, tmp_path))
    crosses = ".sensitivity figure:first-child [aria-label=end]"
    assert count(browser, crosses) == 2
    assert count(browser, ".notice li") == 4
    assert "no finite number" in texts(browser, ".notice li")[0]


def test_a_row_opens_its_settings_and_commands(browser, made):
    runs, page = made("sweep")
    open_page(browser, page)
    press(browser, "input[value=all]")
    for selector in (".results tbody tr", ".results tbody button", ".notice button"):
        opens_settings_and_commands(browser, runs, selector)


def opens_settings_and_commands(browser, runs, selector):
    press(browser, selector, -1)
    dialog = browser.find_element("css selector", "dialog[open]")
    assert dialog.is_displayed()
    terms = texts(browser, "dialog[open] dl:nth-of-type(2) dt")
    assert terms == ["variant", "activation", "learning rate"]
    commands = texts(browser, "dialog[open] pre")
    known = {Settings.from_config(run.config).command() for run in runs}
    assert len(commands) == 3
    assert set(commands) <= known
    seeds = texts(browser, "dialog[open] table tr:first-child td")
    assert seeds == ["1", "2", "3"]
    browser.switch_to.active_element.send_keys(ESCAPE)
    assert not dialog.is_displayed()


def test_the_curves_of_a_point_can_be_added(browser, made):
    open_page(browser, made("sweep")[1])
    press(browser, "input[value=all]")
    press(browser, ".results tbody tr")
    press(browser, "dialog[open] .pin")
    assert lines(browser) == 12
    press(browser, "dialog[open] .close")
    press(browser, ".legend input")
    assert lines(browser) == 8


def drag(browser, node, begin, end):
    """Drags the mouse over a node between two places, shares of its size."""
    script = "arguments[0].scrollIntoView({block: 'center'})"
    browser.execute_script(script, node)
    box = browser.execute_script("return arguments[0].getBoundingClientRect()", node)
    for kind, (x, y) in zip(
        ("mousePressed", "mouseMoved", "mouseMoved", "mouseReleased"),
        (begin, [sum(pair) / 2 for pair in zip(begin, end, strict=True)], end, end),
        strict=True,
    ):
        event = {"type": kind, "button": "left", "buttons": 1, "clickCount": 1}
        event |= {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def first_ticks(browser, part):
    labels = "[aria-label*='axis tick label'] text"
    return texts(browser, f".{part} figure:first-child {labels}")


def is_zoomed(browser, part):
    return count(browser, f".{part} .tools button:first-child:not([hidden])") == 1


def test_dragging_zooms_and_a_button_shows_all_again(browser, made):
    open_page(browser, made("sweep")[1])
    for part in ("curves", "costs", "sensitivity"):
        zooms_and_shows_all_again(browser, part)
    assert browser.get_log("browser") == []


def zooms_and_shows_all_again(browser, part):
    before = first_ticks(browser, part)
    drag(browser, frame(browser, part), (0.3, 0.2), (0.6, 0.5))
    assert first_ticks(browser, part) != before
    assert is_zoomed(browser, part)
    assert count(browser, "dialog[open]") == 0
    press(browser, f".{part} .tools button:first-child")
    assert first_ticks(browser, part) == before
    assert not is_zoomed(browser, part)


def test_wheel_and_keys_zoom(browser, made):
    open_page(browser, made("three seeds")[1])
    turn = """(({left, top}) => shown(".curves svg")[0].dispatchEvent(
      new WheelEvent("wheel", {deltaY: -50, ctrlKey: arguments[0], bubbles: true,
      cancelable: true, clientX: left + 200, clientY: top + 100})))(
      shown(".curves svg")[0].getBoundingClientRect())"""
    ask(browser, turn, False)
    assert not is_zoomed(browser, "curves"), "without Ctrl, the page scrolls"
    ask(browser, turn, True)
    assert is_zoomed(browser, "curves")
    chart = frame(browser, "curves")
    chart.send_keys("0")
    assert not is_zoomed(browser, "curves")
    chart.send_keys("+")
    assert is_zoomed(browser, "curves")
    browser.switch_to.active_element.send_keys("-")
    assert not is_zoomed(browser, "curves")


def test_two_fingers_zoom(browser, made):
    open_page(browser, made("three seeds")[1], width=390)
    svg = browser.find_element("css selector", ".curves svg")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", svg)
    box = browser.execute_script("return arguments[0].getBoundingClientRect()", svg)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind, apart in (
        ("touchStart", 30),
        ("touchMove", 40),
        ("touchMove", 80),
        ("touchEnd", None),
    ):
        fingers = [] if apart is None else [{"x": x - apart, "y": y, "id": 0}]
        fingers += [] if apart is None else [{"x": x + apart, "y": y, "id": 1}]
        event = {"type": kind, "touchPoints": fingers}
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", event)
    assert is_zoomed(browser, "curves")


def downloaded(browser, folder, name, selector, index=0):
    where = {"behavior": "allow", "downloadPath": str(folder)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    press(browser, selector, index)
    path, patience = folder / name, 100
    while not path.exists() and (patience := patience - 1):
        time.sleep(0.05)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["csv", "tex"])
def test_the_table_is_downloaded_as_it_is_shown(browser, made, kind, tmp_path):
    open_page(browser, made("sweep")[1])
    choose(browser, "select[data-axis=learning_rate]", "4")
    press(browser, ".results thead button", 5)
    name, selector = f"results.{kind}", f"[data-exports={kind}]"
    text = downloaded(browser, tmp_path, name, selector)
    names = [name for name, *_ in table_rows(browser)]
    if kind == "csv":
        rows = list(csv.DictReader(text.splitlines()))
        assert [row["variant"] for row in rows] == names
        assert {row["learning_rate"] for row in rows} == {"0.03"}
    else:
        rows = [line for line in text.splitlines() if " & 0.03 & " in line]
        assert [row.split(" & ")[0] for row in rows] == names
        assert text.startswith("\\begin{tabular}")


def test_a_chart_is_downloaded_with_its_legend_and_colours(browser, made, tmp_path):
    open_page(browser, made("three seeds")[1])
    name, selector = "training accuracy.svg", ".curves .tools button:last-child"
    root = ElementTree.fromstring(downloaded(browser, tmp_path, name, selector))
    words = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "training accuracy (fraction correct)" in words
    assert [word.removeprefix("■ ") for word in words[-5:]] == list(FIVE)
    drawn = ElementTree.tostring(root, encoding="unicode")
    assert "stroke: rgb(0, 114, 178)" in drawn
    assert "var(" not in re.sub(r"<[^>]*style[^>]*>", "", drawn)


def test_data_sets_are_shown_one_at_a_time(browser, made):
    open_page(browser, made("two data sets")[1])
    assert texts(browser, ".curves h3") == ["training accuracy", "test accuracy"]
    choose(browser, "#problem", "1")
    assert texts(browser, ".curves h3")[1] == "test mean absolute error"
    assert len(table_rows(browser)) == 3
    assert "mine.npz" in texts(browser, ".lead")[0]
    assert count(browser, ".legend input") == 3
    assert browser.get_log("browser") == []


def test_the_page_prints_without_what_is_pressed(browser, made):
    open_page(browser, made("sweep")[1])
    media = [{"name": "prefers-color-scheme", "value": "dark"}]
    emulate = functools.partial(browser.execute_cdp_cmd, "Emulation.setEmulatedMedia")
    emulate({"media": "print", "features": media})
    assert ask(browser, "getComputedStyle(document.body).color") == "rgb(29, 32, 36)"
    for part in (".controls", ".switches", ".tools"):
        assert ask(browser, "shown(arguments[0])[0].checkVisibility()", part) is False
    emulate({"media": "", "features": []})


LIVE = pathlib.Path(__file__).parents[2] / "docs" / "live.html"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_live_page_reads_digits(browser, width):
    open_page(browser, LIVE, width)
    assert browser.execute_script(FITS)
    said = browser.find_element("id", "said")
    buttons = browser.find_elements("css selector", "#examples button")
    answers = []
    for button in buttons:
        button.click()
        answers.append(said.text.split(".")[0])
    wrong = [k for k, found in enumerate(answers) if found != f"It is a {k}"]
    assert len(wrong) <= 1, answers  # of ten test images, as 98 % are right
    browser.find_element("id", "clear").click()
    assert said.text == "Nothing is drawn yet."
    assert not [entry for entry in browser.get_log("browser") if "live" in str(entry)]
