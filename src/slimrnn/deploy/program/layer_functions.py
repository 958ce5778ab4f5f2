"""The functions that only layers beside the cells have, as in ``program.functions``.

In integers, what grows without end is max(x, 0) and a rest, which a table has: it stays
small, and flat beyond +-8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from slimrnn.deploy.program import functions
from slimrnn.deploy.program.c_expression import number
from slimrnn.deploy.program.functions import Array, Function
from slimrnn.deploy.program.step import ONE_BITS, SUM_BITS
from slimrnn.variants.activations import (
    GELU_CUBE,
    GELU_STEEPNESS,
    OF_LAYERS,
    SELU_ALPHA,
    SELU_SCALE,
)

_exp, _hard_sigmoid = (
    functions.FLOAT32[name].simulator for name in ("slim_exp", "slim_hard_sigmoid")
)
_ONE, _TWO = np.float32(1), np.float32(2)
_SCALE, _FALL = np.float32(SELU_SCALE), np.float32(SELU_SCALE * SELU_ALPHA)
_STEEPNESS, _CUBE = np.float32(GELU_STEEPNESS), np.float32(GELU_CUBE)
#: of atanh(s) / s - 1 in s², twice, from the highest power down, for |s| <= 1 / 3
_LOG = tuple(np.float32(2 / k) for k in (11, 9, 7, 5, 3, 1))
#: P(X > z) = exp(-z² / 2) p(t), t = 1 / (1 + z PLACE), to 1e-7 (Abramowitz, 7.1.26)
_PLACE = np.float32(0.3275911 / 2**0.5)
_NORMAL = tuple(
    np.float32(a / 2)
    for a in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
)


def _horner(coefficients: tuple[Any, ...], x: Array) -> Array:
    found = coefficients[0]
    for value in coefficients[1:]:
        found = found * x + value
    return found


def _written(coefficients: tuple[Any, ...], x: str) -> str:
    """What :func:`_horner` does, in C."""
    found = number(coefficients[0])
    for place, value in enumerate(coefficients[1:]):
        found = f"({found})" if place else found
        found = f"{found} * {x} + {number(value)}"
    return found


def _falling(x: Array) -> Array:
    return _exp(np.minimum(x, np.float32(0))) - _ONE


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, _falling(x))


def _selu(x: Array) -> Array:
    return np.where(x > 0, _SCALE * x, _FALL * _falling(x))


def _softplus(x: Array) -> Array:
    e = _exp(-abs(x))
    s = e / (_TWO + e)
    return np.where(x > 0, x, np.float32(0)) + s * _horner(_LOG, s * s)


def _gelu(x: Array) -> Array:
    z = abs(x)
    t = _ONE / (_ONE + _PLACE * z)
    tail = z * t * _horner(_NORMAL, t) * _exp(np.float32(-0.5) * z * z)
    return np.where(x > 0, x, np.float32(0)) - tail


def _gated(x: Array, by: Array) -> Array:
    e = _exp(-abs(by))
    return np.where(by > 0, x / (_ONE + e), x * e / (_ONE + e))


def _gelu_tanh(x: Array) -> Array:
    return _gated(x, _STEEPNESS * (x + _CUBE * x * x * x))


def _mish(x: Array) -> Array:
    e = _exp(-abs(x))
    rises = x * (_ONE + _TWO * e) / (_ONE + _TWO * e + _TWO * e * e)
    falls = x * (e * (e + _TWO)) / (e * (e + _TWO) + _TWO)
    return np.where(x > 0, rises, falls)


def _softsign(x: Array) -> Array:
    return x / (_ONE + abs(x))


def _clipped(low: int, high: int) -> Callable[[Array], Array]:
    return lambda x: np.clip(x, low, high).astype(x.dtype)


def _one_line(name: str, value: str, kind: str = "float") -> str:
    return f"static {kind} slim_{name}({kind} x)\n{{\n    return {value};\n}}\n"


_GATED = """/* x sigmoid(by) */
static float slim_gated(float x, float by)
{
    const float e = slim_exp(by > 0.0f ? -by : by);
    return by > 0.0f ? x / (1.0f + e) : x * e / (1.0f + e);
}
"""
_SOFTPLUS = f"""/* max(x, 0) + log(1 + exp(-|x|)) */
static float slim_softplus(float x)
{{
    const float e = slim_exp(x > 0.0f ? -x : x), s = e / (2.0f + e), t = s * s;
    return (x > 0.0f ? x : 0.0f) + s * ({_written(_LOG, "t")});
}}
"""
_GELU = f"""/* max(x, 0) - |x| P(X > |x|) of a normal X */
static float slim_gelu(float x)
{{
    const float z = x > 0.0f ? x : -x, t = 1.0f / (1.0f + {number(_PLACE)} * z);
    const float p = {_written(_NORMAL, "t")};
    return (x > 0.0f ? x : 0.0f) - z * t * p * slim_exp(-0.5f * z * z);
}}
"""
_MISH = """/* x tanh(softplus(x)) */
static float slim_mish(float x)
{
    const float e = slim_exp(x > 0.0f ? -x : x);
    if (x > 0.0f) return x * (1.0f + 2.0f * e) / (1.0f + 2.0f * e + 2.0f * e * e);
    return x * (e * (e + 2.0f)) / (e * (e + 2.0f) + 2.0f);
}
"""
_ROUND = "x < {low} ? {low} : x > {high} ? {high} : x"

#: of float32
FLOAT32: dict[str, Function] = {
    "slim_gated": Function(_GATED, _gated, ("slim_exp",)),
    "slim_relu6": Function(
        _one_line("relu6", _ROUND.format(low="0.0f", high="6.0f")), _clipped(0, 6)
    ),
    "slim_hard_tanh": Function(
        _one_line("hard_tanh", _ROUND.format(low="-1.0f", high="1.0f")), _clipped(-1, 1)
    ),
    "slim_softsign": Function(
        _one_line("softsign", "x / (1.0f + (x > 0.0f ? x : -x))"), _softsign
    ),
    "slim_elu": Function(
        _one_line("elu", "x > 0.0f ? x : slim_exp(x) - 1.0f"), _elu, ("slim_exp",)
    ),
    "slim_selu": Function(
        _one_line(
            "selu",
            f"x > 0.0f ? {number(_SCALE)} * x : {number(_FALL)} * (slim_exp(x) - 1.0f)",
        ),
        _selu,
        ("slim_exp",),
    ),
    "slim_softplus": Function(_SOFTPLUS, _softplus, ("slim_exp",)),
    "slim_gelu": Function(_GELU, _gelu, ("slim_exp",)),
    "slim_gelu_tanh": Function(
        _one_line(
            "gelu_tanh",
            f"slim_gated(x, {number(_STEEPNESS)} * (x + {number(_CUBE)} * x * x * x))",
        ),
        _gelu_tanh,
        ("slim_exp", "slim_gated"),
    ),
    "slim_silu": Function(
        _one_line("silu", "slim_gated(x, x)"),
        lambda x: _gated(x, x),
        ("slim_exp", "slim_gated"),
    ),
    "slim_hard_silu": Function(
        _one_line("hard_silu", "x * slim_hard_sigmoid(x)"),
        lambda x: x * _hard_sigmoid(x),
        ("slim_hard_sigmoid",),
    ),
    "slim_mish": Function(_MISH, _mish, ("slim_exp",)),
}

#: fraction bits of a table's numbers, below 2
_REST_BITS = 14
#: the fraction bits of what has a rest: at most so many
MOST_BITS = _REST_BITS - 1
#: of SELU's positive part
_GAIN = round(SELU_SCALE * 2**_REST_BITS)


def _rest_table(name: str) -> Array:
    """What a function is beside max(x, 0) at -8, -8 + 1/16, ..., 8, as Q14."""
    x = np.arange(-128, 129) / 16
    gain = SELU_SCALE if name == "selu" else 1
    rest = OF_LAYERS[name].function(x) - gain * np.maximum(x, 0)
    return np.round(rest * 2**_REST_BITS).astype("int16")


def _rest(table: Array, v: Array, bits: int) -> Array:
    place = np.clip(v << SUM_BITS >> bits, -32768, 32767) + 32768
    wide = table.astype("int64")
    low, high = wide[place >> 8], wide[(place >> 8) + 1]
    value = low + (((high - low) * (place & 255) + 128) >> 8)
    return (value + (1 << (MOST_BITS - bits))) >> (_REST_BITS - bits)


_REST = f"""\
/* What a function is beside max(v, 0), by its table and lines between; of v and of the
 * result, the last bits are a fraction. */
