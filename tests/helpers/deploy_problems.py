"""Models to export, and their C, compiled: shared by the tests of slimrnn.deploy."""

import ctypes
import functools
import re
import shutil
import subprocess
from dataclasses import replace

import keras
import numpy as np
import pytest

import slimrnn
from layer_problems import normal
from problems import ROWS
from slimrnn.deploy.c.export import compile_model
from slimrnn.deploy.c.project import project, source_of
from slimrnn.deploy.program import inputs, simulator
from slimrnn.ir.from_keras import from_keras
from slimrnn.ir.keras_layers import ACTIVATIONS
from slimrnn.ir.layers import Recurrent

layers = keras.layers
FEATURES, UNITS, WORDS, TIME = 5, 7, 6, 12
STRICT = (
    *("-std=c99", "-ffp-contract=off", "-Wall", "-Wextra", "-Wconversion"),
    *("-Wdouble-promotion", "-Werror"),
)
FUNCTIONS = {name: function for function, name in ACTIVATIONS.items()}


def model_of(
    *inside, features=FEATURES, steps=None, words=False, seed=3, deviation=0.5
):
    """A model of these layers with random weights."""
    shape = (steps,) if words else (steps, features)
    model = keras.Sequential([layers.Input(shape), *inside])
    arrays = enumerate(model.get_weights(), start=100 * seed)
    model.set_weights([deviation * normal(*w.shape, seed=k) for k, w in arrays])
    return model


@functools.cache
def model_of_row(name):
    """A model of two layers of a row, the sizes odd and even, behind one another."""
    row = ROWS[name]
    return model_of(
        slimrnn.layer(UNITS, row, return_sequences=True),
        slimrnn.layer(UNITS + 1, row),
        layers.Dense(3),
    )


