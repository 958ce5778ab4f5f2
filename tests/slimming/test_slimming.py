"""Slimming: what starts from what, for every row; distillation; the command."""

import argparse

import keras
import numpy as np
import pytest

import slimrnn
from layer_problems import FEW, UNITS, normal, randomised
from problems import ROWS
from products import some
from slimrnn import data
from slimrnn.cli import flags
from slimrnn.cli import slim as command
from slimrnn.data.adapter import Adapter, dataset
from slimrnn.errors import InputError
from slimrnn.slimming import Options, measure, rebuild
from slimrnn.slimming.conversion import why_not
from slimrnn.slimming.distillation import ENDS, Distillation, end_of
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


@pytest.mark.parametrize(
    ("source", "row"),
    [
        pytest.param(*pair, marks=() if ON_JAX or pair[1] in FEW else EXHAUSTIVE)
        for pair in PAIRS
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


# What a model may end in, and labels that fit it.
PROBLEMS = {
    "softmax": (CLASSES, "softmax", lambda z: z.argmax(-1)),
    "logits": (CLASSES, "linear", lambda z: z.argmax(-1)),
    "sigmoid": (1, "sigmoid", lambda z: (z[:, 0] > z[:, 0].mean()).astype(int)),
    "logit": (1, "linear", lambda z: (z[:, 0] > z[:, 0].mean()).astype(int)),
    "regression": (2, "linear", lambda z: z + 0.1),
}


@pytest.fixture(scope="module")
def sequences():
    return normal(96, TIME, FEATURES, seed=7)


@pytest.mark.parametrize(
    "end", some(lambda end: end in ("logits", "sigmoid", "regression"), PROBLEMS)
)
def test_distillation_comes_nearer_to_the_trained_model(end, sequences):
    units, activation, label = PROBLEMS[end]
    model = randomised(
        keras.Sequential(
            [
                keras.Input((TIME, FEATURES)),
                layers.LSTM(UNITS),
                layers.Dense(units, activation=activation),
            ]
        )
    )
    answers = answers_of(model, sequences)
    labels = label(answers)
    assert end_of(answers, labels) == end
    lines = []
    slimmed = slim(
        model,
        "LSTM6",
        (sequences, labels),
        epochs=4,
        learning_rate=0.01,
        mix=1.0,
        watch=lines.append,
    )
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3, 4]
    loss = Distillation(end, mix=1.0)
    targets = loss.targets(answers, labels)
    start = rebuild(model, "LSTM6")
    start, after = (
        float(keras.ops.mean(loss(targets, answers_of(x, sequences))))
        for x in (start, slimmed)
    )
    assert after < 0.8 * start
    np.testing.assert_array_equal(answers, answers_of(model, sequences))


@pytest.mark.parametrize("mix", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_loss_is_the_papers(mix, temperature):
    z, t = normal(3, CLASSES, seed=1).astype(float), normal(3, CLASSES, seed=2)
    labels = np.array([1, 0, 3])

    def softmax(x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    soft, pupil = softmax(t / temperature), softmax(z / temperature)
    taught = temperature**2 * (soft * np.log(soft / pupil)).sum(-1)
    told = -np.log(softmax(z)[np.arange(3), labels])
    for end, outputs in (("logits", (t, z)), ("softmax", (softmax(t), softmax(z)))):
        loss = Distillation(end, temperature, mix)
        targets = loss.targets(outputs[0].astype("float32"), labels)
        found = loss(targets, outputs[1].astype("float32"))
        wanted = mix * taught + (1 - mix) * told
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(found), wanted, rtol=2e-5, atol=1e-6
        )


def test_two_classes_of_one_sigmoid_are_two_of_a_softmax():
    p, q = np.array([[0.2], [0.9]], "float32"), np.array([[0.4], [0.7]], "float32")
    labels = np.array([0, 1])
    one = Distillation("sigmoid")
    two = Distillation("softmax")
    pair = [np.concatenate([1 - x, x], -1) for x in (p, q)]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(one(one.targets(p, labels), q)),
        keras.ops.convert_to_numpy(two(two.targets(pair[0], labels), pair[1])),
        rtol=1e-5,
    )


def test_the_best_epoch_is_kept_and_may_be_the_start(sequences):
    model = trained(layers.LSTM(UNITS))
    labels = answers_of(model, sequences).argmax(-1)
    # The full row is right everywhere before training; this learning rate ruins it.
    same = slim(model, "LSTM", (sequences, labels), epochs=2, learning_rate=10.0)
    found = answers_of(same, sequences), answers_of(model, sequences)
    np.testing.assert_allclose(*found, atol=2e-6)


def ragged(front=False):
    """Sequences of unequal lengths, tokens."""
    lengths = np.array([3, 5, 2, 6])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    x = data.Sequences(np.arange(1, offsets[-1] + 1, dtype="int32") % 7 + 1, offsets)
    part = data.Part(x, np.array([0, 1, 0, 1], "int32"))
    return data.Dataset("tokens", part, part, classes=2, vocabulary=9)


@pytest.mark.parametrize("masked", [True, False])
def test_padding_stands_where_the_model_expects_it(masked):
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(9, FEATURES, mask_zero=masked),
            layers.LSTM(UNITS),
            layers.Dense(2, activation="softmax"),
        ]
    )
    adapter = Adapter.of(model, ragged())
    x, _ = adapter.batches(ragged().train)[0]
    assert x.shape == (4, 6)
    zeros = (x == 0)[0]
    assert zeros.tolist() == sorted(zeros, reverse=not masked)
    assert measure(model, ragged()).metric == "accuracy"


