"""The layers' arguments: Keras's, the variant's, and those that are refused."""

import inspect

import keras
import numpy as np
import pytest

import slimrnn
from layer_problems import (
    CELLS,
    FEATURES,
    UNITS,
    X,
    arrays,
    assert_same,
    built,
    make,
    randomised,
)
from problems import ROWS
from slimrnn import Gate, InputError, SlimGRU, SlimLSTM, SlimMGU, SlimRNN, Variant, get
from slimrnn.activations import hard_sigmoid_keras2

OWN_OPTIONS = {
    "gate_constants": None,
    "time_scale": "auto",
    "recurrent_vector_initializer": None,
    "recurrent_vector_regularizer": None,
    "recurrent_vector_constraint": None,
}
SIGNATURES = [
    (SlimLSTM, keras.layers.LSTM, "LSTM6"),
    (SlimGRU, keras.layers.GRU, "GRU3"),
    (SlimMGU, keras.layers.GRU, "MGU3"),
    (slimrnn.SlimLSTMCell, keras.layers.LSTMCell, "LSTM6"),
    (slimrnn.SlimGRUCell, keras.layers.GRUCell, "GRU3"),
    (slimrnn.SlimMGUCell, keras.layers.GRUCell, "MGU3"),
]
FAMILY = ["GRU1", "LSTM5", "MGU2"]


@pytest.mark.parametrize(("ours", "theirs", "variant"), SIGNATURES)
def test_the_signature_is_keras_with_a_variant(ours, theirs, variant):
    expected = [
        (p.name, p.default, p.kind)
        for p in inspect.signature(theirs).parameters.values()
        if p.name != "kwargs"
    ]
    expected = [
        (name, False if name == "reset_after" else default, kind)
        for name, default, kind in expected
    ]
    expected.insert(1, ("variant", variant, inspect.Parameter.POSITIONAL_OR_KEYWORD))
    options = {**OWN_OPTIONS, **({"engine": "auto"} if "Cell" not in str(ours) else {})}
    only = inspect.Parameter.KEYWORD_ONLY
    expected += [(name, default, only) for name, default in options.items()]
    found = [(p.name, p.default, p.kind) for p in _parameters(ours)]
    assert found[-1][0] == "kwargs"
    assert found[:-1] == expected


def _parameters(cls):
    return inspect.signature(cls).parameters.values()


@pytest.mark.parametrize(("ours", "theirs", "variant"), SIGNATURES)
def test_arguments_by_position_are_those_by_name(ours, theirs, variant):
    # A value other than the default for each, where there is one.
    other = {"activation": "relu", "recurrent_activation": "tanh", "use_bias": True}
    other |= {"dropout": 0.25, "recurrent_dropout": 0.5, "seed": 3, "units": 7}
    other |= {"variant": variant[:-1] + "2" if variant != "LSTM6" else "LSTM5"}
    other |= dict.fromkeys(("return_sequences", "return_state", "stateful"), True)
    other |= {"kernel_initializer": "ones", "bias_initializer": "ones"}
    other |= {"recurrent_initializer": "zeros", "kernel_regularizer": "l1"}
    other |= {"bias_constraint": "non_neg", "go_backwards": True, "unroll": True}
    given = {
        p.name: other.get(p.name, p.default)
        for p in _parameters(ours)
        if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    }
    by_position, by_name = ours(*given.values()), ours(**given)
    configs = [layer.get_config() for layer in (by_position, by_name)]
    for config in configs:
        config.pop("name")
    assert configs[0] == configs[1]
    for name, value in given.items():
        if isinstance(value, (int, float)):
            assert configs[0][name] == value


@pytest.mark.parametrize("units", [np.int64(5), np.int32(5), 5.0])
def test_whole_numbers_of_any_kind_are_units(units):
    layer = slimrnn.layer(units, "LSTM4")
    assert layer.units == layer.cell.units == 5
    assert type(layer.get_config()["units"]) is int


