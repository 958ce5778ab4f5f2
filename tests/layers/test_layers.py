"""The layers against Keras's own layers, Keras's own loop and the oracle."""

import keras
import numpy as np
import pytest

from layer_problems import (
    BATCH,
    EVERYTHING,
    FEATURES,
    FEW,
    KINDS,
    TIME,
    UNITS,
    X,
    arrays,
    assert_same,
    built,
    make,
    normal,
    plain,
    states_of,
    train,
)
from problems import ROWS, masks
from products import some
from slimrnn import SlimGRU, reference

MASK = masks(TIME)
FULL_ROWS = {
    "LSTM": (keras.layers.LSTM, {}),
    "GRU": (keras.layers.GRU, {"reset_after": False}),
}


def assert_learns_alike(ours, theirs, mask=False, run_eagerly=False):
    """Train both in one model and compare the losses and the weights.

    Each output and each last state has targets, so that gradients come in everywhere.
    """
    inputs = keras.Input(batch_shape=X.shape)
    given = keras.Input(batch_shape=MASK.shape, dtype="bool")
    branches = []
    for name, layer in {"ours": ours, "theirs": theirs}.items():
        outputs, *states = layer(inputs, **({"mask": given} if mask else {}))
        together = [outputs, *(state[:, None] for state in states)]
        joined = keras.ops.concatenate(together, axis=1)
        branches.append(keras.layers.Identity(name=name)(joined))
    model = keras.Model([inputs, given], branches)
    targets = normal(*branches[0].shape, seed=9)
    losses = train(model, [X, MASK], [targets, targets], run_eagerly=run_eagerly)
    mine, others = ([row[f"{k}_loss"] for row in losses] for k in ("ours", "theirs"))
    np.testing.assert_allclose(mine, others, rtol=2e-6)
    assert mine[0] > mine[1] > mine[2], "the loss does not fall"
    assert_same(ours.get_weights(), theirs.get_weights(), 2e-6)


def keras_pair(name):
    """Our layer of a full row, and Keras's with the same weights."""
    theirs, options = FULL_ROWS[name]
    ours = built(name, **EVERYTHING)
    theirs = theirs(UNITS, **EVERYTHING, **options)
    theirs.build(X.shape)
    theirs.set_weights(ours.get_weights())
    return ours, theirs


@pytest.mark.parametrize("name", FULL_ROWS)
def test_the_full_rows_are_keras_layers(name):
    ours, theirs = keras_pair(name)
    assert [w.path.split("/")[-1] for w in ours.weights] == [
        w.path.split("/")[-1] for w in theirs.weights
    ]
    assert_same(ours(X), theirs(X))
    assert_same(ours(X, mask=MASK), theirs(X, mask=MASK))


@pytest.mark.parametrize("use_bias", [True, False])
def test_with_reset_after_the_gru_is_keras_s_own(use_bias):
    options = {"use_bias": use_bias, "bias_initializer": "normal", **EVERYTHING}
    theirs = keras.layers.GRU(UNITS, **options)
    ours = SlimGRU(UNITS, "GRU", reset_after=True, **options)
    wanted = theirs(X, mask=MASK)
    ours.build(X.shape)
    kernel, recurrent, *biases = theirs.get_weights()
    for outer, inner in biases:
        outer[: 2 * UNITS] += inner[: 2 * UNITS]
        biases = [np.concatenate([outer, inner[2 * UNITS :]])]
    ours.set_weights([kernel, recurrent, *biases])
    assert_same(ours(X, mask=MASK), wanted)


@pytest.mark.parametrize("name", FULL_ROWS)
def test_the_full_rows_learn_as_keras_layers(name):
    assert_learns_alike(*keras_pair(name), mask=name == "GRU")


# JAX and TensorFlow take long to compile each training step. TensorFlow can do
# without, so that JAX alone learns few of the rows; the engine's tests have the
# gradients of each row.
BACKEND = keras.backend.backend()


@pytest.mark.parametrize("name", some(lambda x: BACKEND != "jax" or x in FEW, ROWS))
def test_learns_as_plain_keras_over_the_cell(name):
    ours = built(name, **EVERYTHING)
    assert_learns_alike(ours, plain(ours), run_eagerly=BACKEND == "tensorflow")


CASES = {  # options of the layer; whether there are initial states; a mask
    "last output": ({}, False, False),
    "backwards": ({**EVERYTHING, "go_backwards": True}, True, False),
    "masked, last output": ({"zero_output_for_mask": True}, False, True),
    "masked, zeros": ({**EVERYTHING, "zero_output_for_mask": True}, False, True),
    "masked, backwards": ({**EVERYTHING, "go_backwards": True}, False, True),
}
LAST_CASE = list(CASES)[-1]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("kind", "case"),
    some(lambda kind, case: KINDS[kind] in FEW or case == LAST_CASE, KINDS, CASES),
)
def test_computes_as_plain_keras_over_the_cell(kind, case):
    options, initial, mask = CASES[case]
    ours = built(KINDS[kind], **options)
    call = {"initial_state": states_of(ours)} if initial else {}
    if mask:
        call["mask"] = MASK
    assert_same(ours(X, **call), plain(ours)(X, **call))


FORWARDS = [(name, False) for name in ROWS]
BACKWARDS = [(name, True) for name in KINDS.values()]


