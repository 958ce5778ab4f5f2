"""Mistakes on the command line, and in files: sentences and exit codes."""

import re

import pytest
from test_cli import process, run

# What is wrong, and what the sentence must name: what was received, what is allowed.
MISTAKES = {
    "no such command": (["tarin"], ["'tarin'", "train"]),
    "no such flag": (
        ["train", "LSTM6", "--speed", "9"],
        ["--speed", "nearest is --seed"],
    ),
    "no variant": (["train"], ["VARIANT"]),
    "unknown variant": (["train", "LSTN4"], ["'LSTN4'", "nearest is LSTM4"]),
    "one of them unknown": (["compare", "LSTM", "GRU9"], ["'GRU9'", "nearest is GRU"]),
    "no such row": (["variants", "LSTM7x"], ["'LSTM7x'", "nearest", "LSTM_C6"]),
    "no features": (["variants", "--features", "0"], ["features", "0", "1 or more"]),
    "a variant twice": (["compare", "LSTM", "lstm0"], ["LSTM", "twice"]),
    "no units": (["train", "LSTM6", "--units", "0"], ["units", "0", "1 or more"]),
    "half a unit": (["train", "LSTM6", "--units", "1.5"], ["units", "1.5", "whole"]),
    "no batch": (["train", "LSTM6", "0"], ["batch size", "0", "1 or more"]),
    "no epochs": (["train", "LSTM6", "32", "0"], ["epochs", "0", "1 or more"]),
    "negative epochs": (["compare", "--epochs", "-3"], ["epochs", "-3", "1 or more"]),
    "no rate": (["train", "LSTM6", "32", "1", "0"], ["learning rate", "0", "above 0"]),
    "negative rate": (["train", "LSTM6", "32", "1", "-1"], ["learning rate", "-1"]),
    "a word as rate": (["compare", "--learning-rate", "low"], ["'low'", "above 0"]),
    "nan as rate": (["compare", "--learning-rate", "nan"], ["nan", "above 0"]),
    "infinite rate": (["compare", "--learning-rate", "inf"], ["inf", "above 0"]),
    "batch twice": (["train", "LSTM6", "8", "--batch-size", "9"], ["twice", "8", "9"]),
    "no workers": (["compare", "--workers", "0"], ["workers", "0", "1 or more"]),
    "no seeds": (["compare", "--seeds", "0"], ["number of seeds", "0", "1 or more"]),
    "negative seed": (["train", "LSTM6", "--seed", "-1"], ["seed", "-1", "from 0"]),
    "all dropped": (["train", "LSTM6", "--dropout", "1"], ["dropout", "below 1"]),
    "drop less": (["train", "LSTM6", "--recurrent-dropout", "-1"], ["recurrent drop"]),
    "all held out": (["compare", "--validation", "1"], ["validation", "1", "at most"]),
    "both held out": (
        ["compare", "--validation", "0.1", "--validate-on-test"],
        ["--validate-on-test", "not allowed"],
    ),
    "unknown data": (["compare", "--dataset", "digitz"], ["'digitz'", "digits"]),
    "no such file": (["compare", "--data", "no.npz"], ["no.npz", "does not exist"]),
    "name and file": (
        ["compare", "--data", "a.npz", "--dataset", "digits"],
        ["--data", "--dataset", "not allowed"],
    ),
    "no such folder": (["compare", "--data-dir", "no"], ["'no'", "--data-dir"]),
    "words of images": (["compare", "--words", "9"], ["words", "leave it out"]),
    "unknown optimizer": (
        ["compare", "--optimizer", "adma"],
        ["optimizer 'adma'", "adam", "rmsprop"],
    ),
    "unknown activation": (
        ["train", "LSTM6", "--activation", "tan"],
        ["activation 'tan'", "nearest is tanh"],
    ),
    "unknown gates": (
        ["train", "LSTM6", "--recurrent-activation", "sigmid"],
        ["recurrent activation 'sigmid'", "sigmoid"],
    ),
    "unknown backend": (
        ["compare", "--backend", "theano"],
        ["'theano'", "jax, tensorflow, torch"],
    ),
    "out is a file": (["compare", "--out", "file"], ["file", "new or an empty folder"]),
    "out in a file": (["compare", "--out", "file/x"], ["file/x", "--out"]),
    "a long name": (["train", "N" * 3000], ["Unknown variant"]),
    "data of a long name": (["train", "LSTM6", "--dataset", "N" * 3000], ["data set"]),
    "out is too long": (["compare", "--out", "x" * 999], ["--out"]),
    "out is in use": (["compare", "--out", "full"], ["full", "not empty", "note"]),
    "out holds a run": (["train", "LSTM6", "--out", "run"], ["already holds a run"]),
    "out holds runs": (["compare", "--out", "runs"], ["already holds a run"]),
    "a bad file": (["compare", "--data", "file"], ["file is no .npz file"]),
    "settings of a resumed run": (
        ["train", "--resume", "run", "--epochs", "9"],
        ["keeps its settings", "received epochs"],
    ),
    "out is not allowed": (["train", "LSTM6", "--out", "/proc/x/y"], ["/proc/x/y"]),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_in_a_sentence(here, capsys, mistake):
    (here / "file").write_text("")
    for folder, file in (("full", "note"), ("run", "config.json"), ("runs/a", "")):
        (here / folder).mkdir(parents=True)
        (here / folder / (file or "config.json")).write_text("{}")
    before = sorted(here.rglob("*"))
    argv, named = MISTAKES[mistake]
    code, out, err = run(capsys, *argv)
    assert code == 2
    assert out == ""
    assert re.fullmatch(r"slimrnn: .+[.:\w/\]'\"]\n", err), err
    for text in named:
        assert text in err
    assert sorted(here.rglob("*")) == before


def test_a_mistake_has_no_traceback():
    command = process("train", "LSTM6", "0")
    _, err = command.communicate()
    assert command.returncode == 2
    assert "Traceback" not in err
    assert err.splitlines()[-1] == (  # TensorFlow may have said before what it lacks
        "slimrnn: The batch size must be a whole number of 1 or more; received 0."
    )