NO_UNITS = "units must be a whole number of 1 or more; received {}."
LSTM_ROWS = ", ".join(v.name for v in slimrnn.variants() if v.family == "lstm")
REFUSED = {
    **{
        f"units {bad}": (SlimLSTM, [bad], {}, NO_UNITS.format(repr(bad)))
        for bad in (0, -1, 2.5, True, "8", None, float("nan"))
    },
    "another family": (
        SlimLSTM,
        [4, "GRU1"],
        {},
        "GRU1 is of the family gru, and this layer computes the family lstm; use "
        f"SlimGRU, or one of {LSTM_ROWS}.",
    ),
    "unknown variant": (SlimGRU, [4, "GRU11"], {}, "the nearest is GRU1."),
    "an activation as variant": (SlimLSTM, [4, "tanh"], {}, "Unknown variant 'tanh'"),
    "not constant": (
        SlimLSTM,
        [4, "LSTM4a"],
        {"gate_constants": {"i": 0.5}},
        "gate_constants names 'i', which is not a constant gate of LSTM4a; allowed: "
        "f, o.",
    ),
    "none constant": (
        SlimLSTM,
        [4, "LSTM"],
        {"gate_constants": {"f": 0.5}},
        "allowed: none: it has no constant gate.",
    ),
    "constant NaN": (
        SlimLSTM,
        [4],
        {"gate_constants": {"f": float("nan")}},
        "constant must be a finite number, received nan.",
    ),
    "constants no mapping": (
        SlimLSTM,
        [4],
        {"gate_constants": [0.5]},
        "gate_constants must be a mapping",
    ),
    "no bias in s(b)": (
        SlimLSTM,
        [4, "LSTM3"],
        {"use_bias": False},
        "use_bias=False leaves nothing of gate i of LSTM3, which is s(b)",
    ),
    "engine": (
        SlimMGU,
        [4],
        {"engine": "gpu"},
        "engine must be one of auto, ops, native; received 'gpu'.",
    ),
    "reset_after": (
        SlimMGU,
        [4, Variant("Mine", "mgu", [Gate(bias=True), Gate(x="full")])],
        {"reset_after": True},
        "an h in the candidate; Mine has none",
    ),
    "use_cudnn": (SlimLSTM, [4], {"use_cudnn": True}, "use_cudnn=True cannot be"),
    "another cell": (
        SlimRNN,
        [keras.layers.LSTMCell(3)],
        {},
        "SlimRNN takes one slim cell",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_invalid_arguments_are_refused_in_a_sentence(case):
    cls, args, kwargs, sentence = REFUSED[case]
    with pytest.raises(InputError) as error:
        cls(*args, **kwargs)
    assert sentence in str(error.value)
    assert str(error.value).endswith(".")


def test_the_native_engine_says_why_it_cannot_run():
    layer = make("LSTM6", engine="native", activation="gelu")
    with pytest.raises(InputError, match="engine='native' cannot run: "):
        layer(X)


@pytest.mark.parametrize("value", ["auto", False, None])
def test_cudnn_may_be_left_out(value):
    assert_same(randomised(_called(use_cudnn=value))(X), built("LSTM6")(X))


def _called(**options):
    layer = SlimLSTM(UNITS, "LSTM6", time_scale=None, **options)
    layer.build(X.shape)
    return layer


@pytest.mark.parametrize("engine", ["auto", "ops"])
def test_engines_by_name(engine):
    layer = built("LSTM6", engine=engine)
    assert layer.get_config()["engine"] == engine
    assert_same(layer(X), built("LSTM6")(X))


@pytest.mark.parametrize("name", ROWS)
def test_without_biases(name):
    row = ROWS[name]
    if any(gate.terms == ("bias",) for _, gate in row.items()):
        with pytest.raises(InputError, match="use_bias=False leaves nothing of gate"):
            make(name, use_bias=False)
        return
    layer = built(name, use_bias=False)
    expected = row.shapes(FEATURES, UNITS)
    expected.pop("bias", None)
    assert {w.name: tuple(w.shape) for w in layer.weights} == expected
    full = make(name)
    full.build(X.shape)
    weights = dict(zip(expected, layer.get_weights(), strict=True))
    full.set_weights(
        [weights.get(w.name, np.zeros(w.shape, "float32")) for w in full.weights]
    )
    if name in (*FAMILY, "LSTM"):
        assert_same(layer(X), full(X))


def test_other_gate_constants():
    layer = built("LSTM4a", gate_constants={"f": 0.3})
    gates = {**dict(get("LSTM4a").items()), "f": slimrnn.Gate(constant=0.3)}
    own = slimrnn.SlimLSTM(UNITS, Variant("Mine", "lstm", gates))
    own.build(X.shape)
    own.set_weights(layer.get_weights())
    assert_same(layer(X), own(X))
    assert abs(arrays(layer(X))[0] - arrays(built("LSTM4a")(X))[0]).max() > 0.01
    assert layer.get_config()["variant"] == "LSTM4a"
    assert layer.get_config()["gate_constants"] == {"f": 0.3}


@pytest.mark.parametrize("name", FAMILY)
def test_any_activations(name):
    # "elu" has no slope that the engine knows.
    for functions in (("relu", "hard_sigmoid"), ("elu", hard_sigmoid_keras2)):
        options = dict(
            zip(("activation", "recurrent_activation"), functions, strict=True)
        )
        layer = built(name, **options)
        cell = CELLS[ROWS[name].family](UNITS, name, **options)
        twin = keras.layers.RNN(cell)
        twin.build(X.shape)
        twin.set_weights(layer.get_weights())
        assert_same(layer(X), twin(X))


def test_a_frozen_layer_has_nothing_to_train():
    layer = built("LSTM5", trainable=False)
    assert layer.trainable_weights == []
    assert len(layer.non_trainable_weights) == 4
    layer.trainable = True
    assert len(layer.trainable_weights) == 4


@pytest.mark.parametrize("row", [0, 1])
def test_settings_are_read_off_the_layer_as_off_keras_layers(row):
    ours, theirs, variant = SIGNATURES[row]
    options = {"dropout": 0.25, "seed": 1, "kernel_regularizer": "l2"}
    layer, like = ours(4, **options), theirs(4, **options)
    missing = {n for n in dir(like) if n[0] != "_" and not hasattr(layer, n)}
    assert missing <= {"use_cudnn", "input", "output"}
    assert layer.units == like.units == 4
    assert layer.dropout == like.dropout == 0.25
    assert layer.activation is like.activation
    assert layer.kernel_regularizer.get_config() == like.kernel_regularizer.get_config()
    assert layer.variant == get(variant)


def test_an_unknown_argument_is_refused_by_keras():
    with pytest.raises((TypeError, ValueError), match="unit_s"):
        SlimLSTM(4, unit_s=3)
    with pytest.raises(TypeError, match="units"):
        SlimLSTM()
