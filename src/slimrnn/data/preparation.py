"""How the arrays of some data sets are made: from what is installed, from images."""

import importlib.util
from pathlib import Path

import numpy as np

from slimrnn.data.reading import Arrays
from slimrnn.errors import InputError

_DIGITS = Path("data", "digits.csv.gz")


def digits() -> Arrays:
    """Return scikit-learn's 1,797 digits; every fifth of each class is test.

    They are read from its file: to import it takes seconds.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise InputError("scikit-learn is not installed, whose digits these are.")
    table = np.loadtxt(Path(spec.origin).with_name("datasets") / _DIGITS, delimiter=",")
    x, y = table[:, :-1].reshape(-1, 8, 8) / 16, table[:, -1].astype(int)
    test = np.zeros(len(y), bool)
    test[np.argsort(y, kind="stable")[::5]] = True
    train = {"x_train": x[~test], "y_train": y[~test]}
    return train | {"x_test": x[test], "y_test": y[test]}


def rows(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardise each pixel as arXiv 1612.03707 does, by the training images.

    A pixel that never changes in training is 0 in the test as well: the formula
    alone would make a speck there 10^8 standard deviations.
    """
    mean = train.mean(axis=0, dtype=np.float64).astype(np.float32)
    train = train - mean
    std = np.sqrt(np.mean(np.square(train), axis=0, dtype=np.float64))
    scale = np.where(std > 0, 1 / (std + 1e-6), 0).astype(np.float32)
    return train * scale, (test - mean) * scale


def pixels(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardise likewise; each pixel is a step."""
    train, test = rows(train, test)
    return train.reshape(len(train), -1, 1), test.reshape(len(test), -1, 1)


#: By the names of the table: a data set's arrays.
BUILTIN = {"digits": digits}
#: By the names of the table: frames of training and test to the network's.
PREPARE = {"rows": rows, "pixels": pixels}