#: all other layers, one way or another
MODELS = {
    "LSTM": lambda: model_of(layers.LSTM(6), layers.Dense(3, "softmax")),
    "GRU": lambda: model_of(layers.GRU(6), layers.Dense(2)),
    "GRU, reset before": lambda: model_of(layers.GRU(6, reset_after=False)),
    "GRU without bias": lambda: model_of(layers.GRU(5, use_bias=False)),
    "SimpleRNN": lambda: model_of(layers.SimpleRNN(6), layers.Dense(1, "sigmoid")),
    "RNN": lambda: model_of(layers.RNN(layers.LSTMCell(4)), layers.Dense(2)),
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
    "a row of all steps": lambda: model_of(
        slimrnn.SlimLSTM(5, "LSTM6", return_sequences=True),
        layers.Flatten(),
        layers.Dense(4, "relu"),
        layers.Dense(2),
        steps=TIME,
    ),
    "Normalization": lambda: model_of(
        layers.Rescaling(0.5, offset=0.1),
        layers.Normalization(
            mean=np.arange(FEATURES), variance=np.arange(1.0, FEATURES + 1)
        ),
        slimrnn.SlimLSTM(6, "LSTM4"),
        layers.Flatten(),
        layers.Dense(3),
    ),
    "Embedding": lambda: model_of(
        layers.Embedding(WORDS, 3), layers.LSTM(4), layers.Dense(2), words=True
    ),
    "mask of an Embedding": lambda: model_of(
        layers.Embedding(WORDS, 5, mask_zero=True),
        slimrnn.SlimGRU(4, "GRU3", return_sequences=True),
        slimrnn.SlimLSTM(3, "LSTM_C6"),
        words=True,
    ),
    "Conv1D, causal": lambda: model_of(
        layers.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu"),
        slimrnn.SlimGRU(5, "GRU1", return_sequences=True),
        layers.Conv1D(3, 2, padding="causal", use_bias=False),
        layers.Activation("tanh"),
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
    "average of steps that are not masked": lambda: model_of(
        layers.Embedding(WORDS, 5, mask_zero=True),
        slimrnn.SlimGRU(6, "GRU3", return_sequences=True),
        layers.GlobalAveragePooling1D(),
        words=True,
    ),
    "max": lambda: model_of(
        slimrnn.SlimLSTM(5, "LSTM6", return_sequences=True),
        layers.Dense(6),
        layers.GlobalMaxPooling1D(),
        layers.Dense(2),
    ),
    "LayerNormalization": lambda: model_of(
        layers.LayerNormalization(),
        slimrnn.SlimLSTM(6, "LSTM6", return_sequences=True),
        layers.LayerNormalization(epsilon=1e-5, center=False),
        slimrnn.SlimGRU(5, "GRU3", return_sequences=True),
        layers.Dense(4, "relu"),
        layers.LayerNormalization(scale=False),
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


def bidirectional(units, each, **options):
    layer = slimrnn.SlimLSTM(units, "LSTM6", return_sequences=each)
    return layers.Bidirectional(layer, **options)


def last_of(model, layer):
    """The model, and a layer on its last step."""
    made = keras.Model(model.inputs[0], layer(model.outputs[0][:, -1]))
    layer.set_weights([0.5 * normal(*w.shape) for w in layer.get_weights()])
    return made


#: models that need the whole sequence
WHOLE = {
    "both ways": lambda: model_of(bidirectional(4, False), layers.Dense(3)),
    "both ways, each step": lambda: model_of(bidirectional(3, True), layers.Dense(2)),
    "both ways, of two kinds": lambda: model_of(
        layers.Bidirectional(
            layers.LSTM(3, return_sequences=True),
            backward_layer=layers.GRU(3, return_sequences=True, go_backwards=True),
        ),
        layers.Dense(2),
    ),
    "backwards": lambda: model_of(
        slimrnn.SlimLSTM(5, "LSTM4", go_backwards=True), layers.Dense(2)
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
}


WHOLE |= {
    "GuitarLSTM": lambda: model_of(
        layers.Conv1D(16, 12, strides=12, padding="same"),
        layers.Conv1D(16, 12, strides=12, padding="same"),
        layers.LSTM(8),
        layers.Dense(1),
        features=1,
        steps=150,
        deviation=0.1,
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
    "an autoencoder": lambda: model_of(
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


def merged(merge, each):
    return model_of(bidirectional(4, each, merge_mode=merge), layers.Dense(2))


MERGES = ("sum", "mul", "ave")
WHOLE |= {
    f"both ways, {merge}, {each}": functools.partial(merged, merge, each == "each")
    for merge in MERGES
    for each in ("each", "last")
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


def find_compiler(name):
    """The compiler, or a skip."""
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name}")
    return name


def compile_c(folder, arguments, name="gcc"):
    """Run a compiler in a folder; its messages are the failure."""
    line = [find_compiler(name), *arguments]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Compiled:
    """A program's C as a library of this process."""

    def __init__(self, program, folder, name="net"):
        steps = np.zeros((1, program.model.inputs))
        outputs = np.zeros((1, program.model.outputs))
        for file, text in project(program, name, (steps, outputs)).items():
            (folder / file).write_text(text)
        compile_c(
            folder, [*STRICT, "-O1", "-shared", "-fPIC", "-o", "net.so", f"{name}.c"]
        )
        self.library = ctypes.CDLL(str(folder / "net.so"))
        self.name, self.program = name, program
        self.source = source_of(program, name)
        self.dtype = {"float": "float32", "int16_t": "int16"}[
            self.source.arithmetic.vector
        ]

    def new(self):
        """A state, filled with what must not be read."""
        return np.full(self.source.layout.state_bytes, 255, "uint8")

    def call(self, function, *arguments):
        """A public function; arrays are handed over by their address."""
        given = [
            a if isinstance(a, int) else ctypes.c_void_p(a.ctypes.data)
            for a in arguments
        ]
        return getattr(self.library, f"{self.name}_{function}")(*given)

    def output(self, state):
        y = np.zeros(self.source.outputs, self.dtype)
        self.call("output", state, y)
        return y

    def steps(self, x):
        """The outputs after each step of one sequence."""
        state, outputs = self.new(), []
        self.call("reset", state)
        for step in np.ascontiguousarray(x):
            if self.step(state, np.atleast_1d(step)):
                outputs.append(self.output(state))
        return np.stack(outputs)

    def step(self, state, x):
        """Take a step; whether it gives something."""
        given = self.call("step", state, x)
        return self.program.model.gives_each or given

    def run(self, x):
        """The whole sequence in one call."""
        model = self.program.model
        each, steps = model.return_sequences, model.steps_of(len(x))
        y = np.zeros((steps if each else 1, self.source.outputs), self.dtype)
        self.call("run", self.new(), np.ascontiguousarray(x), len(x), y)
        return y if each else y[0]

    def whole(self, x):
        """A sequence through a model that needs all of it, with what work takes."""
        each, steps, past = self.source.each, len(x), 3
        rows = self.program.model.steps_of(steps)
        said = re.search(r"_WORK.* \* (\d+) \+ (\d+)\)", self.source.header())
        work = np.full(steps * int(said[1]) + int(said[2]) + past, 99, self.dtype)
        y = np.full((rows if each else 1) * self.source.outputs + past, 99, self.dtype)
        self.call("run", self.new(), np.ascontiguousarray(x), steps, y, work)
        assert (work[-past:] == 99).all()
        assert (y[-past:] == 99).all()
        return y[:-past].reshape(-1, self.source.outputs) if each else y[:-past]


def twin_of(program, x):
    """The simulator's outputs after each step, (B, T, n)."""
    return simulator.run(program, x, each=True)
