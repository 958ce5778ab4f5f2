"""Integers: their bounds are proved, and little is lost."""

from dataclasses import replace
from itertools import product

import keras
import numpy as np
import pytest

import slimrnn
from deploy_problems import (
    MODELS,
    data_for,
    model_of,
    model_of_row,
    normal,
    program_of,
    with_far_units,
)
from problems import ROWS
from products import some
from slimrnn.deploy import evaluate_int8
from slimrnn.deploy.program import inputs, quantize, simulator
from slimrnn.deploy.program.arithmetic import INT8
from slimrnn.errors import InputError
from slimrnn.variants import get
from slimrnn.variants.gates import Gate

pytestmark = pytest.mark.backend_free

layers = keras.layers


@pytest.mark.parametrize("name", [k for k in MODELS if "Conv1D" in k or "Affine" in k])
def test_little_is_lost_around_the_cells(name):
    model = MODELS[name]()
    x = data_for(model, batch=20)
    program = program_of(model, "int8", x)
    found = simulator.run(program, inputs.given(program, x)) / 2.0**program.output_bits
    expected = simulator.run(program_of(model, "float32", x), x)
    assert np.sqrt(((found - expected) ** 2).mean() / (expected**2).mean()) < 0.03


@pytest.mark.parametrize("name", ROWS)
def test_little_is_lost(name):
    """A step's error is that of 8 bits of weights, also where nothing is forgotten."""
    model = model_of(slimrnn.layer(8, ROWS[name]), layers.Dense(3))
    x = normal(50, 4, 5)
    program = program_of(model, "int8", x)
    found = simulator.run(program, inputs.given(program, x)) / 2.0**program.output_bits
    expected = keras.ops.convert_to_numpy(model(x))
    error = np.sqrt(((found - expected) ** 2).mean() / (expected**2).mean())
    assert error < 0.03


LONG = [("LSTM6", 1000), ("GRU", 100)]


@pytest.mark.parametrize(
    ("name", "scale"),
    some(lambda *one: one in LONG, ("LSTM", "LSTM6", "CIFG", "GRU"), (100, 1000)),
)
def test_long_memories_drift_within_the_bound(name, scale):
    """Inputs that hardly change, for 5,000 steps: rounding adds up in one direction."""
    keras.utils.set_random_seed(0)
    layer = slimrnn.layer(8, name, time_scale=scale)
    model = keras.Sequential([keras.Input((None, 2)), layer])
    rng = np.random.default_rng(0)
    x = rng.normal(0.3, 0.02, (2, 5000, 2)).astype("f4")
    program = program_of(model, "int8", x[:, :200])
    found = simulator.run(program, inputs.given(program, x)) / 2.0**program.output_bits
    wanted = simulator.run(program_of(model, "float32", x), x)
    assert abs(found - wanted).max() < 0.02 + 0.5 * scale / 2**14
    assert abs(wanted).max() > 0.1


@pytest.mark.parametrize(
    ("name", "said"), [("FastGRNN", True), ("FastGRNN_tied", False)]
)
def test_an_unknown_bound_of_c_is_said(name, said, recwarn):
    model = model_of_row(name)
    program_of(model, "int8", data_for(model))
    messages = " ".join(str(one.message) for one in recwarn)
    assert ("no bound of c is known: over" in messages) == said


@pytest.mark.parametrize(("steps", "wide"), [(400, True), (20, False)])
def test_a_sum_over_many_steps_has_32_bits(steps, wide, recwarn):
    """A unit that only adds up would take the bits of those that move by little."""
    model = keras.Sequential([keras.Input((None, 1)), layers.LSTM(2)])
    kernel, recurrent, bias = model.get_weights()
    bias[:4], kernel[:, 4:6] = 7.9, 3.0  # i = f = 1, and c~ = 1 where x is 1
    model.set_weights([kernel, 0 * recurrent, bias])
    (cell,) = program_of(model, "int8", np.ones((1, steps, 1), "f4")).cells()
    assert (cell.wide, cell.bits) == (wide, 15 if wide else 10)
    assert "c reaches" not in " ".join(str(one.message) for one in recwarn)


LINEAR = replace(get("LSTM"), name="linear", state_activation="linear")


