"""The generated C: as its simulator, bit for bit, and the simulator as Keras."""

import re
import subprocess

import keras
import numpy as np
import pytest

import slimrnn
from compiled_c import STRICT, Compiled, compile_c
from deploy_problems import (
    FEATURES,
    FUNCTIONS,
    MERGES,
    MODELS,
    WHOLE,
    WORDS,
    data_for,
    given_to,
    model_of,
    model_of_row,
    normal,
    program_of,
    twin_of,
    with_far_units,
)
from layer_problems import assert_same
from problems import ROWS
from products import each_once
from slimrnn.deploy import to_c
from slimrnn.deploy.c.export import DTYPES, compile_model
from slimrnn.deploy.program import inputs, simulator
from slimrnn.deploy.program.inputs import mask_of
from slimrnn.errors import InputError
from slimrnn.variants import ACTIVATIONS, Variant, get

pytestmark = pytest.mark.backend_free

layers = keras.layers


def assert_is_the_twin(compiled, x):
    """Each step, the whole sequence in one call, and streams side by side."""
    expected = twin_of(compiled.program, x)
    for sequence, outputs in zip(x, expected, strict=True):
        np.testing.assert_array_equal(compiled.steps(sequence), outputs)
        each = compiled.program.model.return_sequences
        last = outputs if each else outputs[-1]
        np.testing.assert_array_equal(compiled.run(sequence), last)
    states = [compiled.new() for _ in x]
    for state in states:
        compiled.call("reset", state)
    outputs = [iter(rows) for rows in expected]
    for t in range(x.shape[1]):
        for state, sequence, rows in zip(states, x, outputs, strict=True):
            if compiled.step(state, np.atleast_1d(sequence[t]).copy()):
                np.testing.assert_array_equal(compiled.output(state), next(rows))


def assert_is_keras(model, program, x, tolerance=2e-6):
    """The simulator of float32, within rounding of the model."""
    expected = keras.ops.convert_to_numpy(model(x))
    found = simulator.run(program, x, mask_of(program.model, x))
    assert_same(found.reshape(expected.shape), expected, tolerance)


@pytest.mark.parametrize(("name", "dtype"), each_once(ROWS, DTYPES))
def test_every_row(name, dtype, tmp_path):
    model = model_of_row(name)
    x = data_for(model)
    program = program_of(model, dtype, x)
    assert_is_the_twin(Compiled(program, tmp_path), given_to(program, x))
    if dtype == "float32":
        assert_is_keras(model, program, x)


#: rows of which only data tell how far c goes
FAR = [
    name
    for name, row in ROWS.items()
    if get(row).family == "lstm"
    and not get(row).tied
    and get(row)["f"].constant is None
]


@pytest.mark.parametrize("name", FAR)
def test_a_unit_far_away_leaves_the_others_their_accuracy(name, tmp_path):
    """c has 32 bits then; 16 would have six of them behind the point."""
    model = with_far_units(model_of_row(name))
    x = normal(3, 60, FEATURES)
    program, _ = compile_model(model, "int8", x)
    assert all(cell.wide for cell in program.cells())
    assert_is_the_twin(Compiled(program, tmp_path), inputs.given(program, x))
    found = simulator.run(program, inputs.given(program, x)) / 2.0**program.output_bits
    expected = simulator.run(compile_model(model, "float32", x)[0], x)
    assert np.sqrt(((found - expected) ** 2).mean() / (expected**2).mean()) < 0.02


@pytest.mark.parametrize(("name", "dtype"), each_once(MODELS, DTYPES))
def test_every_layer(name, dtype, tmp_path):
    model = MODELS[name]()
    x = data_for(model)
    program = program_of(model, dtype, x)
    compiled = Compiled(program, tmp_path)
    if dtype == "int8" and mask_of(program.model, x) is not None:
        x = x if program.model.takes_indices else x[:, :2]
    assert_is_the_twin(compiled, given_to(program, x))
    if dtype == "float32":
        assert_is_keras(model, program, x)


