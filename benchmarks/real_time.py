"""A stream on sound: how many times faster than 48 kHz, beside other engines.

One input, one recurrent layer, one output; all engines in turns on one core, the median
and the best of the rounds. ``Stream`` is `run`, and `step` for blocks of 1.

``--rtneural PROGRAM`` takes a program of one's own that runs RTNeural: given
MODEL.json, LSTM or GRU, units, block, samples and rounds, it prints the seconds of each
round.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import script
from benchmarks.firmware.report import Table
from benchmarks.machine import processor
from slimrnn import backends
from slimrnn.cli import flags
from slimrnn.errors import InputError

RATE = 48_000
VARIANTS, UNITS, BLOCKS = ("LSTM", "GRU", "LSTM6"), (8, 16, 32, 64), (1, 64, 2048)
ROUNDS, SAMPLES = 7, {1: 4096, 64: 16384, 2048: 16384}
ENGINES = ("Stream", "RTNeural", "torch", "ONNX Runtime")

Array = np.ndarray
Call = Callable[[Array], Any]


def seconds_of(call: Call, x: Array, block: int) -> float:
    """Seconds of all blocks."""
    began = time.perf_counter()
    for first in range(0, len(x), block):
        call(x[first : first + block])
    return time.perf_counter() - began


def model_of(variant: str, units: int) -> Any:
    """A Keras model of one input; a GRU resets after its product, as the others' do."""
    import keras

    import slimrnn

    options = {"reset_after": True} if variant == "GRU" else {}
    layer = slimrnn.layer(units, variant, return_sequences=True, **options)
    return keras.Sequential([keras.Input((None, 1)), layer, keras.layers.Dense(1)])


def engines(model: Any, variant: str, units: int, folder: Path) -> dict[str, Call]:
    """What takes a block (T, 1), by name."""
    import slimrnn

    stream = slimrnn.Stream(model)
    found: dict[str, Call] = {
        "Stream": lambda x: stream.run(x) if len(x) > 1 else stream.step(x)
    }
    if variant != "LSTM6":
        found["torch"] = _torch(variant, units)
    file = folder / f"{variant}-{units}.onnx"
    mode = "lstm" if variant == "LSTM" else "scan"  # where it has the operator
    return {**found, "ONNX Runtime": _onnx(model, file, mode)}


def _torch(variant: str, units: int) -> Call:
    import torch

    torch.set_num_threads(1)
    layer = getattr(torch.nn, variant)(1, units)
    head, state = torch.nn.Linear(units, 1), None

    def call(x: Array) -> Any:
        nonlocal state
        with torch.inference_mode():
            y, state = layer(torch.from_numpy(x), state)
            return head(y)

    return call


def _onnx(model: Any, file: Path, mode: str) -> Call:
    import onnxruntime

    from slimrnn import deploy

    deploy.to_onnx(model, file, mode=mode)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options)
    return lambda x: session.run(None, {"x": x[None]})


def _rtneural(model: Any, variant: str, units: int, program: str, folder: Path) -> Call:
    """What returns the seconds that RTNeural took for blocks of x's length."""
    from slimrnn.deploy.rtneural import to_rtneural

    file = to_rtneural(model, folder / f"{variant}-{units}.json")

    def call(block: int) -> float:
        about = (variant, str(units), str(block), str(SAMPLES[block]), "2")
        said = subprocess.check_output([program, str(file), *about], text=True)
        return float(said.split()[1])

    return call


def real_time(program: str | None) -> Table:
    """A line for each variant, size and block."""
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        for variant in VARIANTS:
            for units in UNITS:
                model = model_of(variant, units)
                found = engines(model, variant, units, folder)
                rival = None
                if program and variant != "LSTM6":
                    rival = _rtneural(model, variant, units, program, folder)
                rows += [
                    (variant, str(units), f"{block:,}", *_cells(block, found, rival))
                    for block in BLOCKS
                ]
    title = f"Times real time at 48 kHz: median (best) of {ROUNDS}; {processor()}"
    heads = ("layer", "units", "block", *ENGINES, "Stream / RTNeural")
    return Table(title, heads, rows)


def _cells(block: int, found: dict[str, Call], rival: Call | None) -> tuple[str, ...]:
    x = 0.5 * np.sin(0.05 * np.arange(SAMPLES[block], dtype="float32"))[:, None]
    took: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, call in found.items():
            took.setdefault(name, []).append(seconds_of(call, x, block))
        if rival:
            took.setdefault("RTNeural", []).append(rival(block))
    sound, ratio = len(x) / RATE, ""
    if rival:
        ratio = f"{median(took['RTNeural']) / median(took['Stream']):.2f}"
    cells = [
        f"{sound / median(took[k]):.3g} ({sound / min(took[k]):.3g})"
        if k in took
        else ""
        for k in ENGINES
    ]
    return (*cells, ratio)


def parser() -> flags.Parser:
    """The command line."""
    top = flags.Parser(prog="python -m benchmarks.real_time", description=__doc__)
    top.add_argument("--rtneural", metavar="PROGRAM", help="to measure beside them")
    flags.backend(top)
    return top


def main(arguments: list[str] | None = None) -> None:
    """Measure and print the tables."""
    args = parser().parse_args(arguments)
    if not args.rtneural:
        print("RTNeural is left out: no --rtneural PROGRAM.", file=sys.stderr)
    elif not os.access(args.rtneural, os.X_OK):
        raise InputError(f"--rtneural must be a program; {args.rtneural} is none.")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    backends.start(args.backend)
    print(real_time(args.rtneural).markdown())


if __name__ == "__main__":
    script.run(main)
