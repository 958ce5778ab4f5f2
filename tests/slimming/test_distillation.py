"""Distillation: a slim model learns what the trained one answers."""

import keras
import numpy as np
import pytest
from test_slimming import CLASSES, FEATURES, TIME, answers_of, trained

from layer_problems import UNITS, normal, randomised
from problems import ROWS
from products import some
from slimrnn import data
from slimrnn.data.adapter import Adapter, dataset
from slimrnn.slimming import measure, rebuild
from slimrnn.slimming.distillation import ENDS, Distillation, end_of
from slimrnn.slimming.training import slim

layers = keras.layers


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
    """128, of which a quarter are for validation: all batches are of 32."""
    return normal(128, TIME, FEATURES, seed=7)


@pytest.mark.parametrize(
    "end", some(lambda end: end in ("logits", "sigmoid", "regression"), PROBLEMS)
)
def test_distillation_comes_nearer_to_the_trained_model(end, sequences, capsys):
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
        validation=0.25,
        mix=1.0,
        watch=lines.append,
        verbose=2,
    )
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3, 4]
    assert "Epoch 4/4" in capsys.readouterr().out
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


@pytest.mark.backend_free
def test_every_end_is_tested():
    assert set(PROBLEMS) == set(ENDS)
