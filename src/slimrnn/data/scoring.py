"""What a prediction is worth: one function for all that scores a model.

How outputs are read depends on what the model was trained for, so the loss is asked
first, and the labels and the last activation where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from slimrnn.data.dataset import Dataset
from slimrnn.data.sequences import Part, Sequences
from slimrnn.errors import InputError

Array = np.ndarray

#: last activations whose outputs are probabilities
_PROBABILITIES = ("sigmoid", "hard_sigmoid", "hard_sigmoid_keras2", "softmax")
_REGRESSIONS = (
    "error",
    *("mean", "mse", "mae", "mape", "msle", "huber", "logcosh", "poisson"),
)


@dataclass(frozen=True)
class Task:
    """How outputs (..., n) are read.

    Attributes:
        kind: ``"classes"``: the largest output; ``"yes or no"``: each output by itself;
            ``"regression"``.
        border: of yes or no: above it, it is yes.
        reason: why they are read so, in words.

    Example:
        >>> logits, labels = np.array([[0.3], [-2.0]]), np.array([1, 0])
        >>> task = Task.of(logits, labels, activation="linear")
        >>> task.score(logits, labels).mean()
        np.float64(1.0)
        >>> str(task)
        'yes or no, above 0: whole numbers for one output that is linear'
    """

    kind: str
    border: float = 0.5
    reason: str = ""

    def __str__(self) -> str:
        above = f", above {self.border:g}" if self.kind == "yes or no" else ""
        return f"{self.kind}{above}: {self.reason}"

    @property
    def metric(self) -> str:
        """``"accuracy"``, or ``"mae"``, the mean absolute error."""
        return "mae" if self.kind == "regression" else "accuracy"

    @classmethod
    def of(
        cls, outputs: Array, y: Array, loss: Any = None, activation: str = ""
    ) -> Task:
        """The task of a model.

        Args:
            outputs: (..., n) of the model.
            y: classes (...), or a number for each output (..., n).
            loss: with which the model was trained: Keras's name, function or object;
                None where it is not known.
            activation: of the last layer, where it is known.
        """
        y, named = np.asarray(y), _name(loss)
        if "categorical" in named:
            return cls("classes", reason=f"the loss {named}")
        if "binary" in named or named == "bce":
            border = 0 if getattr(loss, "from_logits", False) else 0.5
            return cls("yes or no", border, f"the loss {named}")
        if "hinge" in named:
            return cls("yes or no", 0, f"the loss {named}")
        if named.startswith(_REGRESSIONS):
            return cls("regression", reason=f"the loss {named}")
        units = outputs.shape[-1]
        binary = bool(np.isin(y, (0, 1)).all())
        if units > 1 and y.shape == outputs.shape:
            if binary and (y.sum(-1) == 1).all():
                return cls("classes", reason="labels with a single 1")
            if binary and activation in _PROBABILITIES and y.any():
                return cls("yes or no", reason=f"zeros and ones for a {activation}")
            return cls("regression", reason="a number for each output")
        if units > 1 and bool((y == np.floor(y)).all()):
            return cls("classes", reason="whole numbers as labels")
        if binary and (y.dtype.kind in "iub" or activation in _PROBABILITIES):
            return cls._of_one(outputs, activation)
        return cls("regression", reason="labels that are no classes")

    @classmethod
    def _of_one(cls, outputs: Array, activation: str) -> Task:
        """One output for two classes, of a model whose loss is not known."""
        if activation:
            probable = activation in _PROBABILITIES
            reason = f"whole numbers for one output that is {activation}"
        else:
            probable = bool(((outputs >= 0) & (outputs <= 1)).all())
            reason = f"whole numbers for one output {'from 0 to 1' if probable else ''}"
        return cls("yes or no", 0.5 if probable else 0, reason.rstrip())

    def answers(self, outputs: Array) -> Array:
        """What the outputs say: classes (...), yes or no (..., n), or as they are."""
        if self.kind == "classes":
            return outputs.argmax(-1)
        return outputs > self.border if self.kind == "yes or no" else outputs

    def score(self, outputs: Array, y: Array, mask: Array | None = None) -> Array:
        """What each prediction is worth: 1 or 0 for a class, else the absolute error.

        Args:
            outputs: (..., n) of the model.
            y: see :meth:`of`.
            mask: (...), False where there is nothing to predict, as at padded steps.
        """
        y, wanted = np.asarray(y), outputs.shape
        if self.kind == "classes":
            y = y.argmax(-1) if y.shape == wanted and wanted[-1] > 1 else y
            wanted = wanted[:-1]
        if y.size == np.prod(wanted) and y.shape in (wanted[:-1], (*wanted, 1)):
            y = y.reshape(wanted)
        if y.shape != wanted:
            raise InputError(
                f"y must have the shape {wanted} for this model and x; received "
                f"{y.shape}."
            )
        if self.kind == "yes or no":
            y = y > (0 if (y < 0).any() else 0.5)  # hinge losses take -1 and 1
        answers = self.answers(outputs)
        found = abs(answers - y) if self.kind == "regression" else answers == y
        return found if mask is None else found[mask]


def per_sequence(outputs: Array, part: Part, loss: Any = None) -> Array:
    """(N,) what a test finds of each sequence: the mean of what it has targets for.

    Args:
        outputs: (N, ..., n) of the model.
        part: the sequences and their targets: whole numbers are labels, others those
            of a regression.
        loss: with which the model was trained, where it is known.
    """
    outputs, y = part.per_target(outputs), part.targets
    if loss is None and y.dtype.kind == "f":
        loss = "mse"
    found = Task.of(outputs, y, loss).score(outputs, y)
    return part.per_sequence(found).astype("float32")


def error_to_signal(outputs: Array, part: Part, pre_emphasis: float = 0.95) -> Array:
    """(N,) each sequence's share of the error-to-signal ratio: the mean is the ratio.

    The mean of ``p(y - outputs)²`` over a sequence, divided by that of ``p(y)²`` over
    all, where ``p(s)[t] = s[t] - pre_emphasis * s[t - 1]``.

    Args:
        outputs: (N, T, k) of the model.
        part: the sequences and their targets for each step.
        pre_emphasis: the filter's coefficient.

    Example:
        >>> from slimrnn.data.sequences import Sequences
        >>> y = Sequences(np.sin(np.arange(12.0)).reshape(2, 6, 1))
        >>> error_to_signal(0.9 * y.values, Part(y, y)).mean().round(6)
        np.float64(0.01)
    """
    assert isinstance(part.y, Sequences)
    y = part.y.padded(outputs.shape[1]).astype(float)

    def energy(signal: Array) -> Array:
        before = np.pad(signal, ((0, 0), (1, 0), (0, 0)))[:, :-1]
        filtered = signal - pre_emphasis * before
        return part.per_sequence(part.per_target(filtered**2))

    return energy(y - outputs) / max(energy(y).mean(), np.finfo(float).tiny)


def baselines(dataset: Dataset, metric: str = "") -> dict[str, float]:
    """What the test finds of answers that need no training, by what they are called.

    Always the class, or the mean, that the training data have; of a forecast also the
    last value that is known.

    Example:
        >>> from slimrnn.data import load
        >>> round(baselines(load("digits"))["the most frequent class"], 3)
        0.1
    """
    if metric == "esr":
        return {"silence": 1.0}
    train, test = dataset.train.targets, dataset.test
    if dataset.classes is not None:
        right = test.targets == np.bincount(train).argmax()
        return {"the most frequent class": float(test.per_sequence(right).mean())}
    answers = {"the mean": train.mean(axis=0, dtype=np.float64)}
    if test.naive is not None:
        answers["the last value"] = replace(test, y=test.naive).targets
    errors = {name: abs(test.targets - answer) for name, answer in answers.items()}
    return {k: float(test.per_sequence(error).mean()) for k, error in errors.items()}


def _name(loss: Any) -> str:
    """The loss as one word in small letters."""
    if loss is None or isinstance(loss, (dict, list, tuple)):
        return ""
    found = loss if isinstance(loss, str) else getattr(loss, "__name__", None)
    return (found or type(loss).__name__).replace("_", "").lower()