@pytest.mark.parametrize(
    ("variant", "far", "sentence"),
    [
        ("LSTM", 30000, "c reaches 30000 in .*, and saturates at 32768"),
        (LINEAR, 300, "reaches 300 in .*, so that its 16 bits have 6 fraction bits"),
    ],
)
def test_what_integers_cannot_hold_is_said(variant, far, sentence):
    model = with_far_units(model_of(slimrnn.SlimLSTM(3, variant), deviation=0.1), far)
    with pytest.warns(UserWarning, match=sentence):
        quantize.int8(model, normal(2, 9, 5))


@pytest.mark.parametrize(
    ("name", "steps"), some(lambda name, steps: steps == 60, ROWS, (60, 300))
)
def test_no_sum_leaves_32_bits(name, steps):
    """The simulator's 64-bit sums, with x at the ends of its range."""
    seen = []

    def watched(*arguments):
        sums = INT8.product.simulator(*arguments)
        seen.append(abs(sums).max())
        return sums

    model = model_of_row(name)
    program = program_of(model, "int8", data_for(model))
    product = replace(INT8.product, simulator=watched)
    program = replace(program, arithmetic=replace(INT8, product=product))
    rng = np.random.default_rng(0)
    x = np.where(rng.random((4, steps, 5)) < 0.5, -127, 127).astype("int8")
    x[1], x[2] = 127, -127
    outputs = simulator.run(program, x, each=True)
    assert 0 < max(seen) < 2**31
    assert abs(outputs).max() < 2**15


@pytest.mark.parametrize("candidate", [None, "linear"])
@pytest.mark.parametrize("scalars", [(20, 20), (1, -4), (-20, -20)])
def test_a_scaled_tie_fits_32_bits(candidate, scalars):
    """i can come near to 2: what 32 bits give of it is what 64 do."""
    variant = replace(get("FastGRNN"), candidate_activation=candidate)
    model = model_of(slimrnn.SlimLSTM(3, variant))
    model.set_weights([*model.get_weights()[:-1], np.array(scalars, "f4")])
    (cell,) = program_of(model, "int8", data_for(model)).cells()

    def call(name, value):
        return INT8.functions[name].simulator(value)

    formulas, ends = INT8.formulas(call), (-32768, 32767)
    corners = np.array([*product((0, 1, 32766, 32767), ends, ends)])
    found = []
    for f, c, g in (corners.astype("int32").T, corners.T):
        i = formulas.scaled(formulas.complement(f, 1.0), *cell.structure.tie)
        found.append(formulas.accumulated(f, c, i, g, cell.structure))
    np.testing.assert_array_equal(*found)
    assert found[0].dtype == "int32"


def test_c_has_the_bits_of_its_bound():
    """|c| <= 1 / (1 - f): 1.67 with f = 0.4, 25 with f = 0.96."""
    for name, bits in {"LSTM6": 14, "LSTM_C6": 14, "LSTM4a": 10, "LSTM5a": 10}.items():
        model = model_of(slimrnn.SlimLSTM(4, name, time_scale=None))
        (cell,) = program_of(model, "int8", data_for(model)).cells()
        assert (cell.bits, cell.saturates) == (bits, False)


def constant(gate, value):
    return slimrnn.SlimLSTM(3, "LSTM6", gate_constants={gate: value})


def scaled(layer, factor):
    model = model_of(layer, layers.Dense(2))
    model.set_weights([factor * w for w in model.get_weights()])
    return model


