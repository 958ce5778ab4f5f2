"""The engine's C, with the sanitizers of the compiler, over tests/native/check.c."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

HOME = Path(__file__).parents[2]

# Sanitizers and numbers of sequences: the large ones take ThreadSanitizer long.
CASES = {"address,undefined": (40, 200), "thread": (8, 32)}

# Fresh memory is all NaN, and nobody may lose any.
OPTIONS = {
    "ASAN_OPTIONS": "max_malloc_fill_size=1000000000:malloc_fill_byte=255",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}


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


def build(
    folder: Path, *options: str, sanitizer: str = "", program: str = "native_check"
) -> Path:
    needs("cmake")
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    options = ("-DSLIMRNN_TESTS=ON", f"-DSLIMRNN_SANITIZE={sanitizer}", *options)
    made = run("cmake", "-S", HOME, "-B", folder, *generator, *options)
    if "needs gcc or clang" in made.stderr:
        pytest.skip("the compiler is neither gcc nor clang")
    assert made.returncode == 0, made.stdout + made.stderr
    made = run("cmake", "--build", folder, "--target", program)
    if (
        sanitizer and f"lib{sanitizer[0]}san" in made.stdout
    ):  # cannot find /usr/lib64/libasan...
        pytest.skip(f"the compiler lacks its -fsanitize={sanitizer}")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "warning" not in made.stdout + made.stderr, made.stdout + made.stderr
    return folder / program


@pytest.mark.parametrize(
    ("sanitizer", "count"),
    [
        pytest.param(sanitizer, count, marks=marks)
        for sanitizer, (few, many) in CASES.items()
        for count, marks in ((few, ()), (many, pytest.mark.exhaustive))
    ],
)
def test_the_engine_is_clean(tmp_path, sanitizer, count):
    needs(os.environ.get("CC") or "cc")
    check = build(tmp_path, sanitizer=sanitizer)
    command = [check, str(count)]
    # ThreadSanitizer cannot live with as many random bits in addresses as some kernels
    # have.
    if sanitizer == "thread" and run("setarch", "-R", "true").returncode == 0:
        command = ["setarch", "-R", *command]
    done = run(*command)
    assert done.returncode == 0, (done.stdout + done.stderr)[-20000:]
    assert "serves a forked child: ok" in done.stdout


def test_no_entry_reads_or_writes_beyond_a_buffer(tmp_path):
    """Inputs from a seed, and those that once found something: see fuzz.c.

    SLIMRNN_FUZZ_SECONDS=600 for longer.
    """
    needs(os.environ.get("CC") or "cc")
    fuzz = build(tmp_path, sanitizer="address,undefined", program="native_fuzz")
    done = run(fuzz, os.environ.get("SLIMRNN_FUZZ_SECONDS", "5"), "1", *FOUND)
    assert done.returncode == 0, (done.stdout + done.stderr)[-20000:]
    assert int(done.stdout.split()[0]) > len(FOUND)


ARM = {
    "CMAKE_SYSTEM_NAME": "Linux",
    "CMAKE_SYSTEM_PROCESSOR": "aarch64",
    "CMAKE_C_COMPILER": "aarch64-linux-gnu-gcc",
}


def test_an_emulated_arm_computes_the_same(tmp_path):
    needs(os.environ.get("CC") or "cc", "aarch64-linux-gnu-gcc", "qemu-aarch64")
    here = build(tmp_path / "here")
    there = build(tmp_path / "there", *(f"-D{k}={v}" for k, v in ARM.items()))
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
