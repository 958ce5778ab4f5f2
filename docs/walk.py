"""Five first hours with slimrnn, walked and written down: docs/walk.md.

    python docs/walk.py

Each role starts in an empty folder and runs its steps one after the other; what they
print is shortened. A step that fails ends the walk.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from slimrnn import __version__, backends
from slimrnn.experiments.run.environment import describe

PAGE = Path(__file__).with_name("walk.md")
HEAD, TAIL = 14, 6  # lines of an output that are kept
WIDTH = 96


@dataclass(frozen=True)
class Step:
    """What somebody does: a command of the shell, or a file that they write.

    Args:
        why: a sentence before it.
        text: the command; or what is written.
        file: the name of the file; one of Python is run.
    """

    why: str
    text: str
    file: str = ""


OWN_VARIANT = """\
family = "lstm"

[gates]
i = {h = "pointwise"}
f = 0.9
c = {x = "full", h = "pointwise", bias = true}
o = 1.0
"""

TRAIN_IN_KERAS = """\
import keras
from slimrnn import data

keras.utils.set_random_seed(1)
digits = data.load("digits")
model = keras.Sequential(
    [keras.Input((8, 8)), keras.layers.LSTM(32), keras.layers.Dense(10, "softmax")]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(digits.train.x.padded(), digits.train.y, epochs=20, verbose=0)
model.save("model.keras")
"""

CALL_FROM_C = """\
#include <stdio.h>
#include "gesture.h"

int main(void) {
    static gesture_state state;
    static const float x[GESTURE_INPUTS] = {0, 0, 0.3f, 0.8f, 0.6f, 0.1f, 0, 0};
    float y[GESTURE_OUTPUTS];
    gesture_reset(&state);
    for (int step = 0; step < 8; step++) gesture_step(&state, x);
    gesture_output(&state, y);
    for (int k = 0; k < GESTURE_OUTPUTS; k++) printf("%.3f ", y[k]);
    printf("\\n");
    return 0;
}
"""

STREAM = """\
from time import perf_counter
import numpy as np
from slimrnn import Stream

x = np.random.default_rng(0).random((1000, 8), "float32")
for file in ("model.keras", "slim.keras"):
    stream = Stream(file)
    start = perf_counter()
    for row in x:
        stream.step(row)
    print(f"{file}: {1e3 * (perf_counter() - start):.1f} µs a step")
"""

SERVE = """\
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("served/model.onnx")
(x,) = session.get_inputs()
print(x.name, x.shape)
print(session.run(None, {x.name: np.zeros((4, 8, 8), "float32")})[0].shape)
"""

MACHINES = """\
import numpy as np

random = np.random.default_rng(0)
with open("machines.csv", "w") as file:
    print("machine,current,vibration,state", file=file)
    for machine in range(10):
        for state, level in 3 * [("idle", 0.2), ("cutting", 1.0), ("worn", 1.6)]:
            for a, b in random.normal(size=(40, 2)):
                current, vibration = level + 0.1 * a, level * (1 + 0.4 * b)
                print(f"m{machine},{current:.3f},{vibration:.3f},{state}", file=file)
"""

COLUMNS = "--data machines.csv --target state --group machine --window 20 --stride 10"

#: who, what they want, and what they do
ROLES: dict[str, tuple[str, tuple[Step, ...]]] = {
    "A researcher": (
        "compares variants over seeds, for a paper.",
        (
            Step(
                "What is LSTM4, and how does it differ from LSTM6?",
                "slimrnn variants LSTM4 --features 8 --units 32",
            ),
            Step(
                "The same data, epochs and seeds for all; one command.",
                "slimrnn compare LSTM LSTM4 LSTM6 --dataset digits --units 32 "
                "--epochs 8 --seeds 3 --timing 2 --out runs/compared",
            ),
            Step(
                "A grid over the learning rate; `--learning-rate` means the same here.",
                "slimrnn sweep --set variant=LSTM,LSTM6 --units 32 --dataset digits "
                "--learning-rate .01,.003 --epochs 4 --seeds 2 --timing 0 "
                "--out runs/grid",
            ),
            Step(
                "Figures for one column of a paper, drawn again from what is there.",
                "slimrnn report runs/compared --figure-format pdf,svg "
                "--figure-width column",
            ),
            Step("", "ls runs/compared"),
        ),
    ),
    "An embedded engineer": (
        "has a trained Keras LSTM that does not fit a microcontroller.",
        (
            Step("The model that they have.", TRAIN_IN_KERAS, "train.py"),
            Step(
                "What it takes, and as what it would take less.",
                "slimrnn size model.keras --to LSTM5 LSTM6 LSTM10",
            ),
            Step(
                "LSTM6 fits; it starts from the trained weights.",
                "slimrnn slim model.keras --to LSTM6 --dataset digits --out slim.keras",
            ),
            Step(
                "In integers, with what they lose.",
                "slimrnn export slim.keras --to c --dtype int8 --dataset digits "
                "--name gesture --out firmware8",
            ),
            Step("The self test compares each number.", "make -s -C firmware8 test"),
            Step(
                "In float32, and called from their own C.",
                "slimrnn export slim.keras --to c --name gesture --out firmware",
            ),
            Step("", CALL_FROM_C, "call.c"),
            Step("", "cc -Ifirmware call.c firmware/gesture.c -lm -o call && ./call"),
        ),
    ),
    "An application engineer": (
        "has a model that is too slow on a server, one step at a time.",
        (
            Step("What runs here, and why?", "slimrnn doctor"),
            Step("The model that they have.", TRAIN_IN_KERAS, "train.py"),
            Step(
                "What is it, and what can be done with it?", "slimrnn show model.keras"
            ),
            Step(
                "",
                "slimrnn slim model.keras --to LSTM6 --dataset digits --epochs 5 "
                "--out slim.keras",
            ),
            Step("A step in this process, without Keras.", STREAM, "stream.py"),
            Step(
                "Or served by ONNX Runtime.",
                "slimrnn export slim.keras --to onnx --out served",
            ),
            Step("", SERVE, "serve.py"),
        ),
    ),
    "A student": (
        "has an idea for a variant: no recurrent matrix, and a forget gate of 0.9.",
        (
            Step("The idea, in seven lines.", OWN_VARIANT, "mine.toml"),
            Step(
                "Its equations and counts.",
                "slimrnn variants mine.toml --features 8 --units 32",
            ),
            Step(
                "Does it learn? Beside the LSTM, and with a time for each.",
                "slimrnn compare LSTM mine.toml --dataset digits --units 32 "
                "--epochs 10 --seeds 2 --timing 2 --out runs/mine",
            ),
            Step(
                "One of them as a model to keep.",
                "slimrnn train mine.toml --dataset digits --units 32 --epochs 10 "
                "--timing 0 --out runs/kept",
            ),
            Step(
                "", "slimrnn export runs/kept/model.keras --to litert --out runs/phone"
            ),
            Step(
                "A mistake in the name of a thing is answered with the nearest.",
                "slimrnn train LSTM7 --dataset digits || true",
            ),
            Step("", "slimrnn train LSTM6 --learning-rat .01 || true"),
        ),
    ),
    "Somebody with a table": (
        "of machines' readings wants to know which are worn.",
        (
            Step("The table.", MACHINES, "table.py"),
            Step("", "head -3 machines.csv"),
            Step(
                "What is understood of it, before anything is trained.",
                f"slimrnn data {COLUMNS}",
            ),
            Step(
                "",
                f"slimrnn train LSTM6 {COLUMNS} --units 8 --epochs 6 "
                "--learning-rate .02 --timing 0 --out runs/worn",
            ),
            Step(
                "In integers too, on the machines that were held out.",
                f"slimrnn evaluate runs/worn/model.keras {COLUMNS} --int8",
            ),
            Step(
                "New readings have no target.",
                "slimrnn predict runs/worn/model.keras --data machines.csv "
                "--features current,vibration --group machine --window 20 "
                "--stride 20 --out answers.csv",
            ),
            Step("", "head -4 answers.csv"),
            Step(
                "The best variant within 3 KB of flash.",
                f"slimrnn choose LSTM LSTM6 LSTM10 {COLUMNS} --flash 3KB --minutes 1 "
                "--tries 1 --epochs 6 --out runs/chosen",
            ),
        ),
    ),
}


def commands() -> list[str]:
    """Each command of the walk."""
    steps = (step for _, steps in ROLES.values() for step in steps)
    return [step.text for step in steps if step.text and not step.file]


def shortened(text: str) -> str:
    """The beginning and the end of an output."""
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    left_out = len(lines) - HEAD - TAIL
    if left_out > 1:
        lines[HEAD:-TAIL] = [f"[{left_out} lines]"]
    return "\n".join(lines)


def walk(step: Step, folder: Path) -> str:
    """Does a step; it as Markdown."""
    parts = [step.why] * bool(step.why)
    command = step.text
    if step.file:
        (folder / step.file).write_text(step.text, encoding="utf-8")
        kind = Path(step.file).suffix[1:]
        parts.append(f"```{kind}\n{step.text}```")
        command = f"python {step.file}" if kind == "py" else ""
    if command:
        said = shortened(output(command, folder))
        parts.append(f"```console\n$ {command}\n{said}".rstrip() + "\n```")
    return "\n\n".join(parts)


def output(command: str, folder: Path) -> str:
    """What a command prints, in a shell whose Python is this one."""
    places = [Path(sys.executable).parent, os.environ["PATH"]]
    settings = {"PATH": os.pathsep.join(map(str, places)), "COLUMNS": str(WIDTH)}
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stdout}\nended with {done.returncode}.")
    # The kernel's own number says nothing to others.
    said = re.sub(r"Linux-\S+?-(\w+-with)", r"Linux-\1", done.stdout)
    return said.replace(str(folder), "~")


def main() -> None:
    backends.start()
    about = describe()
    pages = [
        "# Five first hours",
        f"Made by `python docs/walk.py` with slimrnn {__version__}, Keras "
        f"{about['keras']} on {about['backend']} {about['backend_version']}, on "
        f"{about['cores']} cores of {about['processor']}. Each role starts in an empty "
        "folder; outputs are shortened.",
    ]
    for who, (wants, steps) in ROLES.items():
        pages.append(f"## {who}")
        pages.append(f"{who} {wants}")
        with tempfile.TemporaryDirectory() as folder:
            pages += [walk(step, Path(folder)) for step in steps]
        print(who, file=sys.stderr)
    PAGE.write_text("\n\n".join(filter(None, pages)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
