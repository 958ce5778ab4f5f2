"""What the original computed, and our layer set up likewise (tests/golden)."""

import json
from pathlib import Path

import keras
import numpy as np

from slim22 import LSTMs

GOLDEN = Path(__file__).parents[1] / "golden"
INDEX = {
    entry["name"]: entry
    for entry in json.loads((GOLDEN / "index.json").read_text(encoding="utf-8"))
}
CASES = [name for name, entry in INDEX.items() if "steps" not in entry]
WEIGHTS = ("kernel", "recurrent_kernel", "bias")
ARGUMENTS = ("units", "model", "activation", "recurrent_activation", "go_backwards")


def golden(name):
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return dict(arrays)


def layer_of(name, **options):
    given = {key: INDEX[name][key] for key in ARGUMENTS}
    return LSTMs(**{**given, "return_sequences": True, "return_state": True, **options})


def assert_close(ours, theirs, name):
    """Within 1e-5; after 60 steps 1e-4, which the original is itself off by.

    Of values above 1, as the relu cases have up to 64, it is a share: float32 has
    seven digits.
    """
    tolerance = 1e-4 if INDEX[name]["time"] == 60 else 1e-5
    scale = max(1.0, abs(theirs).max())
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale)


def network(model, entry, **options):
    return keras.Sequential(
        [
            keras.Input((entry["time"],), dtype="int32"),
            keras.layers.Embedding(entry["vocabulary"], entry["embedding"]),
            LSTMs(
                entry["units"],
                activation=entry["activation"],
                recurrent_activation=entry["recurrent_activation"],
                model=model,
                **options,
            ),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
