"""Training time of slim rows against ``keras.layers.LSTM``, paired in one run.

One ``train_on_batch`` with Dense and Adam at the shape of the targets: batch 32, 500
steps, 32 features, 100 units, float32, the last output only. In each round every
layer takes its turn, so that a machine that drifts drifts for all.

    python benchmarks/train.py                  # each installed backend
    python benchmarks/train.py --backend jax --rounds 50 --json jax.json
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time

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


def models(rows):
    """A compiled and warm model for the baseline and for each row."""
    import keras

    import slimrnn

    layers = {BASELINE: keras.layers.LSTM(UNITS)}
    layers |= {row: slimrnn.layer(UNITS, row) for row in rows}
    for name, layer in layers.items():
        model = keras.Sequential(
            [keras.Input((STEPS, FEATURES)), layer, keras.layers.Dense(1)]
        )
        model.compile("adam", "mse")
        yield name, model


def measure(rows, rounds):
    """Seconds of each train_on_batch: name -> list."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, STEPS, FEATURES)).astype("float32")
    y = rng.normal(size=(BATCH, 1)).astype("float32")
    ready = dict(models(rows))
    for model in ready.values():
        for _ in range(2):
            model.train_on_batch(x, y)
    seconds = {name: [] for name in ready}
    for _ in range(rounds):
        for name, model in ready.items():
            start = time.perf_counter()
            model.train_on_batch(x, y)  # returns the loss: the work is done
            seconds[name].append(time.perf_counter() - start)
    return seconds


def processor():
    """The processor's name, where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line for line in lines if line.startswith("model name")]
        return names[0].partition(":")[2].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def environment(backend):
    """What the numbers depend on."""
    packages = (
        "slimrnn",
        "keras",
        "numpy",
        backend,
        *({"jax": ["jaxlib"]}.get(backend, ())),
    )
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "?"
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "python": platform.python_version(),
        **found,
    }


def table(backend, seconds):
    """A line a layer: milliseconds, the ratio to the baseline, the target."""
    base = seconds[BASELINE]
    heads = f"{'layer':<18}{'min ms':>9}{'median ms':>11}"
    yield f"{heads}{'by min':>9}{'by median':>11}  target"
    for name, times in seconds.items():
        best, middle = min(times), statistics.median(times)
        ratios = min(base) / best, statistics.median(base) / middle
        target = TARGETS[backend].get(name)
        verdict = "" if target is None else f"{target}x "
        if target is not None:
            verdict += "met" if min(ratios) >= target else "MISSED"
        yield (
            f"{name:<18}{best * 1e3:9.1f}{middle * 1e3:11.1f}{ratios[0]:8.2f}x"
            f"{ratios[1]:10.2f}x  {verdict}"
        )


def run(backend, rows, rounds):
    """Measure one backend in this process, which Keras has to be told before."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    about = environment(backend)
    print(f"\n{backend}: " + ", ".join(f"{k} {v}" for k, v in about.items()))
    if load > 0.5:
        print(f"The machine is not quiet (load {load:.1f}): take the ratios with care.")
    seconds = measure(rows, rounds)
    for line in table(backend, seconds):
        print(line)
    return {"environment": about, "load": load, "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--backend", choices=BACKENDS, help="default: each one installed"
    )
    parser.add_argument("--rows", nargs="+", default=ROWS, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, help="default: 30; torch 5")
    parser.add_argument("--json", help="write every measured second to this file")
    args = parser.parse_args()
    if args.backend:
        os.environ["KERAS_BACKEND"] = args.backend
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        result = run(args.backend, args.rows, args.rounds or ROUNDS[args.backend])
        if args.json:
            with open(args.json, "w", encoding="utf-8") as file:
                json.dump(result, file, indent=1)
        return
    if args.json:
        parser.error("--json takes the results of one backend: add --backend")
    for backend, module in BACKENDS.items():
        if importlib.util.find_spec(module):
            subprocess.run(
                [sys.executable, __file__, *sys.argv[1:], "--backend", backend],
                check=True,
            )


if __name__ == "__main__":
    main()
