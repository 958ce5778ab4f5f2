"""The layers inside Keras's models and wrappers."""

import keras
import numpy as np
import pytest

import slimrnn
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
    randomised,
    states_of,
)
from problems import ROWS, masks
from products import some

MASK = masks(TIME)


def pair(name, merge_mode, **options):
    """A Bidirectional layer, and its two directions as Keras computes their cells."""
    layer = keras.layers.Bidirectional(make(name, **options), merge_mode=merge_mode)
    layer.build(X.shape)
    randomised(layer)
    return layer, plain(layer.forward_layer), plain(layer.backward_layer)


MERGES = {
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda a, b: (a + b) / 2,
}


@pytest.mark.parametrize(
    ("name", "merge_mode", "sequences", "mask"),
    [
        ("LSTM6", "concat", False, False),  # where Keras has a fused LSTM
        ("LSTM6", "concat", True, False),
        ("LSTM", "sum", True, True),
        ("GRU1", "ave", False, True),
        ("MGU", "mul", True, True),
    ],
)
def test_bidirectional_computes_the_variant(name, merge_mode, sequences, mask):
    layer, forwards, backwards = pair(name, merge_mode, return_sequences=sequences)
    call = {"mask": MASK} if mask else {}
    (first,), (second,) = (arrays(part(X, **call)) for part in (forwards, backwards))
    if sequences:
        second = second[:, ::-1]
    expected = MERGES[merge_mode](first, second)
    assert_same(layer(X, **call), expected)
    (without,) = arrays(layer(X))
    assert mask == (abs(without - expected).max() > 0.01)


def test_bidirectional_is_not_the_standard_lstm():
    layer, *_ = pair("LSTM6", "concat")
    weights = ["kernel", "recurrent_kernel", "bias"]
    assert [w.name for w in layer.trainable_weights] == 2 * weights
    assert layer.count_params() == 2 * slimrnn.get("LSTM6").parameters(FEATURES, UNITS)
    assert not isinstance(layer.forward_layer, keras.layers.LSTM)
    constants = {"gate_constants": {"f": 0.9, "i": 0.1}}
    other = keras.layers.Bidirectional(make("LSTM6", **constants))
    other.build(X.shape)
    other.set_weights(layer.get_weights())
    assert abs(arrays(other(X))[0] - arrays(layer(X))[0]).max() > 0.01


def test_stacked_layers():
    layers = [
        built("LSTM10", return_sequences=True),
        built("GRU3", (BATCH, TIME, UNITS), return_sequences=True, go_backwards=True),
        built("LSTM", (BATCH, TIME, UNITS)),
    ]
    expected = X
    for layer in layers:
        expected = plain(layer, expected.shape)(expected)
    assert_same(keras.Sequential(layers)(X), expected)


@pytest.mark.parametrize(
    ("name", "engine"),
    some(lambda name, _: name in FEW, KINDS.values(), ("auto", "ops")),
)
def test_the_mask_goes_on_in_the_order_of_the_outputs(name, engine):
    backwards = make(name, engine=engine, go_backwards=True, return_sequences=True)
    behind = make("LSTM5", engine=engine)
    mask = keras.layers.Masking(0.0)
    padded = np.where(np.arange(TIME)[:, None] < 3, X, 0)
    found = keras.Sequential([mask, backwards, behind])(padded)
    assert_same(found, behind(backwards(X[:, :3])))


def test_cells_in_keras_own_stack():
    cells = [
        slimrnn.SlimLSTMCell(UNITS, "LSTM6", time_scale=None),
        slimrnn.SlimGRUCell(2, "GRU1"),
    ]
    stacked = keras.layers.RNN(cells)
    stacked.build(X.shape)
    randomised(stacked)
    first = make("LSTM6", time_scale=None, return_sequences=True)
    second = make("GRU1", units=2)
    model = keras.Sequential([first, second])
    model.build(X.shape)
    model.set_weights(stacked.get_weights())
    assert_same(stacked(X), model(X))


def test_one_slim_rnn_over_a_cell():
    cell = slimrnn.SlimMGUCell(UNITS, "MGU2")
    layer = slimrnn.SlimRNN(cell, return_sequences=True)
    layer.build(X.shape)
    assert_same(layer(X), plain(layer)(X))


def encoder_decoder(name):
    """A model that hands the encoder's last states to the decoder."""
    encoder, decoder = (make(name, **EVERYTHING) for _ in range(2))
    source = keras.Input((None, FEATURES))
    target = keras.Input((None, FEATURES))
    _, *states = encoder(source)
    outputs, *_ = decoder(target, initial_state=states)
    return randomised(keras.Model([source, target], outputs)), encoder, decoder


@pytest.mark.parametrize("name", ["LSTM4", "GRU2"])
def test_states_go_from_an_encoder_to_a_decoder(name):
    model, encoder, decoder = encoder_decoder(name)
    source, target = X, normal(BATCH, 4, FEATURES, seed=8)
    _, *states = plain(encoder)(source)
    outputs, *_ = plain(decoder)(target, initial_state=states)
    assert_same(model([source, target]), outputs)


def test_gradients_come_through_the_states():
    model, encoder, _ = encoder_decoder("LSTM4")
    before = encoder.get_weights()
    model.compile("sgd", "mse")
    model.train_on_batch([X, X], normal(BATCH, TIME, UNITS))
    for old, new in zip(before, encoder.get_weights(), strict=True):
        assert abs(old - new).max() > 0


