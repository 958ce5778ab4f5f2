"""What a model loses in integers, measured without a board."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slimrnn.data import Dataset
from slimrnn.data.adapter import Adapter
from slimrnn.data.metrics import METRICS
from slimrnn.data.scoring import Task, error_to_signal
from slimrnn.deploy.program import inputs, quantize, simulator
from slimrnn.deploy.program import program as programs
from slimrnn.deploy.program.functions import FLOAT32
from slimrnn.deploy.program.program import Program
from slimrnn.errors import InputError
from slimrnn.ir import read

Array = np.ndarray

_BATCH = 512  # sequences at a time: the simulator keeps all steps of a batch


@dataclass(frozen=True)
class Evaluation:
    """A model in float32 and in integers, on the same data.

    Attributes:
        metric: ``"accuracy"``, or ``"mae"``, the mean absolute error.
        float32: of the model.
        int8: of its integers, as any device computes them.
        agree: the share of sequences (or steps) that both put into the same class;
            None for a mean absolute error.
        count: how many predictions were scored; steps that are masked are not.
        task: how the outputs were read, and why, in words.
        esr: of numbers at each step, the error-to-signal ratio with pre-emphasis of
            both, by dtype.
    """

    metric: str
    float32: float
    int8: float
    agree: float | None
    count: int
    task: str = ""
    esr: Mapping[str, float] = field(default_factory=dict)

    @property
    def lost(self) -> float:
        """How much worse the integers are: points of accuracy, or of the error."""
        metric = METRICS[self.metric]
        return (100 if metric.bounded else 1) * metric.worth(self.float32 - self.int8)


def evaluate_int8(
    model: Any, data: Any, y: Any = None, calibration: Any = None, loss: Any = None
) -> Evaluation:
    """The accuracy of a model in integers, before anything is flashed.

    The integers are those of ``to_c(..., dtype="int8")``, bit for bit. Outputs are read
    as :class:`slimrnn.data.scoring.Task` says: by the loss, else by y and the last
    activation.

    Args:
        model: as :func:`slimrnn.deploy.to_c` takes it.
        data: a :class:`slimrnn.data.Dataset`, of which the test is taken, padded as the
            model expects; or an array x, (B, T, m), or (B, T) indices.
        y: beside an array: classes, (B,), or (B, T) for a model with an output for each
            step; or a number for each output, (B, n) or (B, T, n): one-hot classes, or
            targets.
        calibration: sequences that determine the scales; if not given, 200 of those
            to train on of a Dataset, from its whole length; and x.
        loss: with which the model was trained, as Keras takes it; if not given, that of
            a compiled model.

    Raises:
        InputError: a model that integers cannot have, or arrays that do not fit.

    Example:
        >>> import keras, slimrnn
        >>> model = keras.Sequential(
        ...     [keras.Input((None, 3)), slimrnn.SlimLSTM(4), keras.layers.Dense(2)])
        >>> x = np.random.default_rng(0).normal(size=(20, 5, 3))
        >>> evaluate_int8(model, x, np.zeros(20, int)).metric
        'accuracy'
    """
    exported = read(model)
    usual, part = data, None
    per_sequence: Callable[[Array], Array] = np.ravel
    if isinstance(data, Dataset):
        parts = (data.train.x, data.test.x)
        adapter = Adapter.fit(inputs.takes(exported), data.name, *parts)
        part = data.test
        per_sequence = part.per_sequence
        data, y = adapter.padded(part.x), part.targets
        loss = "mse" if loss is None and y.dtype.kind == "f" else loss
    elif y is None:
        raise InputError(
            "y is missing: give the classes or targets of x, or a slimrnn.data.Dataset."
        )
    x = inputs.check(exported, data)
    scales = usual if calibration is None else calibration
    lowered = (programs.float32(exported), quantize.int8(exported, scales))
    floats, integers = (_values(program, x) for program in lowered)
    y, mask, esr = np.asarray(y), None, {}
    if part is not None:
        if part.each_number:
            pair = {"float32": floats, "int8": integers}
            esr = {k: float(error_to_signal(v, part).mean()) for k, v in pair.items()}
        floats, integers = map(part.per_target, (floats, integers))
    elif exported.return_sequences and exported.gives_each:
        mask = inputs.mask_of(exported, x)
    if exported.flatten and y.size == floats.size:
        y = y.reshape(floats.shape)
    loss = getattr(model, "loss", None) if loss is None else loss
    last = getattr(exported.layers[-1], "activation", "")
    task = Task.of(floats, y, loss, last)
    right = [task.score(values, y, mask) for values in (floats, integers)]
    agree = None
    if task.metric == "accuracy":
        same = task.answers(floats) == task.answers(integers)
        agree = float(per_sequence(same if mask is None else same[mask]).mean())
    whole, small = (float(per_sequence(values).mean()) for values in right)
    return Evaluation(task.metric, whole, small, agree, right[0].size, str(task), esr)


def _values(program: Program, x: Array) -> Array:
    """The outputs, as the numbers that they stand for."""
    parts = []
    for first in range(0, len(x), _BATCH):
        some = x[first : first + _BATCH]
        mask = inputs.mask_of(program.model, some)
        values = simulator.run(program, inputs.given(program, some), mask)
        if program.arithmetic.scaled:
            values = values / 2.0**program.output_bits
            if program.model.ends_in_softmax:  # which the device leaves out
                values = FLOAT32["slim_softmax"].simulator(values.astype("float32"))
        parts.append(values)
    return np.concatenate(parts)
