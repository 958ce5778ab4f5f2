"""Sequences, equal or unequal in length, with their targets."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.utils.checks import whole


def generator(*seed: int) -> np.random.Generator:
    """Return the random generator of whole numbers such as (seed, epoch).

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

    @property
    def steps(self) -> np.ndarray:
        """(total, ...) the steps of all sequences, one after the other."""
        return self.values.reshape(-1, *self.values.shape[2 - self.is_ragged :])

    @property
    def is_ragged(self) -> bool:
        """Whether the sequences may be unequal in length."""
        return self.offsets is not None

    def __getitem__(self, indices: Any) -> "Sequences":
        return self.take(indices)

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
            front: pad in front, as the original project did, not at the end.
        """
        length = int(self.lengths.max()) if length is None else length
        cut = self.last(length)
        if cut.offsets is None and cut.values.shape[1] == length:
            return cut.values
        real = cut.real(length, front=front)
        frame = self.values.shape[2 - self.is_ragged :]
        out = np.full(
            (len(cut), length, *frame),
            self.padding if value is None else value,
            self.values.dtype,
        )
        out[real] = cut.values.reshape(-1, *frame)
        return out

    def real(self, length: int, *, front: bool = False) -> np.ndarray:
        """Return (N, length), False at the steps that `padded(length)` adds."""
        steps, lengths = np.arange(length), self.lengths[:, None]
        return steps >= length - lengths if front else steps < lengths

    def _gather(self, starts: np.ndarray, lengths: np.ndarray) -> "Sequences":
        """Return the pieces of `lengths` steps that begin at `starts`."""
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        where = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Sequences(self.values[where], offsets, self.padding)


@dataclass(frozen=True, eq=False)
class Origin:
    """Where samples come from: what shares a group or rows is not separated.

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
        y: (N,) int32 labels, or (N, k) float32 targets; or N sequences of targets for
            each step, as long as those of x: int32 labels, k of 1, or float32.
        origin: of samples that are not independent of each other.
        naive: of forecasts, shaped as y: the targets' last known values.
        burn_in: of targets for each step, how many of the first do not count: a state
            that began with 0 is not yet what it is within a long sequence.
    """

    x: Sequences
    y: np.ndarray | Sequences
    origin: Origin | None = None
    naive: np.ndarray | Sequences | None = None
    burn_in: int = 0

    def __len__(self) -> int:
        return len(self.y)

    def take(self, indices: Any) -> "Part":
        """Return the samples at `indices`."""
        origin = None if self.origin is None else self.origin.take(indices)
        naive = None if self.naive is None else self.naive[indices]
        y = self.y[indices]
        return Part(self.x.take(indices), y, origin, naive, self.burn_in)

    @property
    def targets(self) -> np.ndarray:
        """(n,) labels or (n, k) targets, of sequences or of the steps that count."""
        if not isinstance(self.y, Sequences):
            return self.y
        steps = self.y.steps[self._late()] if self.burn_in else self.y.steps
        return steps[:, 0] if self.y.tokens and steps.shape[1] == 1 else steps

    @property
    def each_number(self) -> bool:
        """Whether each step has numbers as its target, as those of sound."""
        return isinstance(self.y, Sequences) and not self.y.tokens

    def counted(self, length: int) -> np.ndarray:
        """(N, length) whether each step's target counts; False where steps pad.

        Only of targets for each step.
        """
        assert isinstance(self.y, Sequences)
        return self.y.real(length) & (np.arange(length) >= self.burn_in)

    def _late(self) -> np.ndarray:
        """(total,) False at the burn-in of each sequence."""
        assert isinstance(self.y, Sequences)
        lengths = self.y.lengths
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        return np.arange(lengths.sum()) - starts >= self.burn_in

    def per_target(self, outputs: np.ndarray) -> np.ndarray:
        """Return (n, ...), one for each target, of outputs for all sequences.

        Args:
            outputs: (N, ...), or (N, T, ...) where each step has a target: those of
                padded steps, after the sequence, are left out, and a burn-in.

        Raises:
            InputError: one answer a sequence where each step has a target.
        """
        if not isinstance(self.y, Sequences):
            return outputs
        if outputs.ndim < 3 or outputs.shape[1] < self.y.lengths.max():
            raise InputError(
                "The data have a target for each step, and the model does not answer "
                "at each; give one whose recurrent layers return sequences."
            )
        return outputs[self.counted(outputs.shape[1])]

    def with_targets(self, targets: np.ndarray) -> "Part":
        """Return the part with others of its n targets, (n, k)."""
        if not isinstance(self.y, Sequences):
            return replace(self, y=targets)
        if self.burn_in:
            late = self._late()
            steps = np.zeros((len(late), *targets.shape[1:]), targets.dtype)
            steps[late] = targets
            targets = steps
        shaped = targets.reshape(*self.y.values.shape[: 2 - self.y.is_ragged], -1)
        return replace(self, y=Sequences(shaped, self.y.offsets))

    def per_sequence(self, scores: np.ndarray) -> np.ndarray:
        """Return (N,) each sequence's mean of the scores of its targets, (n, ...)."""
        rows = scores.reshape(len(scores), -1).mean(axis=1)
        if not isinstance(self.y, Sequences):
            return rows
        lengths = self.y.lengths - self.burn_in
        return np.add.reduceat(rows, np.cumsum(lengths) - lengths) / lengths

    def median(self) -> "Part":
        """Return the sample of median length alone."""
        middle = np.argsort(self.x.lengths, kind="stable")[len(self) // 2]
        return self.take([middle])
