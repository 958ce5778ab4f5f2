"""Models that the exporters' tests share, with inputs and what Keras makes of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import keras
import numpy as np
import pytest

import slimrnn
from layer_problems import assert_same, normal, randomised
from problems import ROWS
from slimrnn.activations import FUNCTIONS, OF_LAYERS
from slimrnn.errors import InputError
from slimrnn.ir.from_keras import from_keras

FEATURES, UNITS, WORDS = 5, 7, 6

#: random values come later, and no compiler is asked for an orthogonal matrix
ZEROS = dict.fromkeys(("kernel_initializer", "recurrent_initializer"), "zeros")
layers = keras.layers
LSTM, GRU, SimpleRNN, SlimLSTM, SlimGRU, SlimMGU = (
    partial(kind, **ZEROS)
    for kind in (
        *(layers.LSTM, layers.GRU, layers.SimpleRNN),
        *(slimrnn.SlimLSTM, slimrnn.SlimGRU, slimrnn.SlimMGU),
    )
)
Conv1D = partial(layers.Conv1D, kernel_initializer="zeros")
Dense = partial(layers.Dense, kernel_initializer="zeros")
ALL = {"return_sequences": True}


def masked_numbers(batch, time):
    x = normal(batch, time, FEATURES)
    x[np.random.default_rng(2).random((batch, time)) < 0.4] = 0.5
    x[:1, -1] = 0.5  # at the last step, whose output is the classifier's
    x[-1, -1] = -1.0
    x[-1, 0, 0] = 0.5  # one feature alone masks nothing
    return x


def words(batch, time):
    return np.random.default_rng(1).integers(0, WORDS, (batch, time)).astype("int32")


def far(x):
    """The same for an exported file, with indices that the Embedding does not have."""
    return np.where(x == 0, -7, np.where(x == WORDS - 1, 2**31 - 1, x)).astype("int32")


#: the first layers, and inputs for them
FRONTS = {
    "numbers": (
        lambda: [layers.Input((None, FEATURES))],
        lambda batch, time: normal(batch, time, FEATURES),
    ),
    "150 samples": (
        lambda: [layers.Input((150, 1))],
        lambda batch, time: normal(batch, 150, 1),
    ),
    "five steps": (
        lambda: [layers.Input((5, FEATURES))],
        lambda batch, time: normal(batch, 5, FEATURES),
    ),
    "words": (
        lambda: [layers.Input((None,)), layers.Embedding(WORDS, FEATURES)],
        words,
    ),
    "masked words": (
        lambda: [
            layers.Input((None,)),
            layers.Embedding(WORDS, FEATURES, mask_zero=True),
        ],
        words,
    ),
    "masked numbers": (
        lambda: [layers.Input((None, FEATURES)), layers.Masking(mask_value=0.5)],
        masked_numbers,
    ),
}


@dataclass
class Case:
    """A model, and the modes in which it is refused."""

    build: Callable[[], list]
    front: str = "numbers"
    refused: tuple[str, ...] = ()
    deviation: float = 0.5
    problems: dict = field(default_factory=dict)

    @functools.cached_property
    def model(self):
        first, _ = FRONTS[self.front]
        model = keras.Sequential([*first(), *self.build()])
        return randomised(model, deviation=self.deviation)

    def problem(self, *size):
        """An input of this batch and time, and Keras's output."""
        if size not in self.problems:
            x = FRONTS[self.front][1](*size)
            self.problems[size] = x, keras.ops.convert_to_numpy(self.model(x))
        return self.problems[size]


def one(kind, *refused, **options):
    """A case of one recurrent layer."""
    return Case(lambda: [kind(UNITS, **{**ALL, **options})], refused=refused)


def of_row(row):
    """A layer of a row with a head."""
    scaled = any(gate.scaled for gate in row.gates)
    refused = () if row.family == "lstm" and not scaled else ("lstm",)
    return Case(
        lambda: [
            slimrnn.layer(UNITS, row, **ALL, **ZEROS),
            Dense(3, activation="softmax"),
        ],
        refused=refused,
    )


@functools.cache
def of_functions(activation, recurrent_activation, *refused):
    """Static and moving gates with these activations, and a head."""
    names = ("activation", "recurrent_activation")
    given = zip(names, (activation, recurrent_activation), strict=True)
    options = {key: FUNCTIONS[name] for key, name in given if name in FUNCTIONS}
    return Case(
        lambda: [
            SlimLSTM(UNITS, "LSTM3", **options, **ALL),
            SlimLSTM(UNITS, "LSTM4", **options, **ALL),
            Dense(3, activation={**FUNCTIONS, **OF_LAYERS}[activation]),
        ],
        refused=refused,
    )


