"""Which start by time scales: `python -m benchmarks.time_scales --help`.

Trains each variant on each data set from each start and writes a line a run: the test
accuracy of the epoch with the best validation accuracy. A line that is there already
is not computed again. `none` is Keras's start with the published constants; the others
spread T with the density T^-p over 1 to the length that "auto" takes.
"""

import csv
import os
import statistics
import sys
import time
from pathlib import Path

from slimrnn import backends
from slimrnn.cli import flags
from slimrnn.errors import InputError
from slimrnn.experiments.run.settings import Settings

VARIANTS = ("LSTM6", "LSTM3", "GRU3", "MGU3", "LSTM", "GRU")
#: name -> exponent and shift; the shift is of the LSTM's input gate, and "one T" is
#: the same constant for all units, where the others have a vector
STARTS = {
    "none": None,
    "p=1": (1, 0.0),
    "p=1 one T": (1, 0.0),
    "p=0": (0, 0.0),
    "p=2": (2, 0.0),
    "p=1 shift=.5": (1, 0.5),
    "p=1 shift=1": (1, 1.0),
}
COLUMNS = ("data", "variant", "start", "seed", "validation", "test", "seconds")


class Programs:
    """Trains models on a data set; starts of the same program share it."""

    def __init__(self, data):
        self.data, self.known = data, {}

    def model(self, settings):
        """The compiled model of the settings in its first state."""
        from slimrnn.experiments.run.build import build
        from slimrnn.experiments.run.recorder import state

        fresh = build(settings, self.data)
        fresh.optimizer.build(fresh.trainable_variables)
        spec = next(x.cell.spec for x in fresh.layers if hasattr(x, "cell"))
        model = self.known.setdefault(spec, fresh)
        for old, new in zip(state(model), state(fresh), strict=True):
            old.assign(new)
        return model

    def train(self, settings):
        """Validation and test accuracy of the best epoch by validation."""
        from slimrnn.data import Batches
        from slimrnn.experiments.run.build import parts

        part, held = parts(settings, self.data)
        batches = Batches(part, settings.batch_size, seed=settings.seed)
        held, test = (
            Batches(p, 256, shuffle=False, group=True) for p in (held, self.data.test)
        )
        model, best = self.model(settings), (-1.0, 0.0)
        for epoch in range(settings.epochs):
            follow = [batches.follow()]
            times = {"initial_epoch": epoch, "epochs": epoch + 1}
            model.fit(batches, shuffle=False, verbose=0, callbacks=follow, **times)
            score = model.evaluate(held, verbose=0, return_dict=True)["accuracy"]
            if score > best[0]:
                found = model.evaluate(test, verbose=0, return_dict=True)
                best = score, found["accuracy"]
        return best


def settings_of(args, name, variant, start, seed, length):
    """The settings of a run; `name` is a data set's, or a file."""
    scale = "none"
    if STARTS[start] is not None:
        exponent, shift = STARTS[start]
        scale = {"low": 1, "high": length, "exponent": exponent, "shift": shift}
        if start.endswith("one T"):
            scale = length**0.5  # the geometric middle
    source = {"data": name} if name.endswith(".npz") else {"dataset": name}
    return Settings.of(
        variant,
        **source,
        data_dir=args.data_dir,
        units=32,
        learning_rate=0.003,
        epochs=args.epochs,
        time_scale=scale,
        seed=seed,
    )


def variants_of(start):
    """The variants for which a start is another than those before it."""
    if start.endswith("one T"):
        return ["LSTM6"]
    return [v for v in VARIANTS if v.startswith("LSTM") or "shift" not in start]


def summary(rows):
    """The mean test accuracy over the seeds, as a Markdown table for each data set."""
    lines = []
    for data in dict.fromkeys(row["data"] for row in rows):
        lines += [f"| {data} | {' | '.join(STARTS)} |", f"|---|{'---:|' * len(STARTS)}"]
        for variant in VARIANTS:
            found = {name: [] for name in STARTS}
            for row in rows:
                if (row["data"], row["variant"]) == (data, variant):
                    found[row["start"]].append(float(row["test"]))
            means = (f"{statistics.mean(v):.3f}" if v else "-" for v in found.values())
            lines.append(f"| {variant} | {' | '.join(means)} |")
    return "\n".join(lines)


def parser():
    """The command line."""
    top = flags.Parser(
        prog="python -m benchmarks.time_scales",
        description=__doc__.partition("\n")[2],
    )
    flags.data_dir(top)
    top.add_argument(
        "--data",
        nargs="+",
        default=["spoken_digits", "two_patterns.npz"],
        help="names of data sets, or .npz files",
    )
    flags.flag(top, "--seeds", "N", "seeds 1 to N", 2, applied=True)
    flags.flag(top, "--epochs", "N", "of each training", 12, applied=True)
    top.add_argument("--out", type=Path, required=True, metavar="FILE.csv")
    flags.backend(top)
    return top


def main():
    """Train what the file does not have yet, then print the table."""
    args = parser().parse_args()
    backends.start(args.backend)
    from slimrnn.experiments.run import build

    rows = []
    if args.out.exists():
        with args.out.open(newline="") as file:
            rows = list(csv.DictReader(file))
    done = {tuple(row[k] for k in COLUMNS[:4]) for row in rows}
    with args.out.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not rows:
            writer.writeheader()
        for name in args.data:
            data = build.load(settings_of(args, name, "LSTM", "none", 1, None))
            length, programs = build.typical_length(data), Programs(data)
            for seed in range(1, args.seeds + 1):
                for start in STARTS:
                    for variant in variants_of(start):
                        key = (Path(name).stem, variant, start, str(seed))
                        if key in done:
                            continue
                        began = time.monotonic()
                        given = settings_of(args, name, variant, start, seed, length)
                        found = [round(v, 4) for v in programs.train(given)]
                        found.append(round(time.monotonic() - began, 1))
                        rows.append(dict(zip(COLUMNS, (*key, *found), strict=True)))
                        writer.writerow(rows[-1])
                        file.flush()
    print(summary(rows))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        main()
    except InputError as error:
        sys.exit(f"benchmarks.time_scales: {error}")
