"""How a slimmed model is trained: checked, before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from slimrnn.utils.settings import (
    ABOVE_0,
    COUNT,
    SEED,
    UP_TO_HALF,
    check_all,
    real,
    setting,
)

_SHARE = real(lambda x: 0 <= x <= 1, "a number from 0 (labels alone) to 1")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a slimmed model is trained; what each option is stands in its field.

    Raises:
        InputError: a value that is not allowed.
    """

    epochs: int = setting(10, "passes over the training data", COUNT, "N")
    learning_rate: float = setting(0.001, "step size of Adam", ABOVE_0, "X")
    batch_size: int = setting(32, "sequences in a batch", COUNT, "N")
    temperature: float = setting(
        2.0, "softens the trained model's answers: 1 leaves them as is", ABOVE_0, "T"
    )
    mix: float = setting(
        0.5,
        "share of these answers in the loss, from 0 (labels alone) to 1",
        _SHARE,
        "X",
    )
    validation: float = setting(
        0.1, "fraction of the training data kept for validation", UP_TO_HALF, "X"
    )
    seed: int = setting(
        1, "of the split, the batches and dropout; 0 or more", SEED, "N"
    )

    def __post_init__(self) -> None:
        check_all(self)
