"""Slimming: what starts from what, for every row."""

import keras
import numpy as np
import pytest

import slimrnn
from layer_problems import FEW, UNITS, normal, randomised
from problems import ROWS
from slimrnn.slimming import rebuild
from slimrnn.slimming.conversion import why_not
from slimrnn.slimming.training import slim
from slimrnn.variants import CANDIDATE, FAMILIES
from slimrnn.variants.gates import TIE_SCALARS, TIE_START

layers = keras.layers
ON_JAX, EXHAUSTIVE = keras.backend.backend() == "jax", pytest.mark.exhaustive
TIME, FEATURES, CLASSES = 6, 3, 4
X = normal(5, TIME, FEATURES)

#: trained layers, and the family that they are of
SOURCES = {
    "keras LSTM": ("lstm", lambda **o: layers.LSTM(UNITS, **o)),
    "slim LSTM": ("lstm", lambda **o: slimrnn.SlimLSTM(UNITS, "LSTM", **o)),
    "RNN of a cell": ("lstm", lambda **o: layers.RNN(layers.LSTMCell(UNITS), **o)),
    "keras GRU": ("gru", lambda **o: layers.GRU(UNITS, reset_after=False, **o)),
    "keras GRU, reset after": ("gru", lambda **o: layers.GRU(UNITS, **o)),
    "slim GRU": ("gru", lambda **o: slimrnn.SlimGRU(UNITS, "GRU", **o)),
}
FULL = {"lstm": "LSTM", "gru": "GRU"}
TARGETS = {"lstm": ("lstm",), "gru": ("gru", "mgu")}
PAIRS = [
    (source, name)
    for source, (family, _) in SOURCES.items()
    for name, row in ROWS.items()
    if row.family in TARGETS[family] and not why_not(ROWS[FULL[family]], row)
]


def answers_of(model, x=X):
    """What a model answers, without compiling it."""
    return keras.ops.convert_to_numpy(model(x))


def trained(recurrent, end="softmax"):
    """A model with random weights around a recurrent layer."""
    return randomised(
        keras.Sequential(
            [
                keras.Input((None, FEATURES)),
                recurrent,
                layers.Dense(CLASSES, activation=end),
            ]
        )
    )


def keras_block(layer, weight, gate, family):
    """A gate's block of a full layer's weight."""
    place = FAMILIES[family].gates.index(gate)  # Keras's order too
    array = keras.ops.convert_to_numpy(getattr(layer.cell, weight))
    return array[..., place * UNITS : (place + 1) * UNITS]


def slim_block(layer, weight, gate):
    place = layer.cell.spec.variant.blocks(weight).index(gate)
    array = keras.ops.convert_to_numpy(getattr(layer.cell, weight))
    return array[..., place * UNITS : (place + 1) * UNITS]


def counterpart(gate, family, target):
    """The full layer's gate, and the sign of its pre-activation."""
    if gate == "n":  # what Keras's GRU resets
        return CANDIDATE, 1
    if family == target or gate == CANDIDATE:
        return gate, 1
    return {"f": ("z", -1)}[gate]  # the MGU's f is 1 - z of Keras's GRU


def usual(source, row):
    """A few rows from every source; on JAX the others from the library's own."""
    return row in FEW or (ON_JAX and source.startswith("slim"))


