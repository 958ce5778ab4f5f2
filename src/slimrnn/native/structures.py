"""The structures of slimrnn.h, as ctypes."""

from __future__ import annotations

from ctypes import POINTER, Structure, c_float, c_int32, c_int64, c_void_p

from slimrnn.variants.gates import WEIGHTS

_GATES, _STATES = 4, ("h", "c")

#: the buffers of a sequence, in the order of slimrnn.h; d: the gradient of
BUFFERS = (
    "x",
    *WEIGHTS,
    *(f"initial {k}" for k in _STATES),
    "mask",
    "recurrent_mask",
    "tape",
    "outputs",
    *(f"last {k}" for k in _STATES),
    "doutputs",
    *(f"dlast {k}" for k in _STATES),
    "dx",
    *(f"d{name}" for name in WEIGHTS),
    *(f"dinitial {k}" for k in _STATES),
)


class Gate(Structure):
    """``slim_gate``."""

    _fields_ = (
        ("terms", c_int32 * len(WEIGHTS)),
        ("is_constant", c_int32),
        ("constant", c_float),
        ("shared", c_int32),
    )


class Cell(Structure):
    """``slim_cell``."""

    _fields_ = (
        *((name, c_int32) for name in ("features", "units", "gates", "candidate")),
        *((name, c_int32) for name in ("input", "forget", "output", "tied")),
        ("ratio", c_float),
        *((name, c_int32) for name in ("update", "reset", "keeps", "product")),
        *((f"{of}activation", c_int32) for of in ("", "recurrent_", "state_")),
        ("gate", Gate * _GATES),
    )


class Buffer(Structure):
    """``slim_buffer``."""

    _fields_ = (("at", c_void_p), ("count", c_int64))


class Sequence(Structure):
    """``slim_sequence``."""

    _fields_ = (
        ("batch", c_int64),
        ("time", c_int64),
        ("buffer", Buffer * len(BUFFERS)),
    )


class Layer(Structure):
    """``slim_layer``."""

    _fields_ = (
        ("kind", c_int32),
        ("inputs", c_int32),
        ("outputs", c_int32),
        ("activation", c_int32),
        ("mask_zero", c_int32),
        *((name, c_int32) for name in ("taps", "dilation", "strides")),
        ("cell", POINTER(Cell)),
        ("weights", Buffer * len(WEIGHTS)),
        ("states", Buffer * len(_STATES)),
    )
