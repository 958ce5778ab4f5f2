"""Data as a `Dataset`: a data set by name, or a user's file or frame."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.data import columns as readers
from slimrnn.data.dataset import Dataset
from slimrnn.data.division import held_out
from slimrnn.data.options import is_sound
from slimrnn.data.preparation import PREPARE
from slimrnn.data.reading import checked, read_npz, sequences
from slimrnn.data.sequences import Part, Sequences
from slimrnn.data.sound import table as table_of_sound
from slimrnn.data.sources import DATA_DIR, arrays_of, check_expected
from slimrnn.data.table import DATASETS, Source
from slimrnn.data.targets import INT32
from slimrnn.data.windows import Choice, Found, arrange
from slimrnn.errors import InputError
from slimrnn.utils.checks import known, whole

UNKNOWN = 2  # Keras's convention: 0 pads, 1 starts a text, 2 is an unknown word


def load(
    name: str | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    frame: Any = None,
    data_dir: str | os.PathLike[str] | None = None,
    words: int | None = None,
    length: int | None = None,
    task: str = "auto",
    test: float = 0.2,
    **columns: Any,
) -> Dataset:
    """Load a data set by name, or a user's own data.

    A name is looked for as NAME.npz in `data_dir`, then in Keras's cache, then on
    the network. An .npz file's format is that of `slimrnn.data.reading.checked`; of
    others (`slimrnn.data.columns.READERS`) and of a frame, columns are chosen.

    Args:
        name: one of `DATASETS`.
        file: a file instead of a name; where it is not, one of the same name is
            looked for in `data_dir`.
        frame: a frame of pandas, or arrays by name, instead.
        data_dir: a folder of .npz files; None: the one that the environment variable
            SLIMRNN_DATA_DIR names, if there is one.
        words: token ids to keep, the most frequent first; those from `words` on
            become 2, the unknown word. None: the name's default, or all.
        length: the last steps to keep of each sequence. None: likewise.
        task: one of `slimrnn.data.options.TASKS`: what y is.
        test: fraction for the test, of data that are not split.
        columns: features, target, group, window, stride, horizon, split, each_step and
            burn_in: see `slimrnn.data.windows.Choice`. Of a .wav the target is another,
            as long: what comes out where it goes in.

    Returns:
        A `Dataset` of float32 frames or int32 tokens, and int32 labels (N,) or
        float32 targets (N, k), or those of each step.

    Raises:
        InputError: an unknown name, nothing to be found, or a bad file or option.

    >>> load("digits").train.x.values.shape
    (1437, 8, 8)
    >>> rows = {"a": range(20), "y": [0, 1] * 10}
    >>> load(frame=rows, target="y", window=3)
    frame: 13 training and 3 test sequences, 1 feature a step, 2 classes (y holds \
only the whole numbers 0 to 1; else: --task regression)
    """
    for option, value, least in (("words", words, UNKNOWN + 1), ("length", length, 1)):
        if value is not None:
            whole(option, value, least, INT32)
    data_dir = data_dir or os.environ.get(DATA_DIR)
    if data_dir is not None and not os.path.isdir(data_dir):
        raise InputError(
            f"the folder of data {str(data_dir)!r} does not exist: --data-dir, or else "
            f"{DATA_DIR}, names a folder of .npz files; correct it or leave it out."
        )
    if sum(given is not None for given in (name, file, frame)) != 1:
        raise InputError(
            f"got name={name!r} and file={file!r}: exactly one of name, file and frame "
            "says what to load; give a name such as 'digits', or the path of a file."
        )
    choice = Choice(**columns)
    if name is not None:
        _no_columns(choice, name)
        known("data set", name, DATASETS)
        source = DATASETS[name]
        arrays, where = arrays_of(name, source, data_dir)
        parts, reason = checked(arrays, where, task, choice.each_step)
        dataset = _prepared(name, parts, where, words, length, source)
        dataset = _burnt_in(dataset, choice.burn_in)
        return dataset if task == "auto" else replace(dataset, reason=reason)
    if file is not None and data_dir is not None and not os.path.exists(file):
        file = Path(data_dir, Path(file).name)  # of a run that came from elsewhere
    where = "frame" if file is None else str(file)
    if is_sound(file):
        frame, choice = table_of_sound(str(file), choice)
        task = "regression"
    found = _columns(file, frame, choice, task)
    if found is None:
        arrays = read_npz(str(file))
        parts, reason = checked(arrays, where, task, choice.each_step)
        found = Found({}, ())
    else:
        asked, forecast = task != "auto", found.naive is not None
        task = "regression" if forecast and not asked else task
        parts, reason = checked(found.arrays, where, task, choice.each_step)
        reason = reason if asked else found.reason or reason
        parts[0] = replace(parts[0], origin=found.origin, naive=found.naive)
    if len(parts) == 1:
        parts = _split(parts[0], test)
    dataset = _prepared(Path(where).stem, parts, where, words, length)
    return replace(
        _burnt_in(dataset, choice.burn_in),
        reason=reason,
        names=found.names,
        labels=found.labels,
        notes=found.notes,
    )


def load_sequences(
    *,
    file: str | os.PathLike[str] | None = None,
    frame: Any = None,
    part: str = "test",
    **columns: Any,
) -> Sequences:
    """Load sequences alone, without targets: to predict, or to calibrate.

    Args:
        file: as `load` takes it; or an array of sequences as .npy, or x in an .npz.
        frame: instead, as `load` takes it.
        part: of an .npz that has both: "train" or "test".
        columns: as `load` takes them; a target is left out of the features.

    Raises:
        InputError: a bad file or option.

    >>> load_sequences(frame={"a": range(5)}, window=3).values.shape
    (3, 3, 1)
    """
    choice = Choice(**columns)
    if is_sound(file):
        frame, choice = table_of_sound(str(file), choice, labels=False)
    if file is not None and Path(file).suffix == ".npy" and not choice.given:
        return sequences(read_npz(file, labels=False), "x", str(file))
    found = _columns(file, frame, choice, "auto", labels=False)
    if found is not None:
        return sequences(found.arrays, "x", str(file or "frame"))
    arrays = read_npz(str(file), labels=False)
    name = next(n for n in ("x", f"x_{part}", "x_train", "x_test") if n in arrays)
    return sequences(arrays, name, str(file))


def _columns(
    file: str | os.PathLike[str] | None,
    frame: Any,
    choice: Choice,
    task: str,
    labels: bool = True,
) -> Found | None:
    """What a frame or a file of columns holds; None for a file of arrays."""
    if frame is not None:
        where = str(file or "frame")
        return arrange(readers.table(frame, where), choice, where, task, labels)
    path = Path(str(file))
    if path.suffix.lower() in readers.READERS:
        return arrange(readers.read(path), choice, str(file), task, labels)
    _no_columns(choice, str(file))
    return None


def _no_columns(choice: Choice, where: str) -> None:
    if choice.given:
        raise InputError(
            f"{where} has no columns to choose from, but {', '.join(choice.given)} was "
            f"given: that is for {', '.join(readers.READERS)} and frames; leave it out."
        )


def _split(part: Part, test: float) -> list[Part]:
    """A part in two, one of them for the test; always the same."""
    found = held_out(part, _classes(part), test, seed=0)
    return [part.take(found == 0), part.take(found == 1)]


def _burnt_in(dataset: Dataset, steps: int) -> Dataset:
    """The data without the targets of each sequence's first steps."""
    if not steps:
        return dataset
    parts = (dataset.train, dataset.test)
    shortest = min(int(part.x.lengths.min()) for part in parts)
    if not dataset.each_step or steps >= shortest:
        each = "targets for each step" if dataset.each_step else "a target a sequence"
        raise InputError(
            f"{dataset.name} has {each} and sequences from {shortest} steps on: a "
            f"burn-in of {steps} leaves out the targets of the first steps and must "
            f"leave one; give a shorter one, or targets for each step."
        )
    train, test = (replace(part, burn_in=steps) for part in parts)
    return replace(dataset, train=train, test=test)


