"""Sequences of unequal lengths, and parts split off for validation."""

import keras
import numpy as np
import pytest

from made_data import listed, some
from slimrnn import data
from slimrnn.errors import InputError

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize("kind", ["tokens", "frames"])
@pytest.mark.parametrize("lengths", [[3, 1, 4, 2], [1], [2, 2, 2], [5, 1]])
@pytest.mark.parametrize("length", [None, 1, 3, 9])
@pytest.mark.parametrize("front", [True, False])
def test_padded_equals_keras(kind, lengths, length, front):
    sequences = some(kind, lengths)
    expected = keras.utils.pad_sequences(
        listed(sequences),
        length,
        dtype=sequences.values.dtype,
        padding="pre" if front else "post",
        value=-7,
    )
    padded = sequences.padded(length, -7, front=front)
    np.testing.assert_array_equal(padded, expected)
    assert padded.dtype == sequences.values.dtype


@pytest.mark.parametrize("kind", ["tokens", "frames"])
@pytest.mark.parametrize("lengths", [[3, 1, 4, 2], [2, 2, 2, 2]])
@pytest.mark.parametrize("chosen", [[2, 0, 2], slice(1, 3), [-1], [True, False] * 2])
def test_take_takes(kind, lengths, chosen):
    sequences = some(kind, lengths)
    taken = sequences.take(np.array(chosen) if isinstance(chosen, list) else chosen)
    order = np.arange(4)[chosen]
    assert len(taken) == len(order)
    for got, index in zip(listed(taken), order, strict=True):
        np.testing.assert_array_equal(got, listed(sequences)[index])
    assert taken.lengths.tolist() == sequences.lengths[order].tolist()


def test_split_is_seeded_stratified_and_complete():
    digits = data.load("digits")
    train, validation = digits.split(0.2, seed=3)
    again = digits.split(0.2, seed=3)[1]
    other = digits.split(0.2, seed=4)[1]
    np.testing.assert_array_equal(validation.x.values, again.x.values)
    assert not np.array_equal(validation.x.values, other.x.values)
    shares = np.bincount(validation.y) / np.bincount(digits.train.y)
    np.testing.assert_allclose(shares, 0.2, atol=0.015)
    both = np.concatenate([train.x.values, validation.x.values]).reshape(1437, -1)
    whole = digits.train.x.values.reshape(1437, -1)
    np.testing.assert_array_equal(np.unique(both, axis=0), np.unique(whole, axis=0))
    assert len(digits.test) == 360


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.5])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "labels", [[0, 1, 1, 1, 2, 2], [0, 0, 1, 2, 3], [0, 1], [0, 0, 1, 1]]
)
def test_every_class_stays_in_training_where_it_can(fraction, seed, labels):
    y = np.array(labels, np.int32)
    part = data.Part(some("frames", range(1, len(y) + 1)), y)
    train, validation = data.Dataset("d", part, part, classes=4).split(fraction, seed)
    shared = [label for label in labels if labels.count(label) > 1] or labels
    wanted = max(1, int(fraction * len(y)))
    assert len(validation) == min(wanted, len(shared) // 2)
    assert sorted([*train.y, *validation.y]) == labels
    if len(set(labels)) < len(labels):
        assert set(train.y) == set(labels)


def test_split_of_targets():
    part = data.Part(some("frames", [2] * 10), np.ones((10, 1), np.float32))
    train, validation = data.Dataset("d", part, part).split(0.3)
    assert (len(train), len(validation)) == (7, 3)


@pytest.mark.parametrize("fraction", [0, -1, 0.6, float("nan")])
def test_bad_fractions_are_reported(fraction):
    with pytest.raises(InputError, match="above 0 and at most"):
        data.load("digits").split(fraction)


@pytest.mark.parametrize("seed", [-1, 1.5, None])
def test_bad_seeds_are_reported(seed):
    with pytest.raises(InputError, match="seed must be a whole number"):
        data.load("digits").split(seed=seed)
    with pytest.raises(InputError, match="seed must be a whole number"):
        data.Batches(data.load("digits").train, seed=seed)
