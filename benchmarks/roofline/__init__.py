"""What the processor can do at most, and how near the engine's product comes to it.

The C beside this file is built with CMake on first use, into a folder of its own: no
wheel has it.
"""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _folder():
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    # CMake refuses a folder that another clone has built in.
    clone = hashlib.sha256(bytes(ROOT)).hexdigest()[:12]
    return Path(cache, "slimrnn", "roofline", clone)


def build(folder):
    """Build the library, where it is not up to date, and return its path.

    Raises:
        RuntimeError: there is no CMake, or it failed; the message says what it said.
    """
    if not shutil.which("cmake"):
        raise RuntimeError("The roofline needs CMake and a C compiler; install cmake.")
    option = "-DSLIMRNN_ROOFLINE=ON"
    for command in (
        ["cmake", "-S", ROOT, "-B", folder, option],
        ["cmake", "--build", folder, "--target", "roofline"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"The roofline was not built: {done.stderr.strip()}")
    return next(path for path in folder.glob("libroofline.*"))


@functools.cache
def _library():
    library = ctypes.CDLL(str(build(_folder())))
    library.roofline_peak.argtypes = (ctypes.c_char_p, ctypes.c_int)
    library.roofline_product.argtypes = (ctypes.c_char_p, *3 * (ctypes.c_int,))
    library.roofline_reading.argtypes = (ctypes.c_char_p, ctypes.c_int64)
    for name in ("peak", "product", "reading"):
        getattr(library, f"roofline_{name}").restype = ctypes.c_double
    return library


def peak_flops(isa, threads):
    """Multiply-adds that the processor does at most, measured, in FLOP/s."""
    return _library().roofline_peak(isa.encode(), threads)


def product_flops(isa, threads, rows=8, units=100):
    """FLOP/s of the recurrent product h U, (rows, units) times (units, units)."""
    return _library().roofline_product(isa.encode(), threads, rows, units)


def reading_rate(isa, floats):
    """Bytes/s at which a core reads so many floats from where they come to lie."""
    return _library().roofline_reading(isa.encode(), floats)
