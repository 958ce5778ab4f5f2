"""Models to export, their inputs and programs: shared by the tests of the C."""

import functools
from dataclasses import replace

import keras
import numpy as np

import slimrnn
from exported_models import BOOLS, CASES, FEATURES, MERGES, UNITS, WORDS
from layer_problems import normal, randomised
from problems import ROWS
from slimrnn.deploy.c.export import compile_model
from slimrnn.deploy.program import inputs, simulator
from slimrnn.ir.from_keras import from_keras
from slimrnn.ir.keras_layers import ACTIVATIONS
from slimrnn.ir.layers import Recurrent

layers = keras.layers
TIME = 12
FUNCTIONS = {name: function for function, name in ACTIVATIONS.items()}


def model_of(
    *inside, features=FEATURES, steps=None, words=False, seed=3, deviation=0.5
):
    """A model of these layers with random weights."""
    shape = (steps,) if words else (steps, features)
    model = keras.Sequential([layers.Input(shape), *inside])
    return randomised(model, seed, deviation)


@functools.cache
def model_of_row(name):
    """A model of two layers of a row, the sizes odd and even, behind one another."""
    row = ROWS[name]
    return model_of(
        slimrnn.layer(UNITS, row, return_sequences=True),
        slimrnn.layer(UNITS + 1, row),
        layers.Dense(3),
    )


def shared(*names):
    """Rows of the table that files of graphs are tested with."""
    return {name: lambda case=CASES[name]: case.model for name in names}


