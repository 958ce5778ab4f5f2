"""Arrays from a file, checked: a bad file is told in a sentence, never a traceback."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from slimrnn.data.sequences import Part, Sequences
from slimrnn.errors import InputError

Arrays = Mapping[str, np.ndarray]

REQUIRED = ("x_train", "y_train", "x_test", "y_test")
OFFSETS = ("x_train_offsets", "x_test_offsets")
INT32 = np.iinfo(np.int32).max


def read_npz(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the arrays of a data set from an .npz file; pickles are refused.

    Raises:
        InputError: the file is missing, unreadable, damaged or not an .npz, lacks
            an array or holds pickled objects.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "my.npz"
    >>> np.savez(path, **dict.fromkeys(REQUIRED, np.zeros((2, 3))))
    >>> sorted(read_npz(path))
    ['x_test', 'x_train', 'y_test', 'y_train']
    """
    path = Path(path)
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would hang
        raise InputError(
            f"{path} is a folder or a device, not a file: give the path of one .npz."
        )
    try:
        archive = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist: give the path of an .npz file with "
            f"{', '.join(REQUIRED)}."
        ) from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}): give an .npz file "
            "that you may read."
        ) from None
    except Exception as error:  # whatever foreign bytes make zipfile or NumPy raise
        raise _damaged(path, error) from None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise InputError(
            f"{path} holds a single array: write an .npz file, with "
            f"numpy.savez(path, {', '.join(f'{name}=...' for name in REQUIRED)})."
        )
    with archive:
        _complete(path, archive.files)
        names = [name for name in REQUIRED + OFFSETS if name in archive.files]
        return {name: _member(path, archive, name) for name in names}


def _complete(path: Path, found: list[str]) -> None:
    """Refuse a file without all arrays; offsets come in twos."""
    needed = REQUIRED + OFFSETS if set(OFFSETS) & set(found) else REQUIRED
    missing = [name for name in needed if name not in found]
    if missing:
        raise InputError(
            f"{path} lacks {', '.join(missing)} (it holds: "
            f"{', '.join(found) or 'nothing'}): {', '.join(needed)} are all needed; "
            "write them with numpy.savez."
        )


