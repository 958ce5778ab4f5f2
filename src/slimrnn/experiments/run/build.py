"""What a run trains: its data and its model, made from the settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import keras
import numpy as np

from slimrnn import backends, layers
from slimrnn.activations import hard_sigmoid_keras2
from slimrnn.data import Batches, Dataset, Part
from slimrnn.data.batches import answers
from slimrnn.data.options import DataOptions
from slimrnn.data.scoring import error_to_signal, per_sequence
from slimrnn.errors import InputError
from slimrnn.experiments.run import data_parallel
from slimrnn.experiments.run.keras_names import KERAS_2, optimizers
from slimrnn.experiments.run.settings import Settings, time_scale
from slimrnn.layers.packed import PackedCell
from slimrnn.utils.checks import memory
from slimrnn.utils.settings import MAX_SEED
from slimrnn.variants import BASELINE, get


def load(settings: Settings) -> Dataset:
    """The data that the settings name."""
    names = [entry.name for entry in fields(DataOptions)]
    return _load(DataOptions(**{name: getattr(settings, name) for name in names}))


@lru_cache(maxsize=2)  # the trials of a sweep ask for the same again and again
def _load(options: DataOptions) -> Dataset:
    return options.load()


def parts(settings: Settings, dataset: Dataset) -> tuple[Part, Part | None]:
    """What is trained on, and what is validated on where that is not the test."""
    if settings.validate_on_test:
        return dataset.train, None
    return dataset.split(settings.validation, settings.seed)


def check(settings: Settings, dataset: Dataset) -> None:
    """Refuses, before anything is written, what a run would refuse when it begins."""
    _check_memory(settings, dataset)
    recurrent(settings)
    if dataset.each_step and settings.padding == "front":
        raise InputError(
            f"{dataset.name} has a target for each step, and padding in front of a "
            f"sequence would change the answer at each; at its end it changes none: "
            f"leave --padding out, or give --padding behind."
        )
    parts(settings, dataset)
    head_of(settings, dataset)
    _optimizer(settings)


def _check_memory(settings: Settings, dataset: Dataset) -> None:
    """Refuses what a backend would end the process over: more than the machine has.

    Counted are the parameters, thrice for their gradients and the optimizer, and the
    answers to a batch.
    """
    tokens = (dataset.vocabulary or 0) * settings.embedding
    features = settings.embedding if dataset.tokens else int(dataset.features or 1)
    variant, units = get(settings.variant), settings.units
    layer = variant.parameters(features, units)
    layer += (settings.layers - 1) * variant.parameters(units, units)
    head = (settings.units + 1) * dataset.outputs
    batch = min(settings.batch_size, len(dataset.train.y)) * dataset.outputs
    wanted = 4 * (tokens + 4 * (layer + head) + batch)
    if wanted > (there := memory()):
        raise InputError(
            f"A model of {settings.units} units with {max(1, tokens)} numbers of words "
            f"and {dataset.outputs} outputs wants {wanted >> 30} GB, of which "
            f"the machine has {there >> 30}; give fewer units, or renumber words "
            f"and classes."
        )


def recurrent(
    settings: Settings,
    length: int | None = None,
    place: int = 0,
    each_step: bool = False,
) -> keras.layers.Layer:
    """A recurrent layer of the settings.

    Args:
        settings: of the run.
        length: of a sequence, for time scales that depend on it.
        place: among the recurrent layers, from 0 on.
        each_step: whether there is an answer at each step.
    """
    options = {
        "activation": _activation(settings.activation),
        "recurrent_activation": _activation(settings.recurrent_activation),
        "recurrent_initializer": settings.recurrent_initializer,
        "dropout": settings.dropout,
        "recurrent_dropout": settings.recurrent_dropout,
        # Without a seed of its own, torch would draw dropout from its global state.
        "seed": (settings.seed + place) % (MAX_SEED + 1),
        "return_sequences": each_step or place < settings.layers - 1,
    }
    if settings.init == "packed":
        return _packed(settings, options)
    layer = layers.layer(
        settings.units,
        settings.variant,
        gate_constants=settings.gate_constants,
        time_scale=time_scale(settings.time_scale),
        **options,
    )
    layer.cell.spread(length)
    return layer


def typical_length(dataset: Dataset) -> int:
    """The steps that nine in ten sequences do not exceed."""
    return int(np.quantile(dataset.train.x.lengths, 0.9))


def _packed(settings: Settings, options: dict[str, Any]) -> keras.layers.Layer:
    """A layer that starts as the original's did."""
    if settings.time_scale not in ("auto", "none"):
        raise InputError(
            f"init packed starts as the original did, which knew no time scales; "
            f"received the time scale {settings.time_scale!r}: leave one out."
        )
    each = options.pop("return_sequences")
    cell = PackedCell(
        settings.units,
        settings.variant,
        gate_constants=settings.gate_constants,
        # The original's slim LSTMs ignore it; its full one is Keras's.
        unit_forget_bias=settings.name == BASELINE,
        time_scale=None,
        name="lstm_cell",
        **options,
    )
    return layers.SlimRNN(cell, return_sequences=each)


def _activation(name: str) -> Callable:
    return hard_sigmoid_keras2 if name == KERAS_2 else keras.activations.get(name)


