"""How a slimmed model is trained: checked, before anything is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass

from slimrnn.errors import InputError
from slimrnn.experiments.run.settings import MOST_SEED
from slimrnn.utils.checks import whole

_RANGES = {
    "learning_rate": (lambda x: x > 0, "above 0"),
    "temperature": (lambda x: x > 0, "above 0"),
    "mix": (lambda x: 0 <= x <= 1, "from 0 (labels alone) to 1 (answers alone)"),
    "validation": (lambda x: 0 < x <= 0.5, "above 0 and at most 0.5"),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a slimmed model is trained.

    Args:
        epochs: passes over the training data.
        learning_rate: of Adam.
        batch_size: sequences in a batch.
        temperature: T, which softens the trained model's answers; 1 leaves them as
            they are.
        mix: share of these answers in the loss, the labels having the rest.
        validation: fraction of the training data that is kept for validation.
        seed: of the split, the batches and dropout.

    Raises:
        InputError: a value that is not allowed.
    """

    epochs: int = 10
    learning_rate: float = 0.001
    batch_size: int = 32
    temperature: float = 2.0
    mix: float = 0.5
    validation: float = 0.1
    seed: int = 1

    def __post_init__(self):
        whole("number of epochs", self.epochs, least=1)
        whole("batch size", self.batch_size, least=1)
        whole("seed", self.seed, least=0, most=MOST_SEED)
        for name, (fits, allowed) in _RANGES.items():
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and math.isfinite(value)
            if not number or not fits(value):
                raise InputError(
                    f"The {name.replace('_', ' ')} must be a number {allowed}; "
                    f"received {value!r}."
                )