def _member(path: Path, archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    """Read one array, or tell what is wrong with it."""
    try:
        array = archive[name]
    except Exception as error:  # damaged zip members raise a dozen types
        if not str(error).startswith("Object arrays"):
            raise _damaged(path, error, name) from None
    else:
        if isinstance(array, np.ndarray):
            return array
        raise _damaged(path, TypeError("it is no NumPy array"), name)
    raise InputError(
        f"{path}: {name} holds pickled Python objects, which are never loaded since "
        f"they can run code; concatenate unequal sequences and add {name}_offsets."
    )


def _damaged(path: Path, error: Exception, name: str = "it") -> InputError:
    reason = str(error).partition("\n")[0] or type(error).__name__
    return InputError(
        f"{path} is no .npz file or a damaged one ({name} cannot be read: {reason}): "
        "write it again with numpy.savez."
    )


def checked(arrays: Arrays, where: str) -> tuple[Part, Part]:
    """Turn the arrays of a data set into its training and test part.

    Args:
        arrays: x_train, y_train, x_test and y_test. x is (N, T, m) or (N, T), or
            (total, m) or (total,) with x_train_offsets and x_test_offsets, (N + 1,)
            each. Whole numbers without a feature axis are tokens, where 0 pads.
            Whole y (N,) are labels; floating y (N,) or (N, k) are targets.
        where: what to name in an error: the file.

    Raises:
        InputError: anything in the arrays that cannot be trained on.

    >>> y = np.array([0, 1])
    >>> x = np.array([[[0.5], [1]], [[2], [3]]])
    >>> train, test = checked(
    ...     {"x_train": x, "y_train": y, "x_test": x, "y_test": y}, "mine"
    ... )
    >>> train.x.features, train.x.values.dtype.name, train.y.dtype.name
    (1, 'float32', 'int32')
    """
    train, test = (_part(arrays, part, where) for part in ("train", "test"))
    if train.x.tokens != test.x.tokens or train.x.features != test.x.features:
        raise InputError(
            f"{where}: x_train holds {_kind(train.x)} and x_test {_kind(test.x)}: "
            "both must hold the same; make them alike."
        )
    if train.y.dtype != test.y.dtype or train.y.shape[1:] != test.y.shape[1:]:
        raise InputError(
            f"{where}: y_train is {_shape(arrays['y_train'])} and y_test "
            f"{_shape(arrays['y_test'])}: both must be whole labels (N,) or both "
            "floating targets (N, k); make them alike."
        )
    if train.y.dtype == np.int32:
        _check_classes(train.y, test.y, where)
    return train, test


def _part(arrays: Arrays, part: str, where: str) -> Part:
    name = f"x_{part}"
    for array in (name, f"y_{part}"):
        if arrays[array].dtype.kind not in "biuf":
            raise InputError(
                f"{where}: {array} is of type {arrays[array].dtype}: it must hold "
                "whole or floating numbers; convert it."
            )
    offsets = arrays.get(f"{name}_offsets")
    x = _sequences(arrays[name], offsets, f"{where}: {name}")
    y = _targets(arrays[f"y_{part}"], f"{where}: y_{part}")
    if len(x) != len(y):
        raise InputError(
            f"{where}: {name} has {len(x)} sequences and y_{part} {len(y)} targets: "
            "there must be one target a sequence; add or remove some."
        )
    return Part(x, y)


def _sequences(x: np.ndarray, offsets: np.ndarray | None, where: str) -> Sequences:
    """Return x as checked float32 frames or int32 tokens."""
    ranks = (2, 3) if offsets is None else (1, 2)
    if x.ndim not in ranks or 0 in x.shape:
        allowed = "(N, T, m) or (N, T)" if offsets is None else "(total, m) or (total,)"
        raise InputError(
            f"{where} is of shape {x.shape}: it must be {allowed}, nothing of it zero; "
            "reshape it."
        )
    if offsets is not None:
        offsets = _offsets(offsets, len(x), where)
    if x.dtype.kind in "iu" and x.ndim == ranks[0]:
        return _tokens(x, offsets, where)
    frames = x if x.ndim == ranks[1] else x[..., None]
    return Sequences(_floats(frames, where), offsets)


def _offsets(offsets: np.ndarray, total: int, where: str) -> np.ndarray:
    where = f"{where}_offsets"
    if offsets.dtype.kind not in "iu" or offsets.ndim != 1 or len(offsets) < 2:
        raise InputError(
            f"{where} is {_shape(offsets)}: it must be whole numbers (N + 1,), telling "
            "where each sequence begins and, last, where all end; write it so."
        )
    offsets = offsets.astype(np.int64)
    if offsets[0] != 0 or offsets[-1] != total:
        raise InputError(
            f"{where} goes from {offsets[0]} to {offsets[-1]}: it must go from 0 to "
            f"{total}, the number of steps in the data; correct it."
        )
    short = np.flatnonzero(np.diff(offsets) < 1)
    if len(short):
        first = short[0]
        raise InputError(
            f"{where} does not rise at place {first} ({offsets[first]}, then "
            f"{offsets[first + 1]}), so that sequence {first} has no step: each needs "
            "one or more; remove it."
        )
    return offsets


def _floats(x: np.ndarray, where: str) -> np.ndarray:
    with np.errstate(over="ignore"):  # told below
        floats = x.astype(np.float32)
    if not np.isfinite(floats).all():
        place = tuple(map(int, np.argwhere(~np.isfinite(floats))[0]))
        raise InputError(
            f"{where} is {x[place]} at {place}: every number must be finite, in "
            "float32; remove or replace those that are not."
        )
    return floats


def _tokens(x: np.ndarray, offsets: np.ndarray | None, where: str) -> Sequences:
    lowest, highest = int(x.min()), int(x.max())
    if lowest < 0 or highest >= INT32:
        raise InputError(
            f"{where} has token ids from {lowest} to {highest}: they must be 1 or more "
            f"(0 pads) and below {INT32}; renumber them."
        )
    tokens = Sequences(x.astype(np.int32), offsets)
    if lowest > 0:
        return tokens
    if offsets is None:
        tokens = _unpadded(tokens.values, where)
    if not tokens.values.all():
        raise InputError(
            f"{where} has token id 0 inside a sequence: 0 is kept for padding, real "
            "tokens are 1 or more; add 1 to every id."
        )
    return tokens


def _unpadded(tokens: np.ndarray, where: str) -> Sequences:
    """Drop the zeros in front of and behind each row of tokens (N, T)."""
    real = tokens != 0
    empty = np.flatnonzero(~real.any(axis=1))
    if len(empty):
        raise InputError(
            f"{where} holds only zeros, which are padding, in sequence {empty[0]}: "
            "each needs one token or more; remove it."
        )
    steps = np.arange(tokens.shape[1])
    first = real.argmax(axis=1)
    end = len(steps) - real[:, ::-1].argmax(axis=1)
    inside = (steps >= first[:, None]) & (steps < end[:, None])
    return Sequences(tokens[inside], np.concatenate([[0], np.cumsum(end - first)]))


def _targets(y: np.ndarray, where: str) -> np.ndarray:
    """Return y as labels (N,) int32 or as targets (N, k) float32."""
    if y.dtype.kind == "f" and y.ndim in (1, 2) and 0 not in y.shape:
        return _floats(y.reshape(len(y), -1), where)
    if y.dtype.kind == "f" or y.ndim not in (1, 2) or y.size != len(y):
        raise InputError(
            f"{where} is {_shape(y)}: it must be whole labels of shape (N,) or "
            "floating targets of shape (N,) or (N, k); reshape it, and turn one-hot "
            "labels into numbers with argmax."
        )
    if y.size and (y.min() < 0 or y.max() >= INT32):
        raise InputError(
            f"{where} has labels from {y.min()} to {y.max()}: they must be 0, 1, 2, "
            "... without gaps; renumber them, or give floating targets to regress."
        )
    return y.astype(np.int32).ravel()


def _check_classes(train: np.ndarray, test: np.ndarray, where: str) -> None:
    """Refuse classes that no training sample shows, and a single class."""
    seen = np.unique(train)
    unseen = np.setdiff1d(np.unique(test), seen)
    if len(seen) < 2 or seen[-1] != len(seen) - 1 or len(unseen):
        raise InputError(
            f"{where}: y_train has {_some(seen)} as labels and y_test "
            f"{_some(np.unique(test))}: the training labels must be 0, 1, 2, ... "
            "without gaps, two or more, and cover those of the test; renumber them, or "
            "give floating targets to regress."
        )


def _some(labels: np.ndarray) -> str:
    """Write a few labels out, and of many the ends."""
    if len(labels) > 12:
        return f"{_some(labels[:6])}, ..., {labels[-1]}"
    return ", ".join(map(str, labels))


def _kind(x: Sequences) -> str:
    return "tokens" if x.tokens else f"frames of {x.features} features"


def _shape(array: np.ndarray) -> str:
    return f"{array.dtype} of shape {array.shape}"
