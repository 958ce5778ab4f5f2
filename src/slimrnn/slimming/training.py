"""Slimming: rebuild a trained model, start it from its weights, distil."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from slimrnn import backends
from slimrnn.data import Dataset
from slimrnn.data.adapter import Adapter, Takes, dataset
from slimrnn.ir.data import finite
from slimrnn.ir.formats import is_module
from slimrnn.slimming.conversion import GateConstants, rebuild
from slimrnn.slimming.distillation import Best, Distillation, end_of, with_targets
from slimrnn.slimming.options import Options
from slimrnn.variants import Variant, get


def slim(
    model: Any,
    variant: str | Variant,
    data: Dataset | tuple[Any, Any] | None = None,
    *,
    gate_constants: GateConstants = "trained",
    watch: Callable[[dict[str, Any]], None] = lambda line: None,
    verbose: int = 0,
    **options: Any,
) -> Any:
    """A trained model with its recurrent layers replaced by slim ones, trained again.

    The slim layers start from the trained weights, see
    :func:`slimrnn.slimming.rebuild`. Then the whole model learns to answer as the
    trained one does and as the labels say, see
    :class:`slimrnn.slimming.Distillation`, with Adam. What is returned are the
    weights with the best score on validation data, those of the start among them.

    Args:
        model: ``keras.Sequential`` or functional, or a ``torch.nn.Module`` that
            ``slimrnn.ir.read`` reads; trained; it is left as it was.
        variant: a name, or a ``slimrnn.Variant``, of a family that fits.
        data: what to train on: a ``slimrnn.data.Dataset`` or arrays (x, y) with whole
            numbers y for classes. None: the model is rebuilt and not trained.
        gate_constants: ``"trained"``, ``"variant"`` or values, see ``rebuild``.
        watch: gets each epoch's figures, from epoch 0, the start, on.
        verbose: as of ``keras.Model.fit``: 0, silence; 1, a bar for each epoch, in
            notebooks, too; 2, a line.
        options: of the training, see :class:`slimrnn.slimming.Options`. The seed is
            given to ``keras.utils.set_random_seed`` too.

    Returns:
        A model of the same kind, compiled as the trained one was; a module of the same
        class with layers of ``slimrnn.torch``, trained through Keras.

    Raises:
        InputError: a model, a variant, data or a number that cannot be; or a training
            that diverged from the start.

    Example:
        >>> from slimrnn import data
        >>> lstm = keras.Sequential([keras.Input((8, 8)), keras.layers.LSTM(4),
        ...                          keras.layers.Dense(10, activation="softmax")])
        >>> small = slim(lstm, "LSTM6", data.load("digits"), epochs=1)
        >>> lstm.count_params(), small.count_params()
        (258, 102)
    """
    how = Options(**options)
    if is_module(model):
        from slimrnn.slimming.torch_module import slim_module

        def train(trained: keras.Model, constants: GateConstants) -> keras.Model:
            return slim(
                trained,
                variant,
                data,
                gate_constants=constants,
                watch=watch,
                verbose=verbose,
                **options,
            )

        return slim_module(model, get(variant), gate_constants, train)
    slimmed = rebuild(model, variant, gate_constants)
    if data is None:
        return slimmed
    data = dataset(data, Takes.of(model).each_step)
    adapter = Adapter.of(model, data)
    parts = data.split(how.validation, how.seed)
    answers = [adapter.answers(model, part) for part in parts]
    labels = [part.targets for part in parts]
    each = (part.per_target(x) for part, x in zip(parts, answers, strict=True))
    end = end_of(
        np.concatenate(list(each)),
        np.concatenate(labels),
        getattr(model, "loss", None) or ("mse" if data.classes is None else None),
        getattr(getattr(model.layers[-1], "activation", None), "__name__", ""),
    )
    loss = Distillation(end, how.temperature, how.mix)
    part, held = (
        with_targets(part, loss, answer)
        for part, answer in zip(parts, answers, strict=True)
    )
    with backends.quietly():
        keras.utils.set_random_seed(how.seed)
    # Another model of the same layers: what is returned keeps its own compilation.
    pupil = keras.Model(slimmed.inputs[0], slimmed.outputs[0])
    optimizer = keras.optimizers.Adam(how.learning_rate)
    pupil.compile(optimizer, loss=loss, weighted_metrics=[loss.score])
    batches = adapter.batches(part, how.seed, how.batch_size)
    best = Best(pupil, adapter.batches(held), watch)
    pupil.fit(
        batches,
        epochs=how.epochs,
        shuffle=False,
        verbose=verbose,
        callbacks=[batches.follow(), best],
    )
    best.restore()
    for weight in slimmed.weights:
        finite(f"The weight {weight.path} of the slim model", weight)
    return slimmed
