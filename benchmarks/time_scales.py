"""Which start by time scales: `python -m benchmarks.time_scales --help`.

Trains each variant on each data set from each start and writes a line a run: the test
accuracy of the epoch with the best validation accuracy. A line that is there already
is not computed again. `none` is Keras's start with the published constants. Where gates
are constant, they get one T for all units, by the sequences' length L; else T is spread
with the density T^-p from 1 to L.
"""

import collections
import csv
import itertools
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import script
from slimrnn import backends
from slimrnn.cli import flags
from slimrnn.experiments.run.settings import Settings

#: with gates that are constant, and with gates that have a bias for each unit
CONSTANT = ("LSTM6", "LSTM_C6")
BIASED = ("LSTM3", "LSTM", "GRU3", "GRU", "MGU3")
SHIFTS = (0, 0.5)
#: name -> the bounds of T as a function of the sequences' length, exponent, shift
ONE_T = {
    f"{name} shift={shift:g}": (lambda n, of=of: (of(n), of(n)), 0, shift)
    for name, of in {
        "T=L^.5": lambda n: n**0.5,
        "T=L/4": lambda n: max(2, n / 4),
    }.items()
    for shift in SHIFTS
}
SPREAD = {
    f"p={p} shift={shift:g}": (lambda n: (1, n), p, shift)
    for p in (0, 1)
    for shift in SHIFTS
}
COLUMNS = ("data", "variant", "start", "rate", "seed", "validation", "test", "seconds")


class Programs:
    """Trains models on a data set; starts of the same program share its compilation.

    All epochs are one compiled program (`jax.lax.scan` over batches of one length), so
    that what is measured takes seconds and not minutes. The last, smaller batch of an
    epoch is left out.
    """

    def __init__(self, data, epochs):
        self.data, self.epochs, self.known = data, epochs, {}
        self.length = int(max(p.x.lengths.max() for p in (data.train, data.test)))

    def program(self, model):
        """(trainable, other, optimizer variables, orders) -> accuracies by epoch."""
        import jax
        import keras

        loss_of = keras.losses.get(model.loss)

        def loss(trainable, other, x, y):
            answer, other = model.stateless_call(trainable, other, x, training=True)
            return loss_of(y, answer).mean(), other

        def accuracy(trainable, other, part):
            answer, _ = model.stateless_call(trainable, other, part[0])
            return (answer.argmax(-1) == part[1]).mean()

        def run(trainable, other, optimizer, parts, orders):
            def step(carry, places):
                trainable, other, optimizer = carry
                x, y = (a[places] for a in parts[0])
                slope = jax.grad(loss, has_aux=True)
                slopes, other = slope(trainable, other, x, y)
                change = model.optimizer.stateless_apply
                trainable, optimizer = change(optimizer, slopes, trainable)
                return (trainable, other, optimizer), None

            def epoch(carry, order):
                carry, _ = jax.lax.scan(step, carry, order)
                return carry, [accuracy(*carry[:2], part) for part in parts[1:]]

            return jax.lax.scan(epoch, (trainable, other, optimizer), orders)[1]

        return jax.jit(run)

    def train(self, settings):
        """Validation and test accuracy of the best epoch by validation."""
        from slimrnn.experiments.run.build import build, parts

        fresh = build(settings, self.data)
        fresh.optimizer.build(fresh.trainable_variables)
        spec = next(x.cell.spec for x in fresh.layers if hasattr(x, "cell"))
        program = self.known.setdefault(spec, self.program(fresh))
        random = np.random.default_rng(settings.seed)
        arrays = [
            (p.x.padded(self.length), p.y)
            for p in (*parts(settings, self.data), self.data.test)
        ]
        count = len(arrays[0][1]) // settings.batch_size * settings.batch_size
        orders = np.stack(
            [random.permutation(len(arrays[0][1]))[:count] for _ in range(self.epochs)]
        ).reshape(self.epochs, -1, settings.batch_size)
        variables = (
            [v.value for v in of]
            for of in (
                fresh.trainable_variables,
                fresh.non_trainable_variables,
                fresh.optimizer.variables,
            )
        )
        validation, test = map(np.asarray, program(*variables, arrays, orders))
        best = int(validation.argmax())
        return float(validation[best]), float(test[best])


