"""Exported models in firmware on emulated Cortex-M cores: build, run, measure.

The firmware's own C and its linker scripts are in ``tests/deploy/firmware``. QEMU
counts instructions there, not cycles: with ``-icount shift=0`` an instruction takes a
nanosecond of the machine's time, and the core's timer ticks by that.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from benchmarks.machine import cores
from slimrnn.deploy.c.source import Source
from slimrnn.errors import InputError

SOURCES = Path(__file__).parents[2] / "tests" / "deploy" / "firmware"
GCC, QEMU = "arm-none-eabi-gcc", "qemu-system-arm"
NM, SIZE = "arm-none-eabi-nm", "arm-none-eabi-size"
PACKAGES = "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"

FLAGS = (
    *("-mthumb", "-std=c99", "-O2", "-ffreestanding", "-ffp-contract=off"),
    *("-ffunction-sections", "-fdata-sections"),
    *("-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-Werror"),
)
LINK = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-L", str(SOURCES))
#: how tests/deploy/firmware/firmware.h says why it ended
STATUSES = {
    1: "the files for input and output could not be opened",
    2: "there was less input than expected",
    3: "a sequence, or an output, is longer than the firmware has room for",
    4: "the outputs could not be written",
    5: "the stack was too small",
    6: "the core met a fault",
}
_COUNTS = np.dtype([("step", "<u4"), ("output", "<u4"), ("stack", "<u4")])
_IN_FLASH = (".text", ".rodata", ".ARM.exidx", ".data")
_TYPES = {"float": "<f4", "int16_t": "<i2"}

Array = np.ndarray


@dataclass(frozen=True)
class Core:
    """A core, and the emulated machine that has it.

    Attributes:
        name: the core's.
        machine: QEMU's name of the machine.
        flags: of the compiler.
        script: the linker's.
        tick: instructions of a tick of the timer: nanoseconds of the core's clock.
    """

    name: str
    machine: str
    flags: tuple[str, ...]
    script: str
    tick: float


_HARD = "-mfloat-abi=hard"
CORES = {
    core.name: core
    for core in (
        Core("M0", "microbit", ("-mcpu=cortex-m0",), "microbit.ld", 62.5),
        Core("M3", "mps2-an385", ("-mcpu=cortex-m3",), "mps2.ld", 40),
        Core(
            "M4F",
            "mps2-an386",
            ("-mcpu=cortex-m4", _HARD, "-mfpu=fpv4-sp-d16"),
            "mps2.ld",
            40,
        ),
        Core(
            "M7",
            "mps2-an500",
            ("-mcpu=cortex-m7", _HARD, "-mfpu=fpv5-sp-d16"),
            "mps2.ld",
            40,
        ),
    )
}


@dataclass(frozen=True)
class Model:
    """An exported model, and sequences for it.

    Attributes:
        source: its files.
        sequences: (T, m) each, of the type that the C takes.
    """

    source: Source
    sequences: Sequence[Array]


@dataclass(frozen=True)
class Run:
    """What a model did on a core.

    Attributes:
        outputs: (T, n) for each sequence: y after each step, bit for bit.
        step: instructions of a step, the mean of all, its call in a loop included.
        output: those of a call that gives y.
        stack: bytes in use during the deepest step or output, with its caller.
    """

    outputs: list[Array]
    step: float
    output: float
    stack: int


def missing() -> str:
    """Why nothing can be built or run here; empty if it can."""
    absent = [tool for tool in (GCC, NM, SIZE, QEMU) if shutil.which(tool) is None]
    if not absent:
        return ""
    return (
        f"there is no {', '.join(absent)} here; on Debian and Ubuntu: apt-get install "
        f"--no-install-recommends {PACKAGES}"
    )


def required() -> None:
    """Refuses to go on where nothing can be built or run."""
    if why := missing():
        raise InputError(f"The firmware cannot be built and run: {why}.")


def versions() -> dict[str, str]:
    """Those of the compiler, on which all counts depend, and of the emulator."""
    texts = {"gcc": _call(GCC, "-dumpfullversion"), "QEMU": _call(QEMU, "--version")}
    return {
        name: found[0] if (found := re.findall(r"\d+(?:\.\d+)+", text)) else text
        for name, text in texts.items()
    }


class Firmware:
    """An image for a core with some models.

    Args:
        folder: an empty one, for all its files.
        core: which it is for.
        models: with names of their own.

    Raises:
        RuntimeError: something does not compile without a warning, or does not fit.
    """

    def __init__(self, folder: Path, core: Core, models: Iterable[Model]):
        self.folder, self.core = folder, core
        self.models = {model.source.name: model for model in models}
        for name, model in self.models.items():
            (folder / f"{name}.h").write_text(model.source.header())
            (folder / f"{name}.c").write_text(model.source.source())
        (folder / "models.c").write_text(_list(self.models))
        files = [folder / f"{name}.c" for name in (*self.models, "models")]
        files += sorted(SOURCES.glob("*.c"))
        with ThreadPoolExecutor(cores()) as threads:
            objects = list(threads.map(self._compile, files))
        self._link("firmware.elf", *objects)

    def _compile(self, file: Path) -> str:
        paths = ("-I", str(SOURCES), "-c", str(file), "-o", f"{file.stem}.o")
        _call(GCC, *self.core.flags, *FLAGS, *paths, folder=self.folder)
        return f"{file.stem}.o"

    def _link(self, image: str, *parts: str) -> None:
        script = ("-T", self.core.script, "-o", image)
        _call(GCC, *self.core.flags, *LINK, *script, *parts, folder=self.folder)

    def run(self, timeout: float = 120) -> dict[str, Run]:
        """Run all models on their sequences.

        Raises:
            RuntimeError: the firmware failed, or took more seconds than ``timeout``.
        """
        with open(self.folder / "inputs", "wb") as inputs:
            for model in self.models.values():
                for sequence in model.sequences:
                    inputs.write(np.array(len(sequence), "<i4").tobytes())
                    inputs.write(sequence.tobytes())
                inputs.write(np.array(0, "<i4").tobytes())
        _call(
            *(QEMU, "-M", self.core.machine, "-icount", "shift=0"),
            *("-semihosting-config", "enable=on,target=native"),
            *("-display", "none", "-serial", "none", "-monitor", "none"),
            *("-kernel", "firmware.elf"),
            folder=self.folder,
            timeout=timeout,
            statuses=STATUSES,
        )
        outputs = BytesIO((self.folder / "outputs").read_bytes())
        counts = BytesIO((self.folder / "counts").read_bytes())
        return {
            name: self._read(model, outputs, counts)
            for name, model in self.models.items()
        }

    def _read(self, model: Model, outputs: BytesIO, counts: BytesIO) -> Run:
        """What one model did, from where the last one's ends."""
        source, steps = model.source, [len(x) for x in model.sequences]
        y = np.dtype(_TYPES[source.arithmetic.vector])
        found = [
            np.frombuffer(outputs.read(t * source.outputs * y.itemsize), y)
            for t in steps
        ]
        count = np.frombuffer(counts.read(len(steps) * _COUNTS.itemsize), _COUNTS)
        return Run(
            [values.reshape(-1, source.outputs) for values in found],
            int(count["step"].sum()) * self.core.tick / sum(steps),
            int(count["output"].sum()) * self.core.tick / sum(steps),
            int(count["stack"].max()),
        )

    def flash(self, name: str, *functions: str) -> int:
        """Bytes that functions of a model add to a firmware, with all that they need.

        Args:
            name: the model's.
            functions: such as ``"run"``, which needs all others but ``quantize``.
        """
        image = f"{name}.elf"
        kept = [f"-Wl,--undefined={name}_{function}" for function in functions]
        self._link(image, f"-Wl,--entry={name}_{functions[0]}", *kept, f"{name}.o")
        listed = _call(SIZE, "-A", "-d", image, folder=self.folder)
        sizes = dict(re.findall(r"^(\.\S+) +(\d+)", listed, re.MULTILINE))
        return sum(int(sizes.get(part, 0)) for part in _IN_FLASH)

    def undefined(self, name: str) -> set[str]:
        """The functions that a model's object needs from elsewhere."""
        listed = _call(NM, "--undefined-only", f"{name}.o", folder=self.folder)
        return {line.split()[-1] for line in listed.splitlines()}


def _list(models: Mapping[str, Model]) -> str:
    """The C file with the list of the models."""
    headers = "".join(f'#include "{name}.h"\n' for name in models)
    states = "".join(f"    {name}_state {name};\n" for name in models)
    functions, rows = "", ""
    for name, model in models.items():
        kinds = f"{model.source.input}, {model.source.arithmetic.vector}"
        functions += f"MODEL_FUNCTIONS({name}, {name.upper()}, {model.source.input})\n"
        rows += f"    MODEL({name}, {name.upper()}, {kinds}),\n"
    return f"""\
#include "firmware.h"
{headers}
static union {{
{states}}} memory;

{functions}
const struct model models[] = {{
{rows}}};
const uint32_t model_count = {len(models)};
"""


def _call(
    *command: str,
    folder: Path | None = None,
    timeout: float | None = None,
    statuses: Mapping[int, str] | None = None,
) -> str:
    """The standard output of a program that has to succeed."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{command[0]} took more than {timeout} s") from error
    if done.returncode != 0:
        why = (statuses or {}).get(done.returncode, done.stderr)
        raise RuntimeError(f"{' '.join(command)}: {why}")
    return done.stdout