@pytest.mark.parametrize(
    ("source", "row"),
    [
        pytest.param(source, row, marks=() if usual(source, row) else EXHAUSTIVE)
        for source, row in PAIRS
    ],
)
def test_a_row_starts_from_the_trained_weights(source, row):
    family, make = SOURCES[source]
    model = trained(make())
    before = model.get_weights()
    slimmed = rebuild(model, ROWS[row])
    old, new = model.layers[0], slimmed.layers[0]
    variant = ROWS[row]
    after = getattr(old.cell, "reset_after", False)
    if after and variant["c"].h != "none":
        variant = variant.with_reset_after()
    shapes = {w.name: tuple(w.shape) for w in new.cell.weights}
    assert shapes == variant.shapes(FEATURES, UNITS)
    for gate, terms in variant.items():
        name, sign = counterpart(gate, family, ROWS[row].family)
        for weight in terms.terms:
            found = slim_block(new, weight, gate)
            if weight == "recurrent_vector":
                wanted = np.diag(keras_block(old, "recurrent_kernel", name, family))
            elif weight == "bias" and after:
                continue  # which has two
            elif weight == TIE_SCALARS:
                wanted = TIE_START
            else:
                wanted = keras_block(old, weight, name, family)
            np.testing.assert_array_equal(found, sign * wanted)
    for a, b in zip(slimmed.layers[1:], model.layers[1:], strict=True):
        for ours, theirs in zip(a.get_weights(), b.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert np.isfinite(answers_of(slimmed, X)).all()


@pytest.mark.parametrize("source", SOURCES)
def test_the_full_row_computes_what_the_model_computed(source):
    family, make = SOURCES[source]
    model = trained(make())
    slimmed = rebuild(model, FULL[family])
    assert type(slimmed.layers[0]).__module__.startswith("slimrnn")
    np.testing.assert_allclose(answers_of(slimmed, X), answers_of(model, X), atol=2e-6)


def test_a_gru_that_resets_after_keeps_both_biases():
    model = trained(layers.GRU(UNITS))
    outer, inner = np.split(model.layers[0].get_weights()[2].reshape(6, UNITS), 2)
    new = rebuild(model, "GRU").layers[0]
    for place, gate in enumerate("zr"):
        np.testing.assert_array_equal(
            slim_block(new, "bias", gate), outer[place] + inner[place]
        )
    np.testing.assert_array_equal(slim_block(new, "bias", "c"), outer[2])
    np.testing.assert_array_equal(slim_block(new, "bias", "n"), inner[2])


CONSTANT = [pair for pair in PAIRS if ROWS[pair[1]].constants]


@pytest.mark.backend_free
@pytest.mark.parametrize(("source", "row"), CONSTANT)
def test_constants_are_those_of_the_trained_gates(source, row):
    family, make = SOURCES[source]
    variant = ROWS[row]
    model = trained(make())
    new = rebuild(model, variant).layers[0]
    assert set(new.cell.spec.variant.constants) == set(variant.constants)
    for gate, value in new.cell.spec.variant.constants.items():
        name, sign = counterpart(gate, family, variant.family)
        bias = keras_block(model.layers[0], "bias", name, family)
        bias = bias.sum(axis=0) if bias.ndim == 2 else bias
        assert value == pytest.approx((1 / (1 + np.exp(-sign * bias))).mean(), abs=1e-3)


@pytest.mark.backend_free
def test_constants_are_the_variants_or_the_users():
    model = trained(layers.LSTM(UNITS))
    used = [
        rebuild(model, "LSTM6", given).layers[0].cell.spec.variant.constants
        for given in ("variant", {"f": 0.25})
    ]
    assert used == [ROWS["LSTM6"].constants, {**ROWS["LSTM6"].constants, "f": 0.25}]


@pytest.mark.backend_free
def test_settings_are_the_trained_layers():
    options = {
        "activation": "relu",
        "recurrent_activation": "hard_sigmoid",
        "return_sequences": True,
        "go_backwards": True,
        "dropout": 0.25,
        "kernel_regularizer": "l2",
        "zero_output_for_mask": True,
        "name": "mine",
        "trainable": False,
    }
    model = trained(layers.LSTM(UNITS, **options))
    found = rebuild(model, "LSTM4").layers[0].get_config()
    assert {k: found[k] for k in options} == {
        k: model.layers[0].get_config()[k] for k in options
    }


def functional():
    """Two branches, a model inside the model, both directions, a mask, no bias."""
    inside = keras.Sequential([layers.LSTM(UNITS, use_bias=False)], name="inside")
    tokens = keras.Input((TIME,), dtype="int32")
    masked = layers.Embedding(9, FEATURES, mask_zero=True)(tokens)
    pair = layers.Bidirectional(layers.LSTM(UNITS), name="pair")(masked)
    plain = layers.Embedding(9, FEATURES)(tokens)
    x = layers.Concatenate()([pair, inside(plain), layers.GRU(2, name="gru")(plain)])
    return randomised(keras.Model(tokens, layers.Dense(2)(x)))


def test_a_model_of_any_shape_is_opened():
    model = functional()
    tokens = np.arange(2 * TIME).reshape(2, TIME) % 9
    same = rebuild(model, "LSTM")
    found = answers_of(same, tokens), answers_of(model, tokens)
    np.testing.assert_allclose(*found, atol=2e-6)
    slimmed = rebuild(model, "LSTM6")
    kinds = [type(x).__name__ for x in slimmed.layers]
    assert "GRU" in kinds
    pair = slimmed.get_layer("pair")
    for layer in (pair.forward_layer, pair.backward_layer):
        assert layer.variant.name == "LSTM6"
    inside = slimmed.get_layer("inside").layers[-1]
    assert inside.cell.spec.variant == ROWS["LSTM6"].without_bias().with_constants(
        {"i": 0.5, "f": 0.5, "o": 0.5}
    )
    again = rebuild(slimmed, "GRU3")
    assert again.get_layer("gru").variant.name == "GRU3"
    assert np.isfinite(answers_of(again, tokens)).all()


def test_a_normalisation_keeps_what_it_was_adapted_to():
    adapted = layers.Normalization()
    adapted.adapt(3 + 2 * X)
    model = keras.Sequential(
        [keras.Input((TIME, FEATURES)), adapted, layers.LSTM(UNITS)]
    )
    found = answers_of(rebuild(model, "LSTM")), answers_of(model, X)
    np.testing.assert_allclose(*found, atol=2e-6)


def test_save_and_load(tmp_path):
    model = trained(layers.LSTM(UNITS))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    slimmed = slim(model, "LSTM5a", (X, np.arange(5) % CLASSES), epochs=1)
    slimmed.save(tmp_path / "slim.keras")
    loaded = keras.models.load_model(tmp_path / "slim.keras", safe_mode=True)
    found = answers_of(loaded, X), answers_of(slimmed, X)
    np.testing.assert_array_equal(*found)
    assert loaded.evaluate(X, np.arange(5) % CLASSES, verbose=0)
