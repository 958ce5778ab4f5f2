"""One `train_on_batch` at the shape of the targets, of several layers in turns."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from benchmarks import script
from benchmarks.works import S
from slimrnn import timing


def model(layer: Any, steps: int | None = S.steps) -> Any:
    """A model of the layer, compiled; without steps, of sequences of any length."""
    import keras

    shape = keras.Input((steps, S.features))
    built = keras.Sequential([shape, layer, keras.layers.Dense(1)])
    built.compile("adam", "mse")
    return built


def batch() -> tuple[np.ndarray, np.ndarray]:
    """One batch of random numbers, x and y."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(S.batch, S.steps, S.features))
    return x.astype("float32"), rng.normal(size=(S.batch, 1)).astype("float32")


def compare(models: Mapping[str, Any], seconds: float) -> None:
    """Prints the time of each, and how many times faster than the first one it is."""
    x, y = batch()
    calls = {name: partial(each.train_on_batch, x, y) for name, each in models.items()}
    times = timing.in_turns(calls, seconds)
    first = next(iter(times.values()))
    wide = max(map(len, times)) + 2
    print(f"{script.versions()}; B={S.batch} T={S.steps} m={S.features} n={S.units}")
    print(f"{'':<{wide}}   min ms  median ms  times faster, min / median")
    for name, time in times.items():
        low, middle = 1e3 * time.minimum, 1e3 * time.median
        faster = first.minimum / time.minimum, first.median / time.median
        print(
            f"{name:<{wide}}{low:9.1f}{middle:11.1f}{faster[0]:9.2f} / {faster[1]:.2f}"
        )
