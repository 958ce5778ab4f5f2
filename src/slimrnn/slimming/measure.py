"""What a model is and does, in a few figures: before and after slimming."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
from rich import box
from rich.table import Table

from slimrnn.data import Dataset
from slimrnn.data.adapter import Feeding, layers_in
from slimrnn.deploy.size import Size, sizes
from slimrnn.errors import InputError
from slimrnn.experiments.run.trainer import prediction_seconds
from slimrnn.slimming.distillation import ENDS, Distillation, end_of


@dataclass(frozen=True)
class Figures:
    """What a model is and does.

    Attributes:
        score: on the test data, named by ``metric``.
        metric: ``"accuracy"``, or ``"mae"`` of a regression.
        recurrent_parameters: of the recurrent layers.
        parameters: of all layers.
        flash: bytes on a microcontroller by dtype, see
            :func:`slimrnn.deploy.size.sizes`; of a model that cannot be exported
            there is none.
        seconds: a prediction of one sequence of median length, in Keras.
    """

    score: float
    metric: str
    recurrent_parameters: int
    parameters: int
    flash: Mapping[str, int]
    seconds: float


def measure(model: keras.Model, data: Dataset) -> Figures:
    """The figures of a model on the test data.

    Raises:
        InputError: data that the model cannot take.
    """
    feeding = Feeding.of(model, data)
    answers = feeding.answers(model, data.test)
    end = end_of(answers, data.test.y)
    loss = Distillation(end)
    found = loss.score(loss.targets(answers, data.test.y), answers)
    return Figures(
        float(np.mean(keras.ops.convert_to_numpy(found))),
        "mae" if ENDS[end] is None else "accuracy",
        sum(
            layer.count_params()
            for layer in layers_in(model)
            if isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional))
        ),
        model.count_params(),
        _flash(model),
        prediction_seconds(model, feeding.one(data.test)),
    )


def _flash(model: keras.Model) -> dict[str, int]:
    try:
        found = sizes(model)
    except InputError:
        return {}
    return {k: size.flash for k, size in found.items() if isinstance(size, Size)}


def table(before: Figures, after: Figures) -> Table:
    """The figures of both models, side by side."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("", "before", "after", "ratio"):
        found.add_column(head, justify="right" if head else "left", no_wrap=True)
    old, new = (_shown(figures) for figures in (before, after))
    for title, (value, form) in old.items():
        if title in new:
            values = (value, new[title][0])
            ratio = "" if form == SCORE else f"×{values[1] / value:.2f}"
            found.add_row(title, *map(form.format, values), ratio)
    return found


SCORE, COUNT, TIME = "{:.3f}", "{:,}", "{:.3g}"


def _shown(figures: Figures) -> dict[str, tuple[float, str]]:
    """The figures and their forms, by title."""
    return {
        f"test {figures.metric}": (figures.score, SCORE),
        "parameters of the recurrent layers": (figures.recurrent_parameters, COUNT),
        "parameters of the model": (figures.parameters, COUNT),
        **{
            f"flash of a Cortex-M4 in bytes, {dtype}": (count, COUNT)
            for dtype, count in figures.flash.items()
        },
        "ms a prediction, in Keras": (1000 * figures.seconds, TIME),
    }
