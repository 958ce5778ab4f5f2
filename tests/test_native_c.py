"""The engine's C, with the sanitizers of the compiler, over tests/native/check.c."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1]

# How many sequences: the large ones take ThreadSanitizer long.
SEQUENCES = {"address": 200, "undefined": 200, "thread": 32}

# Fresh memory is all NaN, and nobody may lose any.
OPTIONS = {
    "ASAN_OPTIONS": "max_malloc_fill_size=1000000000:malloc_fill_byte=255",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}


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


def build(folder: Path, sanitizer: str) -> Path:
    needs("cmake", os.environ.get("CC") or "cc")
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    options = ["-DSLIMRNN_TESTS=ON", f"-DSLIMRNN_SANITIZE={sanitizer}"]
    made = run("cmake", "-S", HOME, "-B", folder, *generator, *options)
    if "needs gcc or clang" in made.stderr:
        pytest.skip("the compiler is neither gcc nor clang")
    assert made.returncode == 0, made.stdout + made.stderr
    made = run("cmake", "--build", folder)
    if f"lib{sanitizer[0]}san" in made.stdout:  # cannot find /usr/lib64/libasan...
        pytest.skip(f"the compiler lacks its -fsanitize={sanitizer}")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "warning" not in made.stdout + made.stderr, made.stdout + made.stderr
    return folder / "native_check"


@pytest.mark.parametrize("sanitizer", SEQUENCES)
def test_the_engine_is_clean(tmp_path, sanitizer):
    check = build(tmp_path, sanitizer)
    command = [check, str(SEQUENCES[sanitizer])]
    # ThreadSanitizer cannot live with as many random bits in addresses as some kernels
    # have.
    if sanitizer == "thread" and run("setarch", "-R", "true").returncode == 0:
        command = ["setarch", "-R", *command]
    done = run(*command)
    assert done.returncode == 0, (done.stdout + done.stderr)[-20000:]
    assert "serves a forked child: ok" in done.stdout
