"""The paired test, against what is known of the differences put in."""

import math

import numpy as np
import pytest

from slimrnn.experiments.analysis.bootstrap import paired_differences
from slimrnn.experiments.analysis.statistics import Scores, note

pytestmark = pytest.mark.backend_free


def scored(values):
    """Scores of seeds 0, 1, ...: of each sequence, or of all together."""
    values = np.asarray(values)
    if values.ndim == 1:
        return Scores(dict(enumerate(values.tolist())), {})
    return Scores(dict(enumerate(values.mean(axis=1))), dict(enumerate(values)))


def difference(reference, other):
    (found,) = paired_differences(scored(reference), [scored(other)])
    return found


def test_the_interval_is_as_wide_as_seeds_and_sequences_differ():
    """For d[s, k] = a[s] + b[k] the variance is known: var(a)/S + var(b)/K."""
    random = np.random.default_rng(0)
    a, b = random.normal(0.1, 0.02, 10), random.normal(0, 1, 2000)
    zero = np.zeros((10, 2000))
    found = difference(zero, a[:, None] + b)
    std = math.sqrt(a.var() / 10 + b.var() / 2000)
    assert found.mean == pytest.approx(a.mean() + b.mean(), abs=1e-5)
    assert found.high - found.low == pytest.approx(2 * 1.96 * std, rel=0.08)
    assert (found.seeds, found.sequences, found.is_clear) == (10, 2000, True)


def test_what_all_pairs_share_leaves_no_doubt():
    random = np.random.default_rng(0)
    reference = random.random((3, 50))
    found = difference(reference, reference - 0.25)
    assert found.low == pytest.approx(-0.25) == pytest.approx(found.high)
    assert difference(reference, reference).is_clear is False


def test_pairing_narrows_the_interval():
    random = np.random.default_rng(0)
    common = random.random((5, 400))
    slim = common - 0.02 + random.normal(0, 0.01, common.shape)
    shuffled = random.permuted(slim, axis=1)
    paired, unpaired = difference(common, slim), difference(common, shuffled)
    assert paired.high - paired.low < 0.2 * (unpaired.high - unpaired.low)
    assert paired.is_clear


def test_without_sequences_the_seeds_are_the_pairs():
    found = difference([0.90, 0.92, 0.91], [0.89, 0.90, 0.90])
    assert found.mean == pytest.approx(-0.04 / 3)
    assert (found.low, found.high) == (pytest.approx(-0.02), pytest.approx(-0.01))
    assert (found.seeds, found.sequences) == (3, None)
    single = difference([0.9], [0.8])
    assert (single.low, single.high, single.is_clear) == (None, None, False)
    assert paired_differences(Scores({1: 0.5}, {}), [Scores({2: 0.5}, {})]) == [None]


@pytest.mark.parametrize(
    "damaged",
    [np.ones(4), np.ones((5, 2)), np.array(["a"] * 5), np.full(5, np.nan), np.array(1)],
    ids=["too few", "a matrix", "texts", "no numbers", "a scalar"],
)
def test_scores_that_make_no_pairs_are_left_out(damaged):
    sound = scored([[1, 0, 1, 1, 0]] * 2)
    other = Scores(sound.by_seed, {0: sound.by_sequence[0], 1: damaged})
    (found,) = paired_differences(sound, [other])
    assert (found.seeds, found.sequences) == (2, None)


def test_ones_and_zeros_may_be_bytes():
    rights = np.array([[1, 0, 1, 0]] * 2, np.uint8)
    assert difference(rights, np.zeros_like(rights)).mean == -0.5


def test_the_same_runs_give_the_same_interval():
    random = np.random.default_rng(0)
    reference, *others = [scored(random.random((3, 100))) for _ in range(4)]
    first = paired_differences(reference, others)
    assert first == paired_differences(reference, others)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        slim = random.normal(0, 0.1, (10, 1)) + random.normal(0, 1, 100)
        found = difference(np.zeros((10, 100)), slim + random.normal(0, 0.5, (10, 100)))
        held += found.low <= 0 <= found.high
    assert 88 <= held <= 100


@pytest.mark.parametrize(("seeds", "warned"), [(9, True), (10, False)])
def test_the_note_warns_of_few_seeds(seeds, warned):
    random = np.random.default_rng(0)
    found = difference(random.random(seeds), random.random(seeds))
    assert ("too narrow" in note([found, None], "LSTM")) == warned
    assert note([None], "LSTM") == ""
