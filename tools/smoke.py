"""Runs a layer of the slimrnn that is installed: ``python tools/smoke.py native``."""

import sys
from pathlib import Path

import numpy as np

import slim22  # noqa: F401, the original's module comes along
import slimrnn
from slimrnn import SlimLSTM, engines, native
from slimrnn.experiments.report import html


def main(wanted: str) -> None:
    folder = Path(slimrnn.__file__).parent
    assert folder.is_relative_to(sys.prefix), f"{folder} is not what was installed"
    outputs = SlimLSTM(5, "LSTM6")(np.ones((2, 3, 4), "float32"))
    assert outputs.shape == (2, 5), outputs.shape
    assert all(html.libraries()), "what draws a report's charts is missing"
    engine = engines.choose("auto", "jax").engine.name
    libraries = [path.name for path in folder.glob("native/lib*")]
    print(folder, engine, libraries)
    print(native.reason())
    assert engine == wanted, engine
    assert wanted == "ops" or native.library.Step, "a stream's step is not in C"


if __name__ == "__main__":
    main(sys.argv[1])
