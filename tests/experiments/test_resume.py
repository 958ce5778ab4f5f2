"""A run that was stopped, in whatever way, goes on as if it never was."""

import io
import os
import shutil
import struct
import subprocess
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest

from made_data import few_digits
from processes import held
from slimrnn import cli, data
from slimrnn.errors import InputError
from slimrnn.experiments.run import checkpoint, store
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Record, Run
from slimrnn.experiments.run.trainer import Trainer
from slimrnn.experiments.sweep import scheduler
from slimrnn.experiments.sweep.worker import _Silent
from slimrnn.native import library
from slimrnn.utils import files
from sweeps import figures

EPOCHS = 4
KINDS = {
    "dropout": {"dropout": 0.3, "recurrent_dropout": 0.2},
    "another optimizer": {"optimizer": "rmsprop", "variant": "GRU3", "batch_size": 45},
    "a schedule": {"schedule": "exp_loss", "optimizer": "sgd", "learning_rate": 0.05},
    "patience": {"keep": "best", "patience": 2, "learning_rate": 0.3, "epochs": 9},
    "the original's start": {"init": "packed", "dropout": 0.3},
    "tokens": {**{"data": "words.npz", "trainable_embedding": True, "head": "sigmoid"}},
    "a regression": {"data": "waves.npz", "padding": "front"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the data above: tokens in sequences of unequal length, frames."""
    path = tmp_path_factory.mktemp("data")
    few_digits(path)
    random = np.random.default_rng(0)
    words = [random.integers(1, 9, random.integers(1, 7)) for _ in range(90)]
    texts = np.array(words, object)
    arrays = {"tokens": np.concatenate(words).astype("int32")}
    arrays["offsets"] = np.cumsum([0, *map(len, texts)])
    labels = random.integers(0, 2, 90)
    dense = np.zeros((90, 6), "int32")
    for row, word in zip(dense, words, strict=True):
        row[: len(word)] = word
    split = {"x_train": dense[:60], "x_test": dense[60:]}
    np.savez(path / "words.npz", **split, y_train=labels[:60], y_test=labels[60:])
    x = random.normal(size=(90, 5, 3)).astype("float32")
    y = x.sum(axis=(1, 2), keepdims=True)[:, 0].astype("float32")
    frames = {"x_train": x[:60], "x_test": x[60:], "y_train": y[:60], "y_test": y[60:]}
    np.savez(path / "waves.npz", **frames)
    return path


def settings_of(kind, folder):
    given = {"variant": "LSTM6", "units": 5, "epochs": EPOCHS, "batch_size": 30}
    given |= {"dataset": None, "data": "digits.npz", **KINDS[kind]}
    return Settings.of(**{**given, "data": str(folder / given["data"])})


def loaded(settings):
    return data.load(settings.dataset, file=settings.data)


class Stopping(_Silent):
    """A watcher in whose hands the run dies after an epoch."""

    def __init__(self, after=None):
        self.after = after
        self.epochs = []

    def epoch(self, settings, line):
        self.epochs.append(line["epoch"])
        if line["epoch"] == self.after:
            raise RuntimeError("the power is gone")


def weights(run):
    """The weights of the model that was saved."""
    found = {}
    with (
        zipfile.ZipFile(run.path / "model.keras") as archive,
        archive.open("model.weights.h5") as file,
        h5py.File(file) as content,
    ):
        content.visititems(lambda name, x: found.update(_array(name, x)))
    return found


def _array(name, item):
    return {name: item[()]} if hasattr(item, "shape") else {}


#: what a backend itself goes on with: its random numbers, its embedding
OF_A_BACKEND = ("dropout", "the original's start", "tokens")


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(k, marks=() if k in OF_A_BACKEND else pytest.mark.backend_free)
        for k in KINDS
    ],
)
def test_a_stopped_run_has_the_same_losses(tmp_path, folder, kind):
    settings, path = settings_of(kind, folder), tmp_path / "stopped"
    trainer = Trainer(loaded(settings), Stopping())
    whole = trainer.run(settings, tmp_path / "whole")
    trainer.watcher = Stopping(after=2)
    with pytest.raises(RuntimeError, match="power"):
        trainer.run(settings, path)
    assert Run.read(path).result["status"] == "failed"
    trainer.watcher = again = Stopping()
    run = trainer.run(settings, path)  # which compiles anew, as a new process does
    assert again.epochs[0] == 3
    assert figures(run) == figures(whole)
    assert not list(path.glob(checkpoint.PATTERN))
    mine, theirs = weights(run), weights(whole)
    assert mine.keys() == theirs.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name], name)
    np.testing.assert_array_equal(run.test_scores(), whole.test_scores())


def test_of_epochs_that_validate_alike_the_least_loss_is_kept(tmp_path):
    y = np.arange(90) % 2
    x = np.repeat((2.0 * y - 1)[:, None, None], 5, axis=1).astype("float32")
    parts = {"x_train": x, "y_train": y, "x_test": x[:10], "y_test": y[:10]}
    np.savez(tmp_path / "easy.npz", **parts)
    settings = Settings.of(
        "LSTM6", data=str(tmp_path / "easy.npz"), units=5, epochs=6, keep="best"
    )
    run = Trainer(loaded(settings), Stopping()).run(settings, tmp_path / "run")
    accuracies, losses = (
        [line[name] for line in run.metrics] for name in ("val_accuracy", "val_loss")
    )
    alike = [i for i, x in enumerate(accuracies) if x == max(accuracies)]
    best = min(alike, key=losses.__getitem__)
    assert best != alike[0]
    assert run.result["kept_epoch"] == best + 1


DAMAGES = {
    "cut short": lambda x: x[: len(x) // 2],
    "empty": lambda x: b"",
    "a bit in the weights": lambda x: _flipped(x, _in_the_weights(x)),
    "a bit in the end": lambda x: _flipped(x, int(len(x) * 0.999)),
    "a text": lambda x: b"this is no archive",
    "a pickle": lambda x: b"\x80\x04cposix\nsystem\n.",
}


def _in_the_weights(content):
    """The middle of the largest array; elsewhere a zip file may not mind."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        largest = max(archive.infolist(), key=lambda info: info.compress_size)
    name, extra = struct.unpack_from("<HH", content, largest.header_offset + 26)
    return largest.header_offset + 30 + name + extra + largest.compress_size // 2


def _flipped(content, place):
    return content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, folder):
    """A run that stopped with two checkpoints, and the same one that did not."""
    settings = settings_of("dropout", folder)
    path = tmp_path_factory.mktemp("stopped")
    trainer = Trainer(loaded(settings), Stopping(3))
    with pytest.raises(RuntimeError):
        trainer.run(settings, path / "run")
    trainer.watcher = Stopping()
    whole = trainer.run(settings, path / "whole")
    return settings, trainer, path / "run", whole


@pytest.fixture
def copied(stopped, tmp_path):
    """The same, with a copy of the run that stopped."""
    settings, trainer, path, whole = stopped
    return settings, trainer, shutil.copytree(path, tmp_path / "run"), whole


@pytest.mark.backend_free
@pytest.mark.parametrize("both", [False, True], ids=["the last", "both"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_counts_as_missing(copied, damage, both):
    settings, trainer, mine, whole = copied
    found = sorted(mine.glob(checkpoint.PATTERN))
    assert [file.name[-6:] for file in found] == ["02.npz", "03.npz"]
    for file in found if both else found[1:]:
        file.write_bytes(DAMAGES[damage](file.read_bytes()))
    trainer.watcher = watcher = Stopping()
    run = trainer.run(settings, mine)
    assert watcher.epochs[0] == (1 if both else 3)
    assert figures(run) == figures(whole)


def _said(name, value):
    return lambda x: {"lines": [{**line, name: value} for line in x.lines]}


#: what a digest may be right for, and no run of this model writes
WRONG = {
    "no epochs": lambda x: {"lines": []},
    "another epoch": _said("epoch", 7),
    "a loss in words": _said("loss", "small"),
    "no finite time": _said("seconds", float("inf")),
    "a variable less": lambda x: {"state": x.state[:-1]},
    "another shape": lambda x: {"state": [x.state[0][:-1], *x.state[1:]]},
    "another type": lambda x: {"state": [x.state[0].astype("int8"), *x.state[1:]]},
    "no finite weight": lambda x: {"state": [x.state[0] * np.nan, *x.state[1:]]},
    "a best epoch": lambda x: {"best": x.state[:2]},
    "an owner in words": lambda x: {"owner": {**x.owner, "settings": "mine"}},
}


@pytest.mark.attack
@pytest.mark.parametrize("wrong", WRONG)
def test_a_checkpoint_of_another_content_counts_as_missing(tmp_path, copied, wrong):
    settings, trainer, mine, whole = copied
    *_, file = sorted(mine.glob(checkpoint.PATTERN))
    content = checkpoint._read(file)
    replace(content, **WRONG[wrong](content)).write(tmp_path)
    (made,) = tmp_path.glob(checkpoint.PATTERN)
    made.replace(file)
    trainer.watcher = watcher = Stopping()
    assert figures(trainer.run(settings, mine)) == figures(whole)
    assert watcher.epochs[0] == 3


LINES = {
    "cut short": lambda x: x[:-9],
    "half a line more": lambda x: x + b'{"epoch": 4, "lo',
    "garbage": lambda x: b"\x00garbage\n" + x,
    "gone": None,
}


@pytest.mark.backend_free
@pytest.mark.parametrize("damage", LINES)
def test_damaged_lines_are_written_anew(copied, damage):
    settings, trainer, mine, whole = copied
    file = mine / store.METRICS
    if LINES[damage] is None:
        file.unlink()
    else:
        file.write_bytes(LINES[damage](file.read_bytes()))
    assert figures(trainer.run(settings, mine)) == figures(whole)


def test_a_checkpoint_of_other_settings_is_not_gone_on_with(copied):
    settings, trainer, path, _ = copied
    other = replace(settings, seed=2)
    with pytest.raises(InputError, match="other settings"):
        trainer.run(other, path)
    owner = {"settings": other.config(), "backend": "jax", "native": ""}
    assert checkpoint.last(path, owner) is None


def test_another_native_library_is_reported(copied, monkeypatch):
    settings, trainer, path, whole = copied
    monkeypatch.setattr(library, "build", lambda: "mmx 123")
    with pytest.warns(UserWarning, match=r"another native library \(mmx 123 after"):
        assert figures(trainer.run(settings, path)) == figures(whole)


@pytest.mark.backend_free
def test_a_folder_in_use_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "LOCK_SECONDS", 0.1)
    with held(tmp_path) as other:
        with (
            pytest.raises(InputError, match=f"in use by process {other.pid} on "),
            Record(tmp_path).open({}, {}),
        ):
            pass
        other.kill()
        other.wait()
        with files.locked(tmp_path):  # however the process ended
            pass


def test_a_run_that_has_ended_is_left_alone(tmp_path, folder):
    settings = settings_of("dropout", folder)
    path, trainer = tmp_path / "run", Trainer(loaded(settings), Stopping())
    made = trainer.run(settings, path)
    before = (path / "model.keras").stat().st_mtime_ns
    trainer.watcher = watcher = Stopping()
    assert trainer.run(settings, path) == made
    assert watcher.epochs == []
    assert (path / "model.keras").stat().st_mtime_ns == before


@pytest.mark.backend_free
def test_the_command_line_goes_on(tmp_path, folder, capsys, monkeypatch):
    """A comparison that Ctrl-C stopped ends like one that was not stopped."""
    argv = ["compare", "LSTM6", "GRU3", "--seeds", "1", "--epochs", "3", "--units", "4"]
    argv += ["--timing", "0", "--workers", "1", "--data", str(folder / "digits.npz")]
    assert cli.main([*argv, "--out", str(tmp_path / "whole")]) == 0
    ends = Trainer.run

    def stopped(self, settings, path):
        if settings.name == "GRU3":
            raise KeyboardInterrupt
        return ends(self, settings, path)

    monkeypatch.setattr(Trainer, "run", stopped)
    out = tmp_path / "stopped"
    assert cli.main([*argv, "--out", str(out)]) == 130
    assert f"Go on with: slimrnn compare --resume {out}" in capsys.readouterr().err
    monkeypatch.setattr(Trainer, "run", ends)
    resumed = ["compare", "--resume", str(out), "--timing", "0", "--workers", "1"]
    assert cli.main(resumed) == 0
    whole, again = scheduler.runs(tmp_path / "whole"), scheduler.runs(out)
    assert [run.config["variant"] for run in whole] == ["GRU3", "LSTM6"]
    assert [figures(run) for run in again] == [figures(run) for run in whole]
    assert "1 of 2" not in capsys.readouterr().out  # the LSTM6 was not trained again
    assert (out / "report.html").exists()


#: the folder's study.json, if it has one, and what is said
REFUSED = {
    "nothing there": (None, "holds no results"),
    "a damaged study": ('{"study": {', "study.json is not valid JSON"),
    "no study": ('{"speed": 1}', "has no study"),
    "a foreign study": ('{"study": {"speed": 1}}', "Unknown key of a study 'speed'"),
    "a bad study": (
        '{"study": {"settings": {"variant": "../b"}}}',
        "Unknown variant '../b'",
    ),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("command", ["train", "sweep"])
@pytest.mark.parametrize("mistake", REFUSED)
def test_what_cannot_be_resumed_is_reported(tmp_path, capsys, mistake, command):
    study, told = REFUSED[mistake]
    if study is not None:
        (tmp_path / "study.json").write_text(study)
    before = sorted(tmp_path.rglob("*"))
    assert cli.main([command, "--resume", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "Traceback" not in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a few kilobytes, and what gives it more."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here (it needs root)")
    yield (
        place,
        lambda how: subprocess.run(
            ["mount", "-o", f"remount,{how}", str(place)], check=True
        ),
    )
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.backend_free
def test_a_full_disk_loses_nothing(tmp_path, small_disk, capsys):
    place, remount = small_disk
    argv = ["train", "LSTM6", "--epochs", "3", "--units", "40", "--seed", "5"]
    assert cli.main([*argv, "--out", str(tmp_path / "whole")]) == 0
    out = place / "run"
    ballast = place / "ballast"
    capsys.readouterr()
    # Room for one checkpoint and not for the next.
    ballast.write_bytes(bytes(170_000))
    assert cli.main([*argv, "--out", str(out)]) == 1
    err = capsys.readouterr().err
    assert "make room" in err
    assert "--resume" in err
    assert "Traceback" not in err
    assert not list(out.rglob("unfinished-*"))
    kept = list(out.glob(checkpoint.PATTERN))
    assert kept
    remount("size=8m")
    assert cli.main(["train", "--resume", str(out)]) == 0
    pair = [Run.read(path) for path in (tmp_path / "whole", out)]
    assert figures(pair[0]) == figures(pair[1])


@pytest.mark.backend_free
def test_a_read_only_disk_is_reported(small_disk, capsys):
    place, remount = small_disk
    remount("ro")
    assert cli.main(["train", "LSTM6", "--out", str(place / "run")]) == 2
    err = capsys.readouterr().err
    assert "read-only" in err
    assert str(place / "run") in err
    remount("rw")
    assert not (place / "run").exists()