def loaded(args, name):
    """A data set, a file, or `digits:N`: the digits as sequences of N steps."""
    from slimrnn.data import Part, Sequences
    from slimrnn.experiments.run import build

    name, _, steps = name.partition(":")
    data = build.load(settings_of(args, name, "LSTM", "none", 0.003, 1, None))
    if not steps:
        return data

    def cut(part):
        values = part.x.values.reshape(len(part.y), int(steps), -1)
        return Part(Sequences(values), part.y)

    return replace(data, train=cut(data.train), test=cut(data.test))


def settings_of(args, name, variant, start, rate, seed, length):
    """The settings of a run; `name` is a data set's, or a file."""
    scale = "none"
    if start != "none":
        bounds, exponent, shift = {**ONE_T, **SPREAD}[start]
        low, high = bounds(length)
        scale = {"low": low, "high": high, "exponent": exponent, "shift": shift}
    source = {"data": name} if name.endswith(".npz") else {"dataset": name}
    return Settings.of(
        variant,
        **source,
        data_dir=args.data_dir,
        units=32,
        learning_rate=rate,
        epochs=args.epochs,
        time_scale=scale,
        seed=seed,
    )


def starts(variants):
    """(variant, start) of all runs of a data set and a seed."""
    for variant in variants:
        yield variant, "none"
        for start in ONE_T if variant in CONSTANT else SPREAD:
            # The shift is of the LSTM's input gate
            if variant.startswith("LSTM") or start.endswith("shift=0"):
                yield variant, start


def summary(rows):
    """Mean validation / test accuracy at the learning rate that validates best."""
    found = collections.defaultdict(list)
    for row in rows:
        pair = float(row["validation"]), float(row["test"])
        found[row["data"], row["variant"], row["start"], row["rate"]].append(pair)
    best = {}
    for (*key, _), pairs in found.items():
        mean = tuple(map(statistics.mean, zip(*pairs, strict=True)))
        if mean[0] > best.get(tuple(key), mean)[0] or tuple(key) not in best:
            best[tuple(key)] = mean  # of two rates that validate alike, the first
    lines = []
    for kind, names in ((CONSTANT, ONE_T), (BIASED, SPREAD)):
        heads = ["data", "variant", "none", *names]
        lines += [
            "",
            f"| {' | '.join(heads)} |",
            f"|---|---|{'---:|' * len(heads[2:])}",
        ]
        for data, variant in dict.fromkeys(key[:2] for key in best):
            if variant in kind:
                cells = (best.get((data, variant, start)) for start in heads[2:])
                shown = (f"{c[0]:.3f} / {c[1]:.3f}" if c else "-" for c in cells)
                lines.append(f"| {data} | {variant} | {' | '.join(shown)} |")
    return "\n".join(lines)


def parser():
    """The command line."""
    top = flags.Parser(
        prog="python -m benchmarks.time_scales", description=__doc__.partition("\n")[2]
    )
    flags.data_dir(top)
    top.add_argument(
        "--data",
        nargs="+",
        default=["spoken_digits", "two_patterns.npz"],
        help="names of data sets, or .npz files",
    )
    top.add_argument("--variants", nargs="+", default=[*CONSTANT, *BIASED])
    flags.flag(top, "--seeds", "N", "seeds 1 to N", 2, applied=True)
    flags.flag(top, "--epochs", "N", "of each training", 12, applied=True)
    top.add_argument("--out", type=Path, required=True, metavar="FILE.csv")
    top.add_argument(
        "--learning-rates",
        nargs="+",
        type=float,
        default=[0.003, 0.01],
        metavar="RATE",
        help="each is tried; what is best on validation counts",
    )
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
    done = {tuple(row[k] for k in COLUMNS[:5]) for row in rows}
    with args.out.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not rows:
            writer.writeheader()
        for name in args.data:
            data = loaded(args, name)
            length, programs = build.typical_length(data), Programs(data, args.epochs)
            kinds = itertools.product(
                starts(args.variants), args.learning_rates, range(1, args.seeds + 1)
            )
            for (variant, start), rate, seed in kinds:
                key = (Path(name).stem, variant, start, str(rate), str(seed))
                if key in done:
                    continue
                began = time.monotonic()
                source = name.partition(":")[0]
                given = settings_of(args, source, variant, start, rate, seed, length)
                found = [round(v, 4) for v in programs.train(given)]
                found.append(round(time.monotonic() - began, 1))
                rows.append(dict(zip(COLUMNS, (*key, *found), strict=True)))
                writer.writerow(rows[-1])
                file.flush()
    print(summary(rows))


if __name__ == "__main__":
    script.run(main)
