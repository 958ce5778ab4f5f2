"""The paired bootstrap of differences between points.

Apart from the other statistics: it needs NumPy, which the quick commands do without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from slimrnn.experiments.analysis.statistics import Difference, Scores

RESAMPLES = 1000
LEVEL = 0.95
_SEED = 1  # of the resampling: the same runs give the same interval
_AT_ONCE = 100  # resamples whose weights are held in memory


def paired_differences(
    reference: Scores, others: Sequence[Scores]
) -> list[Difference | None]:
    """How far each of the others is from the reference, with a bootstrap interval.

    A pair is a seed that both have and, where the scores of all its test sequences
    are known, a test sequence. With ``d[s, k]`` the difference of seed s on sequence
    k, S seeds and K sequences, the difference is the mean of ``d``. Its interval is
    that between the percentiles 2.5 and 97.5 of ``sum(w[s] * v[k] * d[s, k]) / (S*K)``
    where the seeds are resampled (w), and then, independently, the sequences (v): each
    weight counts how often its seed or sequence was drawn, with replacement. The
    sequences drawn are the same for all seeds, as the test data are, so that what is
    common to them is not averaged away.

    Limits: where the seeds are what differs, a percentile interval of few of them is
    too narrow (of 3, the bootstrap sees two thirds of their variance; of 1, nothing of
    it, and only that of the test data is left); where each seed errs on sequences of
    its own, it is a little too wide (Owen). No correction is made for the number of
    comparisons.

    Returns:
        For each of the others its difference; None where no seed is in common.

    Source: Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1(2), 2007,
    doi:10.1214/07-AOAS122; Efron and Tibshirani, An Introduction to the Bootstrap,
    1993, chapter 13.

    Example:
        >>> lstm = Scores({1: 0.90, 2: 0.92, 3: 0.91}, {})
        >>> slim = Scores({1: 0.89, 2: 0.90, 3: 0.90}, {})
        >>> (d,) = paired_differences(lstm, [slim])
        >>> f"{d.mean:.4f} ({d.low:.2f} to {d.high:.2f}), {d.seeds} seeds"
        '-0.0133 (-0.02 to -0.01), 3 seeds'
    """
    random = np.random.default_rng(_SEED)
    pairs = [_pairs(reference, other) for other in others]
    # Of single scores, each seed has one "sequence", which no resampling can change.
    resampled = {
        count: _resampled([p for p in pairs if p.shape[1] == count], random)
        for count in sorted({p.shape[1] for p in pairs if p.size})
    }
    return [
        _difference(p, next(resampled[p.shape[1]]), random) if p.size else None
        for p in pairs
    ]


def _pairs(reference: Scores, other: Scores) -> np.ndarray:
    """The differences (S, K) of the seeds in common; (S, 1) without sequences."""
    seeds = [seed for seed in reference.by_seed if seed in other.by_seed]
    both = [
        [point.by_sequence[seed] for seed in seeds if seed in point.by_sequence]
        for point in (reference, other)
    ]
    if seeds and all(len(known) == len(seeds) for known in both) and _match(both):
        ours, theirs = np.array(both, np.float32)
        return theirs - ours
    single = [other.by_seed[seed] - reference.by_seed[seed] for seed in seeds]
    return np.array(single, np.float64).reshape(-1, 1)


def _match(both: Sequence[Sequence[np.ndarray]]) -> bool:
    """Whether they are numbers of as many sequences; a file may hold anything."""
    found = [scores for point in both for scores in point]
    if len({scores.shape for scores in found}) > 1 or found[0].ndim != 1:
        return False
    return all(s.dtype.kind in "biuf" and np.isfinite(s).all() for s in found)


def _resampled(
    pairs: Sequence[np.ndarray], random: np.random.Generator
) -> Iterator[np.ndarray]:
    """For each of the pairs, the means (RESAMPLES, S) over the resampled sequences."""
    stacked = np.concatenate(pairs)
    count = stacked.shape[1]
    means = np.empty((RESAMPLES, len(stacked)))
    for begin in range(0, RESAMPLES, _AT_ONCE):
        drawn = random.integers(count, size=(_AT_ONCE, count), dtype=np.int32)
        weights = [np.bincount(row, minlength=count) for row in drawn]
        part = np.array(weights, stacked.dtype) @ stacked.T
        means[begin : begin + _AT_ONCE] = part / count
    ends = np.cumsum([len(p) for p in pairs])[:-1]
    return iter(np.split(means, ends, axis=1))


def _difference(
    pairs: np.ndarray, means: np.ndarray, random: np.random.Generator
) -> Difference:
    seeds, sequences = pairs.shape
    known = sequences if sequences > 1 else None
    mean = float(pairs.mean(dtype=np.float64))
    if seeds == 1 and known is None:
        return Difference(mean, None, None, seeds, known)
    weights = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES)
    values = (weights * means).sum(axis=1) / seeds
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(mean, float(low), float(high), seeds, known)
