"""The shared library: how it is found and called."""

from __future__ import annotations

import ctypes
import functools
import sys
import weakref
from ctypes import (
    POINTER,
    Structure,
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

import numpy as np

from slimrnn.errors import InputError
from slimrnn.native.structures import Backward, Cell, Forward, Layer
from slimrnn.variants import ACTIVATIONS, CellSpec
from slimrnn.variants.gates import CANDIDATE, WEIGHTS

_ACTIVATIONS = tuple(ACTIVATIONS)  # in the order of slimrnn.h
_SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")

_FUNCTIONS: dict[str, tuple] = {
    "slim_tape_size": (c_int64, POINTER(Cell), c_int64, c_int64),
    "slim_forward": (c_int, POINTER(Cell), POINTER(Forward)),
    "slim_backward": (c_int, POINTER(Cell), POINTER(Backward)),
    "slim_acquire": (c_void_p, c_size_t),
    "slim_release": (None, c_void_p),
    "slim_error": (c_char_p, c_int),
    "slim_set_num_threads": (None, c_int),
    "slim_num_threads": (c_int,),
    "slim_isa": (c_char_p, c_int),
    "slim_isa_in_use": (c_char_p,),
    "slim_use_isa": (c_int, c_char_p),
    "slim_padded": (c_int, c_int),
    "slim_stream_new": (c_void_p, POINTER(Layer), c_int, c_int, c_void_p, c_void_p),
    "slim_stream_step": (c_int, c_void_p),
    "slim_stream_free": (None, c_void_p),
    "slim_stream_measure": (c_double, c_void_p, c_int64),
    "slim_peak_flops": (c_double, c_int),
    "slim_peak_bandwidth": (c_double, c_int64, c_int),
    "slim_product_flops": (c_double, c_int, c_int, c_int),
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
    except (OSError, AttributeError) as error:
        return None, f"the native library cannot be loaded: {error}"
    return library, ""


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
    family = spec.family
    index = {name: k for k, name in enumerate(family.gates)}
    described = Cell(
        features=features,
        units=units,
        gates=len(family.gates),
        candidate=index[CANDIDATE],
        input=index.get("i", -1),
        forget=index["f"] if family.rule == "accumulate" else -1,
        output=index.get("o", -1),
        update=index.get(family.update, -1),
        reset=index.get(family.reset, -1),
        keeps=family.keeps,
        reset_after=spec.reset_after,
        activation=_ACTIVATIONS.index(spec.activation.name),
        recurrent_activation=_ACTIVATIONS.index(spec.recurrent_activation.name),
    )
    for k, (_, gate) in enumerate(spec.variant.items()):
        described.gate[k].terms = tuple(name in gate.terms for name in WEIGHTS)
        described.gate[k].is_constant = gate.constant is not None
        described.gate[k].constant = gate.constant or 0.0
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


def forward(described: Cell, x, weights, states, **others) -> None:
    """``slim_forward`` on arrays that are float32, contiguous and of the right shape.

    Args:
        described: the cell.
        x: (B, T, m); this and all others: NumPy arrays or torch's tensors.
        weights: in the order of ``WEIGHTS``, None where there is none.
        states: before the sequence.
        others: ``mask``, ``recurrent_mask``, ``reset_bias``, ``outputs``, ``last``,
            ``tape``; None or left out where not wanted.
    """
    arguments = _forward(x, weights, states, **others)
    _check(get().slim_forward(described, arguments))


def backward(described: Cell, given: tuple, grads: dict, found: dict) -> None:
    """``slim_backward``, likewise.

    Args:
        described: the cell.
        given: x, weights, states and a dict of the others as :func:`forward` had them.
        grads: ``doutputs`` and ``dlast``.
        found: ``dx``, ``dweights`` and ``dstates``, to be written.
    """
    x, weights, states, others = given
    arguments = Backward(forward=_forward(x, weights, states, **others))
    for name, value in {**grads, **found}.items():
        _point(arguments, name, value)
    _check(get().slim_backward(described, arguments))


def _forward(x, weights, states, **others) -> Forward:
    batch, time, features = x.shape
    arguments = Forward(batch=batch, time=time, x_strides=(time * features, features))
    for name, value in {"x": x, "weights": weights, "states": states, **others}.items():
        _point(arguments, name, value)
    return arguments


def _point(arguments: Structure, name: str, value) -> None:
    """Set a field to the address of an array, or to those of several."""
    if isinstance(value, (list, tuple)):
        field = getattr(arguments, name)
        for k, array in enumerate(value):
            field[k] = address(array)
    else:
        setattr(arguments, name, address(value))


def address(array) -> int | None:
    """Where an array's or a tensor's numbers lie."""
    if array is None:
        return None
    return array.data_ptr() if hasattr(array, "data_ptr") else array.ctypes.data


def _check(code: int) -> None:
    if code:
        reason = get().slim_error(code).decode()
        raise (MemoryError if "memory" in reason else InputError)(
            f"The native engine stopped: {reason}."
        )


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
