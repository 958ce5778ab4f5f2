"""Damaged files of all kinds: each is read, or told in a sentence, and that is all."""

import shutil
from collections import Counter

import numpy as np
import pytest

from commands import Commands
from deploy_problems import layers, model_of
from h5_files import LSTM, WEIGHTS, saved
from json_models import aida_x, guitarml, nam, rtneural, safetensors, state_dict
from mutations import MUTATIONS, as_json, reconfigured
from slimrnn import SlimLSTM, deploy

pytestmark = pytest.mark.attack
MEGABYTES = 1000
X = np.random.default_rng(0).normal(size=(40, 6, 2)).astype("float32")
Y = np.arange(40) % 2
DATA = {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y}
#: what exit codes mean here
CAME = {0: "read", 1: "read, trials out of time", 2: "a sentence"}
LONGEST = 3100  # characters of a sentence, whatever stands in the file


def h5(path):
    return saved(path, "2.2.4", [LSTM], {"a": WEIGHTS})


def keras(path):
    model_of(SlimLSTM(4, "LSTM6"), layers.Dense(2), features=3).save(path)


def pooled():
    """A model of what stands around cells."""
    return model_of(
        layers.LayerNormalization(),
        layers.MaxPooling1D(2, strides=1),
        SlimLSTM(4, "LSTM4", return_sequences=True),
        layers.AveragePooling1D(2),
        layers.Dense(2),
        layers.GlobalMaxPooling1D(),
        layers.RepeatVector(2),
        features=3,
    )


def weights_alone(path):
    model = pooled()
    model.save_weights(path.with_name("k.weights.h5"))
    path.with_name("k.json").write_text(model.to_json())


def torch(old):
    def write(path):
        torch = pytest.importorskip("torch")
        tensors = {k: torch.tensor(v) for k, v in state_dict().items()}
        torch.save(tensors, path, _use_new_zipfile_serialization=not old)

    return write


def onnx(mode, make=lambda: model_of(SlimLSTM(4), features=3)):
    def write(path):
        pytest.importorskip("onnx")
        deploy.to_onnx(make(), path, mode=mode)

    return write


def parquet(path):
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    columns = {"a": np.arange(60.0), "b": np.arange(60.0) % 7, "y": list("uv" * 30)}
    pandas.DataFrame(columns).to_parquet(path)


STUDY = """
title = "Small"
[settings]
dataset = "digits"
units = 4
epochs = 1
[grid]
variant = ["LSTM", "LSTM6", "GRU3"]
learning_rate = [0.01, 0.001]
seed = [1, 2, 3]
"""
SHOW, SIZE = ("show", "{}"), ("size", "{}")
TABLE = ("data", "{}", "--target", "y", "--window", "3")
WEIGHTS_ALONE = ("show", "k.weights.h5", "--architecture", "k.json")
SWEEP = ("sweep", "{}", "--out", "o", "--timeout", "0.1", "--retries", "0")
#: a file's name, what makes it, what reads it, how many are tried
KINDS = {
    "Keras, .keras": ("a.keras", keras, SHOW, 20),
    "Keras, .h5": ("a.h5", h5, SHOW, 15),
    "PyTorch, .pth": ("c.pth", torch(old=False), SIZE, 33),
    "PyTorch before 1.6, .pth": ("d.pth", torch(old=True), SIZE, 33),
    "safetensors": ("d.safetensors", safetensors, SIZE, 33),
    "norms and pools, .keras": ("k.keras", lambda path: pooled().save(path), SHOW, 20),
    "weights alone, .h5": ("k.weights.h5", weights_alone, WEIGHTS_ALONE, 15),
    "their architecture, .json": ("k.json", weights_alone, WEIGHTS_ALONE, 15),
    "ONNX, .onnx": ("e.onnx", onnx("lstm"), SIZE, 33),
    "ONNX with Scan, norms, pools": ("k.onnx", onnx("scan", pooled), SHOW, 33),
    "RTNeural, .json": ("e.json", as_json(rtneural), SIZE, 33),
    "AIDA-X, .json": ("m.json", as_json(aida_x), SIZE, 33),
    "GuitarML, .json": ("f.json", as_json(guitarml), SIZE, 33),
    "Neural Amp Modeler, .nam": ("g.nam", as_json(nam), SIZE, 33),
    "data, .npz": ("h.npz", lambda path: np.savez(path, **DATA), ("data", "{}"), 40),
    "data, .parquet": ("j.parquet", parquet, TABLE, 30),
    "study, .toml": ("i.toml", lambda path: path.write_text(STUDY), SWEEP, 15),
}


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    with Commands(tmp_path_factory.mktemp("attacked")) as commands:
        yield commands


