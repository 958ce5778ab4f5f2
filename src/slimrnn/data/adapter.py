"""How data reach a model that is already there: checked, padded as it expects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from slimrnn import data as served
from slimrnn.data.dataset import Dataset
from slimrnn.data.sequences import Part, Sequences
from slimrnn.errors import InputError

if TYPE_CHECKING:  # it needs Keras
    from slimrnn.data.batches import Batches

Array = np.ndarray
PREDICTED = 256  # sequences at once where there are no gradients to keep


def dataset(data: Any, each_step: bool = False) -> Dataset:
    """The data as a Dataset; arrays (x, y) are those to train on.

    Raises:
        InputError: no Dataset and no pair of arrays of one length.

    Example:
        >>> dataset((np.zeros((4, 5, 3)), np.array([0, 1, 2, 0]))).classes
        3
    """
    if isinstance(data, Dataset):
        return data
    try:
        x, y = (np.asarray(part) for part in data)
        kinds = {2: "iu", 3: "iuf"}.get(x.ndim, "")
        fits = x.dtype.kind in kinds and len(x) == len(y) > 0 and x.size > 0
        fits = fits and y.dtype.kind in "iubf"
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise InputError(
            "data must be a slimrnn.data.Dataset or a pair of arrays (x, y): x with "
            "frames (N, T, m) or whole numbers (N, T), y with an answer for each of N."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("data has numbers that are not finite; leave them out.")
    if y.dtype.kind in "iu" and y.min() < 0:
        raise InputError(
            f"The classes of data must be whole numbers of 0 or more; received "
            f"{y.min()}."
        )
    x = x.astype("int32" if x.ndim == 2 else "float32")
    labels = y.dtype.kind in "iub"
    if not labels:
        y = y.reshape(len(y), -1) if y.ndim == 1 else y
        y = y.astype("float32")
    each = each_step and y.shape[:2] == x.shape[:2]
    shaped = Sequences(y.reshape(*x.shape[:2], -1)) if each else y
    part = Part(Sequences(x), shaped)
    classes = int(y.max()) + 1 if labels and part.targets.ndim == 1 else None
    return Dataset("data", part, part, classes)


@dataclass(frozen=True)
class Takes:
    """What a model takes.

    Args:
        steps: of a sequence; None: any number.
        features: of a step; None: token ids.
        words: that token ids stay below.
        masks: whether it skips steps that pad.
        padding: the value of these; None: the data's own.
        each_step: whether it answers at each step.
    """

    steps: int | None
    features: int | None
    words: int | None = None
    masks: bool = False
    padding: float | None = None
    each_step: bool = False

    @classmethod
    def of(cls, model: Any) -> Takes:
        """What a Keras model takes."""
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise InputError(
                f"Only a model with one input and one output takes a data set; "
                f"{model.name} has {len(model.inputs)} and {len(model.outputs)}."
            )
        shape = model.inputs[0].shape
        if shape[0] is not None:
            raise InputError(
                f"The model {model.name} takes exactly {shape[0]} sequences at once; "
                f"give one that takes any number (without batch_size, without "
                f"stateful=True)."
            )
        if len(shape) not in (2, 3):
            raise InputError(
                f"The model {model.name} takes the shape {shape}; allowed: token ids "
                f"(None, steps), or features a step (None, steps, m)."
            )
        words = padding = None
        masks = False
        for layer in layers_in(model):
            words = getattr(layer, "input_dim", words)  # an Embedding's
            if hasattr(layer, "mask_value"):  # a Masking
                masks, padding = True, float(layer.mask_value)
            masks = masks or bool(getattr(layer, "mask_zero", False))
        features = shape[2] if len(shape) == 3 else None
        answers = model.outputs[0].shape
        each = len(answers) == 3 and answers[1] == shape[1]
        return cls(shape[1], features, words, masks, padding, each)

    def check(self, name: str, parts: Iterable[Sequences]) -> None:
        """Refuse sequences of another kind."""
        for x in parts:
            if x.features != self.features:
                raise InputError(
                    f"{name} has {_kind(x.features)}, and the model takes "
                    f"{_kind(self.features)}; give the data that it was trained on."
                )
            largest = int(x.values.max()) if x.tokens else 0
            if self.words is not None and largest >= self.words:
                raise InputError(
                    f"{name} has token ids up to {largest}, and the model's "
                    f"Embedding knows those below {self.words}; keep fewer words "
                    f"(--words {self.words})."
                )


def _kind(features: int | None) -> str:
    return "token ids" if features is None else f"{features} features a step"


@dataclass(frozen=True)
class Adapter:
    """How sequences are padded for a model.

    Steps that pad follow the sequence where the model masks them or answers at
    each step, and else in front of it, so that its end is the last that the model sees.

    Args:
        front: whether they stand in front.
        length: of all sequences; None: each batch's longest.
        padding: the value of a step that pads; None: the data's own.
    """

    front: bool
    length: int | None
    padding: float | None

    @classmethod
    def of(cls, model: Any, data: Dataset) -> Adapter:
        """What a Keras model expects of these data."""
        return cls.fit(Takes.of(model), data.name, data.train.x, data.test.x)

    @classmethod
    def fit(cls, takes: Takes, name: str, *parts: Sequences) -> Adapter:
        """What a model expects of sequences of this name."""
        takes.check(name, parts)
        lengths = np.concatenate([part.lengths for part in parts])
        longest, ragged = int(lengths.max()), len(set(lengths)) > 1
        ragged = ragged or any(part.is_ragged for part in parts)
        steps = takes.steps
        if steps is not None and (longest > steps or (longest < steps and not ragged)):
            raise InputError(
                f"{name} has sequences of up to {longest} steps, and the model "
                f"takes exactly {steps}; give data of that length."
            )
        if takes.masks or takes.each_step:
            return cls(False, steps, takes.padding)
        return cls(ragged, longest if ragged and steps is None else steps, None)

    def batches(
        self, part: Part, seed: int | None = None, size: int = PREDICTED
    ) -> Batches:
        """Batches of a part: shuffled by a seed, or for an evaluation."""
        if self.padding is not None:
            part = replace(part, x=replace(part.x, padding=self.padding))
        return served.Batches(
            part,
            size,
            shuffle=seed is not None,
            seed=seed or 0,
            group=True,
            front=self.front,
            length=self.length,
        )

    def padded(self, x: Sequences) -> Array:
        """(N, T, m), or (N, T): all sequences at once, in their order."""
        return x.padded(self.length, self.padding, front=self.front)

    def one(self, part: Part) -> Part:
        """The sequence of median length alone, padded as the model expects."""
        x, y, *_ = self.batches(part.median())[0]
        return Part(Sequences(x), y)

    def answers(self, model: Any, part: Part) -> Array:
        """(N, ...) what a model answers, in the order of the data."""
        from slimrnn.data.batches import answers, unnamed

        return answers(unnamed(model), self.batches(part))


def layers_in(model: Any) -> Iterator[Any]:
    """The layers of a Keras model, in order; models inside it are opened."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from layers_in(layer)
        else:
            yield layer
