"""`slimrnn bench`: its grammar, and where a clone of the project has the benchmark."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from slimrnn import backends
from slimrnn.backends import BACKENDS
from slimrnn.cli.console import out_folder
from slimrnn.cli.flags import number, out
from slimrnn.errors import InputError
from slimrnn.variants import files as variants
from slimrnn.variants.files import NAMES

FIRMWARE = "firmware"


def add(commands: Any) -> None:
    """Adds `bench`."""
    command = commands.add_parser(
        "bench",
        help="measure how fast the layers are, against everybody (from a clone)",
        description="Measure training and inference on this machine's processor: this "
        "library's engines\nagainst torch, Keras and ONNX Runtime, each in its own "
        "process, in turns. Prints the\ntargets and the times; writes all numbers "
        "(bench.json) and a picture (bench.png).\nWhat is not installed is left out "
        "and named. All of it takes half an hour or so, on\na machine that does "
        "nothing else. `bench firmware` counts what the exported C takes on emulated\n"
        "microcontrollers instead. Runs in a clone of the project only.",
        epilog="Examples:\n  slimrnn bench --quick --only train\n"
        "  slimrnn bench --only 'train/*LSTM6*' 'train/torch*' --backend jax\n"
        "  slimrnn bench --data-dir ~/data --json mine.json\n"
        "  slimrnn bench --results mine.json --markdown\n"
        "  slimrnn bench --isa avx2 --json avx2.json\n"
        "  slimrnn bench --results mine.json avx2.json\n  slimrnn bench firmware",
    )
    command.add_argument(
        "what",
        metavar="VARIANT",
        nargs="*",
        help=f"{NAMES}: measure these and the LSTM; or `firmware`: instructions, "
        "flash, RAM and stack on Cortex-M cores; needs arm-none-eabi-gcc and "
        "qemu-system-arm (default: the usual variants)",
    )
    command.add_argument(
        "--only",
        metavar="PATTERN",
        nargs="+",
        help="what to measure: train, forward (the bare functions), long (8192 "
        "steps), small, keras (in a Keras model), stream (a step at a time), driver "
        "(slim22-driver.py), growth (time and memory against T, n, B, layers and "
        "threads: the picture); with /TEXT those cases whose name fits, * being "
        "anything (default: all)",
    )
    command.add_argument(
        "--rounds",
        metavar="N",
        type=number,
        help="turns of each peer (default: 20); those slower than half a second have "
        "fewer",
    )
    command.add_argument(
        "--quick", action="store_true", help="3 rounds: a first look, not a result"
    )
    command.add_argument(
        "--backend",
        metavar="NAME",
        nargs="+",
        help=f"of {', '.join(BACKENDS)}: those of Keras that take part (default: each "
        "that is installed)",
    )
    command.add_argument(
        "--isa",
        metavar="NAME",
        help="instruction set that the native engine is to use, such as avx2, of those "
        "that `slimrnn doctor` shows; the peers keep their best (default: the best)",
    )
    command.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder that holds imdb.npz, for driver (default: driver is left out)",
    )
    command.add_argument(
        "--markdown",
        action="store_true",
        help="print the tables of ratios and slopes in docs/benchmark.md instead",
    )
    command.add_argument(
        "--results",
        metavar="FILE.json",
        nargs="+",
        help="show what an earlier run wrote, or several side by side, and measure "
        "nothing (default: measure)",
    )
    where = "of --out"
    command.add_argument(
        "--json",
        metavar="FILE.json",
        help=f"write all numbers there (default: bench.json {where})",
    )
    command.add_argument(
        "--plot",
        metavar="FILE.png",
        help=f"draw the growth there (default: bench.png {where})",
    )
    out(command)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn bench`."""
    firmware = args.what == [FIRMWARE]
    for name in [] if firmware else args.what:
        variants.load(name)
    with backends.quietly():
        module = load(FIRMWARE if firmware else "bench")
    return int(module.run(args, out_folder(args.out, "bench")))


def load(name: str) -> ModuleType:
    """A module of the benchmark: it lies beside ``src`` in a clone, and in no wheel."""
    for root in (Path(__file__).parents[3], Path.cwd()):
        folder = root / "benchmarks"
        if (folder / "bench.py").is_file() and (root / "src" / "slimrnn").is_dir():
            break
    else:
        raise InputError(
            "The benchmark is run from a clone of the project, which the installed "
            "slimrnn does not hold: clone it, and run `slimrnn bench` in its folder."
        )
    # By its place: another project's `benchmarks` may be on the path as well.
    spec = spec_from_file_location(
        "benchmarks", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = sys.modules["benchmarks"] = module_from_spec(spec)
    spec.loader.exec_module(package)
    return import_module(f"benchmarks.{name}")
