"""Made-up data: the arrays of files of each kind, sequences and parts of them."""

import re

import numpy as np

from slimrnn import data

LABELS = np.array([0, 1, 1])
FRAMES = {"x": np.arange(12.0).reshape(3, 2, 2), "y": LABELS}
SERIES = {"x": np.arange(6.0).reshape(3, 2), "y": LABELS}
TOKENS = {"x": np.array([[1, 5], [7, 2], [1, 9]]), "y": LABELS}
PADDED = {"x": np.array([[0, 5, 0], [7, 2, 6], [0, 0, 9]]), "y": LABELS}
OFFSETS = np.array([0, 1, 3, 6])
RAGGED = {"x": np.arange(12.0).reshape(6, 2), "y": LABELS, "o": OFFSETS}
RAGGED_SERIES = {"x": np.arange(6.0), "y": LABELS, "o": OFFSETS}
RAGGED_TOKENS = {"x": np.arange(1, 7), "y": LABELS, "o": OFFSETS}
TARGETS = {"x": FRAMES["x"], "y": np.array([0.5, 1.5, 2.5])}
TARGETS_2 = {"x": FRAMES["x"], "y": np.ones((3, 2))}
GOOD = {
    "frames": FRAMES,
    "series": SERIES,
    "tokens": TOKENS,
    "padded": PADDED,
    "ragged": RAGGED,
    "ragged_series": RAGGED_SERIES,
    "ragged_tokens": RAGGED_TOKENS,
    "targets": TARGETS,
    "targets_2": TARGETS_2,
}


def arrays(kind, **changes):
    """The arrays of a file of a kind, train and test alike, then changed."""
    keys = {"x": "x_{}", "y": "y_{}", "o": "x_{}_offsets"}
    good = {
        keys[key].format(part): value
        for part in ("train", "test")
        for key, value in GOOD[kind].items()
    }
    changed = {**good, **changes}
    return {key: value for key, value in changed.items() if value is not None}


def write(path, **contents):
    np.savez(path, **contents)
    return path


def few_digits(folder):
    """Settings with a file of 100 digits and 10 for the test.

    Batches of 30 and both evaluations are full: JAX compiles a program for each shape.
    """
    digits = data.load("digits")
    parts = {
        "train": digits.train.take(slice(100)),
        "test": digits.test.take(slice(10)),
    }
    contents = {f"x_{name}": part.x.values for name, part in parts.items()}
    contents |= {f"y_{name}": part.y for name, part in parts.items()}
    path = write(folder / "digits.npz", **contents)
    return {"dataset": None, "data": str(path), "batch_size": 30}


def is_one_sentence(message):
    """What was wrong and is allowed, then what to do."""
    return message.endswith(".") and re.search("[:;] ", message) and "\n" not in message


def some(kind, lengths, seed=0):
    """Sequences of tokens or frames, dense where the lengths are equal."""
    random = np.random.default_rng(seed)
    total = int(sum(lengths))
    values = random.integers(1, 9, total).astype(np.int32)
    if kind == "frames":
        values = random.normal(size=(total, 2)).astype(np.float32)
    if len(set(lengths)) == 1:
        return data.Sequences(values.reshape(len(lengths), -1, *values.shape[1:]))
    return data.Sequences(values, np.concatenate([[0], np.cumsum(lengths)]))


def listed(sequences):
    """Each sequence as an array of its own."""
    if sequences.offsets is None:
        return list(sequences.values)
    return np.split(sequences.values, sequences.offsets[1:-1])


def part_of(lengths, kind="tokens"):
    """A part whose targets are the samples' numbers."""
    return data.Part(some(kind, lengths), np.arange(len(lengths)))


UNEQUAL = np.random.default_rng(5).integers(1, 100, 333).tolist()
