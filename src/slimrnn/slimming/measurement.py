"""What a model is and does, in a few figures: before and after slimming."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from slimrnn.data import Dataset
from slimrnn.data.adapter import Adapter, layers_in
from slimrnn.data.scoring import per_sequence
from slimrnn.deploy.size import Size, sizes
from slimrnn.errors import InputError


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
    """

    score: float
    metric: str
    recurrent_parameters: int
    parameters: int
    flash: Mapping[str, int]


def measure(model: keras.Model, data: Dataset) -> Figures:
    """The figures of a model on the test data.

    Raises:
        InputError: data that the model cannot take.
    """
    adapter = Adapter.of(model, data)
    answers = adapter.answers(model, data.test)
    return Figures(
        float(per_sequence(answers, data.test, getattr(model, "loss", None)).mean()),
        data.metric,
        sum(
            layer.count_params()
            for layer in layers_in(model)
            if isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional))
        ),
        model.count_params(),
        _flash(model),
    )


def _flash(model: keras.Model) -> dict[str, int]:
    try:
        found = sizes(model)
    except InputError:
        return {}
    return {k: size.flash for k, size in found.items() if isinstance(size, Size)}
