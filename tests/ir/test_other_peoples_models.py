"""Files as they lie around: the numbers that their authors had, in every way out."""

import numpy as np
import pytest

import slimrnn
from compiled_c import Compiled
from other_models import LINES, traffic
from slimrnn import ir, native
from slimrnn.deploy.c.export import compile_model
from slimrnn.deploy.graph.onnx import to_onnx
from slimrnn.deploy.program import inputs, simulator
from slimrnn.errors import InputError
from slimrnn.ir.layers import Recurrent
from slimrnn.variants import ACTIVATIONS

pytestmark = pytest.mark.backend_free


def streamed(model, x, folder):
    if native.reason():
        pytest.skip(native.reason())
    stream = slimrnn.Stream(model, batch_size=len(x))
    outputs = [stream.step(x[:, t]) for t in range(x.shape[1])]
    return np.stack(outputs, 1) if model.return_sequences else outputs[-1]


def in_c(model, x, folder):
    compiled = Compiled(compile_model(model, "float32", x)[0], folder)
    return np.stack([compiled.run(sequence) for sequence in x])


def in_onnx(model, x, folder, mode="scan"):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = to_onnx(model, folder / "model.onnx", mode=mode)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


def in_int8(model, x, folder):
    program, _ = compile_model(model, "int8", x[:100])
    return simulator.run(program, inputs.given(program, x)) / 2.0**program.output_bits


WAYS = {"stream": streamed, "C": in_c, "ONNX": in_onnx}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LINES)
def test_its_numbers_come_out(name, way, models_dir, tmp_path):
    line = LINES[name](models_dir)
    found = WAYS[way](line.read(models_dir), line.x, tmp_path)
    np.testing.assert_allclose(found, line.y, atol=line.close, rtol=0)


@pytest.mark.parametrize("name", LINES)
def test_its_integers_come_near(name, models_dir, tmp_path):
    """And the C has the simulator's bits."""
    line = LINES[name](models_dir)
    program, _ = compile_model(line.read(models_dir), "int8", line.x)
    given = inputs.given(program, line.x)
    found = simulator.run(program, given)
    compiled = Compiled(program, tmp_path)
    np.testing.assert_array_equal(compiled.run(given[0]), found[0])
    difference = abs(found / 2.0**program.output_bits - line.y).mean()
    assert difference < line.close_int8


#: mean squared error and mean error: in integers a little more
TRAFFIC = {**dict.fromkeys(WAYS, (98.05, 0.01)), "int8": (98.05, 0.2)}


@pytest.mark.parametrize("way", TRAFFIC)
def test_the_traffic_of_2018(way, models_dir, tmp_path):
    """The errors that its README printed."""
    squared, near = TRAFFIC[way]
    x, truth, scale = traffic(models_dir)
    model = ir.read(models_dir / "traffic_lstm.h5")
    found = scale * {**WAYS, "int8": in_int8}[way](model, x, tmp_path)[:, 0]
    assert len(found) == 4308
    assert ((found - truth) ** 2).mean() == pytest.approx(squared, abs=near)
    assert abs(found - truth).mean() == pytest.approx(7.21, abs=0.01)


def test_another_hard_sigmoid_is_noticed(models_dir):
    """Keras 3's function of the same name gives other engines another life."""
    from dataclasses import replace

    line = LINES["Keras 2.0.5, turbofan engines"](models_dir)
    model = line.read(models_dir)
    changed = []
    for layer in model.layers:
        if isinstance(layer, Recurrent):
            function = ACTIVATIONS["hard_sigmoid"]
            spec = replace(layer.cell.spec, recurrent_activation=function)
            layer = replace(layer, cell=replace(layer.cell, spec=spec))
        changed.append(layer)
    program, _ = compile_model(replace(model, layers=tuple(changed)), "float32", line.x)
    difference = abs(simulator.run(program, line.x) - line.y).mean()
    assert difference == pytest.approx(8.7, abs=0.1)


def test_what_is_damaged_is_reported_and_nothing_written(models_dir, tmp_path):
    damaged = models_dir / "rtneural_bad_lstm.json"
    with pytest.raises(InputError, match=r"16 numbers, and its first matrix .*80"):
        to_onnx(damaged, tmp_path / "model.onnx")
    assert not [*tmp_path.iterdir()]
