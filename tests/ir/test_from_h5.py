"""HDF5 files of all versions of Keras, written as those did: the model of Keras 3."""

from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest

from deploy_problems import model_of, normal
from h5_files import INPUT, LSTM, WEIGHTS, M, N, entry, saved
from slimrnn import ir
from slimrnn.activations import hard_sigmoid_keras2
from slimrnn.errors import InputError
from slimrnn.ir.from_keras import from_keras

pytestmark = pytest.mark.backend_free

layers = keras.layers
OLD = {"recurrent_activation": hard_sigmoid_keras2}


SEQUENCES = {"return_sequences": True}


def gate_by_gate(order):
    """Keras 1's arrays, from those of today."""

    def split(arrays):
        parts = [np.split(array, len(order), axis=-1) for array in arrays]
        return [parts[k][gate] for gate in order for k in range(3)]

    return split


def cudnn(gates, biases):
    """What cuDNN's layers save, from what LSTM and GRU have."""

    def packed(arrays):
        def laid(matrix):
            blocks = np.split(matrix, gates, axis=1)
            return np.hstack([block.T.reshape(block.shape) for block in blocks])

        return [laid(arrays[0]), laid(arrays[1]), biases(arrays[2])]

    return packed


def two_halves(bias):
    """Whose sum is the bias, to the last bit."""
    return np.concatenate([2 * bias, -bias])


#: version, the file's layer, Keras 3's, and the file's weights from Keras 3's
CASES = {
    "1: LSTM": (
        "1.2.2",
        entry("LSTM", output_dim=N, inner_activation="hard_sigmoid", **INPUT),
        lambda: layers.LSTM(N, **OLD),
        gate_by_gate((0, 2, 1, 3)),
    ),
    "1: LSTM, consume_less gpu": (
        "1.1.0",
        entry("LSTM", output_dim=N, inner_activation="sigmoid", **INPUT),
        lambda: layers.LSTM(N),
        list,
    ),
    "1: GRU, no version": (
        "",
        entry("GRU", output_dim=N, inner_activation="hard_sigmoid", **INPUT),
        lambda: layers.GRU(N, reset_after=False, **OLD),
        gate_by_gate((0, 1, 2)),
    ),
    "1: SimpleRNN": (
        "1.0.8",
        entry("SimpleRNN", output_dim=N, activation="relu", input_dim=M),
        lambda: layers.SimpleRNN(N, activation="relu"),
        list,
    ),
    "2: GRU": (
        "2.1.6",
        entry("GRU", units=N, recurrent_activation="hard_sigmoid", **INPUT),
        lambda: layers.GRU(N, reset_after=False, **OLD),
        list,
    ),
    "2: LSTM that says nothing": (
        "2.0.5",
        entry("LSTM", units=N, implementation=0, **INPUT),
        lambda: layers.LSTM(N, **OLD),
        list,
    ),
    "2: CuDNNLSTM": (
        "2.2.4",
        entry("CuDNNLSTM", units=N, **SEQUENCES, **INPUT),
        lambda: layers.LSTM(N, **SEQUENCES),
        cudnn(4, two_halves),
    ),
    "2: CuDNNGRU": (
        "2.1.6-tf",
        entry("CuDNNGRU", units=N, **INPUT),
        lambda: layers.GRU(N),
        cudnn(3, np.ravel),
    ),
    "tf.keras: GRU": (
        "2.4.0",
        entry(
            *("GRU", "a"),
            **{"units": N, "reset_after": True, "time_major": False},
            **{"recurrent_activation": "sigmoid", "implementation": 2, **INPUT},
        ),
        lambda: layers.GRU(N),
        list,
    ),
    "tf.keras: Bidirectional": (
        "2.11.0",
        entry(
            "Bidirectional",
            layer=entry("LSTM", units=N, recurrent_activation="sigmoid", **SEQUENCES),
            merge_mode="sum",
            **INPUT,
        ),
        lambda: layers.Bidirectional(layers.LSTM(N, **SEQUENCES), merge_mode="sum"),
        list,
    ),
    "tf.keras: TimeDistributed": (
        "2.6.0",
        entry("TimeDistributed", layer=entry("Dense", units=N), **INPUT),
        lambda: layers.TimeDistributed(layers.Dense(N)),
        list,
    ),
    "tf.keras: BatchNormalization": (
        "2.9.0",
        entry("BatchNormalization", axis=[2], epsilon=0.01, **INPUT),
        lambda: layers.BatchNormalization(epsilon=0.01),
        list,
    ),
    "tf.keras: LayerNormalization": (
        "2.9.0",
        entry("LayerNormalization", axis=[2], epsilon=0.01, **INPUT),
        lambda: layers.LayerNormalization(epsilon=0.01),
        list,
    ),
    "3: LSTM": (
        "3.4.1",
        entry("LSTM", units=N, batch_shape=[None, None, M]),
        lambda: layers.LSTM(N),
        list,
    ),
}


