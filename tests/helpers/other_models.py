"""Models that other people trained: inputs, and the numbers that must come out."""

from dataclasses import dataclass

import h5py
import numpy as np
import pytest

from slimrnn import ir


@dataclass
class Line:
    """A file, x (B, T, m), and y of it: (B, n), or (B, T, n).

    ``close`` is the largest difference in float32, ``close_int8`` the mean in integers.
    """

    file: str
    x: np.ndarray
    y: np.ndarray
    close: float
    close_int8: float

    def read(self, folder):
        return ir.read(folder / self.file)


def between(values, low, high):
    return (values - low) / np.where(high > low, high - low, 1)


def turbofan(folder):
    """The test's engines with 50 cycles or more, and the remaining life printed."""
    train, test = (
        np.loadtxt(folder / f"pdm_PM_{name}.txt.gz") for name in ("train", "test")
    )
    order = [2, 3, 4, 1, *range(5, 26)]
    low, high = train[:, order].min(0), train[:, order].max(0)
    engines = [between(test[test[:, 0] == k][:, order], low, high) for k in range(101)]
    x = np.stack([engine[-50:] for engine in engines if len(engine) >= 50])
    y = np.loadtxt(folder / "pdm_submit_test.csv", skiprows=1)[:, None]
    return Line("pdm_regression_model.h5", x.astype("float32"), y, 1e-3, 1.0)


def flow(folder, name):
    file = folder / f"traffic_{name}.csv"
    return np.loadtxt(file, delimiter=",", skiprows=1, usecols=1, encoding="utf-8-sig")


def traffic(folder):
    """Windows of twelve, and what follows them: a prediction is not the truth."""
    scale = flow(folder, "train").max()
    test = flow(folder, "test")
    windows = np.lib.stride_tricks.sliding_window_view(test, 13)
    x = (windows[:, :12, None] / scale).astype("float32")
    return x, windows[:, 12], scale


def keras_1(folder):
    with h5py.File(
        folder / "dl4j_simple_lstm_tf_keras_1_inputs_and_outputs.h5"
    ) as file:
        x, y = file["inputs/lstm_input_1"][()], file["predictions/dense_1"][()]
    return Line("dl4j_simple_lstm_tf_keras_1_model.h5", x, y, 2e-5, 0.2)


def rtneural(name, close_int8):
    def line(folder):
        x, y = (np.loadtxt(folder / f"{name}_{k}.csv", dtype="float32") for k in "xy")
        shape = (1, -1, 1)
        return Line(
            f"{name}.json", x.reshape(shape), y.reshape(shape), 1e-6, close_int8
        )

    return line


def sound(steps=500):
    return 0.3 * np.random.default_rng(0).normal(size=(1, steps, 1)).astype("float32")


def guitarml(folder):
    """As torch's nn.LSTM; the input is added."""
    torch = pytest.importorskip("torch")
    import json

    file, x = "neuralseed_lstm8_ts9_pytorch.json", sound()
    state = json.loads((folder / file).read_text())["state_dict"]
    lstm, linear = torch.nn.LSTM(1, 8, batch_first=True), torch.nn.Linear(8, 1)
    for module, name in ((lstm, "rec."), (linear, "lin.")):
        own = {k[4:]: torch.tensor(v) for k, v in state.items() if k.startswith(name)}
        module.load_state_dict(own)
    with torch.no_grad():
        y = linear(lstm(torch.tensor(x))[0]).numpy() + x
    return Line(file, x, y, 1e-6, 0.005)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def nam(folder):
    """As a loop over its row of numbers, from its trained states."""
    import json

    file, x, n = "nam_lstm.nam", sound(), 3
    row = np.array(json.loads((folder / file).read_text())["weights"])
    matrix, bias, h, c, head, offset = np.split(row, np.cumsum([48, 12, 3, 3, 3]))
    y = []
    for step in x[0]:
        i, f, g, o = np.split(
            matrix.reshape(12, 4) @ np.concatenate([step, h]) + bias, 4
        )
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        y.append(head @ h + offset)
    assert n == len(h)
    return Line(file, x, np.array([y]), 1e-6, 5e-4)


LINES = {
    "Keras 2.0.5, turbofan engines": turbofan,
    "Keras 1.2.2, DL4J's test": keras_1,
    "RTNeural, LSTM": rtneural("rtneural_lstm_1d", 0.002),
    "RTNeural, GRU": rtneural("rtneural_gru_1d", 0.003),
    "PyTorch as JSON, stacked LSTM": rtneural("rtneural_lstm_torch", 0.001),
    "GuitarML, LSTM with skip": guitarml,
    "Neural Amp Modeler, LSTM": nam,
}
