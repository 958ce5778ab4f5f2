"""What each command has: --json, --quiet, --verbose, NO_COLOR, and completion."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import slimrnn
import sweeps
from deploy_problems import model_of_row
from slimrnn import cli
from slimrnn.cli.main import COMMANDS, JSON, parser

pytestmark = pytest.mark.backend_free

ANSWERS = {
    "variants LSTM6 --features 3 --units 4": ("LSTM6", "parameters", 3 * 4 + 16 + 4),
    "data --dataset digits": ("classes", 10),
    "doctor": ("versions", "slimrnn", slimrnn.__version__),
    "report sweep": ("configurations", 0, "variant", "LSTM6"),
}


@pytest.fixture
def sweep(here):
    sweeps.saved(here / "sweep")


@pytest.mark.parametrize("command", ANSWERS)
def test_results_as_json(sweep, capsys, command):
    assert cli.main([*command.split(), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    *places, last = ANSWERS[command]
    for place in places:
        found = found[place]
    assert found == last


def test_quiet_is_results_alone(sweep, capsys):
    said = []
    for flags in ([], ["--quiet"]):
        assert cli.main(["report", "sweep", *flags]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == f"Drawing the picture and the page ...\n{said[1]}"


def test_verbose_shows_where_a_mistake_was_found(capsys):
    for flags, shown in ([], False), (["--verbose"], True):
        assert cli.main(["variants", "LSTM77", *flags]) == 2
        error = capsys.readouterr().err
        assert "slimrnn: Unknown variant 'LSTM77'" in error
        assert ("Traceback" in error) is shown


def test_all_commands_have_the_same_flags():
    for name, command in parser()._subparsers._group_actions[0].choices.items():
        flags = command._option_string_actions
        assert {"--quiet", "--verbose"} <= set(flags)
        assert name not in JSON or flags["--json"].nargs == 0


@pytest.mark.skipif(shutil.which("script") is None, reason="there is no script")
@pytest.mark.parametrize("no_color", ["", "1"])
def test_no_color_is_respected(no_color):
    command = f"{sys.executable} -m slimrnn data --dataset digits"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        env={**os.environ, "TERM": "xterm-256color", "NO_COLOR": no_color},
        capture_output=True,
        check=True,
        text=True,
    )
    assert "1,437 training" in done.stdout
    assert "\x1b[3" not in done.stdout or not no_color


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_all(tmp_path, capsys, shell):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as end:
        cli.main(["--print-completion", shell])
    script = capsys.readouterr().out
    assert end.value.code == 0
    assert all(name in script for name in (*COMMANDS, "--learning-rate", "LSTM_C6"))
    if shutil.which(shell):
        file = tmp_path / "completion"
        file.write_text(script)
        subprocess.run([shell, "-n", file], check=True)


def test_bash_completes_a_command_a_flag_and_a_variant(tmp_path, capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit):
        cli.main(["--print-completion", "bash"])
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    for words, wanted in {
        "slimrnn exp": "export",
        "slimrnn train --learning-r": "--learning-rate",
        "slimrnn train LSTM_": "LSTM_C6",
        "slimrnn export --to onn": "onnx",
    }.items():
        code = f"""
            source completion
            COMP_WORDS=({words}) COMP_LINE="{words}" COMP_POINT={len(words)}
            COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            _shtab_slimrnn
            printf "%s\\n" "${{COMPREPLY[@]}}"
        """
        done = subprocess.run(
            ["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True
        )
        assert wanted in done.stdout.split(), (words, done.stdout, done.stderr)


def test_a_warning_is_a_sentence(tmp_path, capsys):
    path = str(tmp_path / "model.keras")
    model_of_row("FastGRNN").save(path)
    assert cli.main(["size", path, "--to", "LSTM6"]) == 0
    error = capsys.readouterr().err
    assert error.startswith("slimrnn: beware: int8: i goes beyond 1 - f in")
    assert ".py" not in error