static int32_t slim_rest(const TABLE int16_t *table, int32_t v, int bits)
{{
    const uint32_t place = (uint32_t)(saturate((v * {1 << SUM_BITS}) >> bits) + 32768);
    const TABLE int16_t *const entry = &table[place >> 8];
    const int32_t low = entry[0], high = entry[1];
    const int32_t value = low + (((high - low) * (int32_t)(place & 255) + 128) >> 8);
    return (value + (1 << ({MOST_BITS} - bits))) >> ({_REST_BITS} - bits);
}}
"""


def _with_rest(name: str) -> Function:
    table, part, gain = _rest_table(name), "(v > 0 ? v : 0)", 0
    if name == "selu":
        gain = _GAIN
        part = f"(((v > 0 ? v : 0) * {gain} + {1 << MOST_BITS}) >> {_REST_BITS})"

    def simulator(v: Array, bits: int) -> Array:
        rises = np.maximum(v, 0)
        if gain:
            rises = (rises * gain + (1 << MOST_BITS)) >> _REST_BITS
        return rises + _rest(table, v, bits)

    return Function(
        f"static int32_t slim_{name}(int32_t v, int bits)\n"
        f"{{\n    return {part} + slim_rest({name}_table, v, bits);\n}}\n",
        simulator,
        ("saturate", "slim_rest"),
        {f"{name}_table": table},
        of_bits=True,
    )


def _softsign_int(v: Array) -> Array:
    size = abs(v) + (1 << SUM_BITS)
    y = (1 << ONE_BITS) - ((1 << SUM_BITS + ONE_BITS) + size // 2) // size
    return np.sign(v) * np.minimum(y, 32767)


_SOFTSIGN_INT = f"""/* 1 - 1 / (1 + |v|), with the sign of v */
static int32_t slim_softsign(int32_t v)
{{
    const uint32_t size = (uint32_t)(v < 0 ? -v : v) + {1 << SUM_BITS}u;
    const int32_t y = {1 << ONE_BITS} -
        (int32_t)(({1 << (SUM_BITS + ONE_BITS)}u + size / 2) / size);
    return v < 0 ? -y : y < 32767 ? y : 32767;
}}
"""
_EIGHT = 1 << (ONE_BITS - SUM_BITS)

#: of the functions that grow without end
RESTING = tuple(
    f"slim_{name}" for name, known in OF_LAYERS.items() if np.isinf(known.high)
)

#: of int8: Q12 to Q15, but relu6 to Q12; those with a rest have one number of bits
INT8: dict[str, Function] = {
    "slim_relu6": Function(
        _one_line("relu6", _ROUND.format(low=0, high=6 << SUM_BITS), "int32_t"),
        _clipped(0, 6 << SUM_BITS),
    ),
    "slim_hard_tanh": Function(
        _one_line("hard_tanh", f"saturate(saturate(x) * {_EIGHT})", "int32_t"),
        lambda v: np.clip(np.clip(v, -32768, 32767) * _EIGHT, -32768, 32767),
        ("saturate",),
    ),
    "slim_softsign": Function(_SOFTSIGN_INT, _softsign_int),
    "slim_rest": Function(_REST, _rest, ("saturate",)),
    **{name: _with_rest(name.removeprefix("slim_")) for name in RESTING},
}
