"""The structures of slimrnn.h, as ctypes."""

from __future__ import annotations

from ctypes import POINTER, Structure, c_float, c_int32, c_int64, c_void_p

from slimrnn.variants.gates import WEIGHTS

_GATES, _STATES = 4, 2


class Gate(Structure):
    """``slim_gate``."""

    _fields_ = (
        ("terms", c_int32 * len(WEIGHTS)),
        ("is_constant", c_int32),
        ("constant", c_float),
    )


class Cell(Structure):
    """``slim_cell``."""

    _fields_ = (
        *((name, c_int32) for name in ("features", "units", "gates", "candidate")),
        *((name, c_int32) for name in ("input", "forget", "output")),
        *((name, c_int32) for name in ("update", "reset", "keeps", "reset_after")),
        *((name, c_int32) for name in ("activation", "recurrent_activation")),
        ("gate", Gate * _GATES),
    )


class Forward(Structure):
    """``slim_forward_args``."""

    _fields_ = (
        ("batch", c_int64),
        ("time", c_int64),
        ("x", c_void_p),
        ("x_strides", c_int64 * 2),
        ("weights", c_void_p * len(WEIGHTS)),
        ("reset_bias", c_void_p),
        ("states", c_void_p * _STATES),
        ("mask", c_void_p),
        ("recurrent_mask", c_void_p),
        ("outputs", c_void_p),
        ("last", c_void_p * _STATES),
        ("tape", c_void_p),
    )


class Backward(Structure):
    """``slim_backward_args``."""

    _fields_ = (
        ("forward", Forward),
        ("doutputs", c_void_p),
        ("dlast", c_void_p * _STATES),
        ("dx", c_void_p),
        ("dweights", c_void_p * len(WEIGHTS)),
        ("dstates", c_void_p * _STATES),
    )


class Layer(Structure):
    """``slim_layer``."""

    _fields_ = (
        ("kind", c_int32),
        ("inputs", c_int32),
        ("outputs", c_int32),
        ("activation", c_int32),
        ("mask_zero", c_int32),
        ("cell", POINTER(Cell)),
        ("weights", c_void_p * len(WEIGHTS)),
        ("reset_bias", c_void_p),
        ("states", c_void_p * _STATES),
    )
