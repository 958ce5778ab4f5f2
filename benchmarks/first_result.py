"""Time to a first result: `python -m benchmarks.first_result --help`.

Each command is a new process, with Python's own start, all in turns; "without Keras" is
what NumPy and Python alone take. The first training step counts its compilation.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import script
from benchmarks.firmware.report import Table
from benchmarks.machine import processor
from slimrnn import backends
from slimrnn.cli import flags

STREAM = "import sys, slimrnn; slimrnn.Stream(sys.argv[1]).step(0.5)"
TRAIN = """
import sys, keras, numpy as np
if sys.argv[1] == "keras":
    layer = keras.layers.LSTM(32)
else:
    import slimrnn
    layer = slimrnn.layer(32, sys.argv[1], engine=sys.argv[2])
model = keras.Sequential([keras.Input((100, 8)), layer, keras.layers.Dense(1)])
model.compile("adam", "mse")
model.train_on_batch(np.zeros((32, 100, 8), "float32"), np.zeros((32, 1), "float32"))
"""


def commands(folder):
    """What is measured: name -> the arguments of Python."""
    import keras

    from slimrnn.deploy.rtneural import to_rtneural
    from slimrnn.layers import layer

    model = keras.Sequential(
        [
            keras.Input((None, 1)),
            layer(16, "LSTM", return_sequences=True),
            keras.layers.Dense(1),
        ]
    )
    files = [Path(folder, "model.keras"), Path(folder, "model.json")]
    model.save(files[0])
    to_rtneural(model, files[1])
    return {
        "import numpy": ["-c", "import numpy"],
        "slimrnn --help": ["-m", "slimrnn", "--help"],
        "slimrnn variants": ["-m", "slimrnn", "variants"],
        **{
            f"the first step of a stream, {file.suffix}": ["-c", STREAM, str(file)]
            for file in files
        },
        "import keras": ["-c", "import keras"],
        "a first training step, keras LSTM": ["-c", TRAIN, "keras"],
        **{
            f"a first training step, {name}, {engine}": ["-c", TRAIN, name, engine]
            for name, engine in (("LSTM", "native"), ("LSTM6", "native"))
        },
        "a first training step, LSTM6, ops": ["-c", TRAIN, "LSTM6", "ops"],
    }


def seconds(arguments):
    """Of a process: on the clock, and of processors."""
    began, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return time.perf_counter() - began, sum(after[2:4]) - sum(before[2:4])


def measured(rounds):
    """A line for each command."""
    with TemporaryDirectory() as folder:
        of = commands(folder)
        took = {name: [] for name in of}
        for _ in range(rounds):
            for name, arguments in of.items():
                took[name].append(seconds(arguments))
    rows = []
    for name, found in took.items():
        wall, used = zip(*found, strict=True)
        rows.append(
            (name, f"{min(wall):.2f}", f"{median(wall):.2f}", f"{min(used):.2f}")
        )
    heads = ("", "seconds, least", "median", "processor seconds, least")
    title = f"To a first result, {rounds} rounds; {processor()}"
    return Table(title, heads, rows)


def parser():
    """The command line."""
    top = flags.Parser(prog="python -m benchmarks.first_result", description=__doc__)
    flags.flag(top, "--rounds", "N", "of all commands", 7, applied=True)
    flags.backend(top)
    return top


def main(arguments=None):
    """Measure and print the table."""
    args = parser().parse_args(arguments)
    backends.start(args.backend)
    print(measured(args.rounds).markdown())


if __name__ == "__main__":
    script.run(main)
