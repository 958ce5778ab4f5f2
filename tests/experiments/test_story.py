"""Spoken digits on a Cortex-M4: the story of the docs, with less training and data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import story
from benchmarks.firmware import emulator

from slimrnn.deploy.c.export import DTYPES
from slimrnn.errors import InputError
from slimrnn.experiments.run import build

pytestmark = pytest.mark.backend_free

DOCS = Path(__file__).parents[2] / "docs" / "story.md"
TRAINING, TEST = slice(60), slice(6)
TITLES = [story.TRAINED, story.SLIM, f"{story.SLIM} slimmed"]


@pytest.fixture(scope="module")
def few(data_dir):
    """The settings, and some of the recordings."""
    settings = story.settings_of(str(data_dir), epochs=1, units=8)
    data = build.load(settings)
    parts = {"train": data.train.take(TRAINING), "test": data.test.take(TEST)}
    return settings, replace(data, **parts)


@pytest.fixture(scope="module")
def told(few, tmp_path_factory):
    """Each model in each dtype, on the device."""
    if why := emulator.missing():
        pytest.skip(why)
    return story.tell(*few, tmp_path_factory.mktemp("story"))


def test_the_device_gives_the_bits_of_the_twin(told, few):
    lengths = few[1].test.x.lengths
    found = [(one.model.title, one.model.dtype) for one in told]
    assert found == [(title, dtype) for title in TITLES for dtype in DTYPES]
    for one in told:
        pairs = zip(one.run.outputs, one.model.expected, lengths, strict=True)
        for y, simulator, steps in pairs:
            assert len(y) == steps
            np.testing.assert_array_equal(y, simulator, one.model.source.name)


def test_the_device_is_as_accurate_as_promised(told, few):
    for one in told:
        last = np.array([y[-1] for y in one.run.outputs])
        assert one.accuracy == (last.argmax(-1) == few[1].test.y).mean()
        assert one.accuracy == one.model.promised
        if one.model.dtype == "float32":
            assert one.accuracy == one.model.keras


def test_slim_models_take_less(told):
    by = {(one.model.title, one.model.dtype): one for one in told}
    for dtype in DTYPES:
        full = by[story.TRAINED, dtype]
        for title in TITLES[1:]:
            slim = by[title, dtype]
            assert slim.instructions < full.instructions / 2
            assert slim.flash < full.flash
            assert slim.ram < full.ram


def test_other_bits_are_refused(told, few, tmp_path):
    """One bit of the last simulated recording is turned; then a promise is broken."""
    _, data = few
    right = next(one.model for one in told if one.model.dtype == "int8")
    other = [y.copy() for y in right.expected]
    other[-1][-1, -1] ^= 1
    with pytest.raises(RuntimeError, match=r"lstm_int8 differs .* \[5\]"):
        story.run([replace(right, expected=other)], data.test.y, tmp_path)
    with pytest.raises(RuntimeError, match=r"lstm_int8: .* on the device, 2 promised"):
        story.run([replace(right, promised=2)], data.test.y, tmp_path)


def test_the_command_prints_the_table(told, few, monkeypatch, capsys):
    settings, data = few
    monkeypatch.setattr(build, "load", lambda settings: data)
    monkeypatch.setattr(story, "tell", lambda *_: told)
    story.main(["--data-dir", settings.data_dir, "--epochs", "1"])
    printed = capsys.readouterr().out
    assert story.table(told).markdown() in printed
    assert emulator.versions()["gcc"] in printed
    for title in TITLES:
        assert all(f"| {title} | {dtype} |" in printed for dtype in DTYPES)


def test_what_the_command_refuses(data_dir, monkeypatch):
    folder = str(data_dir)
    if not emulator.missing():
        with pytest.raises(InputError, match="epochs must be a whole number"):
            story.main(["--data-dir", folder, "--epochs", "many"])
        with pytest.raises(InputError, match="does not exist"):
            story.main(["--data-dir", "/no/such"])
    monkeypatch.setattr(emulator, "QEMU", "qemu-system-none")
    with pytest.raises(InputError, match=r"qemu-system-none.* apt-get"):
        story.main(["--data-dir", folder])


def test_the_docs_show_this_table():
    """The columns and models, by the code; the numbers are those of the whole run."""
    heads = " | ".join(story.table([]).heads)
    text = DOCS.read_text(encoding="utf-8")
    assert f"| {heads} |" in text
    for title in TITLES:
        assert all(f"| {title} | {dtype} |" in text for dtype in DTYPES)
