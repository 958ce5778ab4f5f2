"""ONNX Runtime's LSTM: a whole sequence, or a step with the states fed back."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from benchmarks import machine
from benchmarks.peers import Call, arrays

STEPS = 1000  # calls of a timed iteration


def start():
    return {name: machine.versions([name])[name] for name in ("onnxruntime", "onnx")}


def model(shape):
    """An LSTM node: x (T, B, m), h and c (1, B, n) to the last h and c."""
    batch, steps, m, n = shape
    state = (1, batch, n)
    inputs = {"x": (steps, batch, m), "h": state, "c": state}
    scale = n**-0.5
    fixed = {
        "W": scale * arrays.normal(1, 4 * n, m),
        "R": scale * arrays.normal(1, 4 * n, n),
        "B": np.zeros((1, 8 * n), "float32"),
    }
    node = helper.make_node(
        "LSTM",
        ["x", "W", "R", "B", "", "h", "c"],
        ["", "h_last", "c_last"],
        hidden_size=n,
    )
    graph = helper.make_graph(
        [node],
        "lstm",
        [
            helper.make_tensor_value_info(k, TensorProto.FLOAT, s)
            for k, s in inputs.items()
        ],
        [
            helper.make_tensor_value_info(k, TensorProto.FLOAT, state)
            for k in ("h_last", "c_last")
        ],
        [onnx.numpy_helper.from_array(v, k) for k, v in fixed.items()],
    )
    # Not the newest format: an older runtime reads it too.
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def session(shape, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    made = model(shape).SerializeToString()
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(made, options, providers=providers)


def build(case):
    ways = {}
    for threads in {machine.cores(), 1}:
        ready = session(case.shape, threads)
        if case.task == "forward":
            ways[f"{threads} threads"] = Call(forward(ready, case.shape))
        else:
            ways[f"{threads} threads"] = Call(feeding(ready, case.shape), STEPS)
            bound = Call(binding(ready, case.shape), STEPS)
            ways[f"{threads} threads, bound"] = bound
    return ways


def feeds(shape):
    batch, steps, m, n = shape
    state = np.zeros((1, batch, n), "float32")
    return {"x": arrays.normal(steps, batch, m), "h": state, "c": state}


def forward(ready, shape):
    given = feeds(shape)
    return lambda: ready.run(None, given)


def feeding(ready, shape):
    """The steps, each of which is given the states that the last one returned."""
    given = feeds(shape)

    def run():
        for _ in range(STEPS):
            given["h"], given["c"] = ready.run(None, given)

    return run


def binding(ready, shape):
    """The same without a copy: two pairs of buffers, read and written in turn."""
    given = feeds(shape)
    value = onnxruntime.OrtValue.ortvalue_from_numpy
    x = value(given["x"])
    pairs = [[value(given[k].copy()) for k in ("h", "c")] for _ in range(2)]
    bound = []
    for old, new in (pairs, pairs[::-1]):
        binding = ready.io_binding()
        binding.bind_ortvalue_input("x", x)
        for k in range(2):
            binding.bind_ortvalue_input("hc"[k], old[k])
            binding.bind_ortvalue_output(("h_last", "c_last")[k], new[k])
        bound.append(binding)

    def run():
        for _ in range(STEPS // 2):
            ready.run_with_iobinding(bound[0])
            ready.run_with_iobinding(bound[1])

    return run