@pytest.mark.parametrize(("name", "backwards"), FORWARDS + BACKWARDS)
def test_computes_what_the_oracle_does(name, backwards):
    # Masked steps at the start repeat the initial h, as Keras does on JAX. Keras on
    # TensorFlow and torch gives zeros for them, so that the oracle is asked here.
    ours = built(name, go_backwards=backwards, **EVERYTHING)
    states = states_of(ours)
    weights = {w.name: w.numpy() for w in ours.weights}
    step = -1 if backwards else 1
    names = ("h", "c")[: len(states)]
    expected = reference.run(
        ROWS[name],
        X[:, ::step],
        weights,
        dict(zip(names, states, strict=True)),
        mask=MASK[:, ::step],
    )
    assert_same(
        ours(X, initial_state=states, mask=MASK),
        [expected.outputs, *expected.states.values()],
        2e-6,
    )


def test_the_order_of_backwards_is_that_of_processing():
    ours = built("LSTM4", go_backwards=True, **EVERYTHING)
    forwards = built("LSTM4", **EVERYTHING)
    outputs, *states = arrays(ours(X))
    assert_same([outputs, *states], forwards(X[:, ::-1]))
    np.testing.assert_array_equal(outputs[:, -1], states[0])


@pytest.mark.parametrize("name", FEW)
def test_masked_steps_repeat_the_output_or_give_zeros(name):
    for zeros in (False, True):
        ours = built(name, return_sequences=True, zero_output_for_mask=zeros, values=5)
        states = states_of(ours)
        (outputs,) = arrays(ours(X, initial_state=states, mask=MASK))
        before = np.concatenate([states[0][:, None], outputs[:, :-1]], axis=1)
        expected = np.zeros_like(before) if zeros else before
        np.testing.assert_array_equal(outputs[~MASK], expected[~MASK])
        assert (outputs[MASK] != before[MASK]).any(-1).all()


WORDS = np.where(MASK, np.random.default_rng(0).integers(1, 9, MASK.shape), 0)
ZEROED = np.where(MASK[..., None], X, 0)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", ["LSTM5", "MGU2"])
def test_masking_and_embedding_give_a_mask(name):
    ours = built(name, **EVERYTHING)
    embedding = keras.layers.Embedding(9, FEATURES, mask_zero=True)
    masking = keras.layers.Masking()
    for source, x in ((embedding, WORDS), (masking, ZEROED)):
        found = keras.Sequential([source, ours])(x)
        values = arrays(source(x))[0]
        assert_same(found, plain(ours)(values, mask=MASK))
        assert abs(arrays(found)[1] - arrays(ours(values))[1]).max() > 0.01


def test_a_mask_may_be_of_numbers():
    ours = built("LSTM5")
    assert_same(ours(X, mask=MASK.astype("int32")), ours(X, mask=MASK))


@pytest.mark.usefixtures("eager")
def test_a_mask_goes_on_to_the_next_layer():
    first = built("LSTM5", return_sequences=True)
    second = built("GRU1", (BATCH, TIME, UNITS))
    model = keras.Sequential([keras.layers.Masking(), first, second])
    middle = plain(first)(X, mask=MASK)
    expected = plain(second, middle.shape)(middle, mask=MASK)
    assert_same(model(ZEROED), expected)
    assert first.compute_mask(X, MASK) is MASK
    assert second.compute_mask(X, MASK) is None


@pytest.mark.parametrize("name", FEW)
def test_stateful_halves_make_the_whole(name):
    whole = built(name, **EVERYTHING)
    halves = built(name, **EVERYTHING, stateful=True)
    halves.set_weights(whole.get_weights())
    half = TIME // 2
    outputs, *states = arrays(whole(X))
    first, second = (arrays(halves(x)) for x in (X[:, :half], X[:, half:]))
    assert_same(first, [outputs[:, :half], *(s for s in first[1:])])
    assert_same(second, [outputs[:, half:], *states])
    halves.reset_state()
    assert_same(halves(X[:, :half]), first)


@pytest.mark.parametrize("name", ["LSTM5", "GRU1"])
def test_stateful_training_is_training_from_the_last_states(name):
    targets = [normal(BATCH, UNITS, seed=7), normal(BATCH, UNITS, seed=8)]
    inputs = keras.Input(batch_shape=X.shape)
    layer = make(name, stateful=True)
    model = keras.Model(inputs, layer(inputs))
    model.set_weights(built(name).get_weights())
    model.compile("sgd", "mse")
    first = model.train_on_batch(X, targets[0])
    kept = [state.numpy() for state in layer.states]
    once = [w.numpy() for w in layer.trainable_weights]
    model.reset_metrics()
    second = model.train_on_batch(X, targets[1])

    twin = built(name)
    loss = lambda y, k: np.mean((arrays(y)[0] - targets[k]) ** 2)  # noqa: E731
    np.testing.assert_allclose(first, loss(twin(X), 0), rtol=1e-5)
    twin.set_weights(once)
    np.testing.assert_allclose(second, loss(twin(X, initial_state=kept), 1), rtol=1e-5)
    assert abs(second - loss(twin(X), 1)) > 1e-4, "the states were not kept"


@pytest.mark.parametrize(
    ("kind", "mask"),
    some(lambda kind, mask: mask == (KINDS[kind] in FEW), KINDS, (False, True)),
)
def test_unrolled_is_the_same(kind, mask):
    rolled = built(KINDS[kind], **EVERYTHING, go_backwards=mask)
    unrolled = built(KINDS[kind], **EVERYTHING, go_backwards=mask, unroll=True)
    call = {"mask": MASK} if mask else {"initial_state": states_of(rolled)}
    assert_same(unrolled(X, **call), rolled(X, **call))


@pytest.mark.parametrize("name", some(lambda x: x == "LSTM5", ["LSTM5", "GRU1"]))
def test_unrolled_learns_the_same(name):
    unrolled = built(name, **EVERYTHING, unroll=True)
    assert_learns_alike(unrolled, built(name, **EVERYTHING), mask=True)
