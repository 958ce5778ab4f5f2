"""What a trained run costs and is worth in int8, as a device computes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras

from slimrnn.data import Dataset, Part
from slimrnn.deploy.evaluate import evaluate_int8
from slimrnn.deploy.size import size
from slimrnn.errors import InputError
from slimrnn.experiments.run.store import REFUSED
from slimrnn.ir import read

CORE = "cortex-m4"


def costs(model: keras.Model) -> dict[str, int]:
    """What a model takes on a microcontroller; nothing where int8 does not have it.

    Bytes of flash and RAM, and of a step the multiply-adds and a Cortex-M4's
    instructions.
    """
    try:
        took = size(read(model), "int8")
    except InputError:
        return {}
    return {
        "flash": took.flash,
        "ram": took.ram,
        "macs": took.macs,
        "instructions": took.instructions[CORE],
    }


def scores(
    model: keras.Model, dataset: Dataset, train: Part, validation: Part, metric: str
) -> dict[str, Any]:
    """The scores of validation and test data, or why there are none.

    Args:
        model: trained.
        dataset: whose test is scored.
        train: what the scales are taken from.
        validation: what is scored as well.
        metric: by which runs are compared.
    """
    found: dict[str, Any] = {}
    try:
        for name, part in {"val": validation, "test": dataset.test}.items():
            data = replace(dataset, train=train, test=part)
            scored = evaluate_int8(model, data)
            score = scored.esr["int8"] if metric == "esr" else scored.int8
            found[f"{name}_int8_{metric}"] = score
    except InputError as error:
        return {REFUSED: str(error)}
    return found
