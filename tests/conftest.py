"""Fixtures of all tests."""

import os
from pathlib import Path

import keras
import pytest

import drawn_weights
from slimrnn.ir import hdf5
from slimrnn.native import library


def pytest_sessionstart():
    """Tests of C that is not the one beside them would all be skipped."""
    if library.find()[1] == library.STALE:
        pytest.exit(library.STALE, returncode=pytest.ExitCode.USAGE_ERROR)


def pytest_collection_modifyitems(items):
    """Begins with those that take minutes, so that no process waits for them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


_DATA_DIR = os.environ.get("SLIMRNN_DATA_DIR")


@pytest.fixture(scope="session", autouse=True)
def no_folder_unasked():
    """What tests load does not depend on the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SLIMRNN_DATA_DIR", raising=False)
        yield


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real data; tests that need it skip where it is missing."""
    default = Path(__file__).parents[1] / ".." / "shared" / "data"
    folder = Path(_DATA_DIR or default).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is missing (set SLIMRNN_DATA_DIR)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def weights_by_numpy():
    """Initial weights without a compiler; see ``weights_by_keras``."""
    with pytest.MonkeyPatch.context() as patch:
        drawn_weights.by_numpy(patch)
        yield


@pytest.fixture
def weights_by_keras(monkeypatch):
    """Initial weights as a user has them."""
    drawn_weights.by_keras(monkeypatch)


_BY_PYTHON = hdf5._count_by_python


@pytest.fixture(scope="session", autouse=True)
def hdf5_in_this_process():
    """To open a file in another Python first takes longer than all that is asked."""

    def count(*path):
        try:
            return str(hdf5.visited(*path))
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hdf5, "_count_by_python", count)
        yield


@pytest.fixture
def hdf5_by_python(monkeypatch):
    """It is opened as for a user."""
    monkeypatch.setattr(hdf5, "_count_by_python", _BY_PYTHON)


@pytest.fixture(scope="session")
def models_dir(data_dir):
    """The folder of models that other people trained, beside that of the data."""
    folder = data_dir.parent / "models"
    if not folder.is_dir():
        pytest.skip(f"no models of other people: {folder} is missing")
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def eager():
    """JAX computes one operation after the other, where to compile takes longer."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    with jax.disable_jit():
        yield


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    """Output as for a file: pytest-xdist tells its workers a terminal's width."""
    monkeypatch.delenv("COLUMNS", raising=False)