#: all other layers, one way or another; few models with many, as each takes a compiler
MODELS = {
    **shared(
        *(f"GRU, bias {bias}, after {after}" for bias in BOOLS for after in BOOLS),
        *("cells", "words", "rescaled", "flat, and a Dense", "LayerNormalization"),
        *("Conv1D, causal", "Average, masked words", "Max, numbers"),
    ),
    "LSTM": lambda: model_of(layers.LSTM(6), layers.Dense(3, "softmax")),
    "SimpleRNN": lambda: model_of(layers.SimpleRNN(6), layers.Dense(1, "sigmoid")),
    "one unit": lambda: model_of(
        slimrnn.SlimLSTM(1, "LSTM5"), layers.Dense(1), features=1
    ),
    "a stack": lambda: model_of(
        layers.Dense(4, "tanh"),
        slimrnn.SlimLSTM(6, "LSTM6", return_sequences=True),
        layers.Dropout(0.3),
        layers.TimeDistributed(layers.Dense(5, "relu")),
        slimrnn.SlimGRU(4, "GRU1"),
        layers.Dense(8, "relu"),
        layers.Dense(3),
        layers.Softmax(),
    ),
    "an output a step": lambda: model_of(
        slimrnn.SlimMGU(6, "MGU", return_sequences=True),
        layers.Dense(2),
        layers.Flatten(),
        steps=TIME,
    ),
    "mask of an Embedding": lambda: model_of(
        layers.Embedding(WORDS, 5, mask_zero=True),
        slimrnn.SlimGRU(4, "GRU3", return_sequences=True),
        slimrnn.SlimLSTM(3, "LSTM_C6"),
        words=True,
    ),
    "Conv1D, valid": lambda: model_of(
        layers.Embedding(WORDS, 4),
        layers.Conv1D(6, 3, groups=2, activation="tanh"),
        slimrnn.SlimLSTM(5, "LSTM6", return_sequences=True),
        layers.Dense(2),
        words=True,
    ),
    "Conv1D with strides": lambda: model_of(
        layers.Rescaling(0.5),
        layers.Conv1D(4, 3, strides=3, padding="causal"),
        layers.Conv1D(4, 2, strides=2),
        slimrnn.SlimLSTM(5, "LSTM6"),
        layers.Dense(2),
        steps=TIME,
    ),
    "keyword spotter": lambda: model_of(
        layers.Normalization(mean=np.zeros(FEATURES), variance=np.ones(FEATURES)),
        layers.Conv1D(8, 3, strides=2, padding="causal", use_bias=False),
        layers.Rescaling(1.5, 0.5),
        layers.ReLU(),
        layers.GRU(6, return_sequences=True),
        layers.GlobalAveragePooling1D(),
        layers.Dense(4, "softmax"),
    ),
    "LayerNormalization of words": lambda: model_of(
        layers.Embedding(WORDS, 5, mask_zero=True),
        layers.LayerNormalization(),
        layers.LSTM(4),
        layers.LayerNormalization(),
        layers.Dense(2, "softmax"),
        words=True,
    ),
    "local pools": lambda: model_of(
        layers.MaxPooling1D(2),
        slimrnn.SlimLSTM(6, "LSTM6", return_sequences=True),
        layers.AveragePooling1D(3, strides=1),
        slimrnn.SlimGRU(4, "GRU1"),
        layers.Dense(2),
    ),
    "local pools at the end": lambda: model_of(
        layers.AveragePooling1D(2, strides=1),
        layers.Conv1D(6, 2, activation="relu"),
        slimrnn.SlimLSTM(5, "LSTM6", return_sequences=True),
        layers.MaxPooling1D(3, strides=2),
        layers.Dense(3),
    ),
    "Affine everywhere": lambda: model_of(
        layers.Conv1D(6, 3, padding="causal", activation="relu"),
        layers.Rescaling(0.5),
        layers.Conv1D(4, 2, groups=2),
        layers.Rescaling(1.5, 0.1),
        layers.Activation("relu"),
        layers.Rescaling(0.5, 0.1),
        layers.Rescaling(0.25),
        layers.GRU(4, return_sequences=True),
        layers.Rescaling(2.0, 0.5),
        layers.Conv1D(4, 2, groups=2, activation="tanh"),
        layers.Rescaling(0.5, 0.5),
        slimrnn.SlimLSTM(4, "LSTM4"),
        layers.Rescaling(2.0, -0.5),
        layers.Dense(3),
    ),
    "PReLU": lambda: model_of(
        layers.Dense(4),
        layers.PReLU(shared_axes=[1]),
        slimrnn.SlimLSTM(6, "LSTM6", return_sequences=True),
        layers.LeakyReLU(2.5),
        layers.Conv1D(4, 2),
        layers.ELU(0.5),
        slimrnn.SlimGRU(5, "GRU3"),
        layers.Dense(4, layers.LeakyReLU(0.1)),
        layers.PReLU(),
    ),
    "Masking": lambda: model_of(
        layers.Masking(-1.0), slimrnn.SlimLSTM(4, "LSTM11"), layers.Dense(2)
    ),
}


def bidirectional(units, each):
    layer = slimrnn.SlimLSTM(units, "LSTM6", return_sequences=each)
    return layers.Bidirectional(layer)


def last_of(model, layer):
    """The model, and a layer on its last step."""
    made = keras.Model(model.inputs[0], layer(model.outputs[0][:, -1]))
    layer.set_weights([0.5 * normal(*w.shape) for w in layer.get_weights()])
    return made


