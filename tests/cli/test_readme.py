"""The README says what the code does."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from slimrnn import native
from slimrnn.cli.main import parser
from slimrnn.cli.variants import variants_markdown

pytestmark = pytest.mark.backend_free

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
VARIANTS = (ROOT / "docs" / "variants.md").read_text(encoding="utf-8")


def made(name, text):
    """What stands between the marks of a part that a command makes."""
    marks = rf"<!-- {name}: begin .*?-->\n\n(.*?)\n\n<!-- {name}: end -->"
    return re.search(marks, text, re.DOTALL)[1]


def test_the_table_of_variants_is_current():
    assert made("variants", VARIANTS) == variants_markdown(features=32, units=100)


def test_the_command_that_generates_it_prints_it():
    command = [sys.executable, "-m", "slimrnn", "variants", "--markdown"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.rstrip() in VARIANTS


def test_its_snippets_run_one_after_the_other(monkeypatch):
    pytest.importorskip("torch")
    if native.reason():
        pytest.skip(native.reason())
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    session = {}
    for snippet in re.findall(r"```py(?:thon)?\n(.*?)```", README, re.DOTALL):
        exec(snippet.replace("epochs=20", "epochs=1"), session)
    assert session["probabilities"].shape == (10,)
    assert session["outputs"].shape == (8, 50, 100)


def test_there_is_an_example_of_eight_lines():
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    lines = [line for line in example.splitlines() if line.strip()]
    assert len(lines) == 8


def test_it_is_read_in_a_few_minutes_and_its_links_lead_somewhere():
    assert README.count("\n") <= 120
    for page in (ROOT / "README.md", *ROOT.glob("docs/**/*.md")):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), (page.name, link)


PAGES = (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
#: by the kind of block: of a console, what follows the $
COMMANDS = {
    kind: re.compile(rf"^{start}(slimrnn (?:[^\n\\]|\\\n)*)", re.MULTILINE)
    for kind, start in {"": "", "sh": "", "console": r"\$ "}.items()
}


def test_each_command_in_the_documentation_parses():
    found = 0
    for page in PAGES:
        for kind, block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for command in COMMANDS[kind].findall(block) if kind in COMMANDS else ():
                if command.endswith("|| true"):  # a mistake, to show its answer
                    continue
                words = shlex.split(command, comments=True)[1:]
                assert parser(words[:1]).parse_args(words).command, (page.name, command)
                found += 1
    assert found > 50