@pytest.mark.parametrize(("name", "dtype"), each_once(WHOLE, DTYPES))
def test_models_that_need_the_whole_sequence(name, dtype, tmp_path):
    model = WHOLE[name]()
    x = data_for(model)
    if dtype == "int8" and any(f"directions, {merge}," in name for merge in MERGES[1:]):
        with pytest.raises(InputError, match="merge_mode='concat'"):
            program_of(model, dtype, x)
        return
    program = program_of(model, dtype, x)
    compiled, given = Compiled(program, tmp_path), given_to(program, x)
    for steps in (program.model.least_steps, x.shape[1]):
        expected = simulator.run(program, given[:, :steps])
        for sequence, outputs in zip(given, expected, strict=True):
            np.testing.assert_array_equal(compiled.whole(sequence[:steps]), outputs)
    if dtype == "float32":
        assert_is_keras(model, program, x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "activation", [name for name in FUNCTIONS if name != "softmax"]
)
def test_every_activation(activation, dtype, tmp_path):
    function, in_cell = FUNCTIONS[activation], {}
    if activation in ACTIVATIONS and dtype == "float32":
        in_cell = {"activation": function, "recurrent_activation": function}
    model = model_of(
        slimrnn.SlimLSTM(4, "LSTM5", **in_cell),
        layers.Dense(4, function),
        layers.Activation(function),
        layers.Dense(3),
        deviation=0.5 if in_cell else 1.5,
    )
    x = data_for(model, steps=5)
    program = program_of(model, dtype, x)
    given = given_to(program, x)
    assert_is_the_twin(Compiled(program, tmp_path), given)
    if dtype == "float32":
        assert_is_keras(model, program, x, 3e-6)
        return
    expected = simulator.run(program_of(model, "float32", x), x)
    found = simulator.run(program, given) / 2.0**program.output_bits
    error = np.sqrt(((found - expected) ** 2).mean() / (expected**2).mean())
    assert error < 0.02


