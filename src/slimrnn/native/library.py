"""The shared library: how it is found and called."""

from __future__ import annotations

import ctypes
import functools
import sys
import weakref
from collections.abc import Mapping
from ctypes import (
    POINTER,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_void_p,
)
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.native.structures import BUFFERS, Buffer, Cell, Layer, Sequence
from slimrnn.variants import ACTIVATIONS, CellSpec
from slimrnn.variants.gates import CANDIDATE, WEIGHTS

try:
    from slimrnn.native import _stream
except ImportError:  # built without Python's headers, or not for this Python
    _stream = None  # type: ignore[assignment]

#: a step of a stream without ctypes, as csrc/stream_python.c says; None: not built
Step: type[_stream.Step] | None = _stream.Step if _stream else None
_ACTIVATIONS = tuple(ACTIVATIONS)  # in the order of slimrnn.h
_NO_MEMORY, BUSY, WAITS = 5, -2, -4  # likewise
#: why a library that was found is not used
STALE = (
    "the native library was built from other sources than those beside it; build it "
    "again: pip install -e ."
)
_SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")

_FUNCTIONS: dict[str, tuple] = {
    "slim_elements": (c_int64, POINTER(Cell), c_int64, c_int64, c_int),
    "slim_forward": (c_int, POINTER(Cell), POINTER(Sequence)),
    "slim_backward": (c_int, POINTER(Cell), POINTER(Sequence)),
    "slim_acquire": (c_void_p, c_size_t),
    "slim_release": (None, c_void_p),
    "slim_error": (c_char_p, c_int),
    "slim_set_num_threads": (None, c_int),
    "slim_num_threads": (c_int,),
    "slim_build": (c_char_p,),
    "slim_isa": (c_char_p, c_int),
    "slim_isa_in_use": (c_char_p,),
    "slim_use_isa": (c_int, c_char_p),
    "slim_padded": (c_int, c_int),
    "slim_stream_new": (
        c_int,
        POINTER(Layer),
        c_int,
        c_int,
        Buffer,
        Buffer,
        POINTER(c_void_p),
    ),
    "slim_stream_step": (c_int, c_void_p),
    "slim_stream_run": (c_int, c_void_p, Buffer, Buffer, c_int64, POINTER(c_int64)),
    "slim_stream_free": (None, c_void_p),
    "slim_stream_measure": (c_double, c_void_p, c_int64),
}


_found: tuple[ctypes.CDLL | None, str] | None = None


def find() -> tuple[ctypes.CDLL | None, str]:
    """The library, or None and the reason why there is none."""
    global _found  # torch.compile looks through functools.cache, into the file system
    if _found is None:
        _found = _load()
    return _found


def _load() -> tuple[ctypes.CDLL | None, str]:
    path = Path(__file__).with_name(f"libslimrnn{_SUFFIX}")
    if not path.exists():
        return None, (
            "the native library was not built: there was no C compiler (gcc or clang) "
            "when slimrnn was installed, or it failed; install one and slimrnn again "
            "(pip install -v shows what happened)"
        )
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except OSError as error:
        return None, f"the native library cannot be loaded: {error}"
    except AttributeError:
        return None, STALE
    build = library.slim_build().decode()
    if sources() not in ("", build) or (_stream and build != _stream.BUILD):
        return None, STALE
    return library, ""