def _prepared(
    name: str,
    parts: list[Part],
    where: str,
    words: int | None,
    length: int | None,
    source: Source | None = None,
) -> Dataset:
    """Prepare and cut the parts."""
    train, test = parts
    if source is not None:
        check_expected(train, test, source, where)
        words, length = words or source.words, length or source.length
    if words is not None and not train.x.tokens:
        raise InputError(
            f"{where} holds frames, not tokens, but words={words} was given: words is "
            "for texts; leave it out."
        )
    if source is not None and source.prepare is not None:
        prepared = PREPARE[source.prepare](train.x.values, test.x.values)
        train, test = (
            replace(part, x=Sequences(x))
            for x, part in zip(prepared, (train, test), strict=True)
        )
    return _cut(name, train, test, words, length)


def _cut(
    name: str, train: Part, test: Part, words: int | None, length: int | None
) -> Dataset:
    """Return the `Dataset` with its words, lengths and padding."""
    texts = train.x.tokens
    padding = 0.0 if texts else _below(train.x.values, test.x.values)

    def cut(part: Part) -> Part:
        x = part.x if length is None else part.x.last(length)
        values = x.values
        if words is not None:
            values = np.where(values < words, values, np.int32(UNKNOWN))
        y = part.y
        if length is not None and isinstance(y, Sequences):
            y = y.last(length)
        return replace(part, x=Sequences(values, x.offsets, padding), y=y)

    train, test = cut(train), cut(test)
    ids = 1 + max(int(part.x.values.max()) for part in (train, test)) if texts else None
    return Dataset(name, train, test, _classes(train), ids)


def _classes(part: Part) -> int | None:
    """How many classes there are; None for a regression."""
    y = part.targets
    return int(y.max()) + 1 if y.dtype == np.int32 else None


def _below(*values: np.ndarray) -> float:
    """Return a whole number that no value reaches, to mask padding by.

    Whole, so that it stays apart from the data in half precision too.
    """
    lowest = min(array.min() for array in values)
    below = np.floor(lowest) - np.float32(1)
    return float(below if below < lowest else np.nextafter(lowest, -np.float32(np.inf)))
