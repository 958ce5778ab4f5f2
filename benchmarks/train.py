"""Training time of slim rows against ``keras.layers.LSTM``, paired in one run.

One ``train_on_batch`` with Dense and Adam at the shape of the targets: batch 32, 500
steps, 32 features, 100 units, float32, the last output only. In each round every
layer takes its turn, so that a machine that drifts drifts for all.

    python benchmarks/train.py                  # each installed backend
    python benchmarks/train.py --backend jax --rounds 50 --json jax.json
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time

import machine

BATCH, STEPS, FEATURES, UNITS = 32, 500, 32, 100
BACKENDS = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch"}
ROWS = ("LSTM6", "LSTM4", "LSTM10", "LSTM")
#: how many times faster than keras.layers.LSTM a row has to be
TARGETS = {
    "jax": {"LSTM6": 4, "LSTM4": 3, "LSTM10": 3, "LSTM": 0.9},
    "tensorflow": {"LSTM6": 3, "LSTM": 0.9},
    "torch": {"LSTM6": 8, "LSTM": 0.9},
}
# Keras's LSTM takes more than a second a batch on torch.
ROUNDS = {"jax": 30, "tensorflow": 30, "torch": 5}
BASELINE = "keras.layers.LSTM"


def model(layer, steps=STEPS):
    """The model whose training is timed."""
    import keras

    shape = keras.Input((steps, FEATURES))
    built = keras.Sequential([shape, layer, keras.layers.Dense(1)])
    built.compile("adam", "mse")
    return built


def batch():
    """One batch of random numbers."""
    import numpy as np

    rng = np.random.default_rng(0)
    sizes = (BATCH, STEPS, FEATURES), (BATCH, 1)
    return [rng.normal(size=size).astype("float32") for size in sizes]


def warm(built):
    """The model, after what it does once is done."""
    for _ in range(2):
        built.train_on_batch(*batch())
    return built


def measure(ready, rounds):
    """Seconds of each train_on_batch of each model: name -> list."""
    x, y = batch()
    seconds: dict[str, list] = {name: [] for name in ready}
    for _ in range(rounds):
        for name, built in ready.items():
            start = time.perf_counter()
            built.train_on_batch(x, y)  # returns the loss: the work is done
            seconds[name].append(time.perf_counter() - start)
    return seconds


def environment(backend):
    """What the numbers depend on."""
    names = ("slimrnn", "keras", "numpy", backend)
    return {**machine.environment(), **machine.versions(names)}


def table(seconds, targets):
    """A line a model: milliseconds, times faster than the first, the target."""
    base = next(iter(seconds.values()))
    wide = max(map(len, seconds)) + 2
    heads = f"{'':<{wide}}{'min ms':>9}{'median ms':>11}"
    yield f"{heads}{'by min':>9}{'by median':>11}  target"
    for name, times in seconds.items():
        best, middle = min(times), statistics.median(times)
        ratios = min(base) / best, statistics.median(base) / middle
        verdict = ""
        if name in targets:
            met = min(ratios) >= targets[name]
            verdict = f"{targets[name]}x {'met' if met else 'MISSED'}"
        yield (
            f"{name:<{wide}}{best * 1e3:9.1f}{middle * 1e3:11.1f}{ratios[0]:8.2f}x"
            f"{ratios[1]:10.2f}x  {verdict}"
        )


def introduce(backend):
    """Print what the numbers depend on, and return it."""
    about = {**environment(backend), "load": machine.load()}
    print(f"\n{backend}: " + ", ".join(f"{k} {v}" for k, v in about.items()))
    if (about["load"] or 0) > machine.QUIET_LOAD:
        print("The machine is not quiet: take the ratios with care.")
    return about


def run(backend, rows, rounds):
    """Measure one backend in this process, which Keras has to know before."""
    import keras

    import slimrnn

    about = introduce(backend)
    layers = {BASELINE: keras.layers.LSTM(UNITS)}
    layers |= {row: slimrnn.layer(UNITS, row) for row in rows}
    seconds = measure({k: warm(model(layer)) for k, layer in layers.items()}, rounds)
    print("\n".join(table(seconds, TARGETS[backend])))
    return {"environment": about, "seconds": seconds}


def each_backend(args, script):
    """Run a script once for each installed backend, each in its own process."""
    for backend, module in BACKENDS.items():
        if importlib.util.find_spec(module):
            command = [sys.executable, script, *args, "--backend", backend]
            subprocess.run(command, check=True)


def start(backend):
    """Tell Keras its backend, before it is imported."""
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=BACKENDS, help="default: each installed")
    parser.add_argument("--rows", nargs="+", default=ROWS, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, help="default: 30; torch 5")
    parser.add_argument("--json", help="write every measured second to this file")
    args = parser.parse_args()
    if not args.backend:
        if args.json:
            parser.error("--json takes the results of one backend: add --backend")
        return each_backend(sys.argv[1:], __file__)
    start(args.backend)
    result = run(args.backend, args.rows, args.rounds or ROUNDS[args.backend])
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
    return None


if __name__ == "__main__":
    main()
