"""Times that can be trusted: of models that are trained, all in turns.

Each round calls every model once, so that whatever else the machine does meets all
alike; ratios are taken within a round, and have an interval. A step of training and a
prediction are timed as Keras runs them, and the recurrent layer alone, forward and
backward, without Keras around it; a step of a Stream is timed where there can be one.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from slimrnn.errors import InputError

Call = Callable[[], Any]

FEWEST_ROUNDS, MOST_ROUNDS = 8, 200
NARROW = 0.04  # of a ratio: how wide its interval may still be
SHORTEST = 1e-3  # seconds of what is timed at once
UNQUIET = 1.25  # the median of what is the fastest without disturbance


@dataclass(frozen=True)
class Ratio:
    """A time divided by the reference's of the same round.

    Attributes:
        median: of the rounds.
        low: the lower end of its interval, of 95 % or a little more: two of the rounds'
            ratios, as the binomial distribution chooses them.
        high: the upper end.
    """

    median: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 1."""
        return not self.low <= 1 <= self.high

    @classmethod
    def of(cls, ratios: list[float]) -> Ratio:
        """The ratio of some rounds.

        Example:
            >>> Ratio.of([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
            Ratio(median=3.5, low=1.0, high=6.0)
        """
        ordered, n = sorted(ratios), len(ratios)
        outside, k = 0.5**n, 0
        while 2 * (outside + math.comb(n, k + 1) * 0.5**n) <= 0.05:
            k += 1
            outside += math.comb(n, k) * 0.5**n
        return cls(statistics.median(ordered), ordered[k], ordered[n - 1 - k])


@dataclass(frozen=True)
class Time:
    """Seconds of one call.

    Attributes:
        minimum: of all rounds.
        median: of them.
        ratio: to the reference; None for the reference itself.
    """

    minimum: float
    median: float
    ratio: Ratio | None


def in_turns(calls: Mapping[str, Call], seconds: float) -> dict[str, Time]:
    """The time of each call, relative to the first one.

    Args:
        calls: by name; the first six of each may compile, and are not in the times.
        seconds: after which no further round begins.
    """
    repeats = {name: _repeats(call) for name, call in calls.items()}
    rounds: dict[str, list[float]] = {name: [] for name in calls}
    reference = next(iter(calls))
    began = time.perf_counter()
    while True:
        for name, call in calls.items():
            before = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            rounds[name].append((time.perf_counter() - before) / repeats[name])
        ratios = {name: _ratio(rounds, name, reference) for name in calls}
        if len(rounds[reference]) < FEWEST_ROUNDS:
            continue
        late = time.perf_counter() - began > seconds
        known = filter(None, ratios.values())
        narrow = (r.high - r.low <= NARROW * r.median for r in known)
        if late or len(rounds[reference]) >= MOST_ROUNDS or all(narrow):
            break
    return {
        name: Time(min(found), statistics.median(found), ratios[name])
        for name, found in rounds.items()
    }


def _repeats(call: Call) -> int:
    """How often it is called at once, so that the clock's steps do not count."""
    single = math.inf
    for _ in range(6):
        before = time.perf_counter()
        call()
        single = min(single, time.perf_counter() - before)
    return max(1, math.ceil(SHORTEST / max(single, 1e-9)))


def _ratio(
    rounds: Mapping[str, list[float]], name: str, reference: str
) -> Ratio | None:
    if name == reference:
        return None
    pairs = zip(rounds[name], rounds[reference], strict=True)
    return Ratio.of([one / other for one, other in pairs])


def measure(
    models: Mapping[str, keras.Model],
    one: np.ndarray,
    batch: tuple[np.ndarray, ...] | None = None,
    seconds: float = 20.0,
) -> dict[str, dict[str, Time]]:
    """What the models take, by the title of the work and the name of the model.

    Args:
        models: the first one is the reference; where there is a batch, they are
            trained by it.
        one: a batch of one sequence, to predict.
        batch: sequences and targets; without it nothing is trained.
        seconds: for all.

    Returns:
        Only works that all models can do.
    """
    found: dict[str, dict[str, Call]] = {}
    for title, make in WORKS.items():
        try:
            found[title] = {k: make(model, one, batch) for k, model in models.items()}
        except (_Cannot, InputError):
            continue
    times: dict[str, dict[str, Time]] = {}
    ends = time.perf_counter() + seconds
    for title, calls in found.items():  # what one leaves of its share, others have
        share = (ends - time.perf_counter()) / (len(found) - len(times))
        times[title] = in_turns(calls, share)
    return times


def is_quiet(times: Mapping[str, Mapping[str, Time]]) -> bool:
    """Whether nothing else seems to have kept the machine busy."""
    return all(
        time.median <= UNQUIET * time.minimum
        for work in times.values()
        for time in work.values()
    )


class _Cannot(Exception):
    """A model cannot do a work."""


def _training(model: keras.Model, one: np.ndarray, batch: Any) -> Call:
    if batch is None:
        raise _Cannot
    return lambda: model.train_on_batch(*batch)


def _prediction(model: keras.Model, one: np.ndarray, batch: Any) -> Call:
    return lambda: model.predict_on_batch(one)


def _layer(model: keras.Model, one: np.ndarray, batch: Any) -> Call:
    layers = [x for x in model.layers if isinstance(x, keras.layers.RNN)]
    if len(layers) != 1 or batch is None:
        raise _Cannot
    size, steps = batch[0].shape[:2]
    given, *_ = keras.tree.flatten(layers[0].input)  # a mask may come with it
    width = given.shape[-1]
    x = np.random.default_rng(0).normal(size=(size, steps, width)).astype("float32")
    return _GRADIENTS[keras.backend.backend()](layers[0], x)


def _step(model: keras.Model, one: np.ndarray, batch: Any) -> Call:
    from slimrnn.stream import Stream

    stream = Stream(model)
    frame = np.asarray(one[0, 0])
    return lambda: stream.step(frame)


def _jax_gradients(layer: keras.layers.RNN, x: np.ndarray) -> Call:
    import jax

    trained = [v.value for v in layer.trainable_variables]
    others = [v.value for v in layer.non_trainable_variables]

    def loss(trained, x):
        return (layer.stateless_call(trained, others, x)[0] ** 2).sum()

    gradients = jax.jit(jax.value_and_grad(loss))
    return lambda: jax.block_until_ready(gradients(trained, x))


def _torch_gradients(layer: keras.layers.RNN, x: np.ndarray) -> Call:
    import torch

    given = torch.as_tensor(x)
    weights = [v.value for v in layer.trainable_variables]

    def call():
        loss = (layer(given) ** 2).sum()
        return torch.autograd.grad(loss, weights)

    return call


def _tensorflow_gradients(layer: keras.layers.RNN, x: np.ndarray) -> Call:
    import tensorflow as tf

    given = tf.constant(x)
    weights = [v.value for v in layer.trainable_variables]

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(given) ** 2)
        return tape.gradient(loss, weights)

    return lambda: [gradient.numpy() for gradient in gradients()]


_GRADIENTS = {
    "jax": _jax_gradients,
    "torch": _torch_gradients,
    "tensorflow": _tensorflow_gradients,
}

LAYER, TRAINING = "layer, forward and backward", "step of training in Keras"
PREDICTION, STEP = "prediction in Keras", "step of a Stream"
#: title -> what makes it a call, of a model, one sequence and a batch
WORKS: dict[str, Callable[[keras.Model, np.ndarray, Any], Call]] = {
    LAYER: _layer,
    TRAINING: _training,
    PREDICTION: _prediction,
    STEP: _step,
}
