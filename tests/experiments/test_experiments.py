"""Settings, runs, comparisons: what is written is true and can be repeated."""

import io
import math
import re
from dataclasses import replace

import keras
import numpy as np
import pytest
from rich.console import Console

from made_data import few_digits
from slimrnn.cli.progress import EpochLines, FollowedLines
from slimrnn.errors import InputError
from slimrnn.experiments.analysis.outcomes import status
from slimrnn.experiments.analysis.summary import summarize
from slimrnn.experiments.report.publish import publish
from slimrnn.experiments.run.build import build, counts, load
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import METRICS, Record, Run
from slimrnn.experiments.run.trainer import Trainer
from slimrnn.experiments.sweep import scheduler
from slimrnn.experiments.sweep.process_pool import Ended
from slimrnn.utils import files
from slimrnn.variants import Gate, Variant, get
from sweeps import figures, trained

# With a linear activation, its state grows beyond all numbers within a sequence.
EXPLODING = Variant(
    "Exploding",
    "lstm",
    [Gate(constant=1), Gate(constant=1e30), get("LSTM10")["c"], Gate(constant=1)],
)


QUICK = {"units": 4, "epochs": 2, "batch_size": 256}


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return {**QUICK, **few_digits(tmp_path_factory.mktemp("data"))}


@pytest.fixture(scope="module")
def digits(few):
    return load(quick(**few))


@pytest.fixture(scope="module")
def trainer(digits):
    """Trains the same settings in several tests: compiled once."""
    return Trainer(digits, Quiet())


@pytest.fixture(scope="module")
def made(trainer, few, tmp_path_factory):
    """A run that ended well."""
    return trainer.run(quick(**few), tmp_path_factory.mktemp("made") / "run")


def quick(variant="LSTM6", **given):
    return Settings.of(variant, **{**QUICK, **given})


