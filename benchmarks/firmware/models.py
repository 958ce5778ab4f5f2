"""The models that are measured: each row alone, with a head, random weights, and data.

Importing this module imports Keras.
"""

from dataclasses import dataclass

import keras
import numpy as np

import slimrnn
from benchmarks.firmware.emulator import Model
from slimrnn.deploy.c.export import compile_model
from slimrnn.deploy.c.project import source_of
from slimrnn.deploy.program import inputs, simulator
from slimrnn.ir import read

FEATURES, UNITS, CLASSES, STEPS = 16, 32, 6, 50


@dataclass(frozen=True)
class Measured(Model):
    """A model with the outputs that each core must give.

    Attributes:
        row: of the table.
        dtype: of the arithmetic.
        expected: (T, n) for each sequence.
    """

    row: str
    dtype: str
    expected: list[np.ndarray]


def model_of(row: str) -> keras.Model:
    """The model of a row: 16 inputs, 32 units, 6 classes."""
    layers = keras.layers
    head = layers.Dense(CLASSES, "softmax")
    return keras.Sequential(
        [
            layers.Input((None, FEATURES)),
            slimrnn.layer(UNITS, row, time_scale=None),
            head,
        ]
    )


def measured(row: str, dtype: str) -> Measured:
    """A row's model with weights, and a sequence of 50 steps."""
    model = model_of(row)
    rng = np.random.default_rng(0)  # not Keras's, which differs with the backend
    shapes = [weight.shape for weight in model.get_weights()]
    model.set_weights([rng.normal(size=s, scale=s[0] ** -0.5) for s in shapes])
    x = rng.normal(size=(1, STEPS, FEATURES)).astype("float32")
    program, _ = compile_model(read(model), dtype, x)
    source = source_of(program, f"{row.lower()}_{dtype}")
    x = inputs.given(program, x)
    y = simulator.run(program, x, each=True)
    return Measured(source, list(x), row, dtype, list(y))