def masked(front, kind, **options):
    return Case(
        lambda: [kind(UNITS, **ALL, **options), Dense(6), SlimGRU(UNITS, **options)],
        front,
        ("lstm",),
    )


def both(merge, sequences):
    inner = {"return_sequences": sequences}
    return Case(
        lambda: [
            layers.Bidirectional(SlimLSTM(UNITS, "LSTM5", **inner), merge_mode=merge),
            Dense(2),
        ],
        refused=("step",),
    )


BOOLS = (True, False)
MERGES = ("concat", "sum", "mul", "ave")
CASES = {
    **{name: of_row(row) for name, row in ROWS.items()},
    **{f"LSTM, bias {bias}": one(LSTM, use_bias=bias) for bias in BOOLS},
    **{
        f"GRU, bias {bias}, after {after}": one(
            GRU, "lstm", use_bias=bias, reset_after=after
        )
        for bias in BOOLS
        for after in BOOLS
    },
    "SimpleRNN": one(SimpleRNN, "lstm"),
    "no bias": one(SlimLSTM, variant="LSTM4a", use_bias=False),
    "constant": one(SlimLSTM, variant="LSTM6", gate_constants={"f": 0.59}),
    "closed": one(SlimLSTM, variant="LSTM6", gate_constants={"f": 0.0, "i": 0.0}),
    "unreachable": one(SlimLSTM, "lstm", variant="LSTM6", gate_constants={"f": 1.5}),
    "last": one(SlimLSTM, return_sequences=False),
    "cells": Case(
        lambda: [
            layers.RNN(layers.LSTMCell(UNITS, **ZEROS), **ALL),
            slimrnn.SlimRNN(slimrnn.SlimLSTMCell(UNITS, "LSTM5", **ZEROS), **ALL),
        ]
    ),
    **{
        f"{front}, {name}, zeros {zeros}": masked(
            front, kind, zero_output_for_mask=zeros
        )
        for front in ("masked words", "masked numbers")
        for name, kind in {"SlimLSTM": SlimLSTM, "LSTM": LSTM}.items()
        for zeros in BOOLS
    },
    **{
        f"{name} backwards, sequences {sequences}": one(
            kind, "step", go_backwards=True, return_sequences=sequences
        )
        for name, kind in {"SlimLSTM": SlimLSTM, "LSTM": LSTM}.items()
        for sequences in BOOLS
    },
    **{
        f"both directions, {merge}, sequences {sequences}": both(merge, sequences)
        for merge in MERGES
        for sequences in BOOLS
    },
    "both directions, unlike": Case(
        lambda: [
            layers.Bidirectional(
                LSTM(UNITS, **ALL),
                backward_layer=SlimLSTM(UNITS, "LSTM4", go_backwards=True, **ALL),
            )
        ],
        refused=("step",),
    ),
    "both directions, masked": Case(
        lambda: [
            layers.Bidirectional(SlimGRU(UNITS, "GRU1", **ALL)),
            layers.Bidirectional(SlimLSTM(UNITS, zero_output_for_mask=True)),
        ],
        "masked numbers",
        ("step", "lstm"),
    ),
    "masked, backwards, with a layer behind": Case(
        lambda: [
            SlimGRU(UNITS, "GRU1", go_backwards=True, **ALL),
            SlimLSTM(UNITS, zero_output_for_mask=True),
        ],
        "masked numbers",
        ("step", "lstm"),
    ),
    "stack": Case(
        lambda: [
            layers.Dropout(0.5),
            LSTM(UNITS, **ALL),
            SlimLSTM(3, "LSTM3", **ALL),
            layers.Activation("relu"),
            SlimLSTM(UNITS, "LSTM_C6"),
            Dense(UNITS, activation="tanh", use_bias=False),
            Dense(2),
            layers.Softmax(),
        ]
    ),
    "Conv1D, causal": Case(
        lambda: [
            Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu"),
            SlimLSTM(6, **ALL),
            Conv1D(4, 2, padding="causal", groups=2, use_bias=False),
            layers.Activation("tanh"),
        ]
    ),
    "Conv1D with strides": Case(
        lambda: [Conv1D(4, 3, strides=2), SlimLSTM(UNITS, **ALL), Dense(2)],
        refused=("step",),
    ),
    "GuitarLSTM": Case(
        lambda: [
            Conv1D(16, 12, strides=12, padding="same"),
            Conv1D(16, 12, strides=12, padding="same"),
            LSTM(UNITS),
            Dense(1),
        ],
        "150 samples",
        ("step",),
        deviation=0.1,
    ),
    "Conv1D, same": Case(
        lambda: [
            Conv1D(4, 4, strides=3, padding="same"),
            Conv1D(6, 2, padding="same", groups=2, activation="tanh"),
            SlimLSTM(UNITS),
            Dense(1),
        ],
        "five steps",
        ("step",),
    ),
    "LayerNormalization": Case(
        lambda: [
            layers.LayerNormalization(),
            SlimLSTM(UNITS, **ALL),
            layers.LayerNormalization(epsilon=1e-5, center=False),
            SlimLSTM(5, "LSTM3", **ALL),
            Dense(4, activation="relu"),
            layers.LayerNormalization(scale=False),
        ]
    ),
    **{
        f"local {kind}, {padding}": Case(
            lambda kind=kind, padding=padding: [
                getattr(layers, f"{kind}Pooling1D")(3, strides=2, padding=padding),
                SlimLSTM(UNITS, **ALL),
                getattr(layers, f"{kind}Pooling1D")(2, strides=1),
                Dense(2),
            ],
            "five steps",
            ("step",),
        )
        for kind in ("Average", "Max")
        for padding in ("valid", "same")
    },
    **{
        f"{kind}, {front}": Case(
            lambda kind=kind: [
                SlimLSTM(UNITS, **ALL),
                getattr(layers, f"Global{kind}Pooling1D")(),
                layers.Flatten(),
                Dense(2),
            ],
            front,
            ("lstm",) if front.startswith("masked") else (),
        )
        for kind, front in (
            ("Average", "numbers"),
            ("Average", "masked words"),
            ("Max", "numbers"),
        )
    },
    **{
        f"an autoencoder, {front}": Case(
            lambda: [
                SlimLSTM(UNITS, "LSTM6"),
                Dense(3, activation="relu"),
                layers.RepeatVector(4),
                LSTM(UNITS, **ALL),
                layers.TimeDistributed(Dense(2)),
            ],
            front,
            ("step", "lstm") if front.startswith("masked") else ("step",),
        )
        for front in ("numbers", "masked words", "masked numbers")
    },
    "words": Case(lambda: [SlimLSTM(UNITS, "LSTM5")], "words"),
    "rescaled": Case(
        lambda: [
            layers.Rescaling(0.5, -1.0),
            layers.Normalization(
                mean=normal(FEATURES), variance=1 + normal(FEATURES) ** 2
            ),
            SlimLSTM(UNITS, **ALL),
            layers.TimeDistributed(Dense(3, activation="hard_sigmoid")),
        ]
    ),
    "equal names": Case(
        lambda: [
            keras.Sequential([SlimLSTM(UNITS, "LSTM5", **ALL, name="a")]),
            keras.Sequential([SlimLSTM(UNITS, "LSTM5", **ALL, name="a")]),
        ]
    ),
    "PReLU": Case(
        lambda: [
            layers.PReLU(shared_axes=[1]),
            SlimLSTM(UNITS, **ALL),
            layers.LeakyReLU(0.2),
            Dense(3, activation=layers.ELU(0.5)),
        ]
    ),
    "flat": Case(lambda: [SlimLSTM(3, **ALL), layers.Flatten()], "five steps"),
    "flat, and a Dense": Case(
        lambda: [
            SlimLSTM(3, **ALL),
            layers.Flatten(),
            layers.Dropout(0.5),
            Dense(4, activation="relu"),
            Dense(2),
        ],
        "five steps",
        ("step",),
    ),
}


