"""Time to a first result: `python -m benchmarks.first_result --help`.

Each command is a new process, with Python's own start, all in turns. The first training
step counts its compilation. "As commands start" is without what Keras imports for its
wrappers; the cache is JAX's own, on the disk, filled by a run before.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import script
from benchmarks.firmware.report import Table
from benchmarks.machine import processor
from slimrnn import backends
from slimrnn.cli import flags

STREAM = "import sys, slimrnn; slimrnn.Stream(sys.argv[1]).step(0.5)"
START = "from slimrnn import backends; backends.start(); "
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


@dataclass(frozen=True)
class Command:
    """What is measured: arguments of Python, and variables of its environment."""

    arguments: list[str]
    environment: dict[str, str] = field(default_factory=dict)

    def seconds(self):
        """Of a new process: on the clock, and of processors."""
        began, before = time.perf_counter(), os.times()
        subprocess.run(
            [sys.executable, *self.arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **self.environment},
        )
        after = os.times()
        return time.perf_counter() - began, sum(after[2:4]) - sum(before[2:4])


def commands(folder):
    """All of them, by name."""
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
    first, layer = "a first training step, ", ["LSTM6", "native"]
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return {
        "import numpy": Command(["-c", "import numpy"]),
        "slimrnn --help": Command(["-m", "slimrnn", "--help"]),
        "slimrnn variants": Command(["-m", "slimrnn", "variants"]),
        **{
            f"the first step of a stream, {file.suffix}": Command(
                ["-c", STREAM, str(file)]
            )
            for file in files
        },
        "import keras": Command(["-c", "import keras"]),
        "import keras, as commands start": Command(["-c", START + "import keras"]),
        f"{first}keras LSTM": Command(["-c", TRAIN, "keras"]),
        **{
            f"{first}{name}, {engine}": Command(["-c", TRAIN, name, engine])
            for name, engine in (("LSTM", "native"), ("LSTM6", "native"))
        },
        f"{first}LSTM6, ops": Command(["-c", TRAIN, "LSTM6", "ops"]),
        f"{first}LSTM6, native, as commands start": Command(
            ["-c", START + TRAIN, *layer]
        ),
        f"{first}LSTM6, native, so and with JAX's cache": Command(
            ["-c", START + TRAIN, *layer], cache
        ),
    }


def measured(rounds):
    """A line for each command."""
    with TemporaryDirectory() as folder:
        of = commands(folder)
        took = {name: [] for name in of}
        list(of.values())[-1].seconds()  # fills the cache
        for _ in range(rounds):
            for name, command in of.items():
                took[name].append(command.seconds())
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
