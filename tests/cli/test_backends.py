"""Which of the backends that are installed is used, and what Keras imports."""

import importlib
import json
import os
import re
import sys
import tempfile
import types
from pathlib import Path

import pytest
from test_cli import process, run

from slimrnn import backends
from slimrnn.utils import files

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
def test_tensorflow_is_imported_by_its_own_backend_alone(monkeypatch, tmp_path):
    """To Keras on another one it is not installed; who only asks is told that it is."""
    finder = backends._WithoutUnused()
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setitem(sys.modules, "keras", types.ModuleType("keras"))
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(sys, "path", [])
    assert finder.find_spec("tensorflow") is None
    (tmp_path / "tensorflow.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert importlib.util.find_spec("tensorflow")
    with pytest.raises(ModuleNotFoundError, match="not wanted in Keras"):
        importlib.import_module("tensorflow")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert finder.find_spec("tensorflow") is None


@pytest.mark.backend_free
def test_what_is_compiled_is_shared_in_a_folder_that_does_not_stay(
    monkeypatch, tmp_path
):
    monkeypatch.delenv(backends._PROGRAMS, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    used, killed = (tmp_path / f"{backends._PREFIX}{k}" for k in range(2))
    for left in (used, killed):
        left.mkdir()
        (left / files.LOCK).touch()
    with files.locked(used), backends.shared_programs():
        folder = os.environ[backends._PROGRAMS]
        assert sorted(tmp_path.iterdir()) == sorted([used, Path(folder)])
        with backends.shared_programs():  # one that somebody has named
            assert os.environ[backends._PROGRAMS] == folder
    assert backends._PROGRAMS not in os.environ
    assert not os.path.exists(folder)


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
