"""Runs that nobody trained: folders of files for the tests of what reads them."""

import json
import math
import random
from dataclasses import dataclass, field, replace

import numpy as np

from products import some
from slimrnn.experiments.report.html import write_report
from slimrnn.experiments.run.store import Run
from slimrnn.variants import variants

TESTED = 360  # test sequences
HOSTILE = "<script>alert(1)</script>"
SETTINGS = {
    "dataset": "digits",
    "units": 32,
    "activation": "tanh",
    "optimizer": "adam",
    "learning_rate": 0.01,
    "batch_size": 32,
    "validation": 0.1,
    "validate_on_test": False,
}
ENVIRONMENT = {"keras": "3.15.1", "backend": "jax", "python": "3.11.7", "cores": 2}


@dataclass(frozen=True)
class Trial:
    """A run to make up: how it ended, and how good and how large it is."""

    variant: str
    seed: int = 1
    status: str = "done"
    epochs: int = 12
    metric: str = "accuracy"
    level: float = 0.9
    parameters: int = 4000
    seconds: float = 1.0
    settings: dict = field(default_factory=dict)


def several(names, seeds=(1, 2, 3), **trial):
    return [
        Trial(
            name,
            seed,
            level=0.97 - 0.012 * index,
            parameters=8192 // (index + 1) + 64,
            seconds=1.6 / (index + 1),
            **trial,
        )
        for index, name in enumerate(names)
        for seed in seeds
    ]


def sweep(names, rates, activations=("tanh", "relu"), seeds=(1, 2, 3)):
    """Trials of a grid: each variant has its best rate, and relu diverges early."""
    trials = []
    for trial in several(names, seeds):
        usual = 0.003 * (1 + names.index(trial.variant))
        for activation in activations:
            for rate in rates:
                miss = math.log10(rate / usual) ** 2
                lost = rate * (3 if activation == "relu" else 1) > 0.15 * trial.seed
                trials.append(
                    replace(
                        trial,
                        level=trial.level - 0.06 * miss - 0.01 * (activation == "relu"),
                        status="diverged" if lost else "done",
                        settings={"learning_rate": rate, "activation": activation},
                    )
                )
    return trials


FIVE = ("LSTM", "LSTM4", "LSTM5a", "LSTM6", "LSTM10")
EVERY = tuple(variant.name for variant in variants())
CUSTOM = {"name": HOSTILE, "family": "lstm", "gates": {}, "source": ""}
SITUATIONS = {
    "three seeds": several(FIVE),
    "one seed": several(FIVE, seeds=(1,)),
    "regression": several(FIVE[:3], metric="mae"),
    "one epoch": several(FIVE[:2], epochs=1),
    "diverged": [*several(FIVE), Trial("LSTM3", 1, "diverged"), Trial("LSTM3", 2)],
    "only diverged": [Trial("LSTM3", 1, "diverged", epochs=4)],
    "interrupted": [*several(FIVE[:2]), Trial("LSTM6", 1, "interrupted", epochs=3)],
    "nothing": [Trial("LSTM", 1, "interrupted", epochs=0)],
    "custom": [*several(FIVE[:2]), Trial(CUSTOM, level=0.93)],
    "sweep": sweep(FIVE, (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)),
    "two data sets": [
        *several(FIVE[:2], settings={"dataset": "digits"}),
        *several(
            FIVE[:3], metric="mae", settings={"dataset": None, "data": "mine.npz"}
        ),
    ],
    "two budgets": [
        trial
        for units, budget in ((20, "flash=3KB"), (28, "flash=4KB"))
        for trial in several(FIVE[:3], settings={"match": budget, "units": units})
    ],
    "twenty": several(EVERY[:20], seeds=(1, 2), epochs=20),
}


def of_each_kind():
    """The situations as parameters; those that are like another one, exhaustively."""
    like = ("one seed", "one epoch", "only diverged", "interrupted", "regression")
    return some(lambda situation: situation not in like, SITUATIONS)


def make_runs(folder, trials):
    """The trials as folders of files, read back as the library reads them."""
    runs = []
    for number, trial in enumerate(trials):
        path = folder / f"run-{number:02d}"
        path.mkdir(parents=True)
        lines = [epoch_line(trial, epoch) for epoch in range(1, trial.epochs + 1)]
        config = {"variant": trial.variant, **SETTINGS}
        config |= {"epochs": trial.epochs, "seed": trial.seed, **trial.settings}
        (path / "config.json").write_text(json.dumps(config))
        (path / "environment.json").write_text(json.dumps(ENVIRONMENT))
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (path / "metrics.jsonl").write_text(text)
        if trial.status != "interrupted":
            result = result_of(trial, lines[-1])
            (path / "result.json").write_text(json.dumps(result))
        if trial.status == "done":
            np.save(path / "test_scores.npy", scores_of(trial, result))
        runs.append(Run.read(path))
    return runs


def epoch_line(trial, epoch):
    line = {"epoch": epoch, "seconds": trial.seconds}
    for prefix, gap in {"": 0, "val_": 0.012, "test_": 0.02}.items():
        noise = random.Random(f"{trial} {epoch} {prefix}").gauss(0, 0.006)
        pace = 3 / trial.level**8
        good = (trial.level + 0.02 - gap) * (1 - 0.8 * math.exp(-epoch / pace)) + noise
        line[prefix + trial.metric] = good if trial.metric == "accuracy" else 1.1 - good
        line[prefix + "loss"] = 2.3 * (1.05 - good)
    left = trial.epochs - epoch
    if trial.status == "diverged" and left < 2:
        # First the loss explodes, then it is no number, as the store writes it.
        worse = {key: 1e6 if left else None for key in line if key.endswith("loss")}
        line |= worse
    return line


def result_of(trial, last):
    measures = {
        "layer_parameters": trial.parameters,
        "model_parameters": trial.parameters + 330,
    }
    if "match" in trial.settings:
        costs = {"flash": 700, "ram": 300, "macs": 0, "instructions": 900}
        measures |= {name: trial.parameters + more for name, more in costs.items()}
    if trial.status == "diverged":
        reason = f"the loss was no finite number in epoch {trial.epochs}"
        return {"status": "diverged", "reason": reason, **measures}
    wave = 1 + 0.03 * math.sin(trial.seed)
    return {
        "status": "done",
        "reason": None,
        "epochs": trial.epochs,
        "kept_epoch": trial.epochs,
        **{key: last[key] for key in last if key.startswith(("test_", "val_"))},
        **measures,
        "seconds_per_epoch": trial.seconds * wave,
        "prediction_seconds": trial.seconds * wave / 500,
    }


def scores_of(trial, result):
    """Of each test sequence a score, such that the run's is their mean."""
    score = result[f"test_{trial.metric}"]
    # Some sequences are hard for all: which are told rightly is no mere chance.
    hardness = np.random.default_rng(0).normal(size=TESTED)
    hardness += np.random.default_rng(trial.seed).normal(size=TESTED) / 2
    if trial.metric == "accuracy":
        return (hardness <= np.quantile(hardness, min(score, 1.0))).astype(np.uint8)
    errors = np.exp(hardness)
    return errors * score / errors.mean()


def write_page(runs, folder):
    path = folder / "report.html"
    command = "slimrnn compare LSTM --name '</script><b>'"
    write_report(runs, path, title="Slim & <b>small</b>", command=command)
    return path
