"""Training by distillation: to answer as the trained model does, and as the labels say.

Hinton et al., "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from slimrnn.data import Batches, Part
from slimrnn.data.metrics import first_of, rank
from slimrnn.data.scoring import Task
from slimrnn.errors import InputError
from slimrnn.slimming.options import Options

Array = np.ndarray
#: keeps the logarithm of a probability that is 0 in float32 finite
TINY = 1e-30
#: how far from 1 a sum of probabilities may lie, in half precision
NEAR = 0.02


def _of_softmax(outputs: Any) -> Any:
    return ops.log(ops.maximum(outputs, TINY))


def _of_sigmoid(outputs: Any) -> Any:
    return _of_softmax(ops.concatenate([1 - outputs, outputs], axis=-1))


#: how outputs become logits, up to a constant; None: they are a regression's
ENDS: dict[str, Callable | None] = {
    "softmax": _of_softmax,
    "sigmoid": _of_sigmoid,
    "logit": lambda outputs: ops.concatenate([0 * outputs, outputs], axis=-1),
    "logits": lambda outputs: outputs,
    "regression": None,
}


def end_of(answers: Array, labels: Array, loss: Any = None, last: str = "") -> str:
    """Which of :data:`ENDS` a model has, by what it answers and should answer.

    Args:
        answers: (N, ..., k) of the model.
        labels: whole numbers, (N, ...); or (N, ..., k): targets, or a probability for
            each class.
        loss: with which the model was trained, where it is known.
        last: its last activation, where it is known.

    Example:
        >>> end_of(np.array([[0.25, 0.75]]), np.array([1]))
        'softmax'
        >>> end_of(np.array([[1.5, -2.0]]), np.array([[1.0, -2.5]]))
        'regression'
    """
    task, units = Task.of(answers, labels, loss, last), answers.shape[-1]
    whole = _are_classes(labels, answers) and task.kind != "regression"
    wanted = answers.shape[: len(answers.shape) - (whole or units == 1)]
    if labels.shape != wanted and labels.shape != (*wanted, 1):
        raise InputError(
            f"The labels have the shape {labels.shape}, and the model answers "
            f"{answers.shape}; give {wanted}."
        )
    classes = max(units, 2)
    if whole and not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(
            f"The labels go from {labels.min()} to {labels.max()}, and the model "
            f"distinguishes {classes} classes, from 0 on."
        )
    within = bool(((answers >= 0) & (answers <= 1)).all())
    if units > 1 and within and np.allclose(answers.sum(axis=-1), 1, atol=NEAR):
        return "softmax"
    if units == 1 and task.kind == "yes or no":
        return "sigmoid" if task.border else "logit"
    return "logits" if whole else "regression"


def _are_classes(labels: Array, answers: Array) -> bool:
    """Whether labels are numbers of classes, and not a number for each output."""
    alike = labels.shape == answers.shape and answers.shape[-1] > 1
    return labels.dtype.kind in "iub" and not alike


@dataclass(frozen=True)
class Distillation:
    """A loss of the trained model's answers and the labels.

    For classes, with logits z of the model and t of the trained one,
    ``(1 - mix) CE(labels, softmax(z)) + mix T² KL(softmax(t / T) || softmax(z / T))``;
    for a regression, ``(1 - mix) (y - labels)² + mix (y - answers)²``.

    Args:
        end: one of :data:`ENDS`.
        temperature: T, above 0.
        mix: the trained model's share, from 0 to 1.

    Example:
        >>> loss = Distillation("regression", mix=0.5)
        >>> y = loss.targets(np.array([[1.0]]), np.array([[3.0]]))
        >>> [float(x) for x in loss(y, np.array([[2.0]], "float32"))]
        [1.0]
    """

    end: str
    temperature: float = Options.temperature
    mix: float = Options.mix

    def targets(self, answers: Array, labels: Array) -> Array:
        """(N, ..., 2k) what the loss compares with: soft targets, then hard ones."""
        logits = ENDS[self.end]
        if logits is None:
            labels = labels.reshape(answers.shape)
            return np.concatenate([answers, labels], axis=-1).astype("float32")
        soft = np.asarray(ops.convert_to_numpy(logits(answers)))
        if _are_classes(labels, answers) or self.end in ("sigmoid", "logit"):
            labels = labels.astype(int).reshape(soft.shape[:-1])
            labels = np.eye(soft.shape[-1])[labels]
        return np.concatenate([soft, labels], axis=-1).astype("float32")

    def __call__(self, targets: Any, outputs: Any) -> Any:
        """The loss of each answer, (N, ...)."""
        soft, hard = ops.split(targets, 2, axis=-1)
        logits, outputs = ENDS[self.end], ops.cast(outputs, "float32")
        if logits is None:
            taught, told = (ops.mean((outputs - x) ** 2, axis=-1) for x in (soft, hard))
        else:
            z, heat = logits(outputs), self.temperature
            log_q = ops.log_softmax(soft / heat)
            distance = ops.exp(log_q) * (log_q - ops.log_softmax(z / heat))
            taught = heat**2 * ops.sum(distance, axis=-1)
            told = -ops.sum(hard * ops.log_softmax(z), axis=-1)
        return (1 - self.mix) * told + self.mix * taught

    @property
    def score(self) -> Callable:
        """What validation compares: ``accuracy``, or ``mae`` of a regression."""
        logits = ENDS[self.end]
        return mae if logits is None else _accuracy_of(logits)


def mae(targets: Any, outputs: Any) -> Any:
    """The absolute errors against the hard targets, (N, ...)."""
    _, hard = ops.split(targets, 2, axis=-1)
    return ops.mean(ops.abs(outputs - hard), axis=-1)


def _accuracy_of(logits: Callable) -> Callable:
    def accuracy(targets: Any, outputs: Any) -> Any:
        _, hard = ops.split(targets, 2, axis=-1)
        told = ops.argmax(logits(outputs), axis=-1)
        return ops.cast(ops.equal(told, ops.argmax(hard, axis=-1)), "float32")

    return accuracy


def with_targets(part: Part, loss: Distillation, answers: Array) -> Part:
    """The part with the loss's targets in place of its labels."""
    return part.with_targets(loss.targets(part.per_target(answers), part.targets))


class Best(keras.callbacks.Callback):
    """Evaluates after each epoch, and keeps the weights of the best one.

    The best has the best score on validation and, of several, the least loss; the
    weights before the first epoch take part as epoch 0.

    Args:
        model: compiled.
        batches: for validation.
        watch: gets each epoch's figures.
    """

    def __init__(
        self,
        model: keras.Model,
        batches: Batches,
        watch: Callable[[dict[str, Any]], None],
    ):
        super().__init__()
        self.watched = model
        self.batches = batches
        self.watch = watch
        self.rank: tuple[float, float] | None = None
        self.weights: list[Array] = []
        self._look({"epoch": 0})

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keras: an epoch has been trained."""
        if not math.isfinite(logs["loss"]):
            self.watched.stop_training = True
        self._look({"epoch": epoch + 1, **logs})

    def _look(self, line: dict[str, Any]) -> None:
        held = self.watched.evaluate(self.batches, verbose=0, return_dict=True)
        line |= {f"val_{name}": value for name, value in held.items()}
        found = rank(line, first_of(held))
        if math.isfinite(sum(found)) and (self.rank is None or found > self.rank):
            self.rank = found
            self.weights = self.watched.get_weights()
        self.watch(line)

    def restore(self) -> None:
        """Give the model the best weights."""
        if self.weights:
            self.watched.set_weights(self.weights)
