"""slim22-driver.py: its files, its sentences, its exit codes."""

import importlib.util
import json
import pickle
import re
import signal
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from processes import start
from products import some
from slim22 import MODELS

ROOT = Path(__file__).parents[2]
DRIVER = ROOT / "slim22-driver.py"
KEYS = ["val_loss", "val_acc", "loss", "acc"]
ORIGINAL = {  # config.py of the original
    "batch_size": 32,
    "nb_classes": 2,
    "nb_epochs": 1,
    "hidden_units": 100,
    "embedding_vector_length": 32,
    "top_words": 5000,
    "max_review_length": 500,
    "act": "sigmoid",
    "lstm": "LSTM3",
    "eta": 1.2e-5,
    "name": "lstm3",
}


def reviews(path, classes=2, size=24):
    """Write a made-up imdb.npz: a few reviews of 1 to 15 words."""
    rng, arrays = np.random.default_rng(0), {}
    for part in ("train", "test"):
        lengths = rng.integers(1, 16, size)
        arrays |= {
            f"x_{part}": rng.integers(1, 6000, lengths.sum()).astype("int32"),
            f"x_{part}_offsets": np.concatenate([[0], np.cumsum(lengths)]),
            f"y_{part}": np.arange(size) % classes,
        }
    np.savez(path / "imdb.npz", **arrays)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder beside one with made-up reviews."""
    work, folder = tmp_path / "work", tmp_path / "data"
    work.mkdir()
    folder.mkdir()
    reviews(folder)
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def driver(monkeypatch):
    """The driver's module, with settings small enough for a test."""
    monkeypatch.syspath_prepend(ROOT)
    for module in ("config", "slim22_driver"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    spec = importlib.util.spec_from_file_location("slim22_driver", DRIVER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    small = {"hidden_units": 3, "max_review_length": 12, "batch_size": 8}
    for name, value in small.items():
        monkeypatch.setattr(module.config, name, value)
    yield module
    sys.modules.pop("config", None)


def process(*words, **environment):
    """The driver in a process of its own; None takes a variable away."""
    return start([sys.executable, DRIVER, *words], **environment)


def histories(name):
    """The history of a run as the pickle, which we wrote ourselves, and as JSON."""
    with open(f"{name}.p", "rb") as file:
        pickled = pickle.load(file)
    return pickled, json.loads(Path(f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.backend_free
def test_the_originals_settings(driver, monkeypatch):
    monkeypatch.delitem(sys.modules, "config")
    import config

    kept = {k: v for k, v in vars(config).items() if not k.startswith("__")}
    assert kept == ORIGINAL


def test_the_originals_command_line_in_its_own_process(here):
    done = process("LSTM4", 8, 2, 0.0001, "--data-dir", "../data")
    out, err = done.communicate(timeout=600)
    assert done.returncode == 0, err
    pickled, plain = histories("lstm4")
    assert pickled == plain
    assert list(pickled) == KEYS
    assert all(len(values) == 2 for values in pickled.values())
    assert all(type(v) is float for values in pickled.values() for v in values)
    assert sorted(p.name for p in here.iterdir()) == ["lstm4.json", "lstm4.p"]
    for sign in ("13,600", "160,000", "Non-trainable", "Epoch 2/2", "lstm4.p"):
        assert sign in out, sign
    epochs = [line for line in out.splitlines() if line.startswith("Epoch")]
    assert len(epochs) == 2
    assert all(f"{key} " in line for key in KEYS for line in epochs)
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", out)


@pytest.mark.exhaustive
def test_without_arguments_config_py_says_all(here):
    # The model and the length are config.py's: LSTM3 over 500 steps.
    done = process("--data-dir", "../data")
    out, err = done.communicate(timeout=600)
    assert done.returncode == 0, err
    pickled, plain = histories("lstm3")
    assert pickled == plain
    assert len(pickled["loss"]) == 1
    assert "(None, 500, 32)" in out


@pytest.mark.parametrize("model", some(lambda x: x in ("LSTM", "LSTM4a"), MODELS))
def test_every_model(model, here, driver, capsys):
    words = [model, "8", "1", "0.01", "--data-dir", "../data"]
    assert driver.main(words) == 0
    pickled, plain = histories(model.lower())
    assert pickled == plain
    assert list(pickled) == KEYS
    assert np.isfinite([pickled[key] for key in KEYS]).all()
    assert f"Keras runs on {keras.backend.backend()}" in capsys.readouterr().out


def test_the_name_of_config_py_without_arguments(here, driver, monkeypatch):
    monkeypatch.setattr(driver.config, "name", "tuesday")
    assert driver.main(["--data-dir", "../data"]) == 0
    assert sorted(p.name for p in here.iterdir()) == ["tuesday.json", "tuesday.p"]


def test_the_network_is_the_originals(here, driver):
    settings, _ = driver._settings(driver._parser().parse_args([]))
    model = driver._model(settings)
    embedding, recurrent, dense = model.layers
    vectors = embedding.get_weights()[0]
    assert not embedding.trainable
    assert vectors.shape == (5000, 32)
    assert 0.049 < abs(vectors).max() <= 0.05
    assert recurrent.cell.activation is dense.activation is keras.activations.sigmoid
    optimizer = model.optimizer
    assert (optimizer.beta_1, optimizer.beta_2) == (0.9, 0.999)
    assert optimizer.epsilon == 1e-8
    assert float(optimizer.learning_rate) == pytest.approx(1.2e-5)


@pytest.mark.backend_free
def test_reviews_are_cut_and_padded_in_front(here, driver):
    settings, _ = driver._settings(
        driver._parser().parse_args(["--data-dir", "../data"])
    )
    raw = np.load("../data/imdb.npz")
    for part, (x, y) in zip(("train", "test"), driver._reviews(settings), strict=True):
        words, offsets = raw[f"x_{part}"], raw[f"x_{part}_offsets"]
        texts = np.split(np.where(words < 5000, words, 2), offsets[1:-1])
        np.testing.assert_array_equal(x, keras.utils.pad_sequences(texts, 12))
        np.testing.assert_array_equal(y, raw[f"y_{part}"])


@pytest.mark.backend_free
def test_the_real_reviews(data_dir, driver):
    words = ["LSTM6", "32", "1", "0.001", "--data-dir", str(data_dir)]
    settings, _ = driver._settings(driver._parser().parse_args(words))
    (x, y), (x_test, y_test) = driver._reviews(settings)
    assert x.shape == x_test.shape == (25000, 12)
    assert y.sum() == y_test.sum() == 12500
    assert 0 <= x.min() <= x.max() < 5000


@pytest.mark.backend_free
def test_an_interrupted_run_leaves_its_history(here):
    running = process("LSTM6", 8, 100000, 0.001, "--data-dir", "../data")
    try:
        deadline = time.monotonic() + 600
        while not Path("lstm6.json").exists() and time.monotonic() < deadline:
            assert running.poll() is None, running.communicate()[1]
            time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=600)
    finally:
        running.kill()
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert "stopped by Ctrl-C; the history of" in err
    pickled, plain = histories("lstm6")
    assert pickled == plain
    assert 1 <= len(pickled["loss"]) < 100000


def test_a_run_that_diverges_ends_and_says_so(here, driver, capsys, monkeypatch):
    keras.utils.set_random_seed(1)  # some weights saturate instead
    monkeypatch.setattr(driver.config, "act", "linear")
    words = ["LSTM6", "8", "50", "1e38", "--data-dir", "../data"]
    assert driver.main(words) == 0
    assert "diverged: the loss is no longer a number" in capsys.readouterr().err
    if keras.backend.backend() == "torch":  # has no loss where there is no number
        assert not list(here.iterdir())
        return
    pickled, plain = histories("lstm6")
    assert len(pickled["loss"]) < 50
    assert np.isnan(pickled["loss"][-1])
    assert plain["loss"][-1] is None


# What is wrong, and what the sentence must name: what was received, what is allowed.
MISTAKES = {
    "too few": (["LSTM4", "32"], ["received 2", "MODEL BATCH EPOCHS LEARNING_RATE"]),
    "too many": (["LSTM4", "32", "1", "0.1", "9"], ["received 5", "these four"]),
    "unknown": (["LSTN4", "32", "1", "0.1"], ["'LSTN4'", "nearest is LSTM4", "LSTM11"]),
    "not here": (["GRU", "32", "1", "0.1"], ["'GRU'", "LSTM, LSTM1"]),
    "no batch": (["LSTM4", "0", "1", "0.1"], ["batch size", "0", "1 or more"]),
    "half a batch": (["LSTM4", "1.5", "1", "0.1"], ["batch size", "1.5", "whole"]),
    "no epochs": (["LSTM4", "32", "-1", "0.1"], ["epochs", "-1", "1 or more"]),
    "no number": (["LSTM4", "32", "many", "0.1"], ["epochs", "'many'", "whole"]),
    "no rate": (["LSTM4", "32", "1", "0"], ["learning rate", "0", "above 0"]),
    "negative": (["LSTM4", "32", "1", "-0.1"], ["learning rate", "above 0"]),
    "nan": (["LSTM4", "32", "1", "nan"], ["learning rate", "nan", "above 0"]),
    "a flag": (["--speed", "9"], ["--speed", "--help"]),
    "no folder": (["--data-dir", "nowhere"], ["'nowhere'", "--data-dir"]),
}


@pytest.mark.backend_free
@pytest.mark.parametrize(("words", "signs"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence_and_code_2(words, signs, here, driver, capsys):
    assert driver.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("slim22-driver.py: ")
    assert err.count("\n") == 1
    for sign in signs:
        assert sign in err
    assert not list(here.iterdir())


@pytest.mark.backend_free
def test_a_mistake_in_config_py(here, driver, capsys, monkeypatch):
    monkeypatch.setattr(driver.config, "act", "sigmoyd")
    assert driver.main([]) == 2
    assert "'sigmoyd'; the nearest is sigmoid" in capsys.readouterr().err
    monkeypatch.setattr(driver.config, "act", "sigmoid")
    monkeypatch.setattr(driver.config, "name", "no/such/folder")
    assert driver.main([]) == 2
    assert "no/such/folder.p" in capsys.readouterr().err


@pytest.mark.backend_free
def test_reviews_of_other_classes(here, driver, capsys):
    reviews(here.parent / "data", classes=3)
    assert driver.main(["--data-dir", "../data"]) == 2
    assert "3 classes" in capsys.readouterr().err


@pytest.mark.backend_free
def test_no_file_and_no_network(here, driver, capsys, monkeypatch):
    def load_data(**options):
        raise OSError("no network")

    monkeypatch.setattr(keras.datasets.imdb, "load_data", load_data)
    (here / "empty").mkdir()
    assert driver.main(["--data-dir", "empty"]) == 2
    err = capsys.readouterr().err
    for sign in ("empty/imdb.npz", "no network", "--data-dir"):
        assert sign in err


@pytest.mark.backend_free
def test_a_mistake_and_the_help_in_their_own_process(here):
    wrong = process("LSTM4", 32, "x", 0.1, KERAS_BACKEND=None)
    shown = process("--help")
    _, err = wrong.communicate(timeout=600)
    assert wrong.returncode == 2
    assert "Traceback" not in err
    assert "The epochs must be a whole number of 1 or more; received 'x'." in err
    out, err = shown.communicate(timeout=600)
    assert (shown.returncode, err) == (0, "")
    for sign in ("LSTM4 32 100 0.0001", "--data-dir", "config.py", "11"):
        assert sign in out