def test_the_figures_count(sequences):
    labels = np.arange(len(sequences)) % CLASSES
    model = trained(layers.LSTM(UNITS))
    found = measure(model, dataset((sequences, labels)))
    answers = answers_of(model, sequences).argmax(-1)
    assert found.score == pytest.approx(np.mean(answers == labels))
    assert found.recurrent_parameters == ROWS["LSTM"].parameters(FEATURES, UNITS)
    assert found.parameters == model.count_params()


GOOD = np.zeros((4, TIME, FEATURES), "float32"), np.array([0, 1, 2, 3])
# What is wrong, and what the sentence must name.
MISTAKES = {
    "another family": (["GRU3"], {}, ["family lstm", "GRU3"]),
    "unknown row": (["LSTM7x"], {}, ["'LSTM7x'", "nearest"]),
    "no such constants": (
        ["LSTM6"],
        {"gate_constants": "best"},
        ["'variant'", "'best'"],
    ),
    "no such gate": (["LSTM6"], {"gate_constants": {"z": 1.0}}, ["'z'", "i, f, o"]),
    "no epochs": (["LSTM6", GOOD], {"epochs": 0}, ["epochs", "0", "1 or more"]),
    "no rate": (["LSTM6", GOOD], {"learning_rate": 0}, ["learning rate", "above 0"]),
    "cold": (["LSTM6", GOOD], {"temperature": 0}, ["temperature", "above 0"]),
    "too much": (["LSTM6", GOOD], {"mix": 1.5}, ["mix", "1.5", "from 0"]),
    "all held": (["LSTM6", GOOD], {"validation": 1}, ["validation", "at most"]),
    "no pair": (["LSTM6", X], {}, ["pair of arrays"]),
    "no steps": (["LSTM6", (X[:, 0], np.zeros(5, int))], {}, ["pair of arrays"]),
    "features": (["LSTM6", (X[..., :2], np.zeros(5, int))], {}, ["2 feat", "3 feat"]),
    "tokens": (["LSTM6", (np.ones((4, 3), int), np.zeros(4, int))], {}, ["token ids"]),
    "classes": (["LSTM6", (X, np.arange(5))], {}, ["0 to 4", "4 classes"]),
    "targets": (["LSTM6", (X, normal(5, 3))], {}, ["(5, 4)"]),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_a_sentence(mistake):
    arguments, options, words = MISTAKES[mistake]
    options = {"validation": 0.5, **options}  # there are few sequences
    with pytest.raises(InputError) as error:
        slim(trained(layers.LSTM(UNITS)), *arguments, **options)
    for word in words:
        assert word.lower() in str(error.value).lower()


@pytest.mark.backend_free
def test_only_what_can_be_slimmed():
    dense = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    with pytest.raises(InputError, match="no recurrent layer"):
        rebuild(dense, "LSTM6")
    with pytest.raises(InputError, match=r"built keras\.Sequential"):
        rebuild(layers.LSTM(3), "LSTM6")
    with pytest.raises(InputError, match="more in gate i"):
        rebuild(trained(slimrnn.SlimLSTM(UNITS, "LSTM6")), "LSTM")


def carried_out(*words):
    parser = flags.Parser(prog="slimrnn")
    command.add(parser.add_subparsers(dest="command"))
    args = parser.parse_args(["slim", *map(str, words)])
    assert isinstance(args, argparse.Namespace)
    return command.run(args)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A trained model of the digits, and one without a recurrent layer."""
    folder = tmp_path_factory.mktemp("models")
    model = keras.Sequential(
        [
            keras.Input((8, 8)),
            layers.LSTM(UNITS),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save(folder / "lstm.keras")
    dense = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(10)])
    dense.save(folder / "dense.keras")
    (folder / "text.keras").write_text("no model")
    (folder / "lstm.h5").write_text("another format")
    (folder / "there.keras").write_text("something")
    return folder


def test_the_command_slims(saved, tmp_path, capsys):
    out = tmp_path / "slim.keras"
    model = saved / "lstm.keras"
    code = carried_out(
        *(model, "--to", "lstm4a", "--dataset", "digits", "--epochs", 1, "--out", out)
    )
    assert code == 0
    shown = capsys.readouterr().out
    assert "epoch 1/1" in shown
    full, row = ROWS["LSTM"], ROWS["LSTM4a"]
    for count in (full.parameters(8, UNITS), row.parameters(8, UNITS)):
        assert f"{count:,}" in shown
    loaded = keras.models.load_model(out, safe_mode=True)
    assert loaded.layers[0].variant.name == "LSTM4a"
    assert [file.name for file in tmp_path.iterdir()] == ["slim.keras"]


DIGITS = ["--dataset", "digits"]
REFUSED = {
    "no recurrent layer": ("dense.keras", "LSTM6", DIGITS, "no recurrent layer"),
    "another family": ("lstm.keras", "MGU", DIGITS, "family"),
    "unknown row": ("lstm.keras", "LSTN4", DIGITS, "nearest is LSTM4"),
    "no model": ("text.keras", "LSTM6", DIGITS, "cannot be read as a Keras model"),
    "not there": ("no.keras", "LSTM6", DIGITS, "There is no file"),
    "another ending": ("lstm.h5", "LSTM6", DIGITS, "cannot be read as a Keras model"),
    "no such data": ("lstm.keras", "LSTM6", ["--dataset", "digitz"], "digits"),
    "no epochs": ("lstm.keras", "LSTM6", [*DIGITS, "--epochs", "0"], "epochs"),
    "half a constant": (
        *("lstm.keras", "LSTM6", [*DIGITS, "--gate-constants", "f=", "i=1"]),
        "NAME=VALUE",
    ),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("mistake", REFUSED)
def test_the_command_refuses_and_writes_nothing(mistake, saved, tmp_path):
    model, row, more, word = REFUSED[mistake]
    out = tmp_path / "slim.keras"
    with pytest.raises(InputError, match=word.replace(".", r"\.")):
        carried_out(saved / model, "--to", row, *more, "--out", out)
    assert not list(tmp_path.iterdir())


@pytest.mark.backend_free
@pytest.mark.parametrize("out", ["there.keras", "no/slim.keras", "slim.txt"])
def test_the_command_refuses_an_output(out, saved):
    before = sorted(file.name for file in saved.iterdir())
    with pytest.raises(InputError, match=r"exists already|There is no folder|must end"):
        carried_out(
            *(saved / "lstm.keras", "--to", "LSTM6", *DIGITS, "--out", saved / out)
        )
    assert sorted(file.name for file in saved.iterdir()) == before


@pytest.mark.backend_free
def test_the_command_shows_the_defaults(capsys):
    with pytest.raises(SystemExit):
        carried_out("--help")
    shown = " ".join(capsys.readouterr().out.split())
    for name in ("epochs", "learning_rate", "temperature", "mix", "seed"):
        assert f"--{name.replace('_', '-')}" in shown
        assert f"(default: {getattr(Options, name)})" in shown


@pytest.mark.backend_free
def test_every_end_is_tested():
    assert set(PROBLEMS) == set(ENDS)
