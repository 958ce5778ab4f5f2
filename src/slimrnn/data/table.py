"""The data sets by name: one table."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from slimrnn.data.reading import Arrays

Prepare = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Source:
    """A row of the table: where a data set comes from and what it looks like.

    Args:
        features: the size m of a frame in the source; None for tokens.
        file: NAME of NAME.npz in the user's folder of data.
        keras: the module of `keras.datasets` that downloads it.
        cached: the file that Keras then keeps in its own folder.
        builtin: makes the arrays from what is installed.
        prepare: turns dense frames of training and test into the network's.
        words: how many token ids are kept where the user does not say.
        length: how many last steps are kept where the user does not say.
    """

    features: int | None = None
    file: str | None = None
    keras: str | None = None
    cached: str = ""
    builtin: Callable[[], Arrays] | None = None
    prepare: Prepare | None = None
    words: int | None = None
    length: int | None = None


def _digits() -> Arrays:
    """Return scikit-learn's 1,797 digits; every fifth of each class is test."""
    from sklearn.datasets import load_digits  # slow to import, for this set only

    digits = load_digits()
    x, y = digits.images / 16, digits.target
    test = np.zeros(len(y), bool)
    test[np.argsort(y, kind="stable")[::5]] = True
    train = {"x_train": x[~test], "y_train": y[~test]}
    return train | {"x_test": x[test], "y_test": y[test]}


def _rows(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardise each pixel as arXiv 1612.03707 does, by the training images.

    A pixel that never changes in training is 0 in the test as well: the formula
    alone would make a speck there 10^8 standard deviations.
    """
    mean = train.mean(axis=0, dtype=np.float64).astype(np.float32)
    train = train - mean
    std = np.sqrt(np.mean(np.square(train), axis=0, dtype=np.float64))
    scale = np.where(std > 0, 1 / (std + 1e-6), 0).astype(np.float32)
    return train * scale, (test - mean) * scale


def _pixels(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardise likewise; each pixel is a step."""
    train, test = _rows(train, test)
    return train.reshape(len(train), -1, 1), test.reshape(len(test), -1, 1)


_MNIST = Source(28, "mnist", "mnist", "mnist.npz", prepare=_rows)
_FASHION = Source(
    28,
    "fashion_mnist",
    "fashion_mnist",
    "fashion-mnist/train-images-idx3-ubyte.gz",
    prepare=_rows,
)

DATASETS: dict[str, Source] = {
    "digits": Source(8, builtin=_digits),
    "mnist": _MNIST,
    "mnist_pixels": dataclasses.replace(_MNIST, prepare=_pixels),
    "fashion_mnist": _FASHION,
    "fashion_mnist_pixels": dataclasses.replace(_FASHION, prepare=_pixels),
    "imdb": Source(None, "imdb", "imdb", "imdb.npz", words=5000, length=500),
    "reuters": Source(
        None, "reuters", "reuters", "reuters.npz", words=5000, length=500
    ),
    "newsgroups": Source(None, "newsgroups", words=20000, length=500),
    "spoken_digits": Source(20, "spoken_digits"),
    "japanese_vowels": Source(12, "japanese_vowels"),
}
