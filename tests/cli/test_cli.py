"""The command line: sentences for mistakes, help, files, exit codes."""

import argparse
import importlib
import json
import re
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest

from made_data import few_digits
from processes import start
from slimrnn import backends, cli
from slimrnn.cli.main import COMMANDS, parser
from slimrnn.data import DATASETS
from slimrnn.experiments.run.store import Run
from slimrnn.experiments.sweep import scheduler
from slimrnn.variants import TABLE
from sweeps import pretend, study_of

QUICK = ["--epochs", "1", "--units", "4", "--batch-size", "256", "--timing", "0.01"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def made_runs_of_a_sweep(here):
    """A sweep in which nobody trained."""
    study = study_of()
    pretend(here / "sweep", study)
    scheduler.save(here / "sweep", study, {"backend": "jax", "command": "sweep"})


def run(capsys, *argv):
    """The exit code, standard output and standard error of a command line."""
    code = cli.main([str(word) for word in argv])
    return code, *capsys.readouterr()


def process(*argv, **environment):
    """The same in a process of its own; None takes a variable away."""
    return start([sys.executable, "-m", "slimrnn", *argv], **environment)


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


def good_file():
    x, y = np.zeros((6, 2, 3)), np.arange(6) % 2
    return {"x_train": x, "y_train": y, "x_test": x, "y_test": y}


# What is wrong with a user's file, and what the sentence must name.
BAD_FILES = {
    "an array is missing": ({"y_test": None}, "y_test"),
    "objects": ({"x_train": np.array([[1], [2, 3]], object)}, "x_train"),
    "lengths disagree": ({"y_train": np.arange(5) % 2}, "5"),
    "a negative label": ({"y_train": np.arange(6) - 1}, "-1"),
    "an unseen class": ({"y_test": np.full(6, 7)}, "7"),
    "not a number": ({"x_test": np.full((6, 2, 3), np.nan)}, "nan"),
    "infinity": ({"x_test": np.full((6, 2, 3), np.inf)}, "inf"),
    "offsets fall": (
        {"x_train": np.zeros((6, 3)), "x_train_offsets": [0, 4, 3, 4, 5, 6, 6]},
        "offsets",
    ),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("mistake", BAD_FILES)
def test_a_bad_file_is_reported_in_a_sentence(here, capsys, mistake):
    changed, named = BAD_FILES[mistake]
    arrays = good_file() | changed
    if "x_train_offsets" in arrays:
        offsets = np.arange(0, 7)
        arrays |= {"x_test": np.zeros((6, 3)), "x_test_offsets": offsets}
    present = {name: array for name, array in arrays.items() if array is not None}
    np.savez("bad.npz", **present)
    code, out, err = run(capsys, "compare", "--data", "bad.npz", "--out", "new")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"slimrnn: .*bad\.npz.*\n", err), err
    assert named in err
    assert not (here / "new").exists()


def test_a_mistake_has_no_traceback():
    command = process("train", "LSTM6", "0")
    _, err = command.communicate()
    assert command.returncode == 2
    assert "Traceback" not in err
    assert err.splitlines()[-1] == (  # TensorFlow may have said before what it lacks
        "slimrnn: The batch size must be a whole number of 1 or more; received 0."
    )


@pytest.mark.backend_free
@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains(capsys, command):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"slimrnn {command}" in text.partition("Example")[2]
    for action in subparser(command)._actions:
        assert action.help, action
        told = action.required or action.dest in ("data", "dataset", "data_dir")
        if action.option_strings and action.nargs != 0 and not told:
            assert "(default: " in action.help, action


def subparser(command):
    (commands,) = (
        action
        for action in parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return commands.choices[command]


@pytest.mark.backend_free
def test_examples_in_help_are_understood():
    for command in COMMANDS:
        for line in subparser(command).epilog.splitlines():
            words = line.replace("Example:", "").split()
            if words[:1] == ["slimrnn"]:
                assert parser().parse_args(words[1:]).command == command


@pytest.mark.backend_free
def test_without_a_command_the_help_is_shown(capsys):
    code, out, _ = run(capsys)
    assert code == 0
    assert all(command in out for command in COMMANDS)


@pytest.mark.backend_free
def test_quick_commands_import_no_keras():
    lines = [
        ["variants"],
        ["variants", "LSTM6"],
        ["-h"],
        *([c, "-h"] for c in COMMANDS),
    ]
    code = (
        "import sys\nfrom slimrnn.cli import main\n"
        f"for line in {lines}:\n"
        "  try: main(line)\n  except SystemExit: pass\n"
        "print(sorted({'keras', 'jax', 'matplotlib', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.backend_free
def test_variants_lists_all(capsys):
    code, out, _ = run(capsys, "variants", "--features", "28", "--units", "50")
    assert code == 0
    for row in TABLE:
        line = next(x for x in out.splitlines() if x.split()[:1] == [row.name])
        assert row.formula() in line
        assert f"{row.parameters(28, 50):,}" in line
        assert row.source.split(",")[0] in line
    assert re.search(r"LSTM3 .* 4,100 +25\.9%", out)


@pytest.mark.backend_free
def test_variants_shows_one(capsys):
    _, out, _ = run(capsys, "variants", "lstm4a", "--features", "28", "--units", "50")
    for text in ("iₜ = σ(u_i ⊙ hₜ₋₁)", "f = 0.96, o = 1", "mn + n² + 2n = 4,000"):
        assert text in out
    assert "recurrent_vector (50,)" in out


def test_train_writes_a_run(here, capsys):
    argv = ["LSTM6", "256", "2", "0.02", "--units", "4", "--seed", "5", "--out", "a"]
    code, out, err = run(capsys, "train", *argv)
    assert (code, err) == (0, "")
    made = Run.read(here / "a")
    expected = {"variant": "LSTM6", "batch_size": 256, "epochs": 2, "units": 4}
    expected |= {"learning_rate": 0.02, "seed": 5, "dataset": "digits"}
    assert expected.items() <= made.config.items()
    assert [line["epoch"] for line in made.metrics] == [1, 2]
    assert made.result["status"] == "done"
    assert made.result["test_loss"] == made.metrics[-1]["test_loss"]
    assert (here / "a" / "model.keras").stat().st_size > 0
    assert len(re.findall(r"^  epoch [12]/2  loss [\d.]+  accuracy ", out, re.M)) == 2
    assert "Keras" in out
    assert made.environment["backend"] in out
    assert "Run: a" in out
    # A second run into the same folder changes nothing.
    assert run(capsys, "train", *argv)[0] == 2
    assert Run.read(here / "a") == made


@pytest.mark.backend_free
def test_a_report_again(here, capsys, made_runs_of_a_sweep):
    code, out, err = run(capsys, "report", "sweep", "--figure-format", "svg,pdf")
    assert (code, err) == (0, "")
    for ending, begins in (("svg", b"<?xml"), ("pdf", b"%PDF")):
        picture = here / "sweep" / f"comparison.{ending}"
        assert f"Picture ({ending}): {picture.relative_to(here)}" in out
        assert picture.read_bytes().startswith(begins)
    assert b"LSTM6" in (here / "sweep" / "comparison.svg").read_bytes()
    assert (here / "sweep" / "report.html").exists()
    assert (here / "sweep" / "table.tex").exists()


def test_compare_prints_a_table_and_writes_a_page(here, capsys):
    code, out, err = run(capsys, "compare", "LSTM", "LSTM6", "--seeds", "2", *QUICK)
    assert (code, err) == (0, "")
    (folder,) = (here / "runs").iterdir()
    assert folder.name.endswith("-compare-digits_pixels")
    names = {path.name for path in folder.iterdir()}
    published = ("comparison.png", "report.html", "table.csv", "table.tex")
    assert names == {*published, "study.json", "times.json", "trials", ".sweep.lock"}
    runs = sorted(path.name[:-13] for path in (folder / "trials").iterdir())
    assert runs == ["LSTM-seed1", "LSTM-seed2", "LSTM6-seed1", "LSTM6-seed2"]
    assert len(re.findall(r"^  epoch 1/1 ", out, re.M)) == 4
    for name, count, share in (("LSTM", "96", "1.00"), ("LSTM6", "24", "0.25")):
        row = next(x for x in out.splitlines() if x.split()[:2] == [name, count])
        assert row.split()[2] == f"×{share}"
        assert "±" in row
        assert row.count("×") == 3
    _, _, times = out.partition("Times\n")
    for work in ("forward", "training", "prediction", "Stream"):
        assert work in times
    for name in ("LSTM", "LSTM6"):
        row = next(x for x in times.splitlines() if x.split()[:1] == [name])
        assert len(re.findall(r"[\d.]+ / [\d.]+ (?:s|ms|µs)", row)) == 4
    assert "Minimum / median of rounds in which each variant had its turn" in times
    assert "Validation was done on 10 % of the training data" in out
    assert str(folder.relative_to(here) / "report.html") in out
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "slimrnn compare LSTM LSTM6 --seeds 2" in page
    assert "<h2>Times</h2>" in page


def test_compare_says_when_validated_on_test(here, capsys):
    argv = ["LSTM6", "--seeds", "1", "--validate-on-test", *QUICK]
    argv += ["--data", few_digits(here)["data"]]
    _, out, _ = run(capsys, "compare", *argv)
    assert "Validation was done on the test data" in " ".join(out.split())
    (run_folder,) = here.glob("runs/*/trials/LSTM6-seed1-*")
    (line,) = Run.read(run_folder).metrics
    assert line["val_accuracy"] == line["test_accuracy"]


def test_a_regression_from_a_file(here, capsys):
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 5, 3)).astype("float32")
    y = x.sum(axis=(1, 2))
    np.savez("mine.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    argv = ["GRU3", "--data", "mine.npz", "--seeds", "1", *QUICK]
    code, out, _ = run(capsys, "compare", *argv)
    assert code == 0
    assert re.search(r"epoch 1/1  loss [\d.]+  mae [\d.]+", out)
    assert "lower is better" in out
    (folder,) = (here / "runs").iterdir()
    assert folder.name.endswith("-compare-mine")


def test_ctrl_c_leaves_what_there_was(tmp_path):
    out = tmp_path / "run"
    argv = ["train", "LSTM6", "64", "100000", "--out", str(out)]
    command = process(*argv, TF_CPP_MIN_LOG_LEVEL=None)
    deadline = time.monotonic() + 600
    while not (out / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    command.send_signal(signal.SIGINT)
    printed, err = command.communicate(timeout=600)
    assert command.returncode == 130
    # TensorFlow may say before that there is no GPU, and behind what it was doing.
    (told,) = (x for x in err.splitlines() if x.startswith("slimrnn: stopped by"))
    assert told.startswith("slimrnn: stopped by Ctrl-C; this is what there is.")
    assert told.endswith(f"slimrnn train --resume {out}")
    made = Run.read(out)
    assert made.result["status"] == "interrupted"
    assert made.result["epochs"] == len(made.metrics) >= 1
    assert "\x1b" not in printed  # no bar and no colours into a pipe
    assert f"Run: {out}" in printed


@pytest.mark.backend_free
def test_a_reader_that_has_enough():
    command = f"{sys.executable} -m slimrnn variants | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.backend_free
def test_doctor_lists_what_there_is(capsys):
    code, out, _ = run(capsys, "doctor")
    assert code == 0
    for text in (
        "Versions",
        "Backends",
        "Engines",
        "Data",
        "in use",
        "digits",
        "native",
    ):
        assert text in out
    assert all(name in out for name in (*DATASETS, *backends.BACKENDS))


# (installed, KERAS_BACKEND, keras.json, --backend): what is used
CHOICES = [
    (("jax", "torch", "tensorflow"), None, None, None, "jax"),
    (("torch", "tensorflow"), None, None, None, "torch"),
    (("tensorflow",), None, None, None, "tensorflow"),
    (("jax", "torch"), "torch", None, None, "torch"),
    (("jax", "torch"), None, "torch", None, "torch"),
    (("jax", "torch"), "jax", "torch", None, "jax"),
    (("jax", "torch"), "jax", "jax", "torch", "torch"),
    # Keras writes this by itself, whatever is installed: it is nobody's choice.
    (("jax", "tensorflow"), None, "tensorflow", None, "jax"),
    (("jax",), None, "torch", None, "jax"),
    (("jax",), None, "nonsense", None, "jax"),
]
NO_CHOICES = [
    ((), None, None, "No backend for Keras is installed"),
    (("jax",), "torch", None, "pip install torch"),
    (("jax",), None, "tensorflow", "pip install tensorflow"),
    (("jax",), "numpy", None, "(chosen by KERAS_BACKEND) 'numpy'; the nearest is"),
]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine on which Keras has not been imported yet."""

    def make(installed, variable, configured=None):
        monkeypatch.setattr(backends, "installed", lambda: installed)
        monkeypatch.delitem(sys.modules, "keras", raising=False)
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        monkeypatch.delenv("KERAS_BACKEND", raising=False)
        if variable:
            monkeypatch.setenv("KERAS_BACKEND", variable)
        if configured:
            text = json.dumps({"backend": configured})
            (tmp_path / "keras.json").write_text(text)

    return make


@pytest.mark.backend_free
@pytest.mark.parametrize(("installed", "variable", "file", "flag", "used"), CHOICES)
def test_backend_is_the_users_or_an_installed_one(
    machine, installed, variable, file, flag, used
):
    machine(installed, variable, file)
    choice = backends.choose(flag)
    assert choice.backend == used
    assert choice.reason


@pytest.mark.backend_free
def test_keras_is_imported_without_what_no_command_uses(monkeypatch):
    keras = types.ModuleType("keras")
    monkeypatch.setitem(sys.modules, "keras", keras)
    for name in backends._UNUSED:
        monkeypatch.delitem(sys.modules, name, raising=False)
        with pytest.raises(ModuleNotFoundError, match="not wanted in Keras"):
            importlib.import_module(name)
    keras.__version__ = "3"  # which it has at its end
    assert importlib.util.find_spec("matplotlib")


@pytest.mark.backend_free
@pytest.mark.parametrize(("installed", "variable", "flag", "named"), NO_CHOICES)
def test_no_backend_is_reported(machine, capsys, installed, variable, flag, named):
    machine(installed, variable)
    argv = ["train", "LSTM6", *(["--backend", flag] if flag else [])]
    code, _, err = run(capsys, *argv)
    assert code == 2
    assert named in err


def test_the_chosen_backend_is_used_and_named(tmp_path):
    first = backends.installed()[0]
    (tmp_path / "keras.json").write_text('{"backend": "tensorflow"}')
    unset = {"KERAS_BACKEND": None, "TF_CPP_MIN_LOG_LEVEL": None}
    command = process("doctor", KERAS_HOME=str(tmp_path), **unset)
    printed, err = command.communicate()
    assert (command.returncode, err) == (0, "")
    (line,) = (line for line in printed.splitlines() if "in use" in line)
    assert line.split()[0] == first
    assert re.search(rf"^backend +{first} *$", printed, re.M)
