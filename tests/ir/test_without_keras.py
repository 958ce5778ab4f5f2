"""What works from the IR does so in a process in which Keras cannot be imported."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.backend_free

WORK = """
import sys
sys.modules["keras"] = None

import numpy as np
from ir_models import affine, dense, masking, recurrent
from slimrnn import Stream, ir, native
from slimrnn.deploy import to_c, to_onnx
from slimrnn.deploy.program import program, simulator

cell = recurrent(3, 4, "LSTM5", masked=True)
model = ir.Model("small", [affine(3), masking(3), cell, dense(4, 2, "softmax")])
x = np.random.default_rng(0).normal(size=(2, 9, 3)).astype("float32")
simulated = simulator.run(program.float32(ir.read(model)), x)
if not native.reason():
    stream = Stream(model, batch_size=2)
    streamed = [stream.step(x[:, t]) for t in range(9)][-1]
    np.testing.assert_allclose(streamed, simulated, atol=1e-6)
print(to_c(model, sys.argv[1] + "/c").is_dir())
if len(sys.argv) > 2:
    print(to_onnx(model, sys.argv[1] + "/model.onnx").is_file())
"""


def test_a_model_is_streamed_simulated_and_exported(tmp_path, pytestconfig):
    try:
        import onnx  # noqa: F401
    except ImportError:
        formats = []
    else:
        formats = ["onnx"]
    done = subprocess.run(
        [sys.executable, "-c", WORK, str(tmp_path), *formats],
        cwd=pytestconfig.rootpath / "tests" / "helpers",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"] * (1 + len(formats))
