"""The command line: help, files, exit codes."""

import argparse
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import sweeps
from made_data import few_digits
from processes import start
from slimrnn import backends, cli
from slimrnn.cli.main import COMMANDS, parser
from slimrnn.data import DATASETS
from slimrnn.experiments.run.store import Run
from slimrnn.variants import TABLE

QUICK = ["--epochs", "1", "--units", "4", "--batch-size", "256", "--timing", "0.01"]


def run(capsys, *argv):
    """The exit code, standard output and standard error of a command line."""
    code = cli.main([str(word) for word in argv])
    return code, *capsys.readouterr()


def process(*argv, **environment):
    """The same in a process of its own; None takes a variable away."""
    return start([sys.executable, "-m", "slimrnn", *argv], **environment)


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
def test_a_report_again(here, capsys):
    sweeps.saved(here / "sweep")
    code, out, err = run(capsys, "report", "sweep", "--figure-format", "svg,pdf")
    assert (code, err) == (0, "")
    for ending, begins in (("svg", b"<?xml"), ("pdf", b"%PDF")):
        picture = here / "sweep" / f"comparison.{ending}"
        assert f"Picture ({ending}): {picture.relative_to(here)}" in out
        assert picture.read_bytes().startswith(begins)
    assert b"LSTM6" in (here / "sweep" / "comparison.svg").read_bytes()
    assert (here / "sweep" / "report.html").exists()
    assert (here / "sweep" / "table.tex").exists()


@pytest.mark.backend_free
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


@pytest.mark.backend_free
def test_compare_says_when_validated_on_test(here, capsys):
    argv = ["LSTM6", "--seeds", "1", "--validate-on-test", *QUICK]
    argv += ["--data", few_digits(here)["data"]]
    _, out, _ = run(capsys, "compare", *argv)
    assert "Validation was done on the test data" in " ".join(out.split())
    (run_folder,) = here.glob("runs/*/trials/LSTM6-seed1-*")
    (line,) = Run.read(run_folder).metrics
    assert line["val_accuracy"] == line["test_accuracy"]


@pytest.mark.backend_free
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
