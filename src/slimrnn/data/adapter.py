"""How data reach a model that is already there: checked, padded as it expects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from slimrnn import data as served
from slimrnn.data.sequences import Dataset, Part, Sequences
from slimrnn.errors import InputError

Array = np.ndarray
PREDICTED = 256  # sequences at once where there are no gradients to keep


def dataset(data: Any) -> Dataset:
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
    part = Part(Sequences(x), y)
    classes = int(y.max()) + 1 if labels and y.ndim == 1 else None
    return Dataset("data", part, part, classes)


@dataclass(frozen=True)
class Adapter:
    """How sequences are padded for a model.

    Steps that pad stand behind the sequence where the model masks them, and else in
    front of it, so that its end is the last thing that the model sees.

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
        """What a model expects of these data.

        Raises:
            InputError: it cannot take them.
        """
        steps = _check(model, data)
        parts = (data.train.x, data.test.x)
        longest = max(int(part.lengths.max()) for part in parts)
        if steps is not None and (
            longest > steps or (longest < steps and not data.ragged)
        ):
            raise InputError(
                f"{data.name} has sequences of up to {longest} steps, and the model "
                f"takes exactly {steps}; give data of that length."
            )
        for layer in layers_in(model):
            if hasattr(layer, "mask_value"):  # a Masking
                return cls(False, steps, float(layer.mask_value))
            if getattr(layer, "mask_zero", False):
                return cls(False, steps, None)
        front = data.ragged
        return cls(front, longest if front and steps is None else steps, None)

    def batches(self, part: Part, seed: int | None = None, size: int = PREDICTED):
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

    def padded(self, part: Part) -> Array:
        """(N, T, m), or (N, T): all sequences at once, in the order of the data."""
        batches = self.batches(part, size=len(part))
        ((places, _),), ((x, _),) = batches.plan(0), batches
        return x[np.argsort(places)]

    def one(self, part: Part) -> Part:
        """The sequence of median length alone, padded as the model expects."""
        x, y = self.batches(part.median())[0]
        return Part(Sequences(x), y)

    def answers(self, model: Any, part: Part) -> Array:
        """(N, ...) what a model answers, in the order of the data."""
        from slimrnn.data.batches import unnamed

        model = unnamed(model)
        batches = self.batches(part)
        pairs = zip(batches.plan(0), batches, strict=True)
        found: Array | None = None
        for (places, _), (x, _) in pairs:
            answer = np.asarray(model.predict_on_batch(x), "float32")
            if found is None:
                found = np.empty((len(part), *answer.shape[1:]), "float32")
            found[places] = answer
        assert found is not None
        return found


def layers_in(model: Any) -> Iterator[Any]:
    """The layers of a Keras model, in order; models inside it are opened."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from layers_in(layer)
        else:
            yield layer


def _check(model: Any, data: Dataset) -> int | None:
    """The number of steps that the model fixes; refuses data of another kind."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(
            f"Only a model with one input and one output can be trained here; "
            f"{model.name} has {len(model.inputs)} and {len(model.outputs)}."
        )
    shape = model.inputs[0].shape
    if shape[0] is not None:
        raise InputError(
            f"The model {model.name} takes exactly {shape[0]} sequences at once; give "
            f"one that takes any number (without batch_size, without stateful=True)."
        )
    kind = f"{data.features} features a step" if data.features else "token ids"
    wanted = {2: None, 3: shape[-1]}.get(len(shape), 0)
    if data.features != wanted:
        takes = {2: "token ids", 3: f"{shape[-1]} features a step"}.get(
            len(shape), f"the shape {shape}"
        )
        raise InputError(
            f"{data.name} has {kind}, and the model takes {takes}; give the data that "
            f"it was trained on."
        )
    for layer in layers_in(model):
        if data.tokens and hasattr(layer, "input_dim"):  # an Embedding
            largest = max(int(p.x.values.max()) for p in (data.train, data.test))
            if largest >= layer.input_dim:
                raise InputError(
                    f"{data.name} has token ids up to {largest}, and the model's "
                    f"Embedding knows those below {layer.input_dim}; keep fewer words "
                    f"(--words {layer.input_dim})."
                )
            break
    return shape[1]
