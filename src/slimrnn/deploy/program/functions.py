"""The functions of the generated file, each beside its simulator in NumPy.

Both do the same operations in the same order, so that they agree to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from slimrnn.deploy.program.c_expression import number
from slimrnn.variants.activations import HARD_SIGMOIDS

Array = np.ndarray


def _float32(*values: float) -> Array:
    return np.array(values, "float32")


#: tanh(x) = x p(x²) / q(x²) for |x| <= 8, where float32 is 1 - 6e-8; from the constant
#: term up. A minimax fit of the relative error (1.5e-7), as of Remez's algorithm.
_REACH = np.float32(8)
_P = _float32(4066351.25, 525602.875, 11999.896484375, 46.47193908691406)
_Q = _float32(4066351.75, 1881048.75, 96842.40625, 970.5121459960938)
_LOG2E = np.float32(1.44269504)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
#: exp(r) for |r| <= ln(2)/2, from the highest power down (Cephes, expf)
_EXP = _float32(
    *(1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3),
    *(4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1),
)
#: beyond it, exp(x) counts as 0
_EXP_REACH = np.float32(-87)

#: tanh at -8, -8 + 1/16, ..., 8 as Q15
TANH_TABLE = np.clip(
    np.round(32768 * np.tanh(np.arange(-128, 129) / 16)), -32767, 32767
).astype("int16")


@dataclass(frozen=True)
class Function:
    """A function of the generated file.

    Attributes:
        source: in C; ``TABLE`` stands for the macro that places tables.
        simulator: the same on arrays.
        needs: the functions that the source calls, and those that they call.
        tables: that the source reads, by name.
        of_bits: whether it is given the fraction bits of its integer, too.
    """

    source: str
    simulator: Callable[..., Array]
    needs: tuple[str, ...] = ()
    tables: Mapping[str, Array] = field(default_factory=dict)
    of_bits: bool = False


def _tanh(x: Array) -> Array:
    x = np.clip(x, -_REACH, _REACH)
    t = x * x
    p = ((_P[3] * t + _P[2]) * t + _P[1]) * t + _P[0]
    q = (((t + _Q[3]) * t + _Q[2]) * t + _Q[1]) * t + _Q[0]
    return x * p / q


def _sigmoid(x: Array) -> Array:
    half = np.float32(0.5)
    return half * _tanh(half * x) + half


def _hard(slope: np.float32) -> Callable[[Array], Array]:
    return lambda x: np.clip(slope * x + np.float32(0.5), 0, 1).astype("float32")


def _exp(x: Array) -> Array:
    within = x >= _EXP_REACH
    k = (np.where(within, x, 0) * _LOG2E - np.float32(0.5)).astype("int32")
    f = k.astype("float32")
    r = x - f * _LN2_HIGH - f * _LN2_LOW
    p = _EXP[0]
    for value in _EXP[1:]:
        p = p * r + value
    y = p * r * r + r + np.float32(1)
    power = (np.maximum(k + 127, 0) << 23).astype("int32").view("float32")
    return np.where(within, y * power, np.where(np.isnan(x), x, np.float32(0)))


def _softmax(y: Array) -> Array:
    powers = _exp(y - y.max(-1, keepdims=True))
    total = np.zeros_like(powers[..., :1])
    for k in range(powers.shape[-1]):
        total = total + powers[..., k : k + 1]
    return powers / total


def _normalize(
    x: Array, scale: Array, offset: Array, epsilon: float, shift: int
) -> Array:
    n, mean = np.float32(x.shape[-1]), np.zeros_like(x[..., :1])
    variance = np.zeros_like(mean)
    for k in range(x.shape[-1]):
        mean = mean + x[..., k : k + 1]
    mean = mean / n
    for k in range(x.shape[-1]):
        d = x[..., k : k + 1] - mean
        variance = variance + d * d
    v = variance / n + np.float32(epsilon)
    half = np.float32(0.5) * v
    by = (np.int32(_ROOT) - (v.view("int32") >> 1)).view("float32")
    for _ in range(3):
        by = by * (np.float32(1.5) - half * by * by)
    return (x - mean) * by * scale + offset


#: half of which minus half of a number's bits are near those of 1 / sqrt(number)
_ROOT = 0x5F3759DF


def _relu(x: Array) -> Array:
    return np.where(x > 0, x, np.zeros_like(x))


_HARD = {name: np.float32(slope) for name, slope in HARD_SIGMOIDS.items()}


def _tanh_source() -> str:
    p, q, reach = [number(v) for v in _P], [number(v) for v in _Q], number(_REACH)
    return f"""/* tanh(x) to 5e-7: a rational function, flat beyond {reach}. */
