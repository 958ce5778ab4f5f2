"""Batches: every sample once, alike lengths together, the same in each run."""

import dataclasses

import keras
import numpy as np
import pytest

from made_data import UNEQUAL, listed, part_of, some
from slimrnn import data
from slimrnn.data.batches import padded_lengths
from slimrnn.errors import InputError


@pytest.mark.backend_free
@pytest.mark.parametrize("lengths", [[5] * 333, UNEQUAL])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("group", [None, True, False])
@pytest.mark.parametrize("size", [1, 4, 32, 1000])
def test_every_sample_comes_once_with_its_target(lengths, shuffle, group, size):
    part = part_of(lengths)
    batches = data.Batches(part, size, shuffle=shuffle, group=group)
    assert len(batches) == -(-333 // size)
    seen = []
    for x, y in batches:
        expected = part.take(y).x.padded(x.shape[1])
        np.testing.assert_array_equal(x, expected)
        assert x.shape[1] >= part.x.lengths[y].max()
        assert x.shape[1] in batches.lengths
        seen.extend(y)
    assert sorted(seen) == list(range(333))
    assert sum(len(batches[i][1]) < size for i in range(len(batches))) <= 1
    assert len(batches.lengths) <= 6
    if not shuffle and not group:
        assert seen == list(range(333))


def targets(batches):
    return [y.tolist() for _, y in batches]


@pytest.mark.backend_free
def test_shuffling_is_a_function_of_seed_and_epoch():
    part = part_of(UNEQUAL)
    batches = data.Batches(part, 8, seed=1)
    first = targets(batches)
    batches.epoch = 1
    second = targets(batches)
    assert first != second
    resumed = data.Batches(part, 8, seed=1)
    resumed.epoch = 1
    assert targets(resumed) == second
    batches.epoch = 0
    assert targets(batches) == first
    assert targets(data.Batches(part, 8, seed=2)) != first


@pytest.mark.backend_free
def test_like_lengths_save_steps():
    part = part_of(UNEQUAL)
    batches = data.Batches(part, 2)
    steps = sum(len(indices) * length for indices, length in batches.plan(0))
    assert len(batches.lengths) > 2
    assert steps < 0.65 * 333 * max(UNEQUAL)
    assert steps < 1.25 * sum(UNEQUAL)


@pytest.mark.backend_free
def test_few_batches_or_equal_lengths_are_not_grouped():
    assert data.Batches(part_of(UNEQUAL), 32).lengths.tolist() == [max(UNEQUAL)]
    nearly = [98, 99, 100] * 111
    assert data.Batches(part_of(nearly), 2).lengths.tolist() == [100]
    assert data.Batches(part_of([7] * 333), 2).lengths.tolist() == [7]


@pytest.mark.backend_free
@pytest.mark.parametrize("seed", range(10))
def test_first_two_batches_differ_in_length_for_tensorflow(seed):
    batches = data.Batches(part_of(UNEQUAL), 4, seed=seed)
    plan = batches.plan(0)
    assert plan[0][1] != plan[1][1]


@pytest.mark.backend_free
@pytest.mark.parametrize("most", [1, 2, 6])
def test_padded_lengths_cover_all(most):
    lengths = np.random.default_rng(most).zipf(1.5, 500).clip(max=20000)
    chosen = padded_lengths(lengths, most)
    assert 1 <= len(chosen) <= most
    assert chosen[-1] == lengths.max()
    assert (np.diff(chosen) > 0).all()


@pytest.mark.backend_free
@pytest.mark.parametrize("size", [0, -3, 2.5, "32"])
def test_bad_batch_sizes_are_reported(size):
    with pytest.raises(InputError, match="batch size"):
        data.Batches(part_of([1, 2]), size)


def pooled(part, mask_value):
    """A small model that sees padding unless it is masked."""
    model = keras.Sequential(
        [
            keras.Input((None, part.x.features)),
            keras.layers.Masking(mask_value),
            keras.layers.Dense(4, kernel_initializer=keras.initializers.Ones()),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2, "softmax", kernel_initializer="ones"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def ragged_frames():
    x = dataclasses.replace(some("frames", UNEQUAL), padding=-50.0)
    return data.Part(x, np.arange(333, dtype=np.int32) % 2)


def fit(model, part, first, last):
    batches = data.Batches(part, 16, seed=7)
    options = {"shuffle": False, "verbose": 0, "initial_epoch": first, "epochs": last}
    model.fit(batches, callbacks=[batches.follow()], **options)


def test_a_resumed_fit_equals_an_uninterrupted_one(ragged_frames):
    whole, resumed = pooled(ragged_frames, -50.0), pooled(ragged_frames, -50.0)
    fit(whole, ragged_frames, 0, 3)
    fit(resumed, ragged_frames, 0, 2)
    fit(resumed, ragged_frames, 2, 3)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_epochs_count_by_themselves(ragged_frames):
    batches = data.Batches(ragged_frames, 16)
    pooled(ragged_frames, -50.0).fit(batches, epochs=3, verbose=0)
    assert batches.epoch == 3


def test_evaluation_needs_no_order_and_prediction_keeps_it(ragged_frames):
    model = pooled(ragged_frames, -50.0)
    fit(model, ragged_frames, 0, 1)
    kept = data.Batches(ragged_frames, 4, shuffle=False)
    grouped = data.Batches(ragged_frames, 4, shuffle=False, group=True)
    assert len(grouped.lengths) > len(kept.lengths) == 1
    results = [model.evaluate(b, verbose=0) for b in (kept, grouped)]
    np.testing.assert_allclose(*results, rtol=1e-5)
    predicted = model.predict(kept, verbose=0)
    alone = [model(x[None].astype("float32")) for x in listed(ragged_frames.x)[:3]]
    for got, expected in zip(predicted, alone, strict=False):
        expected = keras.ops.convert_to_numpy(expected)[0]
        np.testing.assert_allclose(got, expected, rtol=1e-5)