#: models that need the whole sequence
WHOLE = {
    **shared(
        *(
            f"both directions, {merge}, sequences {sequences}"
            for merge in MERGES
            for sequences in BOOLS
        ),
        *("SlimLSTM backwards, sequences False", "an autoencoder, numbers"),
        "GuitarLSTM",
    ),
    "both ways, of two kinds": lambda: model_of(
        layers.Bidirectional(
            layers.LSTM(3, return_sequences=True),
            backward_layer=layers.GRU(3, return_sequences=True, go_backwards=True),
        ),
        layers.Dense(2),
    ),
    "backwards, each step": lambda: model_of(
        slimrnn.SlimGRU(4, "GRU3", go_backwards=True, return_sequences=True)
    ),
    "a stack both ways": lambda: model_of(
        layers.Embedding(WORDS, 3),
        bidirectional(4, True),
        layers.Dense(5, "tanh"),
        bidirectional(3, True),
        slimrnn.SlimMGU(3, "MGU2"),
        layers.Dense(4, "relu"),
        layers.Dense(2, "softmax"),
        words=True,
    ),
    **{
        f"local {pool}s that look ahead": lambda pool=pool: model_of(
            getattr(layers, f"{pool}Pooling1D")(3, strides=2, padding="same"),
            bidirectional(3, True),
            layers.LayerNormalization(),
            getattr(layers, f"{pool}Pooling1D")(2, strides=1, padding="same"),
            layers.Dense(2),
            steps=TIME,
        )
        for pool in ("Average", "Max")
    },
    "average, both ways": lambda: model_of(
        bidirectional(3, True),
        layers.Dense(3, "tanh"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(2),
    ),
    "last, both ways": lambda: last_of(
        model_of(bidirectional(3, True), layers.Dense(3, "tanh")), layers.Dense(2)
    ),
    "max, behind one that looks ahead": lambda: model_of(
        slimrnn.SlimLSTM(4, "LSTM6", return_sequences=True),
        layers.Conv1D(3, 3, padding="same"),
        layers.GlobalMaxPooling1D(),
    ),
    "an autoencoder of two layers": lambda: model_of(
        slimrnn.SlimLSTM(6, "LSTM6", return_sequences=True),
        layers.LSTM(5),
        layers.RepeatVector(TIME - 5),
        slimrnn.SlimGRU(6, "GRU3", return_sequences=True),
        layers.TimeDistributed(layers.Dense(FEATURES)),
    ),
    "repeated twice, behind a Conv1D": lambda: model_of(
        layers.Conv1D(4, 3, strides=2),
        bidirectional(3, False),
        layers.Dense(3, "tanh"),
        layers.Dropout(0.2),
        layers.RepeatVector(4),
        layers.Conv1D(4, 3, padding="same"),
        slimrnn.SlimMGU(5, "MGU1", go_backwards=True),
        layers.RepeatVector(2),
        bidirectional(3, True),
        layers.MaxPooling1D(2, strides=1),
    ),
    "repeated at the end": lambda: model_of(
        layers.Embedding(WORDS, 3),
        slimrnn.SlimLSTM(4, "LSTM5", return_sequences=True),
        layers.GlobalMaxPooling1D(),
        layers.RepeatVector(3),
        words=True,
    ),
    "Conv1D, both ways": lambda: model_of(
        layers.Embedding(WORDS, 3),
        layers.Conv1D(4, 3, activation="relu"),
        bidirectional(3, True),
        layers.Dense(4, "tanh"),
        layers.Conv1D(2, 3, padding="same", dilation_rate=2),
        words=True,
    ),
}


def with_far_units(model, far=300.0):
    """As the IR has it: the first unit of each layer that has a c starts far away."""
    exported = from_keras(model)

    def begun(layer):
        if not isinstance(layer, Recurrent) or "c" not in layer.cell.spec.family.states:
            return layer
        first = np.zeros(layer.outputs, "float32")
        first[0] = far
        return replace(layer, initial={"h": 0 * first, "c": first})

    return replace(exported, layers=tuple(map(begun, exported.layers)))


def data_for(model, batch=3, steps=TIME, seed=0):
    """Sequences for a model, the masked values of its layers among them."""
    steps = model.input_shape[1] or steps
    if len(model.input_shape) == 2:
        return np.random.default_rng(seed).integers(0, WORDS, (batch, steps))
    x = normal(batch, steps, model.input_shape[-1], seed=seed)
    x[0, -3:] = -1.0
    x[-1, 2] = -1.0
    return x


def program_of(model, dtype, x):
    return compile_model(from_keras(model), dtype, x)[0]


def given_to(program, x):
    """The numbers that the C takes."""
    if program.model.takes_indices:
        return x.astype("int32")
    return inputs.given(program, x)


def twin_of(program, x):
    """The simulator's outputs after each step, (B, T, n)."""
    return simulator.run(program, x, each=True)