static float slim_tanh(float x)
{{
    if (x > {reach}) x = {reach};
    if (x < -{reach}) x = -{reach};
    const float t = x * x;
    const float p = (({p[3]} * t + {p[2]}) * t + {p[1]}) * t + {p[0]};
    const float q = (((t + {q[3]}) * t + {q[2]}) * t + {q[1]}) * t + {q[0]};
    return x * p / q;
}}
"""


def _hard_source(name: str, slope: np.float32) -> str:
    return f"""static float slim_{name}(float x)
{{
    const float y = {number(slope)} * x + 0.5f;
    return y < 0.0f ? 0.0f : y > 1.0f ? 1.0f : y;
}}
"""


def _exp_source() -> str:
    terms = "".join(f"    p = p * r + {number(v)};\n" for v in _EXP[1:])
    return f"""/* exp(x) for x <= 0: 2^k exp(r), r by a polynomial, 2^k by its bits. */
static float slim_exp(float x)
{{
    if (!(x >= {number(_EXP_REACH)})) return x < 0.0f ? 0.0f : x; /* no number stays */
    const int32_t k = (int32_t)(x * {number(_LOG2E)} - 0.5f);
    const float f = (float)k;
    const float r = x - f * {number(_LN2_HIGH)} - f * {number(_LN2_LOW)};
    float p = {number(_EXP[0])};
{terms}    const union {{
        uint32_t bits;
        float value;
    }} power = {{(uint32_t)(k + 127) << 23}};
    return (p * r * r + r + 1.0f) * power.value;
}}
"""


_SOFTMAX = """static void slim_softmax(float *y, int n)
{
    float highest = y[0], total = 0.0f;
    for (int j = 1; j < n; j++) if (y[j] > highest) highest = y[j];
    for (int j = 0; j < n; j++) total += y[j] = slim_exp(y[j] - highest);
    for (int j = 0; j < n; j++) y[j] = y[j] / total;
}
"""


_NORMALIZE = f"""\
/* 1 / sqrt(v) of v > 0: a guess by its bits, and Newton's method. */
static float slim_inverse_root(float v)
{{
    const float half = 0.5f * v;
    union {{
        float value;
        uint32_t bits;
    }} root = {{v}};
    root.bits = {_ROOT:#x}u - (root.bits >> 1);
    for (int k = 0; k < 3; k++) {{
        root.value = root.value * (1.5f - half * root.value * root.value);
    }}
    return root.value;
}}

/* y = (x - mean) / sqrt(variance + epsilon) * scale + offset */
static void slim_normalize(float *y, const float *x, const TABLE float *scale,
                           const TABLE float *offset, int n, float epsilon)
{{
    float mean = 0.0f, variance = 0.0f;
    for (int j = 0; j < n; j++) mean += x[j];
    mean = mean / (float)n;
    for (int j = 0; j < n; j++) {{
        const float d = x[j] - mean;
        variance += d * d;
    }}
    const float by = slim_inverse_root(variance / (float)n + epsilon);
    for (int j = 0; j < n; j++) y[j] = (x[j] - mean) * by * scale[j] + offset[j];
}}
"""


#: of float32, in the order in which the file has them
FLOAT32: dict[str, Function] = {
    "slim_tanh": Function(_tanh_source(), _tanh),
    "slim_sigmoid": Function(
        """static float slim_sigmoid(float x)
{
    return 0.5f * slim_tanh(0.5f * x) + 0.5f;
}
""",
        _sigmoid,
        ("slim_tanh",),
    ),
    **{
        f"slim_{name}": Function(_hard_source(name, slope), _hard(slope))
        for name, slope in _HARD.items()
    },
    "slim_relu": Function(
        """static float slim_relu(float x)
{
    return x > 0.0f ? x : 0.0f;
}
""",
        _relu,
    ),
    "slim_exp": Function(_exp_source(), _exp),
    "slim_softmax": Function(_SOFTMAX, _softmax, ("slim_exp",)),
    "slim_normalize": Function(_NORMALIZE, _normalize),
}


def _clip(low: int, high: int) -> Callable[[Array], Array]:
    return lambda v: np.clip(v, low, high)


def _clip_source(name: str, what: str, low: int, high: int) -> str:
    return f"""/* {what} */
static int32_t {name}(int32_t v)
{{
    return v < {low} ? {low} : v > {high} ? {high} : v;
}}
"""


def _tanh_int(v: Array) -> Array:
    place = np.clip(v, -32768, 32767) + 32768
    table = TANH_TABLE.astype("int64")
    low, high = table[place >> 8], table[(place >> 8) + 1]
    return low + (((high - low) * (place & 255) + 128) >> 8)


def _sigmoid_int(v: Array) -> Array:
    return (_tanh_int(v >> 1) + 32768) >> 1


#: slopes as Q14 of what turns Q12 into Q15
_HARD_INT = {name: round(8 * float(slope) * 2**14) for name, slope in _HARD.items()}


def _hard_int(slope: int) -> Callable[[Array], Array]:
    def simulator(v: Array) -> Array:
        return np.clip((np.clip(v, -32768, 32767) * slope >> 14) + 16384, 0, 32767)

    return simulator


def _hard_int_source(name: str, slope: int) -> str:
    return f"""static int32_t slim_{name}(int32_t v)
{{
    const int32_t y = ((saturate(v) * {slope}) >> 14) + 16384;
    return y < 0 ? 0 : y > 32767 ? 32767 : y;
}}
"""


def _normalize_int(
    x: Array, scale: Array, offset: Array, epsilon: float, shift: int
) -> Array:
    n = x.shape[-1]
    mean = (x.sum(-1, keepdims=True) + 32768 * n + n // 2) // n - 32768
    d = x - mean
    v = ((d * d).sum(-1, keepdims=True) << 8) // n + int(epsilon)
    places = np.full_like(v, shift + 27)
    for _ in range(16):
        large, small = v >= 1 << 32, v < 1 << 30
        v = np.where(large, v >> 2, np.where(small, v << 2, v))
        places = places + large - small
    root = np.zeros_like(v)
    for bit in range(15, -1, -1):
        more = root + (1 << bit)
        root = np.where(more * more <= v, more, root)
    root = root + (v - root * root > root)
    product = d * ((1 << 31) // root) * scale.astype("int64")
    return ((product + (np.int64(1) << (places - 1))) >> places) + offset


_NORMALIZE_INT = """\
/* 2^31 / sqrt(v), of v from 2^30 on. */
static int32_t slim_inverse_root(uint32_t v)
{
    uint32_t root = 0;
    for (uint32_t bit = 32768; bit > 0; bit >>= 1) {
        if ((root + bit) * (root + bit) <= v) root += bit;
    }
    if (v - root * root > root) root++; /* the nearest */
    return (int32_t)(0x80000000u / root);
}

/* y = (x - mean) / sqrt(variance + epsilon) * scale + offset; epsilon is in squares of
 * a unit of x, times 256, and y has shift fraction bits less than the scale. */
static void slim_normalize(int16_t *y, const int16_t *x, const TABLE int16_t *scale,
                           const TABLE int16_t *offset, int n, uint64_t epsilon,
                           int shift)
{
    uint32_t sum = (uint32_t)n / 2;
    uint64_t v = 0;
    for (int j = 0; j < n; j++) sum += (uint32_t)((int32_t)x[j] + 32768);
    const int32_t mean = (int32_t)(sum / (uint32_t)n) - 32768;
    for (int j = 0; j < n; j++) {
        const int64_t d = x[j] - mean;
        v += (uint64_t)(d * d);
    }
    v = (v << 8) / (uint32_t)n + epsilon;
    int places = shift + 27;
    for (; v >> 32 != 0; v >>= 2) places++;
    for (; v >> 30 == 0; v <<= 2) places--;
    const int32_t by = slim_inverse_root((uint32_t)v);
    const int64_t half = INT64_C(1) << (places - 1);
    for (int j = 0; j < n; j++) {
        const int64_t product = (int64_t)(x[j] - mean) * by * scale[j];
        y[j] = (int16_t)(((product + half) >> places) + offset[j]);
    }
}
"""


#: the largest number of a c of 32 bits: what rounds it does not leave them
WIDE = 2**30

#: of int8: Q12 to Q15
INT8: dict[str, Function] = {
    "saturate": Function(
        _clip_source("saturate", "The nearest number of 16 bits.", -32768, 32767),
        _clip(-32768, 32767),
    ),
    "limit": Function(
        _clip_source("limit", "The nearest number of 17 bits.", -65535, 65535),
        _clip(-65535, 65535),
    ),
    "saturate_wide": Function(
        f"""/* The nearest number of 31 bits. */
static int32_t saturate_wide(int64_t v)
{{
    return v < {-WIDE} ? {-WIDE} : v > {WIDE} ? {WIDE} : (int32_t)v;
}}
""",
        _clip(-WIDE, WIDE),
    ),
    "slim_relu": Function(
        """static int32_t slim_relu(int32_t v)
{
    return v > 0 ? v : 0;
}
""",
        _relu,
    ),
    "slim_tanh": Function(
        """\
/* tanh by a table of its values at -8, -8 + 1/16, ..., 8, and lines between. */
static int32_t slim_tanh(int32_t v)
{
    const uint32_t place = (uint32_t)(saturate(v) + 32768);
    const TABLE int16_t *const entry = &tanh_table[place >> 8];
    const int32_t low = entry[0], high = entry[1];
    return low + (((high - low) * (int32_t)(place & 255) + 128) >> 8);
}
""",
        _tanh_int,
        ("saturate",),
        {"tanh_table": TANH_TABLE},
    ),
    "slim_sigmoid": Function(
        """/* sigmoid(v) = (1 + tanh(v / 2)) / 2 */
static int32_t slim_sigmoid(int32_t v)
{
    return (slim_tanh(v >> 1) + 32768) >> 1;
}
""",
        _sigmoid_int,
        ("saturate", "slim_tanh"),
    ),
    **{
        f"slim_{name}": Function(
            _hard_int_source(name, slope), _hard_int(slope), ("saturate",)
        )
        for name, slope in _HARD_INT.items()
    },
    "slim_normalize": Function(_NORMALIZE_INT, _normalize_int),
}
