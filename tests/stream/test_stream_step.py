"""A step as Python calls it, with the module of C and without: what it holds."""

import gc
import re
import shutil
import subprocess
import sys
import sysconfig
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pytest

import slimrnn
from layer_problems import normal
from slimrnn.errors import InputError
from slimrnn.native import library
from slimrnn.stream.step import Step
from streams import layer_of, stream_of

pytestmark = [pytest.mark.backend_free, pytest.mark.usefixtures("eager", "caller")]
by_the_module = pytest.mark.parametrize("caller", ["by the module"], indirect=True)
X = np.ones((1, 4), "float32")


@pytest.fixture
def stream():
    return stream_of(layer_of("LSTM6", 4, 5))


@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (4,), (1, 1), (1,), ()])
@by_the_module
def test_arrays_of_its_type_are_taken_without_python(shape, monkeypatch):
    batch, features = shape[0] if len(shape) == 2 else 1, shape[-1] if shape else 1
    layer, x = layer_of("LSTM6", features, 5), normal(*shape)
    expected = stream_of(layer, batch)._step.take(x)
    monkeypatch.delattr(Step, "converted")
    monkeypatch.setattr(Step, "take", None)
    found = stream_of(layer, batch).step(x)
    assert (found.dtype, found.shape) == ("float32", expected.shape)
    np.testing.assert_array_equal(found, expected)


def test_the_argument_has_a_name(stream):
    first = stream.step(X)
    stream.reset()
    np.testing.assert_array_equal(stream.step(x=X), first)
    for wrong in (lambda: stream.step(), lambda: stream.step(X, X)):
        with pytest.raises(TypeError, match=r"step\(\)|take\(\)"):
            wrong()
    for names in ({"y": X}, {"x": X, "y": X}):
        with pytest.raises(TypeError, match=r"step\(\)|take\(\)"):
            stream.step(**names)


def test_a_subclass_may_have_its_own():
    class Doubled(slimrnn.Stream):
        def step(self, x):
            return 2 * super().step(x)

    layer = layer_of("LSTM6", 4, 5)
    expected = 2 * stream_of(layer).step(X)
    for mine in (Doubled(layer), Doubled(layer).copy()):
        np.testing.assert_array_equal(mine.step(X), expected)


def test_it_outlives_its_stream(stream):
    other = stream.copy()
    step = stream.step
    del stream
    for x in (X, X[0], [[1, 2, 3, 4]]):
        np.testing.assert_array_equal(step(x), other.step(x))


def test_its_memory_goes_with_the_last_that_needs_it(stream):
    handle, step = weakref.ref(stream._step.handle), stream.step
    gc.disable()
    try:
        stream.close()
        assert handle() is None
        with pytest.raises(InputError, match="closed"):
            step(X)
        stream = stream_of(layer_of("LSTM6", 4, 5))
        handle = weakref.ref(stream._step.handle)
        del stream
        assert handle() is None
    finally:
        gc.enable()


REFUSED = (np.ones(3, "float32"), np.ones((1, 4), complex), "four", None)
CONVERTED = (X.astype("float64"), np.ones((1, 8), "float32")[:, ::2], [[1, 2, 3, 4]])


def grown_by(stream, count):
    """The memory that so many calls leave behind."""
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(count):
        for x in (X, *CONVERTED):
            stream.step(x)
        for x in REFUSED:
            with pytest.raises(InputError):
                stream.step(x)
    gc.collect()
    return tracemalloc.get_traced_memory()[0] - before


def test_steps_leave_nothing_behind(stream):
    given = (X, *REFUSED[:2], *CONVERTED)
    held = [sys.getrefcount(x) for x in given]
    tracemalloc.start()
    try:
        # once in a while it is what others keep, such as a name
        grown = min(grown_by(stream, 200) for _ in range(4))
    finally:
        tracemalloc.stop()
    assert grown < 200 * 16  # less than the smallest object a call
    assert [sys.getrefcount(x) for x in given] == held


@by_the_module
def test_a_module_of_another_library_is_told(monkeypatch):
    monkeypatch.setattr(library._stream, "BUILD", "other sources")
    assert library._load() == (None, library.STALE)


FIELDS = "data axes=nd shape=dimensions strides base dtype=descr flags"
NUMBERS = (
    "C_CONTIGUOUS=NPY_ARRAY_C_CONTIGUOUS ALIGNED=NPY_ARRAY_ALIGNED FLOAT32=NPY_FLOAT32"
)
PLACES = "VERSION=PyArray_GetNDArrayCVersion ARRAY=PyArray_Type NEW=PyArray_New"


def pairs(text):
    return [(a, b or a) for a, _, b in (pair.partition("=") for pair in text.split())]


@by_the_module
@pytest.mark.skipif(not shutil.which("gcc"), reason="there is no gcc")
def test_the_layouts_are_those_of_the_installed_numpy(tmp_path):
    headers = ("<stddef.h>", "<numpy/arrayobject.h>", '"numpy_abi.h"')
    lines = [f"#include {header}" for header in headers]
    equal = [
        f"offsetof(numpy_array, {a}) == offsetof(PyArrayObject_fields, {b})"
        for a, b in pairs(FIELDS)
    ]
    equal += [f"NUMPY_{a} == {b}" for a, b in pairs(NUMBERS)]
    equal += ["sizeof(npy_intp) == sizeof(Py_ssize_t)", "NPY_VERSION == NUMPY_LAST"]
    lines += [f'_Static_assert({each}, "");' for each in equal]
    (tmp_path / "abi.c").write_text("\n".join(lines))
    sources = Path(library.__file__).parent / "csrc"
    folders = (sysconfig.get_path("include"), np.get_include(), sources)
    includes = [f"-I{folder}" for folder in folders]
    command = ["gcc", "-std=c11", "-fsyntax-only", *includes, tmp_path / "abi.c"]
    subprocess.run(command, check=True)
    ours = (sources / "numpy_abi.h").read_text()
    table = Path(np.get_include(), "numpy", "__multiarray_api.h").read_text()
    for name, function in pairs(PLACES):
        place = re.search(rf"NUMPY_{name} = (\d+)", ours)[1]
        found = rf"#define {function} [^#]*?PyArray_API\[{place}\]"
        assert re.search(found, table), function
