"""The generated C under sanitizers, from C++, and called as nobody should."""

import functools
import re
import subprocess
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest

import slimrnn
from compiled_c import STRICT, compile_c, find_compiler
from deploy_problems import WHOLE, WORDS, data_for, model_of, model_of_row, program_of
from problems import ROWS
from products import each_once, some
from slimrnn.deploy import to_c
from slimrnn.deploy.c.export import DTYPES
from slimrnn.deploy.program import simulator
from slimrnn.variants import CellSpec

pytestmark = pytest.mark.backend_free

layers = keras.layers
COMPILERS = ("gcc", "clang")
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


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
