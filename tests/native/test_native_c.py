"""The engine's C, with the sanitizers of the compiler, over tests/native/check.c."""

import os
import shutil
import subprocess
from pathlib import Path

import filelock
import numpy as np
import pytest

pytestmark = pytest.mark.backend_free

HOME = Path(__file__).parents[2]

# Sanitizers and numbers of sequences: the large ones take ThreadSanitizer long.
CASES = {"address,undefined": (20, 200), "thread": (32,)}

# Fresh memory is all NaN, and nobody may lose any.
OPTIONS = {
    "ASAN_OPTIONS": "max_malloc_fill_size=1000000000:malloc_fill_byte=255",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}

MORE = pytest.mark.exhaustive
FOUND = sorted((Path(__file__).parent / "fuzz").iterdir())


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **OPTIONS},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """Builds the programs with a sanitizer or other options, once for all processes."""
    mine = tmp_path_factory.getbasetemp()
    shared = mine.parent if os.environ.get("PYTEST_XDIST_WORKER") else mine

    def build(sanitizer: str = "", *options: str) -> Path:
        needs(os.environ.get("CC") or "cc", "cmake")
        name = sanitizer.replace(",", "-") or "plain"
        folder = shared / f"native-{name}"
        with filelock.FileLock(f"{folder}.lock"):
            make(folder, sanitizer, *options)
        return folder

    return build


def make(folder: Path, sanitizer: str, *options: str) -> None:
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    options = ("-DSLIMRNN_TESTS=ON", f"-DSLIMRNN_SANITIZE={sanitizer}", *options)
    made = run("cmake", "-S", HOME, "-B", folder, *generator, *options)
    if "needs gcc or clang" in made.stderr:
        pytest.skip("the compiler is neither gcc nor clang")
    assert made.returncode == 0, made.stdout + made.stderr
    made = run("cmake", "--build", folder)
    if (
        sanitizer and f"lib{sanitizer[0]}san" in made.stdout
    ):  # cannot find /usr/lib64/libasan...
        pytest.skip(f"the compiler lacks its -fsanitize={sanitizer}")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "warning" not in made.stdout + made.stderr, made.stdout + made.stderr


@pytest.mark.parametrize(
    ("sanitizer", "count"),
    [
        pytest.param(sanitizer, count, marks=() if count == 20 else MORE)
        for sanitizer, counts in CASES.items()
        for count in counts
    ],
)
def test_the_engine_is_clean(build, sanitizer, count):
    command = [build(sanitizer) / "native_check", str(count)]
    # ThreadSanitizer cannot live with as many random bits in addresses as some kernels
    # have.
    if sanitizer == "thread" and run("setarch", "-R", "true").returncode == 0:
        command = ["setarch", "-R", *command]
    done = run(*command)
    assert done.returncode == 0, (done.stdout + done.stderr)[-20000:]
    assert "serves a forked child: ok" in done.stdout


@pytest.mark.parametrize("seconds", ["1", pytest.param("10", marks=MORE)])
def test_no_entry_reads_or_writes_beyond_a_buffer(build, seconds):
    """Inputs from a seed, and those that once found something: see fuzz.c.

    SLIMRNN_FUZZ_SECONDS=600 for longer.
    """
    fuzz = build("address,undefined") / "native_fuzz"
    done = run(fuzz, os.environ.get("SLIMRNN_FUZZ_SECONDS", seconds), "1", *FOUND)
    assert done.returncode == 0, (done.stdout + done.stderr)[-20000:]
    assert int(done.stdout.split()[0]) > len(FOUND)


ARM = {
    "CMAKE_SYSTEM_NAME": "Linux",
    "CMAKE_SYSTEM_PROCESSOR": "aarch64",
    "CMAKE_C_COMPILER": "aarch64-linux-gnu-gcc",
}


@pytest.mark.exhaustive
def test_an_emulated_arm_computes_the_same(build):
    needs("aarch64-linux-gnu-gcc", "qemu-aarch64")
    here = build("address,undefined") / "native_check"
    there = build("", *(f"-D{k}={v}" for k, v in ARM.items())) / "native_check"
    emulator = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
    whole = run(*emulator, there, "8")
    assert whole.returncode == 0, (whole.stdout + whole.stderr)[-20000:]
    assert "neon computes streams as sequences: ok" in whole.stdout
    pairs = zip(
        *(
            run(*command, "numbers").stdout.splitlines()
            for command in ([here], [*emulator, there])
        ),
        strict=True,
    )
    for k, lines in enumerate(pairs):
        ours, theirs = (np.array(line.split(), float) for line in lines)
        scale = max(abs(ours).max(), 1e-3)
        assert abs(ours - theirs).max() <= 1e-5 * scale, f"sequence {k + 1}"
    assert k > 10