class Subclassed(keras.Model):
    """A model by subclassing, with initial states and a mask of its own."""

    def __init__(self):
        super().__init__()
        self.inner = make("LSTM5a")

    def call(self, inputs):
        states = [keras.ops.ones((keras.ops.shape(inputs)[0], UNITS))] * 2
        mask = keras.ops.any(inputs != 0, axis=-1)
        return self.inner(inputs, initial_state=states, mask=mask)


def test_a_subclassed_model():
    model = Subclassed()
    x = np.where(MASK[..., None], X, 0)
    states = [np.ones((BATCH, UNITS), "float32")] * 2
    assert_same(model(x), model.inner(x, initial_state=states, mask=MASK))
    model.compile("sgd", "mse")
    first, second = model.fit(x, states[0], epochs=2, verbose=0).history["loss"]
    assert second < first


def test_one_model_takes_sequences_of_any_length():
    inputs = keras.Input((None, FEATURES))
    layer = make("LSTM5")
    outputs = layer(keras.layers.Masking()(inputs))
    assert outputs.shape == (None, UNITS)
    model = randomised(keras.Model(inputs, outputs))
    model.compile("sgd", "mse")
    for batch, length in ((3, 4), (2, 7)):
        x = normal(batch, length, FEATURES, seed=length)
        x[0, length // 2 :] = 0
        expected = plain(layer, x.shape)(x, mask=(x != 0).any(-1))
        assert_same(model.predict_on_batch(x), expected)
        y = normal(batch, UNITS)
        loss = model.train_on_batch(x, y)
        model.reset_metrics()
        np.testing.assert_allclose(
            loss, np.mean((arrays(expected)[0] - y) ** 2), rtol=1e-5
        )


def test_the_last_batch_may_be_smaller():
    model = keras.Sequential([built("LSTM5")])
    x = normal(7, TIME, FEATURES)
    assert_same(model.predict(x, batch_size=BATCH, verbose=0), model(x))


def test_a_layer_is_shared_by_calls_of_other_shapes():
    layer = built("GRU2")
    for shape in ((2, 3, FEATURES), (1, 8, FEATURES)):
        x = normal(*shape)
        assert_same(layer(x), plain(layer)(x))
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        layer(X[:, 0])


def test_time_distributed():
    layer = built("LSTM6")
    x = normal(2, 3, TIME, FEATURES)
    expected = np.stack([arrays(layer(x[:, k]))[0] for k in range(3)], axis=1)
    assert_same(keras.layers.TimeDistributed(layer)(x), expected)


@pytest.mark.parametrize("batch", [None, 4])
@pytest.mark.parametrize("length", [None, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_shapes_are_known_beforehand(kind, length, batch):
    full = make(KINDS[kind], **EVERYTHING)
    shape = (batch, length, FEATURES)
    states = len(full.state_size) * [(batch, UNITS)]
    assert list(full.compute_output_shape(shape)) == [(batch, length, UNITS), *states]
    assert make(KINDS[kind]).compute_output_shape(shape) == (batch, UNITS)
    symbolic = full(keras.Input(batch_shape=shape))
    assert [s.shape for s in symbolic] == [(batch, length, UNITS), *states]


@pytest.mark.parametrize("name", ROWS)
def test_the_summary_counts_the_variants_parameters(name):
    layer = make(name)
    model = keras.Sequential([keras.Input((None, FEATURES)), layer])
    lines = []
    model.summary(print_fn=lines.append)
    expected = ROWS[name].parameters(FEATURES, UNITS)
    assert f" Trainable params: {expected} " in "\n".join(lines)
    assert model.count_params() == layer.count_params() == expected
    found = {w.name: tuple(w.shape) for w in layer.weights}
    assert found == ROWS[name].shapes(FEATURES, UNITS)
    assert list(found) == list(ROWS[name].shapes(FEATURES, UNITS))


def test_a_cloned_model_is_built_alike():
    model = keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            keras.layers.Bidirectional(make("OwnLSTM", return_sequences=True)),
            make("LSTM4a", gate_constants={"f": 0.5}),
        ]
    )
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert_same(clone(X), model(X))
    assert clone.layers[-1] is not model.layers[-1]


def test_a_stateful_layer_keeps_its_states_in_predict():
    # Keras's own layers do not on JAX, since Keras tracks no states.
    inputs = keras.Input(batch_shape=(BATCH, TIME // 2, FEATURES))
    layer = make("LSTM4", stateful=True)
    model = randomised(keras.Model(inputs, layer(inputs)))
    whole = make("LSTM4")
    whole.build(X.shape)
    whole.set_weights(layer.get_weights())
    halves = np.concatenate([X[:, : TIME // 2], X[:, TIME // 2 :]])
    predicted = model.predict(halves, batch_size=BATCH, verbose=0)
    assert_same(predicted[BATCH:], whole(X))
    assert len(layer.get_weights()) == len(whole.get_weights())
    with pytest.raises(ValueError, match="batch size"):
        layer(X[:2])


def test_keras_own_test_of_a_layer():
    reason = "keras.src.testing is private, and need not be there"
    testing = pytest.importorskip("keras.src.testing", reason=reason)
    testing.TestCase().run_layer_test(
        slimrnn.SlimLSTM,
        init_kwargs={"units": UNITS, "variant": "LSTM5", "dropout": 0.5},
        input_shape=X.shape,
        expected_output_shape=(BATCH, UNITS),
        expected_num_trainable_weights=4,
        expected_num_non_trainable_weights=0,
        supports_masking=True,
    )


def test_states_of_the_right_number_are_needed():
    for name, other in (("LSTM5", "GRU"), ("GRU", "LSTM5")):
        with pytest.raises(slimrnn.InputError, match="initial_state must have"):
            make(name)(X, initial_state=states_of(make(other)))
