"""report.html in headless Chromium, on a desk and on a phone."""

import csv
import functools
import shutil
import tempfile
import time

import pytest

from made_runs import FIVE, SITUATIONS, make_runs, sweep, write_page
from slimrnn.experiments.analysis.grouping import by_dataset
from slimrnn.experiments.analysis.summary import summarize
from slimrnn.experiments.run.settings import Settings

LEFT, ESCAPE = "\ue012", "\ue00c"
FITS = "return document.documentElement.scrollWidth <= window.innerWidth"
OVERLAPS = """
const boxes = [...document.querySelectorAll(arguments[0])]
  .map(node => node.getBoundingClientRect());
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
    size = {
        "width": width,
        "height": 900,
        "deviceScaleFactor": 1,
        "mobile": width < 500,
    }
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(path.as_uri())


def count(browser, selector):
    script = "return document.querySelectorAll(arguments[0]).length"
    return browser.execute_script(script, selector)


def texts(browser, selector):
    script = (
        "return [...document.querySelectorAll(arguments[0])].map(n => n.textContent)"
    )
    return browser.execute_script(script, selector)


def press(browser, selector, index=0):
    script = "document.querySelectorAll(arguments[0])[arguments[1]].click()"
    browser.execute_script(script, selector, index)


def first_problem(runs):
    """What the page shows when it opens."""
    return summarize(next(iter(by_dataset(runs).values())))


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_shows_its_figures(browser, made, situation, width):
    runs, page = made(situation)
    open_page(browser, page, width)
    summary = first_problem(runs)
    best = summary.best
    has_curves = any(run.metrics for run in runs)
    unfinished = sum(len(row.runs) - row.done for row in best)
    lines = sum(row.done > 0 for row in best) + (unfinished if has_curves else 0)
    scored = sum(row.score.mean is not None for row in best)
    all_unfinished = sum(len(row.runs) - row.done for row in summary.rows)
    assert count(browser, "#curves svg") == (2 if has_curves else 0)
    assert count(browser, "#curves polyline") == 2 * lines
    assert count(browser, "#curves .end") == 2 * unfinished * has_curves
    assert count(browser, "#costs .point") == 2 * scored
    assert count(browser, "#table tbody tr") == len(best)
    assert count(browser, "#unfinished li") == all_unfinished
    assert "NaN" not in browser.execute_script("return document.body.innerHTML")
    assert browser.execute_script(FITS)
    requests = "return performance.getEntriesByType('resource').length"
    assert browser.execute_script(requests) == 0
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("situation", ["three seeds", "twenty", "sweep"])
def test_no_text_lies_on_another(browser, made, situation, width):
    runs, page = made(situation)
    open_page(browser, page, width)
    for part in ("curves", "costs", "sensitivity"):
        for number in (1, 2):
            selector = f"#{part} figure:nth-child({number}) svg text"
            assert browser.execute_script(OVERLAPS, selector) == 0
    if len(summarize(runs).rows) == 5:
        assert count(browser, "#costs .label") == 10


def test_the_table_sorts(browser, made):
    open_page(browser, made("diverged")[1])
    names = "#table tbody .name"
    press(browser, "#table thead button", 1)
    assert texts(browser, names)[0] == "LSTM3"
    press(browser, "#table thead button", 1)
    assert texts(browser, names)[0] == "LSTM"
    assert count(browser, "th[aria-sort=descending]") == 1
    press(browser, "#table thead button", 0)
    assert texts(browser, names) == [
        "LSTM",
        "LSTM3",
        "LSTM4",
        "LSTM5a",
        "LSTM6",
        "LSTM10",
    ]


def test_the_legend_hides_and_the_switches_switch(browser, made):
    open_page(browser, made("three seeds")[1])
    press(browser, "#legend button", 1)
    assert count(browser, "#legend [aria-pressed=false]") == 1
    assert count(browser, "#curves polyline") == 8
    assert count(browser, "#costs .point") == 8
    press(browser, "#legend button", 1)
    assert count(browser, "#curves polyline") == 10
    press(browser, "input[value=loss]")
    assert texts(browser, "#curves h3") == ["training loss", "test loss"]
    press(browser, "input[value=validation]")
    assert texts(browser, "#curves h3") == ["training loss", "validation loss"]
    for index in range(5):
        press(browser, "#legend button", index)
    assert count(browser, "#costs svg") == 0
    press(browser, "#legend button", 0)
    assert count(browser, "#costs .point") == 2
    assert browser.get_log("browser") == []


def test_the_tooltips_stay_inside_on_a_phone(browser, made):
    open_page(browser, made("twenty")[1], width=390)
    svg = browser.find_element("css selector", "#curves svg")
    svg.send_keys(LEFT)
    tip, chart = (
        browser.find_element("css selector", f"#curves {part}").rect
        for part in (".tooltip", ".chart")
    )
    assert chart["x"] <= tip["x"]
    assert tip["x"] + tip["width"] <= chart["x"] + chart["width"]
    assert browser.execute_script(FITS)


def test_the_arrow_keys_read_the_curves(browser, made):
    open_page(browser, made("three seeds")[1])
    svg = browser.find_element("css selector", "#curves svg")
    browser.execute_script("arguments[0].focus()", svg)
    svg.send_keys(LEFT)
    (tip,) = filter(None, texts(browser, "#curves .tooltip"))
    assert tip.startswith("Epoch 12")
    assert tip.count("±") == 5
    svg.send_keys(LEFT)
    assert any(tip.startswith("Epoch 11") for tip in texts(browser, ".tooltip"))
    svg.send_keys(ESCAPE)
    assert not any(texts(browser, ".tooltip"))


# -------------------------------------------------------------------------- a sweep


def choose(browser, selector, value):
    """Sets an input or a select as a user does."""
    script = """
    const node = document.querySelector(arguments[0]);
    node.value = arguments[1];
    for (const kind of ["input", "change"]) node.dispatchEvent(new Event(kind));
    """
    browser.execute_script(script, selector, value)


def table_rows(browser):
    script = """
    return [...document.querySelectorAll("#table tbody tr")]
      .map(row => [...row.cells].slice(0, 3).map(cell => cell.textContent));
    """
    return browser.execute_script(script)


def test_a_sweep_shows_the_best_points_or_all(browser, made):
    runs, page = made("sweep")
    open_page(browser, page)
    summary = first_problem(runs)
    expected = [[f"{r.variant}★", *map(str, r.values.values())] for r in summary.best]
    assert table_rows(browser) == expected
    press(browser, "input[value=all]")
    assert len(table_rows(browser)) == len(summary.rows)
    scored = sum(row.score.mean is not None for row in summary.rows)
    assert count(browser, "#costs .point") == 2 * scored
    assert count(browser, "#curves polyline") == 10, "the curves stay legible"
    assert count(browser, "#table .star") == 5
    assert browser.execute_script(FITS)


def test_filters_and_search_leave_what_they_say(browser, made):
    runs, page = made("sweep")
    open_page(browser, page)
    choose(browser, "select[data-axis=learning_rate]", "0.1")
    assert {row[2] for row in table_rows(browser)} == {"0.1"}
    assert [row[1] for row in table_rows(browser)] == ["tanh"] * 5
    choose(browser, "select[data-axis=activation]", "relu")
    assert [row[1:] for row in table_rows(browser)] == [["relu", "0.1"]] * 5
    press(browser, "#legend button", 0)
    assert len(table_rows(browser)) == 4
    assert "4 of 60 points" in texts(browser, "#shown")[0]
    for axis in ("learning_rate", "activation"):
        choose(browser, f"select[data-axis={axis}]", "all")
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
    choose(browser, "input[type=number]", "0.001")
    assert len(table_rows(browser)) == 2 * sum(rate >= 0.001 for rate in rates)
    assert count(browser, "#sensitivity polyline") == 0
    assert count(browser, "#sensitivity .point") == 2 * len(table_rows(browser))


def test_the_front_is_that_of_pareto(browser, made):
    open_page(browser, made("three seeds")[1])
    assert count(browser, "#costs figure:first-child .halo") == 5
    labels = "[...document.querySelectorAll('#costs .front')].map(n => n.tagName)"
    assert browser.execute_script(f"return {labels}") == ["path", "path"]
    open_page(browser, made("diverged")[1])
    # LSTM3 is both larger and worse than LSTM4.
    assert count(browser, "#costs figure:first-child .point") == 6
    assert count(browser, "#costs figure:first-child .halo") == 5


def test_the_sensitivity_is_shown_along_an_axis(browser, made):
    open_page(browser, made("sweep")[1])
    assert texts(browser, "#sensitivity h3") == [
        "validation accuracy against learning rate",
        "test accuracy against learning rate",
    ]
    assert count(browser, "#sensitivity polyline") == 10
    assert count(browser, "#sensitivity .point") == 2 * 5 * 6
    choose(browser, "select[data-axis=activation]", "relu")
    browser.find_elements("css selector", "#sensitivity svg")[1].send_keys(LEFT)
    (tip,) = filter(None, texts(browser, "#sensitivity .tooltip"))
    assert tip.startswith("learning rate 0.1LSTM")
    open_page(browser, made("three seeds")[1])
    hidden = "return document.getElementById('sensitivity-section').hidden"
    assert browser.execute_script(hidden)


def test_where_nothing_ended_well_is_a_cross(browser, tmp_path):
    trials = sweep(FIVE[:2], (0.001, 1.0), ("tanh",), seeds=(1, 2))
    runs = make_runs(tmp_path, trials)
    open_page(browser, write_page(runs, tmp_path))
    assert count(browser, "#sensitivity figure:first-child .end") == 2
    assert count(browser, "#unfinished li") == 4
    assert "no finite number" in texts(browser, "#unfinished li")[0]


@pytest.mark.parametrize(
    "selector", ["#table tbody tr", "#costs .point", "#unfinished button"]
)
def test_a_point_opens_its_settings_and_commands(browser, made, selector):
    runs, page = made("sweep")
    open_page(browser, page)
    press(browser, "input[value=all]")
    script = """
    const node = [...document.querySelectorAll(arguments[0])].at(-1);
    node.dispatchEvent(new MouseEvent("click", {bubbles: true}));
    """
    browser.execute_script(script, selector)
    dialog = browser.find_element("css selector", "#point")
    assert dialog.is_displayed()
    terms = texts(browser, "#point dl:nth-of-type(2) dt")
    assert terms == ["variant", "activation", "learning rate"]
    commands = texts(browser, "#point pre")
    known = {Settings.from_config(run.config).command() for run in runs}
    assert len(commands) == 3
    assert set(commands) <= known
    browser.switch_to.active_element.send_keys(ESCAPE)
    assert not dialog.is_displayed()


def test_the_curves_of_a_point_can_be_added(browser, made):
    open_page(browser, made("sweep")[1])
    press(browser, "input[value=all]")
    press(browser, "#table tbody tr")
    press(browser, "#point .pin input")
    assert count(browser, "#curves polyline") == 12
    press(browser, "#legend button")
    assert count(browser, "#curves polyline") == 8


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
    return texts(browser, f"#{part} figure:first-child [aria-hidden] text")


@pytest.mark.parametrize("part", ["curves", "costs", "sensitivity"])
def test_dragging_zooms_and_a_button_shows_all_again(browser, made, part):
    open_page(browser, made("sweep")[1])
    before = first_ticks(browser, part)
    svg = browser.find_element("css selector", f"#{part} svg")
    drag(browser, svg, (0.3, 0.2), (0.6, 0.5))
    assert first_ticks(browser, part) != before
    assert count(browser, f"#{part} .reset") == 1
    assert count(browser, f"#{part} .drag") == 0
    assert count(browser, "#point[open]") == 0
    press(browser, f"#{part} .reset")
    assert first_ticks(browser, part) == before
    assert browser.get_log("browser") == []


def test_wheel_and_keys_zoom(browser, made):
    open_page(browser, made("three seeds")[1])
    turn = """
    document.querySelector("#curves svg").dispatchEvent(new WheelEvent("wheel",
      {deltaY: -50, ctrlKey: arguments[0], bubbles: true, cancelable: true}));
    """
    browser.execute_script(turn, False)
    assert count(browser, "#curves .reset") == 0, "without Ctrl, the page scrolls"
    browser.execute_script(turn, True)
    assert count(browser, "#curves .reset") == 1
    svg = browser.find_element("css selector", "#curves svg")
    svg.send_keys("0")
    assert count(browser, "#curves .reset") == 0
    browser.find_element("css selector", "#curves svg").send_keys("+")
    assert count(browser, "#curves .reset") == 1
    browser.switch_to.active_element.send_keys("-")
    assert count(browser, "#curves .reset") == 0


def test_two_fingers_zoom(browser, made):
    open_page(browser, made("three seeds")[1], width=390)
    svg = browser.find_element("css selector", "#curves svg")
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
    assert count(browser, "#curves .reset") == 1


@pytest.mark.parametrize("kind", ["csv", "tex"])
def test_the_table_is_downloaded_as_it_is_shown(browser, made, kind, tmp_path):
    open_page(browser, made("sweep")[1])
    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    choose(browser, "select[data-axis=learning_rate]", "0.03")
    press(browser, "#table thead button", 5)
    press(browser, "#exports button", ["csv", "tex"].index(kind))
    path, patience = tmp_path / f"results.{kind}", 100
    while not path.exists() and (patience := patience - 1):
        time.sleep(0.05)
    text, shown = path.read_text(encoding="utf-8"), table_rows(browser)
    names = [row[0].removesuffix("★") for row in shown]
    if kind == "csv":
        lines = list(csv.DictReader(text.splitlines()))
        assert [line["variant"] for line in lines] == names
        assert {line["learning_rate"] for line in lines} == {"0.03"}
    else:
        rows = [line for line in text.splitlines() if " & 0.03 & " in line]
        assert [row.split(" & ")[0] for row in rows] == names
        assert text.startswith("\\begin{tabular}")


def test_data_sets_are_shown_one_at_a_time(browser, made):
    open_page(browser, made("two data sets")[1])
    assert texts(browser, "#curves h3") == ["training accuracy", "test accuracy"]
    choose(browser, "#controls select", "mine.npz")
    assert texts(browser, "#curves h3")[1] == "test mean absolute error"
    assert len(table_rows(browser)) == 3
    assert "mine.npz" in texts(browser, "#lead")[0]
    assert count(browser, "#legend button") == 3
    assert browser.get_log("browser") == []
