"""Times in turns: what is called how often, what the intervals are, what is said."""

import itertools
import json
import time

import keras
import numpy as np
import pytest

from slimrnn import InputError, SlimLSTM, timing
from slimrnn.experiments.analysis import numbers
from slimrnn.experiments.run import times
from slimrnn.timing import Ratio, Time, in_turns


@pytest.fixture
def clock(monkeypatch):
    """A clock that calls advance, in place of the machine's."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def lasting(*seconds):
        each = itertools.cycle(seconds)
        return lambda: now.__setitem__(0, now[0] + next(each))

    return lasting


def test_ratios_are_of_the_same_round(clock):
    """What disturbs a round disturbs all of it, and leaves the ratio alone."""
    drift = (1, 2, 4, 8, 1, 3)
    calls = {"LSTM": clock(*drift), "LSTM6": clock(*(x / 4 for x in drift))}
    found = in_turns(calls, seconds=1e9)
    assert found["LSTM"].ratio is None
    assert found["LSTM6"].ratio == Ratio(0.25, 0.25, 0.25)
    assert found["LSTM6"].minimum == 0.25
    assert found["LSTM"].median >= 2 * found["LSTM"].minimum
    assert not timing.is_quiet({"work": found})


def test_it_ends_when_ratios_are_known_or_the_time_is_over(clock):
    counts = {"a": 0, "b": 0, "c": 0}

    def counted(name, call):
        counts[name] += 1
        call()

    steady, wild = clock(1.0), clock(1.0, 5.0, 2.0)
    in_turns({"a": steady, "b": lambda: counted("b", steady)}, seconds=1e9)
    in_turns({"a": steady, "c": lambda: counted("c", wild)}, seconds=300)
    assert counts["b"] == 6 + timing.FEWEST_ROUNDS
    assert counts["b"] < counts["c"] < 6 + timing.MOST_ROUNDS


def test_what_is_short_is_called_more_often_at_once(clock):
    called = []
    short = clock(timing.SHORTEST / 10)
    found = in_turns({"a": lambda: called.append(short())}, seconds=1)["a"]
    assert 6 + 10 * timing.FEWEST_ROUNDS <= len(called) <= 6 + 11 * timing.FEWEST_ROUNDS
    assert found.median == pytest.approx(timing.SHORTEST / 10)


@pytest.mark.parametrize("rounds", [6, 8, 20, 101])
def test_the_interval_holds_what_it_says(rounds):
    """Two ordered values between which the median lies in 95 % of all draws."""
    random = np.random.default_rng(rounds)
    held = 0
    for _ in range(400):
        ratio = Ratio.of(list(random.lognormal(0, 0.2, rounds)))
        held += ratio.low <= 1 <= ratio.high
    assert held >= 0.92 * 400
    assert ratio.low <= ratio.median <= ratio.high


def small_model(variant):
    front = [keras.Input((5, 3)), keras.layers.Masking(-1.0)]
    layers = [*front, SlimLSTM(4, variant), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    return model


def test_what_models_take():
    models = {name: small_model(name) for name in ("LSTM", "LSTM6")}
    x, y = np.zeros((8, 5, 3), "float32"), np.zeros((8, 2), "float32")
    found = timing.measure(models, x[:1], (x, y), seconds=0)
    assert list(found)[:3] == [timing.LAYER, timing.TRAINING, timing.PREDICTION]
    assert all(list(work) == ["LSTM", "LSTM6"] for work in found.values())
    assert all(0 < t.minimum <= t.median for w in found.values() for t in w.values())
    before = models["LSTM"].get_weights()
    assert timing.TRAINING not in timing.measure(models, x[:1], seconds=0)
    for old, new in zip(before, models["LSTM"].get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_times_are_kept(tmp_path):
    found = {
        "LSTM": Time(1.0, 2.0, None),
        "LSTM6": Time(0.5, 1.0, Ratio(0.5, 0.4, 0.6)),
    }
    kept = {"digits": times.Times({timing.STEP: found}, quiet=False)}
    assert times.read(tmp_path) == {}
    times.write(tmp_path, kept)
    assert times.read(tmp_path) == kept
    for damaged in ({"digits": {"works": []}}, {"digits": 3}, {"digits": {}}):
        (tmp_path / times.TIMES).write_text(json.dumps(damaged))
        with pytest.raises(InputError, match="damaged"):
            times.read(tmp_path)


def test_a_ratio_that_may_be_1_is_no_difference():
    assert numbers.timed(Time(1.0, 2.0, Ratio(0.9, 0.7, 1.2)))[1:] == (
        "",
        "no difference",
    )
    assert numbers.timed(Time(1.0, 2.0, Ratio(0.9, 0.85, 0.95)))[1] == "×0.90"