def build(settings: Settings, dataset: Dataset) -> keras.Model:
    """The compiled model of the settings, its weights drawn from their seed.

    Tokens go through an Embedding, unequal lengths are masked; then the
    recurrent layer and a Dense layer: the settings' head for classes, linear for
    targets. Where each step has a target, it has an answer too, and no step is masked.
    """
    with backends.quietly():  # Keras imports TensorFlow here, if there is one
        keras.utils.set_random_seed(settings.seed)
    steps = None if dataset.ragged else dataset.train.x.values.shape[1]
    masked = settings.padding == "behind"
    if dataset.tokens:
        inputs = x = keras.Input((steps,), dtype="int32")
        x = keras.layers.Embedding(
            dataset.vocabulary,
            settings.embedding,
            embeddings_initializer=_EMBEDDINGS[settings.embedding_init](),
            mask_zero=dataset.masked and masked,
            trainable=settings.trainable_embedding,
        )(x)
    else:
        inputs = x = keras.Input((steps, dataset.features))
        if dataset.mask_value is not None and masked:
            x = keras.layers.Masking(dataset.mask_value)(x)
        if "inputs" in standardized(settings, dataset):
            mean, deviation = moments(dataset.train.x.values)
            variance = deviation**2
            x = keras.layers.Normalization(
                mean=mean.tolist(), variance=variance.tolist()
            )(x)
    for place in range(settings.layers):
        length = typical_length(dataset)
        x = recurrent(settings, length, place, dataset.each_step)(x)
    head = head_of(settings, dataset)
    units = 1 if head.one_unit else dataset.outputs
    outputs = keras.layers.Dense(units, activation=head.activation)(x)
    sound = head.loss == "esr"
    loss: Any = layers.ErrorToSignalRatio() if sound else head.loss
    metric: Any = layers.ErrorToSignalRatioMetric() if sound else head.metric
    if "targets" in standardized(settings, dataset):
        mean, deviation = (each.tolist() for each in moments(dataset.train.targets))
        if not sound:
            loss = layers.MeanStandardizedError(deviation)
        outputs = keras.layers.Rescaling(deviation, mean)(outputs)
    model = keras.Model(inputs, outputs, name="slimrnn")
    model.compile(_optimizer(settings), loss=loss, weighted_metrics=[metric])
    return data_parallel.spread(model)


def standardized(settings: Settings, dataset: Dataset) -> tuple[str, ...]:
    """What is standardized: "inputs", "targets", both or nothing."""
    regression = dataset.classes is None
    auto = settings.standardize == "auto"
    wanted = {
        "inputs": settings.standardize in ("both", "inputs")
        or (auto and (regression or bool(dataset.names))),
        "targets": settings.standardize == "both" or auto,
    }
    there = {"inputs": not dataset.tokens, "targets": regression}
    return tuple(name for name, wants in wanted.items() if wants and there[name])


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m,) the mean and the standard deviation of (..., m), 1 where it is 0.

    Example:
        >>> [x.tolist() for x in moments(np.array([[1.0, 5.0], [3.0, 5.0]]))]
        [[2.0, 5.0], [1.0, 1.0]]
    """
    rows = values.reshape(-1, values.shape[-1])
    deviation = rows.std(axis=0, dtype=np.float64)
    return rows.mean(axis=0, dtype=np.float64), np.where(deviation > 0, deviation, 1)


def _optimizer(settings: Settings) -> keras.optimizers.Optimizer:
    kind, options = optimizers()[settings.optimizer], settings.optimizer_options or {}
    try:
        return kind(learning_rate=float(settings.learning_rate), **options)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The optimizer {settings.optimizer} does not take the optimizer options "
            f"{dict(options)} ({error})."
        ) from error


# Keras's default, uniform in +-0.05, starves the gates: on imdb, the LSTM reaches a
# validation accuracy of 0.58 with it in 4 epochs, and with a standard deviation of 1
# one of 0.78 in 3.
# One is made for each model: an initializer draws its seed when it is made.
_EMBEDDINGS = {
    "normal": lambda: keras.initializers.RandomNormal(stddev=1.0),
    "uniform": lambda: keras.initializers.RandomUniform(-0.05, 0.05),
}


@dataclass(frozen=True)
class Head:
    """What turns the last state into an answer, and how that is trained."""

    activation: str | None
    loss: str
    metric: str
    one_unit: bool = False


_HEADS = {
    "softmax": Head("softmax", "sparse_categorical_crossentropy", "accuracy"),
    "sigmoid": Head("sigmoid", "binary_crossentropy", "accuracy", one_unit=True),
}


def head_of(settings: Settings, dataset: Dataset) -> Head:
    """The head for the data: classes by the settings, or targets of a regression."""
    if settings.loss == "esr":
        if dataset.classes is not None or not dataset.each_step:
            raise InputError(
                f"The loss esr is for numbers at each step, such as sound; received "
                f"{dataset}. Leave --loss out."
            )
        return Head(None, "esr", "esr")
    if dataset.classes is None:
        return Head(None, "mse", "mae")
    head = _HEADS[settings.head]
    if head.one_unit and dataset.classes != 2:
        raise InputError(
            f"The head {settings.head} is for two classes, and {dataset.name} has "
            f"{dataset.classes}; leave --head out."
        )
    return head


def scores(model: keras.Model, batches: Batches) -> np.ndarray:
    """(N,) what a test finds of each sequence, in the order of the data.

    1 or 0 for a class found rightly or not; the absolute error for a regression,
    averaged over the targets; or its share of the error-to-signal ratio.
    """
    if isinstance(model.loss, layers.ErrorToSignalRatio):
        return error_to_signal(answers(model, batches), batches.part)
    return per_sequence(answers(model, batches), batches.part, model.loss)


def counts(model: keras.Model) -> dict[str, int]:
    """The parameters of the recurrent layers and of the whole model."""
    cells = [x for x in model.layers if isinstance(x, keras.layers.RNN)]
    weights = [w for layer in cells for w in layer.trainable_weights]
    return {
        "layer_parameters": sum(math.prod(w.shape) for w in weights),
        "model_parameters": model.count_params(),
    }
