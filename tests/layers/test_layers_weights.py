"""Weights: how they start, and what of them can be told one by one."""

import keras
import numpy as np
import pytest

import slimrnn
from layer_problems import FEATURES, FEW, UNITS, X, make
from problems import ROWS
from products import some
from slimrnn import SlimLSTM, reference
from slimrnn.variants import ACTIVATIONS, get
from slimrnn.variants.time_scales import TimeScales

M, N = 12, 48  # wide enough for statistics
WORDS = {
    "kernel": "kernel",
    "recurrent_kernel": "recurrent",
    "recurrent_vector": "recurrent_vector",
    "bias": "bias",
}


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(1)


def blocks(name, **options):
    """The blocks of each weight by gate, as a fresh layer starts them."""
    layer = make(name, N, **options)
    layer.build((None, None, M))
    return {
        w.name: dict(
            zip(
                ROWS[name].blocks(w.name),
                np.split(w.numpy(), w.shape[-1] // N, axis=-1),
                strict=True,
            )
        )
        for w in layer.weights
        if w.name != "tie_scalars"
    }


@pytest.mark.parametrize(
    ("name", "drawn_by"),
    some(
        lambda name, drawn_by: name in FEW or drawn_by == "numpy",
        *(ROWS, ("numpy", "keras")),
    ),
)
def test_every_row_starts_alike(name, drawn_by, request):
    request.getfixturevalue(f"weights_by_{drawn_by}")
    found = blocks(name)
    limit = np.sqrt(6 / (M + N))
    for block in found["kernel"].values():
        assert abs(block).max() <= limit
        assert abs(block).max() > 0.95 * limit
        np.testing.assert_allclose(block.std(), limit / np.sqrt(3), rtol=0.1)
    for block in found.get("recurrent_kernel", {}).values():
        np.testing.assert_allclose(block.T @ block, np.eye(N), atol=1e-5)
    for block in found.get("recurrent_vector", {}).values():
        np.testing.assert_allclose(block.std(), N**-0.5, rtol=0.35)
        assert abs(block.mean()) < 4 / N
    for gate, block in found.get("bias", {}).items():
        is_forget = ROWS[name].family == "lstm" and gate == "f"
        np.testing.assert_array_equal(block, float(is_forget))


@pytest.mark.parametrize("name", ["LSTM", "LSTM11", "GRU1", "MGU", "OwnLSTM"])
@pytest.mark.parametrize("seeded", ["not", "with a number", "with a generator"])
def test_no_two_blocks_start_with_the_same_values(name, seeded):
    seeds = {"not": lambda: None, "with a number": lambda: 7}
    seed = seeds.get(seeded, lambda: keras.random.SeedGenerator(7))
    options = {
        "kernel_initializer": keras.initializers.GlorotUniform(seed()),
        "recurrent_initializer": keras.initializers.Orthogonal(seed=seed()),
        "recurrent_vector_initializer": keras.initializers.RandomNormal(seed=seed()),
        "bias_initializer": keras.initializers.RandomUniform(seed=seed()),
    }
    for weight, found in blocks(name, **options).items():
        if weight == "bias":
            found.pop("f", None)  # ones
        values = [tuple(block.ravel()) for block in found.values()]
        assert len(set(values)) == len(values), weight


@pytest.mark.usefixtures("weights_by_keras")
@pytest.mark.parametrize("name", ["LSTM5", "GRU", "MGU2"])
def test_the_random_seed_reproduces_the_weights(name):
    found = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        found.append(blocks(name))
    first, again, other = found
    for weight in first:
        for gate, block in first[weight].items():
            np.testing.assert_array_equal(again[weight][gate], block)
            is_random = weight != "bias"
            assert (other[weight][gate] != block).any() == is_random


def test_the_forget_bias_may_start_at_zero():
    assert (blocks("LSTM5", unit_forget_bias=False)["bias"]["f"] == 0).all()
    found = blocks("LSTM5", bias_initializer=keras.initializers.Constant(0.5))["bias"]
    assert {k: set(b) for k, b in found.items()} == {
        "i": {0.5},
        "f": {1.0},
        "c": {0.5},
        "o": {0.5},
    }


def test_a_function_may_initialise_each_block():
    shapes = []

    def own(shape, dtype=None):
        shapes.append(shape)
        return keras.ops.full(shape, float(len(shapes)), dtype=dtype)

    found = blocks("GRU", recurrent_initializer=own)["recurrent_kernel"]
    assert shapes == 3 * [(N, N)]
    assert [block[0, 0] for block in found.values()] == [1, 2, 3]


@pytest.fixture(params=WORDS)
def weight(request):
    return request.param


def layer_with(**options):
    """LSTM5, which has all four kinds of weights."""
    layer = slimrnn.SlimLSTM(
        UNITS, "LSTM5", unit_forget_bias=False, time_scale=None, **options
    )
    layer.build((None, None, FEATURES))
    return layer


def test_each_weight_has_its_initialiser(weight):
    constant = keras.initializers.Constant(0.3)
    layer = layer_with(**{f"{WORDS[weight]}_initializer": constant})
    for w in layer.weights:
        assert (w.numpy() == np.float32(0.3)).all() == (w.name == weight)


def test_each_weight_has_its_regulariser(weight):
    layer = layer_with(**{f"{WORDS[weight]}_regularizer": keras.regularizers.L2(0.1)})
    layer.set_weights([0.1 + np.abs(w) for w in layer.get_weights()])
    (mine,) = [w.numpy() for w in layer.weights if w.name == weight]
    (loss,) = layer.losses
    expected = 0.1 * np.sum(mine**2)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(loss), expected, rtol=1e-5)