def sources() -> str:
    """The digest of the library's sources beside it; empty in a wheel, without them."""
    files = sorted(Path(__file__).with_name("csrc").glob("*.[ch]"))
    if not files:
        return ""
    import hashlib

    digests = (hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def build() -> str:
    """The instruction set and the sources of the library; empty where there is none.

    With another build, results may differ in their last digits.
    """
    library, _ = find()
    if library is None:
        return ""
    return f"{library.slim_isa_in_use().decode()} {library.slim_build().decode()[:12]}"


def get() -> ctypes.CDLL:
    """The library.

    Raises:
        InputError: there is none.
    """
    library, reason = find()
    if library is None:
        raise InputError(f"The native engine cannot run: {reason}.")
    return library


@functools.cache
def quick() -> ctypes.PyDLL:
    """The library for calls of a few µs: no other thread of Python runs meanwhile.

    Its functions convert nothing: they take ctypes' values and return an int.

    Raises:
        InputError: there is none.
    """
    return ctypes.PyDLL(get()._name)


def cell(spec: CellSpec, features: int, units: int) -> Cell:
    """A cell as the library takes it: data, no code."""
    family, variant = spec.family, spec.variant
    functions = [_ACTIVATIONS.index(function.name) for function in spec.functions]
    index = {name: k for k, name in enumerate(family.gates)}
    described = Cell(
        features=features,
        units=units,
        gates=len(family.gates),
        candidate=index[CANDIDATE],
        input=index.get("i", -1),
        forget=index["f"] if family.rule == "accumulate" else -1,
        output=index.get("o", -1),
        tied=index.get(variant.tied, -1),
        ratio=variant[variant.tied].ratio if variant.tied else 1.0,
        update=index.get(family.update, -1),
        reset=index.get(family.reset, -1),
        keeps=family.keeps,
        product=index.get(family.product, -1),
        activation=functions[0],
        recurrent_activation=functions[1],
        state_activation=functions[2],
    )
    for k, (_, gate) in enumerate(variant.items()):
        described.gate[k].terms = tuple(name in gate.terms for name in WEIGHTS)
        described.gate[k].is_constant = gate.constant is not None
        described.gate[k].constant = gate.constant or 0.0
        described.gate[k].shared = gate.shared
    return described


def acquire(count: int) -> np.ndarray:
    """So many floats, not set, of memory that the library keeps for the next call.

    It goes back with the last reference to the array.
    """
    pointer = get().slim_acquire(4 * count)
    if not pointer:
        raise MemoryError(f"There is not enough memory for {4 * count} bytes.")
    memory = (c_float * count).from_address(pointer)
    weakref.finalize(memory, get().slim_release, pointer).atexit = False
    return np.ctypeslib.as_array(memory)


_INDICES = {name: k for k, name in enumerate(BUFFERS)}


def elements(described: Cell, batch: int, time: int, name: str) -> int:
    """How many elements a buffer must have; 0: the cell has none of this name.

    Raises:
        InputError: there is no such cell, or it would be too large.
    """
    count = get().slim_elements(described, batch, time, _INDICES[name])
    if count < 0:
        raise InputError(
            f"The native engine cannot have {name} of {batch} sequences of {time} "
            f"steps, {described.features} features and {described.units} units: all "
            f"must be from 1 on, or 0 sequences, and fit into memory."
        )
    return count


def forward(described: Cell, arrays: Mapping[str, Any]) -> None:
    """``slim_forward``, on NumPy arrays or torch's tensors on the CPU.

    Args:
        described: the cell.
        arrays: by the names of ``BUFFERS``, (B, T, m) x among them; None or left out
            where not given, or not wanted.

    Raises:
        InputError: an array of another type, layout or size.
        MemoryError: there is not enough memory.
    """
    _call("slim_forward", described, arrays)


def backward(described: Cell, arrays: Mapping[str, Any]) -> None:
    """``slim_backward``, likewise."""
    _call("slim_backward", described, arrays)


def _call(function: str, described: Cell, arrays: Mapping[str, Any]) -> None:
    sequence = Sequence(*arrays["x"].shape[:2])
    for name, array in arrays.items():
        dtype = "bool" if name == "mask" else "float32"
        sequence.buffer[_INDICES[name]] = buffer(array, dtype)
    check(getattr(get(), function)(described, sequence))


def buffer(array: Any, dtype: str = "float32") -> Buffer:
    """Where the numbers of an array or a tensor lie, and how many there are.

    Raises:
        InputError: it is of another type, or not contiguous.
    """
    if array is None:
        return Buffer()
    if hasattr(array, "data_ptr"):
        at, count, contiguous = array.data_ptr(), array.numel(), array.is_contiguous()
        fits = str(array.dtype) == f"torch.{dtype}"
    else:
        at, count = array.ctypes.data, array.size
        contiguous = array.flags.c_contiguous
        fits = array.dtype == dtype  # its name takes 10 µs
    if not (fits and contiguous):
        raise InputError(
            f"The native engine takes a contiguous array of {dtype} here; received "
            f"{array.dtype}{'' if contiguous else ', not contiguous'}."
        )
    return Buffer(at, count)


def check(code: int) -> None:
    """Raise what a code of slimrnn.h says."""
    if code:
        reason = get().slim_error(code).decode()
        kind = MemoryError if code == _NO_MEMORY else InputError
        raise kind(f"The native engine stopped: {reason}.")


def numbers(described: Cell) -> tuple[int, ...]:
    """A cell as a row of 32-bit whole numbers; floats by their bits."""
    return tuple((c_int32 * (ctypes.sizeof(Cell) // 4)).from_buffer_copy(described))


def from_numbers(values: tuple[int, ...]) -> Cell:
    """The cell that :func:`numbers` described."""
    return Cell.from_buffer_copy((c_int32 * len(values))(*values))


@functools.lru_cache(maxsize=256)
def describe(spec: CellSpec, features: int, units: int) -> tuple[int, ...]:
    """The numbers of a cell of this size."""
    return numbers(cell(spec, features, units))