def origin(model, mode):
    """What a file with the model of ``CASES["LSTM4"]`` says where it is from."""
    return {
        "slimrnn": slimrnn.__version__,
        "model": model.name,
        "mode": mode,
        "variants": f"{model.layers[0].name}: LSTM4",
        "weights_sha256": from_keras(model).digest(),
    }


def assert_exported(case, mode, write, run, path, sizes):
    """The file gives what Keras gives, or the mode is refused and nothing written.

    Args:
        case: a Case.
        mode: of the file.
        write: ``to_onnx`` or ``to_litert``.
        run: the file on whole sequences: (path, mode, x) -> outputs; with the mode
            ``"step"`` those of all steps.
        path: the file.
        sizes: pairs of batch and time.
    """
    if mode in case.refused:
        with pytest.raises(InputError, match=r"\.$"):
            write(case.model, path, mode=mode)
        assert not list(path.parent.iterdir())
        return
    assert write(case.model, path, mode=mode) == path
    for size in sizes:
        x, expected = case.problem(*size)
        if case.front.endswith("words"):
            assert_same(run(path, mode, far(x)), run(path, mode, x))
        found = run(path, mode, x)
        if mode == "step" and found.shape != expected.shape:
            flat = found.size == expected.size
            found = found.reshape(expected.shape) if flat else found[:, -1]
        assert_same(found, expected)