UPDATED = slimrnn.Variant("Up", "mgu", {"f": Gate(constant=1.5), "c": Gate(x="full")})
REFUSED = {
    "relu": (
        lambda: model_of(slimrnn.SlimLSTM(3, activation="relu")),
        "no bound of the state.*activation is relu; allowed: tanh",
    ),
    "a gate of tanh": (
        lambda: model_of(slimrnn.SlimLSTM(3, "LSTM5", recurrent_activation="tanh")),
        "recurrent_activation is tanh; allowed: sigmoid",
    ),
    "a constant": (lambda: model_of(constant("o", 1.5)), "gate o is 1.5.*-1 to 1"),
    "an update": (lambda: model_of(slimrnn.SlimMGU(3, UPDATED)), "f is 1.5.*0 to 1"),
    "f near 1": (
        lambda: model_of(constant("f", 0.99999)),
        "no bound of c is known.*0.99999",
    ),
    "f forgets in 5,000 steps": (
        lambda: model_of(constant("f", 0.9998)),
        "remembers 4681 steps, .* by 3.2 of its .*; allowed is 8 or more",
    ),
    "large biases": (lambda: scaled(layers.LSTM(3), 30), "bias of.*16 bits hold 8"),
    "another merge": (
        lambda: model_of(layers.Bidirectional(layers.LSTM(2), merge_mode="sum")),
        "merge_mode='concat'",
    ),
    "softmax inside": (
        lambda: model_of(layers.LSTM(3), layers.Activation("softmax"), layers.Dense(2)),
        "no softmax but at the end",
    ),
    "an activation of the input": (
        lambda: model_of(layers.ReLU(), layers.LSTM(3)),
        "after a layer with weights or states; it stands at the front",
    ),
    "softmax in the middle": (
        lambda: model_of(layers.LSTM(3), layers.Dense(4, "softmax"), layers.Dense(2)),
        "no softmax but at the end",
    ),
    "a late Rescaling": (
        lambda: model_of(layers.LSTM(3), layers.Rescaling(2.0)),
        "before all other layers",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bounds_that_cannot_be_proved(what):
    make, sentence = REFUSED[what]
    model = make()
    with pytest.raises(InputError, match=sentence):
        program_of(model, "int8", normal(2, 3, 5))


def test_evaluation_of_classes():
    model = MODELS["LSTM"]()
    x = normal(200, 6, 5)
    y = keras.ops.convert_to_numpy(model(x)).argmax(-1)
    found = evaluate_int8(model, x, y)
    assert (found.metric, found.count, found.float32) == ("accuracy", 200, 1.0)
    assert found.int8 == found.agree > 0.95
    assert found.lost == pytest.approx(100 * (1 - found.int8))


def test_evaluation_of_targets_and_steps():
    model = MODELS["an output a step"]()
    x = normal(20, 12, 5)
    y = keras.ops.convert_to_numpy(model(x)).reshape(20, 12, 2)
    found = evaluate_int8(model, x, y, calibration=x[:5])
    assert (found.metric, found.agree) == ("mae", None)
    assert found.float32 < 1e-6 < found.int8 < 0.01
    assert evaluate_int8(model, x, y.argmax(-1)).int8 > 0.95


def test_evaluation_of_one_output():
    model = MODELS["SimpleRNN"]()
    x = normal(100, 5, 5)
    y = keras.ops.convert_to_numpy(model(x))[:, 0] > 0.5
    assert evaluate_int8(model, x, y.astype(int)).float32 == 1.0


def test_evaluation_of_a_logit():
    """Cut where the loss cuts it; without one, by the activation."""
    model = model_of(layers.LSTM(6), layers.Dense(1))
    x = normal(100, 5, 5)
    y = keras.ops.convert_to_numpy(model(x))[:, 0] > 0
    for loss in (None, keras.losses.BinaryCrossentropy(from_logits=True)):
        found = evaluate_int8(model, x, y.astype(int), loss=loss)
        assert (found.metric, found.float32) == ("accuracy", 1.0)
        assert "above 0:" in found.task
    model.compile("sgd", "mse")
    assert evaluate_int8(model, x, y.astype(int)).metric == "mae"


def test_evaluation_of_one_hot_classes():
    model = MODELS["LSTM"]()
    x = normal(100, 6, 5)
    y = keras.ops.convert_to_numpy(model(x)).argmax(-1)
    assert evaluate_int8(model, x, np.eye(3)[y]) == replace(
        evaluate_int8(model, x, y), task="classes: labels with a single 1"
    )


def test_padded_steps_are_not_scored():
    model = model_of(
        layers.Masking(-1.0), layers.GRU(4, return_sequences=True), layers.Dense(4)
    )
    x = normal(30, 10, 5)
    real = np.arange(10) < np.random.default_rng(0).integers(2, 8, 30)[:, None]
    x[~real] = -1.0
    told = keras.ops.convert_to_numpy(model(x)).argmax(-1)
    found = evaluate_int8(model, x, np.where(real, told, (told + 1) % 4))
    assert (found.float32, found.count) == (1.0, real.sum())
    assert found.int8 == found.agree > 0.9


def test_evaluation_of_probabilities():
    """A softmax, which the device leaves out, is taken for targets of numbers."""
    model = MODELS["LSTM"]()
    x = normal(50, 6, 5)
    found = evaluate_int8(model, x, keras.ops.convert_to_numpy(model(x)))
    assert found.float32 < 1e-6 < found.int8 < 0.02


def test_an_activation_belongs_to_the_dense_before_it():
    """Not to another one of the same name."""
    step = layers.TimeDistributed
    model = model_of(
        step(layers.Dense(3, name="same")),
        layers.Activation("tanh"),
        layers.LSTM(3, return_sequences=True),
        step(layers.Dense(3, name="same")),
        layers.Activation("tanh"),
    )
    x = normal(20, 4, 5)
    y = keras.ops.convert_to_numpy(model(x))
    assert evaluate_int8(model, x, y).int8 < 0.01


def test_weights_of_zero():
    model = model_of(layers.LSTM(3), layers.Dense(2, kernel_initializer="zeros"))
    model.set_weights([0 * w for w in model.get_weights()])
    assert evaluate_int8(model, normal(4, 3, 5), np.zeros((4, 2))).int8 == 0


def test_evaluation_behind_a_mask():
    model = MODELS["Masking"]()
    x = normal(100, 8, 5)
    x[::2, 5:] = -1.0
    y = keras.ops.convert_to_numpy(model(x)).argmax(-1)
    found = evaluate_int8(model, x, y)
    assert found.float32 == 1.0
    assert found.int8 > 0.95


def test_targets_that_do_not_fit():
    with pytest.raises(InputError, match=r"y must have the shape \(4,\).*\(3,\)"):
        evaluate_int8(MODELS["LSTM"](), normal(4, 3, 5), np.zeros(3, int))
    with pytest.raises(InputError, match="y is missing"):
        evaluate_int8(MODELS["LSTM"](), normal(4, 3, 5))


#: a row that learns a data set in few epochs
LEARNT = {
    "digits": ("LSTM6", 6),
    "japanese_vowels": ("LSTM_C6", 6),
    "spoken_digits": ("LSTM", 8),
}


@pytest.mark.parametrize(
    "dataset", some(lambda dataset: dataset == "japanese_vowels", LEARNT)
)
def test_trained_models_lose_half_a_point_at_most(dataset, data_dir):
    """98 of 100 sequences stay in their class; benchmarks/int8.py has more models."""
    from slimrnn.experiments.run import build as models
    from slimrnn.experiments.run.settings import Settings

    row, epochs = LEARNT[dataset]
    settings = Settings.of(row, dataset=dataset, data_dir=str(data_dir), units=32)
    data = models.load(settings)
    model = models.build(settings, data)
    x, y = data.train.x.padded(), data.train.y
    model.fit(x, y, epochs=epochs, batch_size=32, verbose=0)
    found = evaluate_int8(model, data)
    assert found.count == len(data.test)
    assert found.float32 > 0.75
    assert found.agree >= 0.98
    assert found.lost <= 0.5 + 100 / found.count


def test_the_table_of_a_sweep(tmp_path, capsys):
    from benchmarks import int8
    from benchmarks.slimming import Watcher

    from slimrnn.experiments.run import build as models
    from slimrnn.experiments.run.settings import Settings
    from slimrnn.experiments.run.trainer import Trainer

    with pytest.raises(InputError, match="no trained models"):
        int8.main([str(tmp_path)])
    for seed in (1, 2):
        settings = Settings.of("LSTM6", units=8, epochs=1, seed=seed)
        trainer = Trainer(models.load(settings), Watcher())
        trainer.run(settings, tmp_path / "trials" / settings.key())
    int8.main([str(tmp_path)])
    printed = capsys.readouterr().out
    assert int8.table(int8.evaluated(tmp_path)).markdown() in printed
    assert "| digits | LSTM6 | 2 | 0." in printed