def test_each_weight_has_its_constraint(weight):
    layer = layer_with(**{f"{WORDS[weight]}_constraint": "non_neg"})
    gradients = [keras.ops.ones(w.shape) for w in layer.weights]
    keras.optimizers.SGD(5.0).apply(gradients, layer.trainable_weights)
    for w in layer.weights:
        assert (w.numpy().min() >= 0) == (w.name == weight), w.name


def test_the_outputs_have_a_regulariser():
    layer = layer_with(activity_regularizer=keras.regularizers.L1(0.5))
    outputs = keras.ops.convert_to_numpy(layer(X))
    (loss,) = layer.losses
    expected = 0.5 * abs(outputs).sum() / len(X)  # Keras divides by the batch
    np.testing.assert_allclose(keras.ops.convert_to_numpy(loss), expected, rtol=1e-5)


PACED = {"LSTM": ("f", "i"), "LSTM3": ("f", "i"), "GRU1": ("z",), "MGU3": ("f",)}


@pytest.mark.parametrize("name", PACED)
def test_time_scales_start_the_biases_of_the_gates_that_set_the_pace(name):
    plain, paced = (make(name, seed=1, time_scale=t) for t in (None, (2, 50)))
    blocks = []
    for layer in (plain, paced):
        layer.build(X.shape)
        weights = {w.name: keras.ops.convert_to_numpy(w) for w in layer.weights}
        blocks.append(ROWS[name].split(weights))
    scales = TimeScales(2, 50).quantiles(UNITS)
    for gate, start in blocks[1].items():
        if gate in PACED[name]:
            expected = np.sort(TimeScales(2, 50).gates(ROWS[name].family, scales)[gate])
            found = ACTIVATIONS["sigmoid"].function(start["bias"])
            np.testing.assert_allclose(np.sort(found), expected, rtol=1e-5)
        elif "bias" in start:
            np.testing.assert_array_equal(start["bias"], blocks[0][gate]["bias"])
    if "i" in PACED[name]:  # of the same unit
        np.testing.assert_allclose(
            blocks[1]["i"]["bias"], -blocks[1]["f"]["bias"], rtol=1e-5
        )


def test_time_scales_know_the_length_and_stay_what_they_were():
    layer = make("LSTM6", time_scale="auto")
    layer.build((None, 25, FEATURES))
    assert layer.cell.time_scales == TimeScales(1, 25)
    again = type(layer).from_config(layer.get_config())
    again.build((None, 900, FEATURES))
    assert layer.cell.spec.variant.constants == {"i": 0.2, "f": 0.8, "o": 1.0}
    assert again.cell.spec == layer.cell.spec
    assert again.cell.time_scales == layer.cell.time_scales


def test_a_number_sets_constants_and_gate_constants_win():
    layer = make("LSTM6", time_scale=5)
    assert layer.cell.spec.variant.constants == {"i": 0.2, "f": 0.8, "o": 1.0}
    given = make("LSTM6", time_scale=5, gate_constants={"f": 0.5})
    assert given.cell.spec.variant.constants == {"i": 0.2, "f": 0.5, "o": 1.0}
    given = make("LSTM6", time_scale=(2, 50), gate_constants={"f": 0.5})
    assert given.cell.spec.variant.constants == {"f": 0.5, "o": 1.0}


@pytest.mark.parametrize("engine", ["ops", "auto"])
@pytest.mark.parametrize("name", ["LSTM6", "LSTM4a", "LSTM_C6"])
def test_constants_for_each_unit_are_stored_and_not_trained(name, engine, tmp_path):
    layer = make(name, time_scale=(2, 50), engine=engine, seed=3)
    plain = make(name)
    for built in (layer, plain):
        built.build(X.shape)
    assert len(layer.trainable_weights) == len(plain.weights)
    (constants,) = layer.non_trainable_weights
    scales = TimeScales(2, 50)
    values = ACTIVATIONS["sigmoid"].function(keras.ops.convert_to_numpy(constants))
    gates = scales.gates("lstm", scales.quantiles(UNITS))
    expected = [gates[gate] for gate in layer.cell.vectors]
    np.testing.assert_allclose(
        np.sort(values.reshape(len(expected), -1)), np.sort(expected), rtol=1e-5
    )
    # What the layer computes: the oracle, with those gates as biases.
    given = {
        k: keras.ops.convert_to_numpy(w).astype("f8")
        for k, w in layer.cell.packed_weights().items()
    }
    wanted = reference.run(layer.cell.spec.variant, X.astype("f8"), given)
    found = keras.ops.convert_to_numpy(layer(X))
    np.testing.assert_allclose(found, wanted.outputs[:, -1], atol=1e-6)
    model = keras.Sequential([keras.Input(X.shape[1:]), layer])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(again(X)), found)


def test_a_configuration_from_before_time_scales_has_none():
    config = make("LSTM6").get_config()
    del config["time_scale"]
    assert SlimLSTM.from_config(config).cell.spec.variant == get("LSTM6")