def positive(model):
    """No variance below zero."""
    model.set_weights([abs(w) for w in model.get_weights()])
    return model


def unnamed(model):
    """The model without the names of its layers."""

    def plain(layer):
        inner = [k for k in ("forward", "backward") if hasattr(layer, k)]
        return replace(layer, name="", **{k: plain(getattr(layer, k)) for k in inner})

    return replace(model, name="", layers=tuple(map(plain, model.layers)))


@pytest.mark.parametrize("name", CASES)
def test_as_keras_3(name, tmp_path):
    version, file_entry, make, packed = CASES[name]
    model = positive(model_of(make(), features=M))
    weights = {"a": packed(model.get_weights())}
    path = saved(tmp_path / "m.h5", version, [file_entry], weights)
    found = ir.read(path, recurrent=False)
    assert unnamed(found) == unnamed(from_keras(model))
    assert found.origin.startswith("Keras")


@pytest.mark.usefixtures("hdf5_by_python")
def test_a_functional_model_with_words_and_a_skip(tmp_path):
    """As Keras 2 wrote graphs; the first column of the input is added."""
    x = keras.Input((5, 1))
    y = layers.Dense(1)(layers.LSTM(N, return_sequences=True, **OLD)(x))
    model = positive(keras.Model(x, layers.Add()([x, y])))
    called = {"x": [], "a": ["x"], "b": ["a"], "add": ["x", "b"]}
    entries = [
        entry("InputLayer", "x", batch_input_shape=[None, 5, 1]),
        entry("LSTM", "a", units=N, return_sequences=True),
        entry("Dense", "b", units=1, activation="linear"),
        entry("Add", "add"),
    ]
    for each in entries:
        inputs = called[each["config"]["name"]]
        each["name"] = each["config"]["name"]
        each["inbound_nodes"] = [[[k, 0, 0, {}] for k in inputs]] if inputs else []
    arrays = model.get_weights()
    path = saved(
        tmp_path / "m.h5",
        "2.3.1",
        entries,
        {"a": arrays[:3], "b": arrays[3:]},
        "Model",
        input_layers=[["x", 0, 0]],
        output_layers=[["add", 0, 0]],
    )
    assert unnamed(ir.read(path)) == unnamed(from_keras(model))


def changed(**config):
    return {**LSTM, "config": {**LSTM["config"], **config}}


REFUSED = {
    "time first": (changed(time_major=True), WEIGHTS, "time_major=True"),
    "a function": (changed(activation="elu"), WEIGHTS, "activation elu; allowed: tanh"),
    "a Lambda": (entry("Lambda", function="os.system"), [], r"a \(Lambda\) cannot be"),
    "no weights": (LSTM, [], "has 0 weights; expected 3: kernel"),
    "a weight of another shape": (LSTM, [*WEIGHTS[:2], normal(3)], "bias in float32"),
    "numbers that are none": (
        LSTM,
        [np.full_like(w, np.nan) for w in WEIGHTS],
        "not finite",
    ),
    "texts": (LSTM, [*WEIGHTS[:2], np.array([b"no"])], "expected numbers"),
    "another reset": (
        entry("GRU", units=N, reset_after=True, **INPUT),
        [normal(M, 3 * N), normal(N, 3 * N), normal(3 * N)],
        r"reset_after=True and a bias of the shape \(12,\)",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_files_that_are_refused(what, tmp_path):
    file_entry, weights, sentence = REFUSED[what]
    path = saved(tmp_path / "m.h5", "2.2.4", [file_entry], {"a": weights})
    with pytest.raises(InputError, match=sentence):
        ir.read(path)


def test_weights_alone_are_no_model(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_group("a")
    with pytest.raises(InputError, match="weights alone"):
        ir.read(tmp_path / "m.h5")