class Quiet:
    """A watcher that keeps what it is told."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.told = []
        self.batches = 0

    def begins(self, settings, batches):
        self.told.append((settings.name, settings.seed, "begins", batches))

    def batch(self):
        self.batches += 1

    def epoch(self, settings, line):
        self.told.append((settings.name, settings.seed, "epoch", line["epoch"]))
        if (settings.seed, line["epoch"]) == self.stop_at:
            raise KeyboardInterrupt

    def ends(self, settings, result):
        self.told.append((settings.name, settings.seed, "ends", result["status"]))


@pytest.mark.backend_free
def test_settings_are_read_back_from_their_file(tmp_path):
    mine = replace(get("LSTM6"), name="Mine")
    settings = quick(mine, activation="relu", dropout=0.1, seed=3)
    with Record(tmp_path).open(settings.config(), {}):
        pass
    assert Settings.from_config(Run.read(tmp_path).config) == settings


@pytest.mark.backend_free
@pytest.mark.parametrize(
    "config", [{}, {"units": 3}, {"variant": "LSTM", "speed": 1}, {"variant": "LSTX"}]
)
def test_foreign_settings_are_refused(config):
    with pytest.raises(InputError):
        Settings.from_config(config)


@pytest.mark.backend_free
@pytest.mark.parametrize("value", [True, "8", 8.0, None, 0, -1])
def test_a_number_of_units_is_whole(value):
    with pytest.raises(InputError, match=r"units must be a whole number of 1 or more"):
        Settings(variant="LSTM", units=value)


@pytest.mark.backend_free
def test_data_set_and_file_exclude_each_other():
    with pytest.raises(InputError, match="exactly one"):
        Settings(variant="LSTM", dataset="digits", data="mine.npz")
    assert Settings.of("LSTM", data="mine.npz").dataset is None


def test_a_run_reports_all(made, trainer):
    run, watcher = made, trainer.watcher
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        *("config.json", "environment.json", "metrics.jsonl", "result.json"),
        *("model.keras", "test_scores.npy", ".lock"),
    }
    kinds = [f"{part}{kind}" for part in ("", "val_", "test_") for kind in KINDS]
    assert [set(line) for line in run.metrics] == [{"epoch", "seconds", *kinds}] * 2
    result = run.result
    assert result["epochs"] == 2
    assert result["layer_parameters"] == get("LSTM6").parameters(8, 4)
    assert result["model_parameters"] == get("LSTM6").parameters(8, 4) + 50
    assert result["seconds_per_epoch"] == run.metrics[1]["seconds"]
    assert result["prediction_seconds"] > 0
    assert result["validation"] == "0.1 of the training data"
    assert watcher.told == [
        ("LSTM6", 1, "begins", 3),
        *[("LSTM6", 1, "epoch", epoch) for epoch in (1, 2)],
        ("LSTM6", 1, "ends", "done"),
    ]
    assert watcher.batches == 6
    environment = {"slimrnn", "keras", "backend", "backend_version", "numpy"}
    environment |= {"python", "platform", "processor", "cores"}
    assert environment <= set(run.environment)


KINDS = ("loss", "accuracy")


def test_the_saved_model_is_the_one_that_was_measured(made, digits):
    model = keras.models.load_model(made.path / "model.keras")
    chances = model.predict(digits.test.x.padded(), verbose=0)
    right = np.mean(chances.argmax(axis=1) == digits.test.y)
    assert right == pytest.approx(made.result["test_accuracy"], abs=1e-6)


def test_trials_share_a_program_and_nothing_else(tmp_path, few, digits):
    """The last trial of a comparison is the run that `train --seed 2 ...` makes."""
    given = {**few, "dropout": 0.2, "recurrent_dropout": 0.2, "variant": "LSTM6"}
    grid = {"learning_rate": [0.01, 0.003], "seed": [1, 2]}
    *others, last = trained(tmp_path / "c", Quiet(), given, **grid)
    settings = Settings.of(**given, learning_rate=0.003, seed=2)
    alone = Trainer(digits, Quiet()).run(settings, tmp_path / "alone")
    assert figures(last) == figures(alone)
    assert figures(last) not in [figures(other) for other in others]
    optimizer = keras.models.load_model(last.path / "model.keras").optimizer
    assert float(optimizer.learning_rate) == pytest.approx(0.003)


def test_variants_of_a_seed_begin_alike(digits):
    """The same seed draws the same kernel: only the gates differ."""
    models = [build(quick(name), digits) for name in ("LSTM6", "LSTM_C6")]
    kernels = [model.layers[1].get_weights()[0] for model in models]
    np.testing.assert_array_equal(*kernels)


def test_a_diverging_run_does_not_stop_the_others(tmp_path, few):
    grid = {"variant": [EXPLODING, "LSTM6"], "seed": [1, 2]}
    linear = {**few, "activation": "linear"}
    runs = trained(tmp_path / "c", Quiet(), linear, **grid)
    assert [status(run) for run in runs] == ["diverged"] * 2 + ["done"] * 2
    for run in runs[:2]:
        assert "loss became" in run.result["reason"]
        assert run.result["epochs"] == len(run.metrics) == 1
        for file in ("metrics.jsonl", "result.json"):
            assert "NaN" not in (run.path / file).read_text()
        assert not (run.path / "model.keras").exists()
    exploding, slim = summarize(runs).rows
    assert (exploding.diverged, exploding.score.mean) == (2, None)
    assert slim.score.n == 2
    files = publish(runs, tmp_path / "c", "slimrnn compare")
    sizes = {title: file.stat().st_size for title, file in files.items()}
    assert min(sizes["Picture (png)"], sizes["Report"]) > 10_000
    assert min(sizes["Table"], sizes["Table for LaTeX"]) > 100


@pytest.mark.backend_free
def test_an_interrupted_comparison_leaves_what_there_was(tmp_path, few):
    given = {**few, "epochs": 3, "variant": "LSTM6"}
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, Quiet(stop_at=(2, 2)), given, seed=[1, 2, 3])
    first, second = scheduler.runs(tmp_path)
    assert (status(first), status(second)) == ("done", "interrupted")
    assert second.result["epochs"] == len(second.metrics) == 2
    assert keras.models.load_model(second.path / "model.keras").count_params() > 0


@pytest.mark.backend_free
def test_a_failure_is_written_down(tmp_path, few, trainer, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("out of order")

    monkeypatch.setattr("slimrnn.experiments.run.trainer.in_turns", fail)
    with pytest.raises(RuntimeError):
        trainer.run(quick(**few), tmp_path / "a")
    result = Run.read(tmp_path / "a").result
    assert result["status"] == "failed"
    assert result["reason"] == "RuntimeError: out of order"


def write_data(folder, kind):
    """A small data set of a kind, training and test alike: the setting of its file."""
    random = np.random.default_rng(1)
    n, lengths = 32, random.integers(2, 9, size=32)
    arrays = {"x": random.normal(size=(n, 6, 2)), "y": np.arange(n) % 3}
    if kind == "targets":
        arrays["y"] = random.normal(size=(n, 2))
    elif kind == "tokens":
        arrays["x"] = random.integers(3, 30, size=(n, 6))
    else:
        steps, total = np.append(0, np.cumsum(lengths)), sum(lengths)
        words, numbers = random.integers(3, 30, total), random.normal(size=(total, 2))
        arrays |= {"x": words if kind == "texts" else numbers, "x_offsets": steps}
    np.savez(
        folder / "mine.npz",
        **{
            name.replace(name[0], f"{name[0]}_{part}", 1): value
            for name, value in arrays.items()
            for part in ("train", "test")
        },
    )
    return {"data": str(folder / "mine.npz")}


# kind of data: the layers of its model
MODELS = {
    "targets": ["InputLayer", "Normalization", "SlimLSTM", "Dense", "Rescaling"],
    "tokens": ["InputLayer", "Embedding", "SlimLSTM", "Dense"],
    "texts": ["InputLayer", "Embedding", "SlimLSTM", "Dense"],
    "frames": ["InputLayer", "Masking", "SlimLSTM", "Dense"],
}


@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_of_data_is_trained_on(tmp_path, kind):
    given = {**write_data(tmp_path, kind), "batch_size": 24, "epochs": 1}
    settings = quick(**given, validation=0.25)
    dataset = load(settings)
    names = [type(layer).__name__ for layer in build(settings, dataset).layers]
    assert [n for n in names if n != "NotEqual"] == MODELS[kind]
    run = Trainer(dataset, Quiet()).run(settings, tmp_path / "run")
    assert status(run) == "done"
    metric = "mae" if kind == "targets" else "accuracy"
    assert math.isfinite(run.result[f"test_{metric}"])


@pytest.mark.backend_free
def test_an_embedding_is_frozen_unless_asked(tmp_path):
    data = write_data(tmp_path, "tokens")
    for trainable in (False, True):
        settings = quick(**data, trainable_embedding=trainable)
        model = build(settings, load(settings))
        assert bool(model.layers[1].trainable_variables) == trainable
        assert counts(model)["layer_parameters"] == get("LSTM6").parameters(32, 4)


@pytest.mark.parametrize("start", ["normal", "uniform"])
def test_a_seed_says_where_each_matrix_starts(tmp_path, start):
    data = write_data(tmp_path, "tokens")

    def matrices(seed):
        settings = quick(**data, embedding_init=start, seed=seed)
        weights = build(settings, load(settings)).get_weights()
        return [weight for weight in weights if weight.ndim == 2]

    of_each = zip(matrices(1), matrices(1), matrices(2), strict=True)
    for one, again, other in of_each:
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()


BROKEN = {
    "config.json": "{",
    "environment.json": "[1]",
    "metrics.jsonl": "{}\nnonsense\n",
    "result.json": "\xff\xfe",
}


@pytest.mark.backend_free
@pytest.mark.parametrize("file", BROKEN)
def test_a_broken_file_is_reported(tmp_path, file):
    (tmp_path / file).write_text(BROKEN[file], encoding="latin-1")
    with pytest.raises(InputError, match=file):
        Run.read(tmp_path)


@pytest.mark.backend_free
def test_half_a_line_of_a_killed_run_is_left_out(tmp_path):
    record = Record(tmp_path / "a")
    with record.open({"variant": "LSTM6"}, {}):
        record.add({"epoch": 1, "loss": math.inf})
        with open(record.path / "metrics.jsonl", "a") as file:
            file.write('{"epoch": 2, "lo')
        run = Run.read(record.path)
        assert run.metrics == [{"epoch": 1, "loss": None}]
        assert status(run) == "interrupted"
        record.add({"epoch": 2, "loss": 1.0})
    assert [line["epoch"] for line in Run.read(record.path).metrics] == [1, 2]


@pytest.mark.backend_free
def test_a_terminal_shows_a_bar(trainer, few, tmp_path, monkeypatch):
    screen = Console(file=io.StringIO(), force_terminal=True, highlight=False)
    with EpochLines(screen) as progress:
        monkeypatch.setattr(trainer, "watcher", progress)
        progress.opens(2)
        for seed in (1, 2):
            settings = quick(seed=seed, **few)
            progress.ended(settings, trainer.run(settings, tmp_path / str(seed)))
    shown = screen.file.getvalue()
    assert "━" in shown
    assert shown.count("epoch 2/2") == 2
    assert "seed 2 (2 of 2)" in shown


@pytest.mark.backend_free
def test_lines_of_trials_side_by_side_are_not_mixed(tmp_path):
    """Those of the first come as they are written, the others' when it has ended."""
    screen = Console(file=io.StringIO(), width=120, highlight=False)
    first, second, third = (quick(seed=seed) for seed in (1, 2, 3))

    def epoch(settings, number):
        folder = tmp_path / str(settings.seed)
        folder.mkdir(exist_ok=True)
        line = {"epoch": number, "loss": 1.0, "accuracy": 0.5, "seconds": 1.0}
        files.append_line(folder / METRICS, {**line, "test_accuracy": 0.5})
        lines.tick()

    def ends(settings, status="done", reason=None):
        result = {"status": status, "reason": reason}
        lines.ended(settings, Run(tmp_path, settings.config(), {}, [], result))

    def shown():
        return re.findall(
            r"seed . .. of 4.|epoch +\d|[a-z][a-z ]+: .+", screen.file.getvalue()
        )

    with FollowedLines(screen) as lines:
        lines.opens(4)
        ends(quick(seed=4))  # in an earlier session
        for settings in (first, second):
            lines.started(settings, tmp_path / str(settings.seed))
        epoch(second, 1)
        assert shown() == []
        epoch(first, 1)
        expected = ["seed 1 (2 of 4)", "epoch 1"]
        assert shown() == expected
        ends(second, "diverged", "The loss became nan in epoch 2.")
        epoch(first, 2)
        expected += ["epoch 2"]
        assert shown() == expected
        lines.retried(first, Ended(first.key(), "crashed", "It was ended by SIGKILL."))
        expected += ["tried again: It was ended by SIGKILL.", "seed 2 (3 of 4)"]
        expected += ["epoch 1", "diverged: The loss became nan in epoch 2."]
        assert shown() == expected
        lines.started(third, tmp_path / "3")
        ends(third, "failed", "For a reason.")
    expected += ["seed 3 (3 of 4)", "failed: For a reason."]
    assert shown() == expected
    assert lines.failed
