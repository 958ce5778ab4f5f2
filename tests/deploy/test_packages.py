"""The C as others build it: for Arduino, ESP-IDF, browsers."""

import json
import re
import shutil
import subprocess

import keras
import numpy as np
import pytest

import slimrnn
from compiled_c import STRICT, compile_c, find_compiler
from deploy_problems import given_to, model_of, normal, program_of
from slimrnn.deploy import EXPORTERS, to_arduino, to_c, to_esp_idf, to_wasm
from slimrnn.deploy.c.export import DTYPES
from slimrnn.deploy.program import simulator

pytestmark = pytest.mark.backend_free

layers = keras.layers
KINDS = {
    "a stream": lambda: [
        slimrnn.SlimLSTM(4, "LSTM6", name="cell"),
        layers.Dense(2, "softmax", name="head"),
    ],
    "a sequence": lambda: [
        layers.Bidirectional(layers.LSTM(3)),
        layers.Dense(1, "sigmoid"),
    ],
}
#: what a sketch asks of Arduino's core
CORE = """\
#include <cstdio>
struct Printing {
  void begin(long) {}
  void println(double number) { std::printf("%g\\n", number); }
};
static Printing Serial;
static void delay(unsigned long) {}
#include "examples/net/net.ino"
extern "C" int net_test(void);
int main() {
  setup();
  loop();
  return net_test();
}
"""
CMAKE = """\
cmake_minimum_required(VERSION 3.16)
project(app C)
function(idf_component_register)
  cmake_parse_arguments(GIVEN "" "" "SRCS;INCLUDE_DIRS" ${ARGN})
  add_library(component STATIC ${GIVEN_SRCS})
  target_include_directories(component PUBLIC ${GIVEN_INCLUDE_DIRS})
  set(COMPONENT_LIB component PARENT_SCOPE)
endfunction()
add_subdirectory(net)
add_executable(app net/test/net_test.c)
target_link_libraries(app component)
"""
every = pytest.mark.parametrize("dtype", DTYPES)
kinds = pytest.mark.parametrize("kind", KINDS)


def written(function, kind, dtype, folder):
    model = model_of(*KINDS[kind](), steps=10)
    x = normal(6, 10, 5) if dtype == "int8" else None
    return function(model, folder, name="net", dtype=dtype, calibration=x)


@every
@kinds
def test_an_arduino_library_is_c_plus_plus_11(kind, dtype, tmp_path):
    for compiler in ("gcc", "g++"):
        find_compiler(compiler)
    folder = written(to_arduino, kind, dtype, tmp_path / "net")
    properties = (folder / "library.properties").read_text()
    assert re.search(r"^name=net\nversion=\d+\.\d+\.\d+$", properties, re.M)
    assert "includes=net.h" in properties
    (folder / "app.cpp").write_text(CORE)
    include = ("-Isrc", "-DNET_NO_MAIN")
    compile_c(folder, [*STRICT, *include, "-c", "src/net.c", "extras/net_test.c"])
    cpp = ["-std=c++11", "-Wall", "-Wextra", "-Werror", *include]
    compile_c(folder, [*cpp, "app.cpp", "net.o", "net_test.o", "-o", "app"], "g++")
    done = subprocess.run([folder / "app"], capture_output=True, text=True)
    assert done.returncode == 0, "numbers differ from the exporter's"
    assert done.stdout.strip()


@every
@kinds
def test_a_component_of_esp_idf(kind, dtype, tmp_path):
    if not shutil.which("cmake"):
        pytest.skip("there is no cmake here")
    find_compiler("gcc")
    written(to_esp_idf, kind, dtype, tmp_path / "net")
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    build = tmp_path / "build"
    for command in (["-S", tmp_path, "-B", build], ["--build", build]):
        done = subprocess.run(["cmake", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert subprocess.run([build / "app"]).returncode == 0


#: of Node: two streams in turns, or a sequence twice
ASK = """\
import { readFileSync } from "node:fs";
import { INPUTS, load } from "./net/net.mjs";
const x = JSON.parse(readFileSync("x.json"));
const models = [await load(), await load(readFileSync("net/net.wasm"))];
const answers = models.map(() => []);
const take = (k, numbers) => answers[k].push([...numbers]);
if (models[0].run) models.forEach((model, k) => take(k, model.run(x.flat())));
else for (const step of x) models.forEach((model, k) => take(k, model.step(step)));
let refused = false;
try { models[0][models[0].run ? "run" : "step"]([]); } catch { refused = true; }
console.log(JSON.stringify({ answers, refused, INPUTS }));
"""
BROWSER = {
    **KINDS,
    "steps of words": lambda: [
        layers.Embedding(9, 3),
        slimrnn.SlimGRU(4, "GRU3", return_sequences=True),
    ],
    "some of its steps, both ways": lambda: [
        layers.Conv1D(3, 3, strides=2),
        layers.Bidirectional(slimrnn.SlimLSTM(4, "LSTM6", return_sequences=True)),
    ],
    "an autoencoder": lambda: [
        slimrnn.SlimLSTM(4, "LSTM6"),
        layers.RepeatVector(7),
        layers.LSTM(3, return_sequences=True),
    ],
}


@every
@pytest.mark.parametrize("kind", BROWSER)
def test_webassembly_gives_the_same_bits(kind, dtype, tmp_path):
    if EXPORTERS["wasm"].obstacle or not shutil.which("node"):
        pytest.skip(EXPORTERS["wasm"].obstacle or "there is no node here")
    words = "words" in kind
    model = model_of(*BROWSER[kind](), words=words, steps=None if words else 10)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, (6, 10)) if words else normal(6, 10, 5)
    folder = to_wasm(model, tmp_path / "net", "net", dtype, x)
    assert sorted(path.name for path in folder.iterdir()) == ["net.mjs", "net.wasm"]
    assert len((folder / "net.mjs").read_text().splitlines()) <= 60
    given = x[0, :, None] if words else x[0]
    (tmp_path / "x.json").write_text(json.dumps(given.tolist()))
    (tmp_path / "ask.mjs").write_text(ASK)
    done = subprocess.run(
        ["node", "ask.mjs"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["refused"]
    assert said["INPUTS"] == given.shape[1]
    program = program_of(model, dtype, x)
    streams = not program.model.why_no_stream()
    expected = simulator.run(program, given_to(program, x[:1]), each=streams)[0]
    scale = 2.0**-program.output_bits if program.arithmetic.scaled else 1
    for answers in said["answers"]:
        found = np.reshape(answers, expected.shape)
        np.testing.assert_array_equal(found, expected * scale)


@pytest.mark.parametrize(
    ("function", "place"), [(to_arduino, "src/net.c"), (to_esp_idf, "net.c")]
)
def test_the_c_is_that_of_to_c(function, place, tmp_path):
    plain = written(to_c, "a stream", "float32", tmp_path / "plain")
    other = written(function, "a stream", "float32", tmp_path / "other")
    assert (other / place).read_text() == (plain / "net.c").read_text()
