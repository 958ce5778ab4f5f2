"""Arrays from a file, checked: of a bad file a sentence says what is wrong."""

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.data import targets
from slimrnn.data.sequences import Part, Sequences
from slimrnn.data.targets import INT32, floats, shown
from slimrnn.errors import InputError
from slimrnn.utils import files, foreign

Arrays = Mapping[str, np.ndarray]

REQUIRED = ("x_train", "y_train", "x_test", "y_test")
WHOLE = ("x", "y", "x_offsets")  # still to be split
OFFSETS = ("x_train_offsets", "x_test_offsets")


def read_npz(
    path: str | os.PathLike[str], labels: bool = True
) -> dict[str, np.ndarray]:
    """Read the arrays of a data set from an .npz file; pickles are refused.

    Args:
        path: of the file.
        labels: whether y must be there; without, x may also be one array, as .npy.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "my.npz"
    >>> np.savez(path, **dict.fromkeys(REQUIRED, np.zeros((2, 3))))
    >>> sorted(read_npz(path))
    ['x_test', 'x_train', 'y_test', 'y_train']
    """
    path = Path(path)
    found = opened(path, lambda: _loaded(path), ".npz")
    if isinstance(found, np.ndarray) and not labels:
        return {"x": found}
    if not isinstance(found, np.lib.npyio.NpzFile):
        raise InputError(
            f"{path} holds a single array: write an .npz file, with "
            f"numpy.savez(path, {', '.join(f'{name}=...' for name in REQUIRED)})."
        )
    with found as archive:
        names = _complete(path, archive.files, labels)
        return {name: _member(path, archive, name) for name in names}


def _loaded(path: Path) -> Any:
    if zipfile.is_zipfile(path):
        foreign.check_archive(path)
    return npy(path)


def npy(path: Path) -> Any:
    """What NumPy makes of a file, in which all stands that its header declares."""
    with open(path, "rb") as file:
        if file.read(6) == np.lib.format.MAGIC_PREFIX:
            file.seek(0)
            foreign.check_array(str(path), file, foreign.size_of(path))
    return np.load(path, allow_pickle=False)


def opened(path: Path, read: Callable[[], Any], ending: str) -> Any:
    """What reads a regular file, with sentences for all that may go wrong."""
    try:
        foreign.size_of(path)
        return read()
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist: give the path of a file, such as an .npz with "
            f"{', '.join(REQUIRED)}."
        ) from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({files.why(error)}); give one that you may read."
        ) from None
    except Exception as error:  # whatever foreign bytes make zipfile or NumPy raise
        raise _damaged(path, error, ending=ending) from None


def _complete(path: Path, found: list[str], labels: bool) -> list[str]:
    """The arrays to read; refuses a file without all; offsets come in twos."""
    whole = "x" in found and "x_train" not in found
    needed: tuple[str, ...] = WHOLE[:2] if whole else REQUIRED
    if set(OFFSETS) & set(found) and not whole:
        needed += OFFSETS
    missing = [name for name in needed if name not in found]
    if missing and (labels or not {"x", "x_train", "x_test"} & set(found)):
        raise InputError(
            f"{path} lacks {', '.join(missing)} (it holds: "
            f"{', '.join(found) or 'nothing'}): {', '.join(needed)} are all needed; "
            "write them with numpy.savez."
        )
    return [name for name in (*REQUIRED, *OFFSETS, *WHOLE) if name in found]