def attack(commands, files, words, codes=(0, 2)):
    """What came of each file's content, which is put where the words find it."""
    found, peak = Counter(), 0
    for path, content in files:
        path.write_bytes(content)
        before = held(commands.folder)
        outcome = commands.run(*(word.format(path.name) for word in words))
        after = held(commands.folder)
        assert outcome.code in codes, (path.name, content[:500], outcome.said[-3000:])
        assert outcome.megabytes < MEGABYTES, (path.name, content[:500])
        if outcome.code == 2:
            *_, sentence = outcome.said.strip().splitlines()
            assert sentence.endswith((".", "]")), outcome.said[-3000:]
            assert len(sentence) < LONGEST
            assert after == before, (path.name, content[:500])
        shutil.rmtree(commands.folder / "o", ignore_errors=True)
        found[CAME[outcome.code]] += 1
        peak = max(peak, outcome.megabytes)
    return ", ".join(f"{count} {what}" for what, count in found.items()), peak


def held(folder):
    """All files, but for locks, and how large they are."""
    return {
        path: path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("lock", ".holder.json"))
    }


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(kind, commands, tries, row):
    name, write, words, usual = KINDS[kind]
    path = commands.folder / name
    write(path)
    whole, count = path.read_bytes(), tries(usual)
    assert commands.run(*(word.format(name) for word in words)).code in (0, 1)
    shutil.rmtree(commands.folder / "o", ignore_errors=True)

    def files():
        for k in range(count):
            rng = np.random.default_rng([len(kind), k])
            yield path, MUTATIONS[k % len(MUTATIONS)](whole, rng)

    codes = (0, 1, 2) if words is SWEEP else (0, 2)
    came, peak = attack(commands, files(), words, codes)
    row(kind, count, f"{came}; {peak:.0f} MB")


#: words of a configuration, and what stands there instead
SAID = {
    '"units": 4': ['"units": 1000000000', '"units": 5', '"units": 1e400'],
    '"units": 2': ['"units": 1000000000', '"units": null', '"units": -2'],
    "[null, null, 3]": ["[null, 1000000000000, 3]", "[null, 9, 1000000000]", "[]"],
    '"float32"': ['"float16"', '"bfloat16"', '"int8"', '"complex64"', '"none"'],
    '"class_name": "Dense"': ['"class_name": "Lambda"', '"class_name": "GRU"'],
    '"slimrnn"': ['"os"', "null"],
}


def test_configurations_that_lie(commands, row):
    path = commands.folder / "l.keras"
    keras(path)
    whole = path.read_bytes()
    lies = [(old, new) for old, news in SAID.items() for new in news]
    contents = [reconfigured(whole, old, new) for old, new in lies]
    came, peak = attack(commands, ((path, content) for content in contents), SHOW)
    row("configurations that lie, .keras", len(lies), f"{came}; {peak:.0f} MB")


RUN = ("train", "--resume", "run", "--timing", "0")
PARTS = {
    "result.json": ['{"status": "done"}', '{"status": 1e400}', '{"status": []}'],
    "config.json": ["{}", '{"variant": 3}', '{"variant": "LSTM6", "units": 1e400}'],
    "metrics.jsonl": ["[]\n", '{"epoch": "one"}\n', '{"epoch": 1, "loss": [1]}\n'],
    "study.json": ['{"study": {}}', '{"study": {"settings": {"variant": "\\u0000"}}}'],
    "times.json": ['{"a": 1}', '{"a": {"works": {}, "quiet": 1}}'],
}


@pytest.mark.parametrize("part", PARTS)
def test_damaged_runs(part, commands, tries, row):
    np.savez(commands.folder / "run.npz", **DATA)
    run, kept = commands.folder / "run", commands.folder / "kept"
    if not kept.exists():
        commands.renew()
        about = ("--units", "2", "--epochs", "2", "--timing", "0.1", "--out", "kept")
        done = commands.run("train", "LSTM6", "--data", "run.npz", *about)
        assert done.code == 0
    whole, count = (kept / part).read_bytes(), tries(5)

    def files():
        for said in PARTS[part]:
            shutil.copytree(kept, run)
            yield run / part, said.encode()
            shutil.rmtree(run)
        for k in range(count):
            rng = np.random.default_rng([len(part), k])
            shutil.copytree(kept, run)
            yield run / part, MUTATIONS[k % 6](whole, rng)
            shutil.rmtree(run)

    came, peak = attack(commands, files(), RUN)
    row(f"a run's {part}", count + len(PARTS[part]), f"{came}; {peak:.0f} MB")
