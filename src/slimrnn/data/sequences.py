"""Sequences, equal or unequal in length, with their targets."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from slimrnn.utils.checks import whole


def generator(*seed: int) -> np.random.Generator:
    """Return the random generator of whole numbers such as (seed, epoch).

    Raises:
        InputError: one of them is negative or not a whole number.

    >>> bool(generator(1, 2).random() == generator(1, 2).random())
    True
    """
    return np.random.default_rng([whole("seed", number, least=0) for number in seed])


@dataclass(frozen=True, eq=False)
class Sequences:
    """N sequences of frames (float32) or of tokens (int32).

    Args:
        values: (N, T, m) frames or (N, T) tokens; with `offsets`, all sequences
            one after the other: (total, m) or (total,).
        offsets: (N + 1,) rising from 0 to total: sequence i is
            `values[offsets[i]:offsets[i + 1]]`. None where all have length T.
        padding: the value of a padded step; no real frame or token has it.

    >>> ragged = Sequences(np.array([5, 6, 7, 8]), np.array([0, 1, 4]))
    >>> ragged.padded()
    array([[5, 0, 0],
           [6, 7, 8]])
    >>> ragged.padded(2, front=True)
    array([[0, 5],
           [7, 8]])
    """

    values: np.ndarray
    offsets: np.ndarray | None = None
    padding: float = 0.0

    def __len__(self) -> int:
        return len(self.values if self.offsets is None else self.offsets[1:])

    @property
    def tokens(self) -> bool:
        """Whether the values are token ids rather than frames of features."""
        return self.values.dtype.kind in "iu"

    @property
    def features(self) -> int | None:
        """The size m of a frame; None for tokens."""
        return None if self.tokens else self.values.shape[-1]

    @property
    def lengths(self) -> np.ndarray:
        """(N,) the number of steps of each sequence."""
        if self.offsets is None:
            return np.full(len(self.values), self.values.shape[1])
        return np.diff(self.offsets)

    def take(self, indices: Any) -> "Sequences":
        """Return the sequences at `indices` (whole numbers, a mask or a slice).

        >>> ragged = Sequences(np.array([5, 6, 7, 8]), np.array([0, 1, 4]))
        >>> ragged.take([1, 0]).values
        array([6, 7, 8, 5])
        """
        if self.offsets is None:
            return Sequences(self.values[indices], None, self.padding)
        chosen = np.arange(len(self))[indices]
        return self._gather(self.offsets[chosen], self.lengths[chosen])

    def last(self, length: int) -> "Sequences":
        """Return each sequence's last `length` steps, or all where it has fewer.

        >>> ragged = Sequences(np.array([5, 6, 7, 8]), np.array([0, 1, 4]))
        >>> ragged.last(2).values
        array([5, 7, 8])
        """
        if self.offsets is None:
            return Sequences(self.values[:, -length:], None, self.padding)
        kept = np.minimum(self.lengths, length)
        return self._gather(self.offsets[1:] - kept, kept)

    def padded(
        self,
        length: int | None = None,
        value: float | None = None,
        *,
        front: bool = False,
    ) -> np.ndarray:
        """Return one dense array, (N, length, m) or (N, length).

        Args:
            length: steps of the result; longer sequences keep their last ones.
                None: the longest sequence's.
            value: of a padded step; None: `padding`.
            front: pad in front, as the original project did, not behind.
        """
        length = int(self.lengths.max()) if length is None else length
        cut = self.last(length)
        if cut.offsets is None and cut.values.shape[1] == length:
            return cut.values
        lengths = cut.lengths[:, None]
        steps = np.arange(length)
        real = steps >= length - lengths if front else steps < lengths
        frame = self.values.shape[1 if self.offsets is not None else 2 :]
        out = np.full(
            (len(cut), length, *frame),
            self.padding if value is None else value,
            self.values.dtype,
        )
        out[real] = cut.values.reshape(-1, *frame)
        return out

    def _gather(self, starts: np.ndarray, lengths: np.ndarray) -> "Sequences":
        """Return the pieces of `lengths` steps that begin at `starts`."""
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        where = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Sequences(self.values[where], offsets, self.padding)


@dataclass(frozen=True, eq=False)
class Origin:
    """Where samples come from: what shares a group or rows is not parted.

    Args:
        by: "group" or "time": by which they are split.
        group: (N,) the number of the group that each belongs to.
        first: (N,) the row of each sample's first step.
        last: (N,) the last row that the sample or its target has.
    """

    by: str
    group: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def take(self, indices: Any) -> "Origin":
        """Return that of the samples at `indices`."""
        rows = (self.group, self.first, self.last)
        return Origin(self.by, *(each[indices] for each in rows))


@dataclass(frozen=True, eq=False)
class Part:
    """Sequences and their targets.

    Args:
        x: N sequences.
        y: (N,) int32 labels, or (N, k) float32 targets.
        origin: of samples that are not independent of each other.
        naive: (N, k) of forecasts: the targets' last known values.
    """

    x: Sequences
    y: np.ndarray
    origin: Origin | None = None
    naive: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, indices: Any) -> "Part":
        """Return the samples at `indices`."""
        origin = None if self.origin is None else self.origin.take(indices)
        naive = None if self.naive is None else self.naive[indices]
        return Part(self.x.take(indices), self.y[indices], origin, naive)

    def median(self) -> "Part":
        """Return the sample of median length alone."""
        middle = np.argsort(self.x.lengths, kind="stable")[len(self) // 2]
        return self.take([middle])


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a network learns from, and what it is tested on.

    Args:
        name: of the dataset, or of the user's file.
        train: N_train samples.
        test: N_test samples.
        classes: number of classes; None for regression.
        vocabulary: number of token ids, 0 (padding) included; None for frames.
        reason: why y is taken for classes or numbers, of a user's own data.
        names: of the columns that a frame is made of, where they have names.
        labels: what the classes are called, where they are more than numbers.
        notes: what a user should know, in sentences.
    """

    name: str
    train: Part
    test: Part
    classes: int | None = None
    vocabulary: int | None = None
    reason: str = ""
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return what it is, in a line."""
        each = f"{self.features} feature{'s' * (self.features != 1)} a step"
        if self.tokens:
            each = f"{self.vocabulary:,} words"
        what = f"{self.classes} classes" if self.classes else "a regression"
        if self.reason:
            other = "regression" if self.classes else "classification"
            free = self.reason.startswith("y holds") and "texts" not in self.reason
            what += f" ({self.reason}{f'; else: --task {other}' * free})"
        return (
            f"{self.name}: {len(self.train):,} training and {len(self.test):,} test "
            f"sequences, {each}, {what}"
        )

    __repr__ = __str__

    @property
    def task(self) -> str:
        """`"classification"` or `"regression"`."""
        return "regression" if self.classes is None else "classification"

    @property
    def metric(self) -> str:
        """By what models are compared: `"accuracy"`, or the mean absolute error."""
        return "mae" if self.classes is None else "accuracy"

    @property
    def tokens(self) -> bool:
        """Whether the sequences are token ids, for an Embedding."""
        return self.train.x.tokens

    @property
    def features(self) -> int | None:
        """The size m of a frame; None for tokens."""
        return self.train.x.features

    @property
    def outputs(self) -> int:
        """How many numbers a network gives: one a class, or one a target."""
        return self.train.y.shape[1] if self.classes is None else self.classes

    @property
    def ragged(self) -> bool:
        """Whether sequences have unequal lengths, in a part or between the two."""
        both = (self.train.x, self.test.x)
        steps = {None if x.offsets is not None else x.values.shape[1] for x in both}
        return None in steps or len(steps) > 1

    @property
    def mask_value(self) -> float | None:
        """What `keras.layers.Masking` takes for ragged frames; None elsewhere.

        Tokens are masked by `Embedding(mask_zero=True)` instead.
        """
        return self.train.x.padding if self.ragged and not self.tokens else None

    def split(self, fraction: float = 0.1, seed: int = 0) -> tuple[Part, Part]:
        """Split the training part into (train, validation) by a seeded draw.

        Every class gives its share, and one with a single sample keeps it for
        training; windows are split by group or by time, as the test was. `test` is
        not touched.

        Args:
            fraction: of the samples for validation, above 0 and at most 0.5.
            seed: of the draw.

        Raises:
            InputError: another fraction or seed, or a single sample to split.

        >>> from slimrnn.data import load
        >>> train, validation = load("digits").split(0.1, seed=1)
        >>> len(train), len(validation)
        (1294, 143)
        """
        from slimrnn.data.division import held_out  # which knows parts

        found = held_out(self.train, self.classes, fraction, seed)
        return self.train.take(found == 0), self.train.take(found == 1)