def _member(path: Path, archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    """Read one array, or say what is wrong with it."""
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


def _damaged(
    path: Path, error: Exception, name: str = "it", ending: str = ".npz"
) -> InputError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return InputError(
        f"{path} is no {ending} file or a damaged one ({name} cannot be read: "
        f"{reason}): write it again{' with numpy.savez' * (ending == '.npz')}."
    )


def checked(
    arrays: Arrays, where: str, task: str = "auto", each_step: bool = False
) -> tuple[list[Part], str]:
    """Turn the arrays of a data set into its parts; say why y is classes or numbers.

    Args:
        arrays: x_train, y_train, x_test and y_test; or x and y, still to be split. x
            is (N, T, m) or (N, T), or (total, m) or (total,) with x_train_offsets and
            x_test_offsets (x_offsets), (N + 1,) each. Whole numbers without a feature
            axis are tokens, where 0 pads. y is (N,) or (N, k): see
            `slimrnn.data.targets`; or targets for each step: (N, T, k), whole numbers
            (N, T), or (total,) or (total, k) beside offsets.
        where: what to name in an error: the file.
        task: one of `slimrnn.data.options.TASKS`.
        each_step: y is for each step, even where its shape alone does not say so.

    >>> y = np.array([0, 1])
    >>> x = np.array([[[0.5], [1]], [[2], [3]]])
    >>> (train, test), reason = checked(
    ...     {"x_train": x, "y_train": y, "x_test": x, "y_test": y}, "mine"
    ... )
    >>> train.x.features, train.x.values.dtype.name, train.y.dtype.name, reason
    (1, 'float32', 'int32', 'y holds whole numbers; else: --task regression')
    """
    ends = ("_train", "_test") if "x_train" in arrays else ("",)
    _numeric(arrays, [f"{kind}{end}" for end in ends for kind in "xy"], where)
    x = [sequences(arrays, f"x{end}", where) for end in ends]
    if len({(part.tokens, part.features) for part in x}) > 1:
        raise InputError(
            f"{where}: x_train holds {_kind(x[0])} and x_test {_kind(x[1])}: "
            "both must hold the same; make them alike."
        )
    named = {f"y{end}": arrays[f"y{end}"] for end in ends}
    found_steps = [_step_targets(arrays, end, x, task, each_step) for end in ends]
    steps = [y for y in found_steps if y is not None]
    each = len(steps) == len(ends)
    if each:
        named = dict(zip(named, steps, strict=True))
    found = targets.read(named, where, task)
    parts = []
    for end, part, y in zip(ends, x, found.parts, strict=True):
        count = len(part.steps) if each else len(part)
        if len(y) != count:
            kind = "step" if each else "sequence"
            raise InputError(
                f"{where}: x{end} has {count} {kind}s and y{end} {len(y)} targets: "
                f"there must be one target a {kind}; add or remove some."
            )
        shape = (*part.values.shape[: 2 - part.is_ragged], -1)
        shaped = Sequences(y.reshape(shape), part.offsets) if each else y
        parts.append(Part(part, shaped))
    return parts, found.reason


def _step_targets(
    arrays: Arrays, end: str, x: list[Sequences], task: str, forced: bool
) -> np.ndarray | None:
    """The targets of all steps, (total,) or (total, k); None of those of sequences."""
    y, raw = arrays[f"y{end}"], arrays[f"x{end}"]
    if f"x{end}_offsets" in arrays:
        many = len(arrays[f"x{end}_offsets"]) - 1
        return y if forced or len(y) == len(raw) != many else None
    alike = y.shape[:2] == raw.shape[:2]
    classes = y.ndim == 2 and y.dtype.kind in "iub" and task != "regression"
    if not (forced or y.ndim == 3 or (alike and classes and (y.sum(1) != 1).any())):
        return None
    if alike and any(part.is_ragged for part in x):
        return y[raw != 0]  # where tokens are padded
    return y.reshape(-1, *y.shape[2:]) if y.ndim > 1 else y


def _numeric(arrays: Arrays, names: list[str], where: str) -> None:
    for name in names:
        if arrays[name].dtype.kind not in "biuf":
            raise InputError(
                f"{where}: {name} is of type {arrays[name].dtype}: it must hold "
                "whole or floating numbers; convert it."
            )


def sequences(arrays: Arrays, name: str, where: str) -> Sequences:
    """One array, (N, T, m), (N, T) or with its offsets, as frames or tokens."""
    _numeric(arrays, [name], where)
    x, offsets, where = arrays[name], arrays.get(f"{name}_offsets"), f"{where}: {name}"
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
    return Sequences(floats(frames, where), offsets)


def _offsets(offsets: np.ndarray, total: int, where: str) -> np.ndarray:
    where = f"{where}_offsets"
    if offsets.dtype.kind not in "iu" or offsets.ndim != 1 or len(offsets) < 2:
        raise InputError(
            f"{where} is {shown(offsets)}: it must be whole numbers (N + 1,), saying "
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
    """Drop the zeros before and after each row of tokens (N, T)."""
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


def _kind(x: Sequences) -> str:
    return "tokens" if x.tokens else f"frames of {x.features} features"
