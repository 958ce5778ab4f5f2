"""The generated C, compiled, and called from Python."""

import ctypes
import re
import shutil
import subprocess

import numpy as np
import pytest

from slimrnn.deploy.c.project import project, source_of

STRICT = (
    *("-std=c99", "-ffp-contract=off", "-Wall", "-Wextra", "-Wconversion"),
    *("-Wdouble-promotion", "-Werror"),
)


def find_compiler(name):
    """The compiler, or a skip."""
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name}")
    return name


def compile_c(folder, arguments, name="gcc"):
    """Run a compiler in a folder; its messages are the failure."""
    line = [find_compiler(name), *arguments]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Compiled:
    """A program's C as a library of this process."""

    def __init__(self, program, folder, name="net"):
        steps = np.zeros((1, program.model.inputs))
        outputs = np.zeros((1, program.model.outputs))
        for file, text in project(program, name, (steps, outputs)).items():
            (folder / file).write_text(text)
        compile_c(
            folder, [*STRICT, "-O1", "-shared", "-fPIC", "-o", "net.so", f"{name}.c"]
        )
        self.library = ctypes.CDLL(str(folder / "net.so"))
        self.name, self.program = name, program
        self.source = source_of(program, name)
        self.dtype = {"float": "float32", "int16_t": "int16"}[
            self.source.arithmetic.vector
        ]

    def new(self):
        """A state, filled with what must not be read."""
        return np.full(self.source.layout.state_bytes, 255, "uint8")

    def call(self, function, *arguments):
        """A public function; arrays are handed over by their address."""
        given = [
            a if isinstance(a, int) else ctypes.c_void_p(a.ctypes.data)
            for a in arguments
        ]
        return getattr(self.library, f"{self.name}_{function}")(*given)

    def output(self, state):
        y = np.zeros(self.source.outputs, self.dtype)
        self.call("output", state, y)
        return y

    def steps(self, x):
        """The outputs after each step of one sequence."""
        state, outputs = self.new(), []
        self.call("reset", state)
        for step in np.ascontiguousarray(x):
            if self.step(state, np.atleast_1d(step)):
                outputs.append(self.output(state))
        return np.stack(outputs)

    def step(self, state, x):
        """Take a step; whether it gives something."""
        given = self.call("step", state, x)
        return self.program.model.gives_each or given

    def run(self, x):
        """The whole sequence in one call."""
        model = self.program.model
        each, steps = model.return_sequences, model.steps_of(len(x))
        y = np.zeros((steps if each else 1, self.source.outputs), self.dtype)
        self.call("run", self.new(), np.ascontiguousarray(x), len(x), y)
        return y if each else y[0]

    def whole(self, x):
        """A sequence through a model that needs all of it, with what work takes."""
        each, steps, past = self.source.each, len(x), 3
        rows = self.program.model.steps_of(steps)
        said = re.search(r"_WORK.* \* (\d+) \+ (\d+)\)", self.source.header())
        work = np.full(steps * int(said[1]) + int(said[2]) + past, 99, self.dtype)
        y = np.full((rows if each else 1) * self.source.outputs + past, 99, self.dtype)
        self.call("run", self.new(), np.ascontiguousarray(x), steps, y, work)
        assert (work[-past:] == 99).all()
        assert (y[-past:] == 99).all()
        return y[:-past].reshape(-1, self.source.outputs) if each else y[:-past]