def test_the_nearest_index_counts(tmp_path):
    for mask in (False, True):
        model = model_of(
            layers.Embedding(WORDS, 3, mask_zero=mask), layers.LSTM(4), words=True
        )
        x = np.array([[2, WORDS, 1, -1, 5000, -(2**31)]])
        near = np.clip(x, 0, WORDS - 1)
        for dtype in DTYPES:
            folder = tmp_path / f"{dtype}{mask}"
            folder.mkdir()
            program = program_of(model, dtype, near)
            expected = twin_of(program, near)
            np.testing.assert_array_equal(twin_of(program, x), expected)
            found = Compiled(program, folder).steps(x[0].astype("int32"))
            np.testing.assert_array_equal(found, expected[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_object_needs_no_library(dtype, tmp_path):
    allowed = {"memset", "memcpy"}
    for name in ("a stack", "mask of an Embedding"):
        model = MODELS[name]()
        folder = to_c(model, tmp_path / name, "net", dtype, data_for(model))
        compile_c(folder, [*STRICT, "-O2", "-ffreestanding", "-c", "net.c"])
        listed = subprocess.run(
            ["nm", "-u", folder / "net.o"], capture_output=True, text=True, check=True
        )
        assert set(listed.stdout.replace("U", "").split()) <= allowed


#: words of C, helpers, local names, public names; and names that lead to one table
NAMES = (
    *("int", "static", "int32_t", "slim_tanh", "add_product", "limit", "net_state"),
    *("t", "x", "copy", "rows_0", "affine_0", "\u00e9", "net"),
)


@pytest.mark.parametrize(("name", "dtype"), each_once(NAMES, DTYPES))
def test_layers_of_any_name(name, dtype, tmp_path):
    inner = layers.LSTM(3, return_sequences=True, name=f"{name}_recurrent")
    model = model_of(
        layers.GRU(4, return_sequences=True, name=name, go_backwards=name == "t"),
        inner,
        layers.TimeDistributed(layers.Dense(3, name=f"{name}_reset")),
        layers.SimpleRNN(2, name="a_recurrent"),
        layers.Dense(2, name="a_recurrent_kernel"),
    )
    folder = to_c(model, tmp_path / "out", "net", dtype, data_for(model))
    compile_c(folder, [*STRICT, "net.c", "net_test.c", "-o", "net_test"])
    assert subprocess.run([folder / "net_test"]).returncode == 0


def test_a_variant_of_any_name(tmp_path):
    row = Variant("a */ #error b", "mgu", dict(ROWS["MGU2"].items()))
    folder = to_c(model_of(slimrnn.SlimMGU(3, row)), tmp_path / "out", "net")
    compile_c(folder, [*STRICT, "net.c", "net_test.c", "-o", "net_test"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_self_test_of_whole_sequences_knows_no_masks(dtype, tmp_path):
    model = model_of(
        layers.Embedding(WORDS, 3, mask_zero=True),
        layers.Bidirectional(layers.LSTM(4)),
        words=True,
    )
    x = np.array([[0, 0, 0, 0], [1, 2, 0, 3]])
    folder = to_c(model, tmp_path / "out", "net", dtype, x)
    compile_c(folder, [*STRICT, "net.c", "net_test.c", "-o", "net_test"])
    assert subprocess.run([folder / "net_test"]).returncode == 0
    with pytest.raises(InputError, match="All steps of the data are masked"):
        to_c(model, tmp_path / "none", "net", dtype, x[:1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_folder_builds_itself(dtype, tmp_path):
    model = MODELS["a stack"]()
    folder = to_c(model, tmp_path / "out", "voice", dtype, data_for(model))
    compiled = subprocess.run(
        ["make", "-C", folder, "CC=gcc", "test", "main"], capture_output=True, text=True
    )
    assert compiled.returncode == 0, compiled.stderr
    assert "all numbers are as they should be" in compiled.stdout
    done = subprocess.run([folder / "main"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"class [012]\n", done.stdout)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_example_shows_what_the_outputs_stand_for(dtype, each, tmp_path):
    """Of the sequence, or at each step where the model answers so."""
    lstm = slimrnn.SlimLSTM(4, "LSTM4", return_sequences=each)
    model = model_of(lstm, layers.Dense(2))
    folder = to_c(model, tmp_path / "out", "net", dtype, data_for(model))
    compile_c(folder, [*STRICT, "net.c", "main.c", "-o", "main"])
    done = subprocess.run([folder / "main"], capture_output=True, text=True, check=True)
    zeros = np.zeros((1, 10, *model.input_shape[2:]), "float32")
    expected = model.predict(zeros, verbose=0)[0].ravel()
    shown = np.array(done.stdout.split(), float)
    np.testing.assert_allclose(shown, expected, atol=0.02, rtol=0)


def test_the_self_test_can_fail(tmp_path):
    model = MODELS["LSTM"]()
    folder = to_c(model, tmp_path / "out", "net")
    source = (folder / "net.c").read_text()
    (folder / "net.c").write_text(
        source.replace("f * c[j] + i * g", "f * c[j] - i * g")
    )
    compile_c(folder, ["net.c", "net_test.c", "-o", "net_test"])
    assert subprocess.run([folder / "net_test"]).returncode == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_header(dtype, tmp_path):
    model = model_of_row("GRU")
    folder = to_c(model, tmp_path / "out", "net", dtype, data_for(model))
    (folder / "sizes.c").write_text(
        '#include "net.h"\n'
        "typedef char same[sizeof(net_state) == NET_STATE_BYTES ? 1 : -1];\n"
        "int main(void) { return sizeof(same) != 1; }\n"
    )
    compile_c(folder, [*STRICT, "sizes.c"])
    header = (folder / "net.h").read_text()
    assert len(header.split("NET_SHA256")[1].split('"')[1]) == 64
    again = to_c(model, tmp_path / "again", "net", dtype, data_for(model))
    assert (again / "net.h").read_text() == header
    assert (again / "net.c").read_text() == (folder / "net.c").read_text()
