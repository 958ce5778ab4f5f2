"""report.html in headless Chromium, on a desk and on a phone."""

import shutil
import tempfile

import pytest

from made_runs import SITUATIONS, in_all_situations, make_runs, write_page
from slimrnn.experiments.summary import summarize

FITS = "return document.documentElement.scrollWidth <= window.innerWidth"
OVERLAPS = """
const boxes = [...document.querySelectorAll(arguments[0])]
  .map(node => node.getBoundingClientRect());
return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b =>
  a.left < b.right - 1 && b.left < a.right - 1 &&
  a.top < b.bottom - 2 && b.top < a.bottom - 2)).length
"""


@pytest.fixture
def situation(request, tmp_path):
    return make_runs(tmp_path, SITUATIONS[request.param])


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


@in_all_situations
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_shows_its_figures(browser, situation, width, tmp_path):
    open_page(browser, write_page(situation, tmp_path), width)
    rows = summarize(situation).rows
    unfinished = sum(row.runs - row.done for row in rows)
    has_curves = any(run.metrics for run in situation)
    lines = sum(row.done > 0 for row in rows) + (unfinished if has_curves else 0)
    scored = sum(row.score.mean is not None for row in rows)
    assert count(browser, "#curves svg") == (2 if has_curves else 0)
    assert count(browser, "#curves polyline") == 2 * lines
    assert count(browser, "#curves .end") == 2 * unfinished * has_curves
    assert count(browser, "#costs .point") == 2 * scored
    assert count(browser, "#table tbody tr") == len(rows)
    assert count(browser, "#runs details details") == len(situation)
    assert count(browser, "#unfinished li") == min(unfinished, 5)
    assert "NaN" not in browser.execute_script("return document.body.innerHTML")
    assert browser.execute_script(FITS)
    requests = "return performance.getEntriesByType('resource').length"
    assert browser.execute_script(requests) == 0
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("situation", ["three seeds", "twenty"], indirect=True)
def test_no_text_lies_on_another(browser, situation, width, tmp_path):
    open_page(browser, write_page(situation, tmp_path), width)
    for figure in ("#curves figure:nth-child(%d)", "#costs figure:nth-child(%d)"):
        for number in (1, 2):
            selector = f"{figure % number} svg text"
            assert browser.execute_script(OVERLAPS, selector) == 0
    if len(summarize(situation).rows) == 5:
        assert count(browser, "#costs .label") == 10


@pytest.mark.parametrize("situation", ["diverged"], indirect=True)
def test_the_table_sorts(browser, situation, tmp_path):
    open_page(browser, write_page(situation, tmp_path))
    names = "#table tbody .name"
    press(browser, "#table thead button", 3)
    assert texts(browser, names)[0] == "LSTM3"
    press(browser, "#table thead button", 3)
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


@pytest.mark.parametrize("situation", ["three seeds"], indirect=True)
def test_the_legend_hides_and_the_switches_switch(browser, situation, tmp_path):
    open_page(browser, write_page(situation, tmp_path))
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


@pytest.mark.parametrize("situation", ["twenty"], indirect=True)
def test_the_tooltips_stay_inside_on_a_phone(browser, situation, tmp_path):
    open_page(browser, write_page(situation, tmp_path), width=390)
    svg = browser.find_element("css selector", "#curves svg")
    svg.send_keys("\ue012")  # the left arrow
    tip, chart = (
        browser.find_element("css selector", f"#curves {part}").rect
        for part in (".tooltip", ".chart")
    )
    assert chart["x"] <= tip["x"]
    assert tip["x"] + tip["width"] <= chart["x"] + chart["width"]
    assert browser.execute_script(FITS)


@pytest.mark.parametrize("situation", ["three seeds"], indirect=True)
def test_the_arrow_keys_read_the_curves(browser, situation, tmp_path):
    open_page(browser, write_page(situation, tmp_path))
    svg = browser.find_element("css selector", "#curves svg")
    browser.execute_script("arguments[0].focus()", svg)
    svg.send_keys("\ue012")  # the left arrow
    (tip,) = filter(None, texts(browser, "#curves .tooltip"))
    assert tip.startswith("Epoch 12")
    assert tip.count("±") == 5
    svg.send_keys("\ue012")
    assert any(tip.startswith("Epoch 11") for tip in texts(browser, ".tooltip"))
    svg.send_keys("\ue00c")  # escape
    assert not any(texts(browser, ".tooltip"))
