"""Slimming against training from scratch: `python -m benchmarks.slimming --help`.

For each seed an LSTM is trained; then each row is trained from scratch, and slimmed
from that LSTM, with the same data, batches, learning rate and number of epochs. All
results are test scores of the epoch with the best validation score. What is finished
in the folder is not repeated.
"""

import json
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import script
from slimrnn import backends
from slimrnn.cli import flags
from slimrnn.experiments.run.settings import Settings

TRAINED = "LSTM"
EPOCHS = {"mnist": 2, "spoken_digits": 10}
#: what is compared, and its column
WAYS = {
    "scratch": "scratch",
    "longer": "scratch, twice the epochs",
    "constants": "scratch, the slimmed one's constants",
    "slimmed": "slimmed",
}


class Watcher:
    """Says a line where a run begins, and nothing else."""

    def begins(self, settings, batches):
        """Say it."""
        print(f"{settings.name}, seed {settings.seed}", file=sys.stderr, flush=True)

    def batch(self):
        """Nothing to say."""

    def epoch(self, settings, line):
        """Nothing to say."""

    def ends(self, settings, result):
        """Nothing to say."""


def settings_of(args, dataset, row, seed):
    return Settings.of(
        row,
        dataset=dataset,
        data_dir=args.data_dir,
        epochs=args.epochs or EPOCHS[dataset],
        learning_rate=args.learning_rate,
        keep="best",
        time_scale="none",  # docs/slimming.md uses the published constants
        seed=seed,
    )


def best_test(run, epochs):
    """The test accuracy at the best of the first epochs, by validation."""
    best = max(run.metrics[:epochs], key=lambda line: line["val_accuracy"])
    return best["test_accuracy"]


def slimmed(path, model, settings, data):
    """Accuracy and constants of the slimmed model; from the file, if there is one."""
    if not path.exists():
        from slimrnn.slimming import measure, slim

        print(f"slimming to {settings.name}", file=sys.stderr, flush=True)
        names = ("epochs", "learning_rate", "batch_size", "validation", "seed")
        options = {name: getattr(settings, name) for name in names}
        result = slim(model, settings.variant, data, **options)
        layer = next(x for x in result.layers if hasattr(x, "gate_constants"))
        found = {"accuracy": measure(result, data).score}
        found["gate_constants"] = layer.gate_constants
        path.write_text(json.dumps(found))
    return json.loads(path.read_text())


def seed_of(args, dataset, data, trainer, seed):
    """Trains the LSTM and then each row in each way: {(row, way): test accuracy}."""
    import keras

    def run(settings, name):
        return trainer.run(settings, args.out / f"{dataset}-{name}-seed{seed}")

    trained = settings_of(args, dataset, TRAINED, seed)
    full = run(trained, TRAINED)
    epochs = trained.epochs
    found = {(TRAINED, "scratch"): best_test(full, epochs)}
    for row in args.rows:
        settings = replace(trained, variant=row)
        file = args.out / f"{dataset}-{row}-seed{seed}-slimmed.json"
        model = keras.models.load_model(full.path / "model.keras", safe_mode=True)
        taught = slimmed(file, model, settings, data)
        found[row, "slimmed"] = taught["accuracy"]
        times = 2 if args.controls else 1
        scratch = run(replace(settings, epochs=times * epochs), f"{row}-x{times}")
        found[row, "scratch"] = best_test(scratch, epochs)
        if args.controls:
            found[row, "longer"] = best_test(scratch, 2 * epochs)
        if args.controls and taught["gate_constants"]:
            same = replace(settings, gate_constants=taught["gate_constants"])
            found[row, "constants"] = best_test(run(same, f"{row}-constants"), epochs)
    return found


def table(dataset, results):
    """The seeds' results as a Markdown table."""
    lines = [
        f"| {dataset} | {' | '.join(WAYS.values())} |",
        f"| --- |{' ---: |' * len(WAYS)}",
    ]
    for row in dict.fromkeys(row for row, _ in results[0]):
        cells = [spread([found.get((row, way)) for found in results]) for way in WAYS]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values):
    if None in values:
        return "-"
    mean = f"{statistics.mean(values):.3f}"
    return f"{mean} ± {statistics.stdev(values):.3f}" if len(values) > 1 else mean


def parser():
    top = flags.Parser(
        prog="python -m benchmarks.slimming", description=__doc__.partition("\n")[2]
    )
    flags.data_dir(top)
    top.add_argument("--datasets", nargs="+", default=list(EPOCHS), metavar="NAME")
    top.add_argument("--rows", nargs="+", default=["LSTM6", "LSTM4"], metavar="ROW")
    top.add_argument(
        "--controls",
        action="store_true",
        help="train from scratch for twice the epochs too, and with the gate "
        "constants of the slimmed model",
    )
    flags.flag(top, "--seeds", "N", "seeds 1 to N", 3, applied=True)
    flags.flag(top, "--epochs", "N", "of each training", EPOCHS)
    flags.flag(top, "--learning-rate", "R", "of each training", "the data set's")
    top.add_argument("--out", type=Path, required=True, metavar="DIR")
    flags.backend(top)
    return top


def main():
    args = parser().parse_args()
    choice = backends.start(args.backend)
    from slimrnn.experiments.run import build, environment
    from slimrnn.experiments.run.trainer import Trainer

    args.out.mkdir(parents=True, exist_ok=True)
    about = environment.describe()
    print(f"Keras {about['keras']} on {choice.backend} {about['backend_version']}")
    for dataset in args.datasets:
        began = time.monotonic()
        data = build.load(settings_of(args, dataset, TRAINED, 1))
        trainer = Trainer(data, Watcher())
        seeds = range(1, args.seeds + 1)
        results = [seed_of(args, dataset, data, trainer, seed) for seed in seeds]
        print(f"\n{table(dataset, results)}\n\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    script.run(main)
