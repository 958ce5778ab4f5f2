"""A part of an epoch of ``slim22-driver.py``: its own model, data and training loop.

An epoch has as many reviews for the test as for training, and so has a part of it.
"""

import contextlib
import functools
import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.peers import Call

BATCHES = 16  # of 782
#: where the worker gets the folder with imdb.npz
DATA = "SLIMRNN_BENCH_DATA"


@functools.cache
def _driver():
    root = Path(__file__).parents[2]
    path = root / "slim22-driver.py"  # no name to import it by
    spec: Any = importlib.util.spec_from_file_location("driver", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def _reviews(folder):
    """The driver's settings, and a part of its reviews."""
    words = ["LSTM6", "32", "1", "0.001", "--data-dir", folder]
    driver = _driver()
    # The driver checks that it can write into the current folder.
    with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty):
        settings, _ = driver._settings(driver._parser().parse_args(words))
    count = BATCHES * settings.batch_size
    inputs = driver._reviews(settings)
    return settings, [(x[:count], y[:count]) for x, y in inputs]


def build(row, layer):
    """The driver's training with ``layer(units, activation=...)`` as its layer."""
    import slim22

    folder = os.environ.get(DATA)
    if not folder:
        raise FileNotFoundError("give a folder with imdb.npz by --data-dir")
    if not Path(folder, "imdb.npz").is_file():
        raise FileNotFoundError(f"there is no imdb.npz in {folder}")
    driver, (settings, inputs) = _driver(), _reviews(folder)

    def made(units, activation, model):
        return layer(units, activation=activation)

    with mock.patch.object(slim22, "LSTMs", made):
        model = driver._model(settings)
    kept = tempfile.TemporaryDirectory()

    def part():
        history: dict[str, list] = {key: [] for key in driver.KEYS}
        path = Path(kept.name, row.lower())
        if driver._fit(model, settings, inputs, history, path):
            raise FloatingPointError("the loss is no longer a number")

    return {f"{BATCHES} batches": Call(part)}
