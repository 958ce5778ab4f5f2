"""What somebody finds in an interactive session: names, and objects in a line."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import keras
import numpy as np
import pytest

import slimrnn
from slimrnn import ir, native
from slimrnn.deploy.size import sizes
from slimrnn.experiments.analysis.summary import summarize
from slimrnn.experiments.run.store import Run

PACKAGES = ("data", "deploy", "ir", "loggers", "native", "slimming", "variants")


def layer():
    found = slimrnn.SlimLSTM(4, "LSTM4a")
    found.build((None, None, 3))
    return found


OBJECTS = {
    "Variant": (lambda: slimrnn.get("LSTM4a"), "i=u⊙h  f=0.96", "mn + n² + 2n"),
    "Size": (lambda: sizes(_model())["int8"], "bytes of flash", "on cortex-m4"),
    "digits": (lambda: slimrnn.data.load("digits"), "1,437 training", "10 classes"),
    "Stream": (lambda: slimrnn.Stream(layer(), 2), "3 numbers in, 4 out", "h (2, 4)"),
}


IN_NOTEBOOKS = {
    "Variant": (OBJECTS["Variant"][0], "<svg", "fₜ = 0.96", "mn + n² + 2n"),
    "Size": (OBJECTS["Size"][0], "flash, bytes", "int8"),
    "Model": (lambda: ir.read(_model()), "LSTM4a", "parameters"),
    "Summary": (lambda: summarize([_run()]), "test accuracy", "0.900", "&lt;b&gt;"),
}


def _run():
    result = {"status": "done", "test_accuracy": 0.9, "layer_parameters": 4096}
    return Run(Path("a"), {"variant": "<b>", "seed": 1}, {}, [], result)


def _model():
    return keras.Sequential([keras.Input((None, 3)), layer()])


@pytest.mark.parametrize("name", IN_NOTEBOOKS)
def test_an_object_is_shown_in_a_notebook(name):
    make, *parts = IN_NOTEBOOKS[name]
    shown = make()._repr_html_()
    assert all(part in shown for part in parts)
    ElementTree.fromstring(shown)  # each tag ends, and what is text is escaped


@pytest.mark.parametrize("name", OBJECTS)
def test_the_repr_of_an_object_is_one_line(name):
    make, *parts = OBJECTS[name]
    if name == "Stream" and native.reason():
        pytest.skip(native.reason())
    shown = repr(make())
    assert name in shown
    assert "\n" not in shown
    assert len(shown) < 200
    assert all(part in shown for part in parts)


def test_names_are_found_without_importing_them():
    code = (
        "import sys, slimrnn\n"
        f"assert {{*slimrnn.__all__, *{PACKAGES!r}}} <= set(dir(slimrnn))\n"
        "assert 'to_onnx' in dir(slimrnn.deploy), 'load' in dir(slimrnn.data)\n"
        "assert 'keras' not in sys.modules\n"
        "assert slimrnn.data.load.__module__ == 'slimrnn.data.loading'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(bool(native.reason()), reason=native.reason() or "")
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, slimrnn.Stream.copy])
def test_a_copy_of_a_stream_goes_on_by_itself(copied):
    x = np.random.default_rng(0).normal(size=(3, 3)).astype("float32")
    stream = slimrnn.Stream(layer())
    stream.step(x[0])
    other = copied(stream)
    ahead = [stream.step(x[1]), stream.step(x[2])]
    assert np.array_equal([other.step(x[1]), other.step(x[2])], ahead)
    stream.close()
    assert np.isfinite(other.step(x[0])).all()
    with pytest.raises(slimrnn.InputError, match="closed"):
        copied(stream)
    with pytest.raises(TypeError, match="pickle its state"):
        pickle.dumps(other)
