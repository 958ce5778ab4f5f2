"""The data sets by name: one table, data only."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Source:
    """A row of the table: where a data set comes from and what it looks like.

    Args:
        features: the size m of a frame in the source; None for tokens.
        file: NAME of NAME.npz in the user's folder of data.
        keras: the module of `keras.datasets` that downloads it.
        cached: the file that Keras then keeps in its own folder.
        builtin: who makes the arrays from what is installed (`preparation.BUILTIN`).
        prepare: what turns dense frames into the network's (`preparation.PREPARE`).
        words: how many token ids are kept where the user does not say.
        length: how many last steps are kept where the user does not say.
        recipe: settings of a run, in place of their defaults, with which the LSTM
            learns it in a short time: a place to start from, found by a few trials
            and validation accuracy.
    """

    features: int | None = None
    file: str | None = None
    keras: str | None = None
    cached: str = ""
    builtin: str | None = None
    prepare: str | None = None
    words: int | None = None
    length: int | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)


_MNIST = Source(
    28,
    "mnist",
    "mnist",
    "mnist.npz",
    prepare="rows",
    recipe={"units": 50, "batch_size": 64, "epochs": 10, "learning_rate": 0.002},
)
_FASHION = Source(
    28,
    "fashion_mnist",
    "fashion_mnist",
    "fashion-mnist/train-images-idx3-ubyte.gz",
    prepare="rows",
    recipe={"units": 50, "batch_size": 64, "epochs": 10},
)
_PIXELS: dict[str, Any] = {
    "prepare": "pixels",
    "recipe": {"units": 100, "batch_size": 64, "epochs": 10},
}
_TEXTS: dict[str, Any] = {
    "words": 5000,
    "length": 500,
    "recipe": {"batch_size": 64, "epochs": 10},
}

DATASETS: dict[str, Source] = {
    "digits": Source(
        8, builtin="digits", recipe={"epochs": 30, "learning_rate": 0.005}
    ),
    "digits_pixels": Source(
        8,
        builtin="digits",
        prepare="pixels",
        recipe={"epochs": 15, "learning_rate": 0.02},
    ),
    "mnist": _MNIST,
    "mnist_pixels": dataclasses.replace(_MNIST, **_PIXELS),
    "fashion_mnist": _FASHION,
    "fashion_mnist_pixels": dataclasses.replace(_FASHION, **_PIXELS),
    "imdb": Source(
        None,
        "imdb",
        "imdb",
        "imdb.npz",
        **{**_TEXTS, "recipe": {"batch_size": 64, "epochs": 5}},
    ),
    "reuters": Source(None, "reuters", "reuters", "reuters.npz", **_TEXTS),
    "newsgroups": Source(None, "newsgroups", **{**_TEXTS, "words": 20000}),
    "spoken_digits": Source(20, "spoken_digits"),
    "japanese_vowels": Source(
        12,
        "japanese_vowels",
        recipe={"batch_size": 16, "epochs": 30, "learning_rate": 0.005},
    ),
}
