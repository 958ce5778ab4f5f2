"""The README says what the code does."""

import re
import subprocess
import sys
from pathlib import Path

from slimrnn.cli.variants import variants_markdown

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_table_of_variants_is_current():
    found = re.search(
        r"<!-- variants: begin .*?-->\n\n(.*?)\n\n<!-- variants: end -->",
        README,
        re.DOTALL,
    )
    assert found[1] == variants_markdown(features=32, units=100)


def test_the_command_that_generates_it_prints_it():
    command = [sys.executable, "-m", "slimrnn", "variants", "--markdown"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.rstrip() in README


def test_there_is_an_example_of_eight_lines():
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    lines = [line for line in example.splitlines() if line.strip()]
    assert len(lines) == 8
