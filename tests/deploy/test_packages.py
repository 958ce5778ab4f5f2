"""The C as others build it: an Arduino library, a component of ESP-IDF."""

import re
import shutil
import subprocess

import keras
import pytest

import slimrnn
from deploy_problems import STRICT, compile_c, find_compiler, model_of, normal
from slimrnn.deploy import to_arduino, to_c, to_esp_idf
from slimrnn.deploy.c.export import DTYPES

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


@pytest.mark.parametrize(
    ("function", "place"), [(to_arduino, "src/net.c"), (to_esp_idf, "net.c")]
)
def test_the_c_is_that_of_to_c(function, place, tmp_path):
    plain = written(to_c, "a stream", "float32", tmp_path / "plain")
    other = written(function, "a stream", "float32", tmp_path / "other")
    assert (other / place).read_text() == (plain / "net.c").read_text()
