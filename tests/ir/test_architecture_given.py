"""Files of weights alone, with an architecture; models inside models in HDF5."""

import h5py
import keras
import pytest

from deploy_problems import layers, model_of
from slimrnn import ir
from slimrnn.errors import InputError


def model():
    inner = keras.Sequential(
        [
            layers.Input((None, 4)),
            layers.BatchNormalization(name="norm"),
            layers.LSTM(3, return_sequences=True, name="lstm"),
        ],
        name="inner",
    )
    made = model_of(layers.Dense(4, name="first"), inner, layers.GRU(2, name="gru"))
    made.set_weights([abs(w) for w in made.get_weights()])  # a variance is among them
    return made


def text(model, path):
    path.write_text(model.to_json())


ARCHITECTURES = {
    "text": ("a.json", text),
    "a .keras file": ("a.keras", lambda model, path: model.save(path)),
    "an .h5 file": ("a.h5", lambda model, path: model.save(path)),
}


def weights_of_keras_2(model, path):
    """As Keras 2's save_weights wrote them: the groups of a whole model, alone."""
    model.save(path.with_name("whole.h5"))
    with h5py.File(path.with_name("whole.h5")) as whole, h5py.File(path, "w") as file:
        for key, value in whole["model_weights"].attrs.items():
            file.attrs[key] = value
        for name in whole["model_weights"]:
            whole.copy(f"model_weights/{name}", file)


WEIGHTS = {
    "w.h5": weights_of_keras_2,
    "w.weights.h5": lambda model, path: model.save_weights(path),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "in memory"])
def test_weights_with_an_architecture(weights, architecture, tmp_path):
    trained, path = model(), tmp_path / weights
    WEIGHTS[weights](trained, path)
    given = trained
    if architecture in ARCHITECTURES:
        name, save = ARCHITECTURES[architecture]
        given = tmp_path / name
        save(trained, given)
    found = ir.read(path, architecture=given)
    assert found.layers == ir.read(trained).layers


@pytest.mark.filterwarnings("ignore")
def test_what_is_missing_or_too_much_is_told(tmp_path):
    trained = model()
    trained.save_weights(tmp_path / "w.weights.h5")
    trained.save(tmp_path / "a.keras")
    with pytest.raises(InputError, match="Give its architecture too"):
        ir.read(tmp_path / "w.weights.h5")
    with pytest.raises(InputError, match="is for weights of Keras in HDF5"):
        ir.read(tmp_path / "a.keras", architecture=trained)
    with pytest.raises(InputError, match="no architecture"):
        ir.read(tmp_path / "w.weights.h5", architecture=tmp_path / "w.weights.h5")
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(InputError, match="cannot be read as an architecture"):
        ir.read(tmp_path / "w.weights.h5", architecture=tmp_path / "a.json")
