"""Variants of one's own in files, and what is wrong with some."""

import pytest

from slimrnn.errors import InputError
from slimrnn.variants import Gate, Variant, get
from slimrnn.variants.files import described, load

pytestmark = pytest.mark.backend_free

GATES = """[gates]
i = {h = "pointwise"}
f = 0.9
c = {x = "full", h = "pointwise", bias = true}
o = 1.0
"""
PYTHON = """from slimrnn import Gate, Variant
ONE = Gate(constant=1.0)
MINE = Variant("Mine", "mgu", {"f": ONE, "c": Gate(x="full", h="pointwise")})
SAME = Variant("LSTM6", "mgu", {"f": ONE, "c": Gate(x="full", h="pointwise")})
"""
MINE = Variant(
    "mine",
    "lstm",
    {
        "i": Gate(h="pointwise"),
        "f": Gate(constant=0.9),
        "c": Gate(x="full", h="pointwise", bias=True),
        "o": Gate(constant=1.0),
    },
)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a file in an empty current folder."""
    monkeypatch.chdir(tmp_path)
    return lambda name, text: (tmp_path / name).write_text(text)


def test_a_toml_file_is_a_variant(written):
    written("mine.toml", GATES)
    assert load("mine.toml") == MINE
    assert get(described("mine.toml")) == MINE
    head = 'name = "M"\nfamily = "gru"\nsource = "me"\ncandidate_activation = "relu"\n'
    gates = '[gates]\nz = 0.5\nr = {bias = true}\nc = {x = "full"}\n'
    written("other.toml", f"{head}{gates}")
    other = load("other.toml")
    assert (other.name, other.family, other.source) == ("M", "gru", "me")
    assert other.candidate_activation == "relu"


def test_a_python_file_has_variants(written):
    written("lab.py", PYTHON)
    assert load("lab.py:MINE").family == "mgu"
    assert described("LSTM6") == "LSTM6"
    assert load("lstm6") is get("LSTM6")


MISTAKES = {
    "no file": ("no.toml", "", "no.toml' does not exist"),
    "no toml": ("a.toml", "[gates", "a.toml: it is not valid TOML"),
    "no gates": ("a.toml", "name = 'A'", r"a table \[gates\]"),
    "unknown key": ("a.toml", f"famly = 'lstm'\n{GATES}", "nearest is family"),
    "unknown term": ("a.toml", GATES.replace("bias", "bais"), "nearest is bias"),
    "no such h": ("a.toml", GATES.replace('"point', '"pint'), "gate i: .*pintwise"),
    "a gate missing": ("a.toml", GATES.replace("o = 1.0", ""), "gates i, f, c, o"),
    "a name taken": ("lab.py:SAME", PYTHON, "another name"),
    "no name": ("lab.py", PYTHON, "such as lab.py:MINE"),
    "no such name": ("lab.py:FAST", PYTHON, "allowed: MINE, SAME"),
    "no variant": ("lab.py:ONE", "ONE = 1", "it has no Variant"),
    "an error": ("lab.py:MINE", "1 / 0", "ZeroDivisionError: division"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_sentences_with_the_file(written, mistake):
    name, text, says = MISTAKES[mistake]
    if text:
        written(name.partition(":")[0], text)
    with pytest.raises(InputError, match=says):
        load(name)


def test_what_files_hold_runs_no_file(written):
    written("lab.py", "raise SystemExit('run')")
    with pytest.raises(InputError, match=r"Unknown variant 'lab\.py:MINE'"):
        get("lab.py:MINE")
