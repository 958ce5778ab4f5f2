"""The generated C: as its simulator, bit for bit, and the simulator as Keras."""

import functools
import itertools
import re
import subprocess
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimrnn
from deploy_problems import (
    FUNCTIONS,
    MERGES,
    MODELS,
    STRICT,
    WHOLE,
    WORDS,
    Compiled,
    compile_c,
    data_for,
    find_compiler,
    given_to,
    model_of,
    model_of_row,
    normal,
    program_of,
    twin_of,
)
from layer_problems import assert_same
from problems import ROWS
from products import each_once, some
from slimrnn.deploy import to_c
from slimrnn.deploy.c.export import DTYPES
from slimrnn.deploy.program import simulator
from slimrnn.deploy.program.inputs import mask_of
from slimrnn.errors import InputError
from slimrnn.variants import CellSpec, Variant
from slimrnn.variants.gates import FAMILIES, Gate

pytestmark = pytest.mark.backend_free

layers = keras.layers
COMPILERS = ("gcc", "clang")
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


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
    if dtype == "int8" and any(f"both ways, {merge}," in name for merge in MERGES):
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


@pytest.mark.parametrize(
    ("name", "dtype", "compiler"),
    each_once(["a stack both ways", "backwards, each step"], DTYPES, COMPILERS),
)
def test_whole_sequences_under_sanitizers(name, dtype, compiler, tmp_path):
    sanitizer = sanitized(compiler)
    model = WHOLE[name]()
    folder = to_c(model, tmp_path / "out", "net", dtype, data_for(model))
    line = [*STRICT, "-O1", *SANITIZED, "net.c", "net_test.c", "-o", "net_test"]
    compile_c(folder, line, sanitizer)
    done = subprocess.run([folder / "net_test"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    compile_c(folder, [*STRICT, *SANITIZED, "net.c", "main.c", "-o", "net"], sanitizer)
    done = subprocess.run([folder / "net"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize(
    "activation", [name for name in FUNCTIONS if name != "softmax"]
)
def test_every_activation(activation, tmp_path):
    function = FUNCTIONS[activation]
    model = model_of(
        slimrnn.SlimLSTM(
            4, "LSTM5", activation=function, recurrent_activation=function
        ),
        layers.Dense(4, function),
        layers.Activation(function),
        layers.Dense(3, "softmax"),
    )
    x = data_for(model, steps=5)
    program = program_of(model, "float32", x)
    assert_is_the_twin(Compiled(program, tmp_path), x)
    assert_is_keras(model, program, x)


@functools.cache
def sanitized(compiler):
    """The compiler, if it has the sanitizers; clang's are a package of their own."""
    find_compiler(compiler)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "none.c").write_text("int main(void) { return 0; }\n")
        line = [compiler, *SANITIZED, "none.c"]
        if subprocess.run(line, cwd=folder, capture_output=True).returncode:
            pytest.skip(f"{compiler} has no sanitizers (Debian: libclang-rt-dev)")
    return compiler


THIRDS = [(0, "float32", "gcc"), (1, "int8", "clang")]


@pytest.mark.parametrize(
    ("part", "dtype", "compiler"),
    some(lambda *one: one in THIRDS, range(3), DTYPES, COMPILERS),
)
def test_the_self_tests_under_sanitizers(part, dtype, compiler, tmp_path):
    """A third of the variants in one program."""
    sanitizer, names, files = sanitized(compiler), [], []
    for row in list(ROWS)[part::3]:
        model, name = model_of_row(row), f"net_{row.lower()}"
        folder = to_c(model, tmp_path / name, name, dtype, data_for(model))
        bounded = np.isfinite(CellSpec(ROWS[row]).used("c").high)
        text = SATURATED.replace("BOUND", "1e4f" if bounded else "1e12f")
        text = text.replace("NET", name.upper()).replace("net", name)
        (folder / "saturated.c").write_text(text)
        names.append(name)
        parts = (f"{name}.c", f"{name}_test.c", "saturated.c")
        files += [str(folder / part) for part in parts]
    uses = "".join(
        f"    if ({name}_saturated()) return {k + 1};\n" for k, name in enumerate(names)
    )
    heads = "".join(f"int {name}_saturated(void);\n" for name in names)
    (tmp_path / "main.c").write_text(
        f"{heads}int main(void)\n{{\n{uses}    return 0;\n}}\n"
    )
    line = [*STRICT, "-O1", *SANITIZED, f"-DFLOAT={int(dtype == 'float32')}"]
    line += [f"-D{name.upper()}_NO_MAIN" for name in names]
    compile_c(tmp_path, [*line, "main.c", *files, "-o", "saturated"], sanitizer)
    done = subprocess.run([tmp_path / "saturated"], capture_output=True, text=True)
    assert done.returncode == 0, (names[done.returncode - 1], done.stderr)


#: the self test, and 10,000 steps at the ends of the range of x
SATURATED = """
#include "net.h"

int net_test(void);
#if FLOAT
typedef float number;
static const float high = 1e6f;
#else
typedef int8_t number;
static const int8_t high = 127;
#endif

int net_saturated(void);
int net_saturated(void)
{
    static net_state state;
    number x[NET_INPUTS];
    uint32_t random = 1;

    if (net_test() != 0) return 1;
    net_reset(&state);
    for (int32_t t = 0; t < 10000; t++) {
        for (int k = 0; k < NET_INPUTS; k++) {
            random = random * 1664525u + 1013904223u;
            x[k] = (number)((t / 100) % 2 ? high : random >> 31 ? high : -high);
        }
        net_step(&state, x);
    }
#if FLOAT
    const float *values = (const float *)&state;
    for (uint32_t k = 0; k < sizeof state / sizeof(float); k++) {
        if (!(values[k] <= BOUND && values[k] >= -BOUND)) return 2;
    }
#endif
    return 0;
}
"""


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


# Random models --------------------------------------------------------------------

TERMS = [
    Gate(x=x, h=h, bias=bias)
    for x, h, bias in itertools.product(
        ("full", "none"), ("full", "pointwise", "none"), (True, False)
    )
    if (x, h, bias) != ("none", "none", False)
]
gates = st.one_of(
    st.sampled_from(TERMS),
    st.floats(0, 0.875, width=32).map(lambda value: Gate(constant=value)),
)
of_x = [gate for gate in TERMS if gate.x == "full"]
candidates = st.sampled_from(of_x)
#: of families that reset the product n
without_h = st.sampled_from([gate for gate in of_x if gate.h == "none"])
products = st.sampled_from([g for g in TERMS if g.x == "none" and g.h != "none"])


@st.composite
def variants(draw):
    family = draw(st.sampled_from(list(FAMILIES)))
    own = {"c": candidates}
    if product := FAMILIES[family].product:
        own = {"c": without_h, product: products}
    drawn = {name: draw(own.get(name, gates)) for name in FAMILIES[family].gates}
    return Variant("Drawn", family, drawn)


@pytest.mark.parametrize("count", some(lambda count: count == 4, (4, 40)))
def test_random_models(count, tmp_path_factory):
    @settings(max_examples=count, deadline=None, derandomize=True)
    @given(
        first=variants(),
        second=variants(),
        sizes=st.tuples(*[st.integers(1, 9)] * 3),
        dtype=st.sampled_from(DTYPES),
        seed=st.integers(0, 9),
    )
    def check(first, second, sizes, dtype, seed):
        features, units, others = sizes
        model = model_of(
            slimrnn.layer(units, first, return_sequences=True),
            slimrnn.layer(others, second),
            layers.Dense(2),
            features=features,
            seed=seed,
        )
        x = normal(2, 6, features, seed=seed)
        program = program_of(model, dtype, x)
        compiled = Compiled(program, tmp_path_factory.mktemp("net"))
        assert_is_the_twin(compiled, given_to(program, x))
        expected = keras.ops.convert_to_numpy(model(x))
        found = simulator.run(program, given_to(program, x))
        if dtype == "int8":
            found = found / 2.0**program.output_bits
        # A state can grow the rounding of int8 from step to step; it has 6 steps here.
        tolerance = 5e-6 if dtype == "float32" else 0.15
        scale = max(1.0, abs(expected).max())
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)

    check()


# What the caller does wrong, and other languages -----------------------------------

CALLERS = {
    "stream": """
    static net_state state;
    static const INPUT x[NET_INPUTS] = {X};
    OUTPUT y[NET_OUTPUTS];
    net_reset(&state);
    net_step(&state, x);
    net_output(&state, y);
    net_run(&state, x, STEPS, y);
""",
    "sequence": """
    static net_state state;
    static const INPUT x[NET_INPUTS] = {X};
    OUTPUT y[NET_OUTPUTS], work[NET_WORK(1)];
    net_run(&state, x, STEPS, y, work);
""",
}
QUANTIZE = """
    const float values[NET_INPUTS] = {NAN, INFINITY, -INFINITY, 1e30f, -0.0f};
    const int8_t wanted[] = {0, 127, -127, 127, 0};
    int8_t q[NET_INPUTS];
    net_quantize(values, q);
    for (int k = 0; k < NET_INPUTS; k++) if (q[k] != wanted[k]) return 1;
"""


def program_text(kind, dtype, x="0", steps="1", more="", words=False):
    """A program that calls all public functions, in C and in C++ alike."""
    given = {"float32": "float", "int8": "int8_t"}[dtype]
    types = {"INPUT": "int32_t" if words else given}
    types["OUTPUT"] = {"float32": "float", "int8": "int16_t"}[dtype]
    body = re.sub(r"\b(IN|OUT)PUT\b", lambda word: types[word[0]], CALLERS[kind])
    body = body.replace("X}", f"{x}}}").replace("STEPS", steps)
    head = '#include <math.h>\n#include "net.h"\n#include "net.h"\n'
    return f"{head}int main(void)\n{{{body}{more}    return y[0] == 12345;\n}}\n"


CPP = {"gcc": "g++", "clang": "clang++"}


@pytest.mark.parametrize(
    ("compiler", "standard", "kind", "dtype"),
    each_once(COMPILERS, ("c++11", "c++20"), CALLERS, DTYPES),
)
def test_cpp_links_with_it(compiler, standard, kind, dtype, tmp_path):
    layer = slimrnn.SlimLSTM(4, "LSTM5", go_backwards=kind == "sequence")
    model = model_of(layer, layers.Dense(2))
    folder = to_c(model, tmp_path / "out", "net", dtype, data_for(model))
    more = QUANTIZE if dtype == "int8" else ""
    (folder / "app.cpp").write_text(program_text(kind, dtype, more=more))
    compile_c(folder, [*STRICT, "-c", "net.c"], compiler)
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-std={standard}"]
    compile_c(folder, [*strict, "app.cpp", "net.o", "-o", "app"], CPP[compiler])
    assert subprocess.run([folder / "app"]).returncode == 0


#: x and the number of steps
HOSTILE = [
    *((x, "1") for x in (WORDS, "INT32_MAX", -1, "INT32_MIN")),
    ("0", "INT32_MIN"),
]


@pytest.mark.parametrize(
    ("kind", "dtype", "compiler"), each_once(CALLERS, DTYPES, COMPILERS)
)
def test_what_no_caller_should_give(kind, dtype, compiler, tmp_path):
    """No index, and no number of steps, is undefined or reads outside a table."""
    sanitizer = sanitized(compiler)
    model = model_of(
        layers.Embedding(WORDS, 3),
        slimrnn.SlimLSTM(3, "LSTM5", go_backwards=kind == "sequence"),
        layers.Dense(2, "softmax"),
        words=True,
    )
    folder = to_c(model, tmp_path / "out", "net", dtype, data_for(model))
    assert re.search(rf"NET_WORDS +{WORDS} ", (folder / "net.h").read_text())
    texts = [program_text(kind, dtype, *given, words=True) for given in HOSTILE]
    for k, text in enumerate(texts):
        texts[k] = text.replace("int main", f"static int use_{k}")
    uses = " || ".join(f"use_{k}()" for k in range(len(texts)))
    text = "".join(texts) + f"int main(void) {{ return {uses}; }}\n"
    (folder / "app.c").write_text(text)
    line = ["-std=c99", "-O1", *SANITIZED, "net.c", "app.c", "-o", "app"]
    compile_c(folder, line, sanitizer)
    done = subprocess.run([folder / "app"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


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


@pytest.mark.parametrize(("compiler", "dtype"), each_once(COMPILERS, DTYPES))
def test_no_number_stays_none(compiler, dtype, tmp_path):
    """A NaN goes through the functions without an undefined conversion."""
    model = model_of(layers.LSTM(3), layers.Dense(3, "softmax"))
    folder = to_c(model, tmp_path / "out", "net", dtype, data_for(model))
    given = {"float32": {"x": "NAN"}, "int8": {"more": QUANTIZE}}
    text = program_text("stream", dtype, **given[dtype])
    if dtype == "float32":
        text = text.replace("y[0] == 12345", "y[0] == y[0]")
    (folder / "app.c").write_text(text)
    line = ["-std=c99", "-O1", *SANITIZED, "net.c", "app.c", "-o", "app"]
    compile_c(folder, line, sanitized(compiler))
    done = subprocess.run([folder / "app"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    program = program_of(model, "float32", None)
    assert np.isnan(simulator.run(program, np.full((1, 2, 5), np.nan, "f4"))).all()


# What is refused ------------------------------------------------------------------


def large(factor):
    model = model_of(layers.LSTM(3), layers.Dense(2))
    model.set_weights([np.full_like(w, factor) for w in model.get_weights()])
    return model


REFUSED = {
    **{
        f"a name {name}": ({"name": name}, f"files beside it; received '{name}'")
        for name in ("Makefile", "makefile", "Main", "GNUmakefile")
    },
    "outputs that overflow": ({"model": lambda: large(3e38)}, "not finite in float32"),
    "no identifier": ({"name": "2fast"}, "C identifier.*'2fast'"),
    "a word of C": ({"name": "float"}, "C identifier.*'float'"),
    "a path": ({"name": "a/b"}, "C identifier"),
    "float16": ({"dtype": "float16"}, "'float16'; the nearest is float32"),
    "int8 without data": ({"dtype": "int8"}, "needs calibration data"),
    "other features": (
        {"dtype": "int8", "calibration": np.zeros((2, 3, 4))},
        r"\(sequences, steps, 5\); received float64 \(2, 3, 4\)",
    ),
    "no steps": (
        {"dtype": "int8", "calibration": np.zeros((0, 3, 5))},
        r"received float64 \(0, 3, 5\)",
    ),
    "a masked output of zero": (
        {
            "model": lambda: model_of(
                layers.Masking(0.0), layers.LSTM(2, zero_output_for_mask=True)
            )
        },
        "zero_output_for_mask=True",
    ),
    **{
        f"an index of {index}": (
            {"model": MODELS["Embedding"], "dtype": "int8"}
            | {"calibration": np.full((2, 3), index)},
            f"whole numbers from 0 to 5.*received {index}",
        )
        for index in (WORDS, -1, 0.5)
    },
    "not finite": (
        {"dtype": "int8", "calibration": np.full((2, 3, 5), np.nan)},
        "not finite",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_arguments_that_are_refused(what, tmp_path):
    arguments, sentence = REFUSED[what]
    given = {"model": MODELS["LSTM"], **arguments}
    with pytest.raises(InputError, match=sentence):
        to_c(**{**given, "model": given["model"]()}, out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_folders_that_are_refused(tmp_path):
    model = MODELS["LSTM"]()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note").write_text("mine")
    (tmp_path / "empty").mkdir()
    for where in ("full", "empty", "full/note", "none/deeper"):
        with pytest.raises(InputError, match=r"exists already|no folder"):
            to_c(model, tmp_path / where)
    assert {file.name for file in tmp_path.rglob("*")} == {"full", "note", "empty"}
