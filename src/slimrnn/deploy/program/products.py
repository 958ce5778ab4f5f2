"""The products of the generated file, each beside its simulator in NumPy.

They are most of a step's work, and the one part of it with a form for a processor.
"""

from __future__ import annotations

import numpy as np

from slimrnn.deploy.program.functions import Function

Array = np.ndarray


def _float32(sums: Array, matrix: Array, scale: Array | None, x: Array) -> Array:
    for k in range(matrix.shape[1]):
        sums = sums + matrix[:, k] * x[:, k : k + 1]
    return sums


def _int8(sums: Array, matrix: Array, scale: Array, x: Array) -> Array:
    # float64 holds these sums without rounding, and has a fast product.
    total = (x.astype(float) @ matrix.T.astype(float)).astype("int64")
    return sums + ((total * scale + (1 << 31)) >> 32)


#: ``add_product``: ``sums + matrix x`` for each row of a batch, as the C adds it up.
#: Its simulator takes sums (B, rows), the matrix (rows, columns), the multipliers of
#: integers (rows,), else None, and x (B, columns).
FLOAT32 = Function(
    """\
/* sums += w x. Of w, four rows stand side by side, column by column; rows that are
 * left over stand alone. Each row is added up in the order of its columns. */
static void add_product(float *sums, const TABLE float *w, const float *x, int rows,
                        int columns)
{
    for (; rows >= 4; rows -= 4, sums += 4) {
        float s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
        int k = 0;
        for (; k + 1 < columns; k += 2, w += 8) {
            const float u = x[k], v = x[k + 1];
            s0 = s0 + w[0] * u + w[4] * v;
            s1 = s1 + w[1] * u + w[5] * v;
            s2 = s2 + w[2] * u + w[6] * v;
            s3 = s3 + w[3] * u + w[7] * v;
        }
        if (k < columns) {
            s0 += w[0] * x[k];
            s1 += w[1] * x[k];
            s2 += w[2] * x[k];
            s3 += w[3] * x[k];
            w += 4;
        }
        sums[0] = s0;
        sums[1] = s1;
        sums[2] = s2;
        sums[3] = s3;
    }
    for (; rows > 0; rows--, sums++) {
        for (int k = 0; k < columns; k++) *sums += *w++ * x[k];
    }
}
""",
    _float32,
)
INT8 = Function(
    """\
#ifdef __ARM_FEATURE_DSP

/* a b / 2^32, rounded to the nearest. */
static inline int32_t multiply_high(int32_t a, int32_t b)
{
    int32_t high;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(a), "r"(b));
    return high;
}

/* Four bytes, or two halves, as they lie in memory. */
static inline uint32_t word(const TABLE void *from)
{
    uint32_t value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
}

/* sum + a[0] x[0] + a[2] x[1], where a is four bytes and x two halves. */
static inline int32_t add_even(int32_t sum, uint32_t a, uint32_t x)
{
    uint32_t wide;
    __asm__("sxtb16 %0, %1" : "=r"(wide) : "r"(a));
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(wide), "r"(x));
    return sum;
}

/* sum + a[1] x[0] + a[3] x[1] */
static inline int32_t add_odd(int32_t sum, uint32_t a, uint32_t x)
{
    uint32_t wide;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(wide) : "r"(a));
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(wide), "r"(x));
    return sum;
}

#else

static inline int32_t multiply_high(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + INT64_C(0x80000000)) >> 32);
}

#endif

/* sums += scale w x / 2^32 for four rows. Of w, two columns of two rows stand together,
 * then those of the next two rows. The columns, up to end, are a multiple of four. */
static inline void add_four(int32_t *sums, const TABLE int8_t *w,
                            const TABLE int32_t *scale, const int16_t *x,
                            const int16_t *end)
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#ifdef __ARM_FEATURE_DSP
    do {
        const uint32_t u = word(x), v = word(x + 2);
        s0 = add_even(s0, word(w), u);
        s1 = add_odd(s1, word(w), u);
        s2 = add_even(s2, word(w + 4), u);
        s3 = add_odd(s3, word(w + 4), u);
        s0 = add_even(s0, word(w + 8), v);
        s1 = add_odd(s1, word(w + 8), v);
        s2 = add_even(s2, word(w + 12), v);
        s3 = add_odd(s3, word(w + 12), v);
        x += 4;
        w += 16;
    } while (x != end);
#else
    do {
        const int32_t u = x[0], v = x[1];
        s0 += w[0] * u;
        s1 += w[1] * u;
        s0 += w[2] * v;
        s1 += w[3] * v;
        s2 += w[4] * u;
        s3 += w[5] * u;
        s2 += w[6] * v;
        s3 += w[7] * v;
        x += 2;
        w += 8;
    } while (x != end);
#endif
    sums[0] += multiply_high(s0, scale[0]);
    sums[1] += multiply_high(s1, scale[1]);
    sums[2] += multiply_high(s2, scale[2]);
    sums[3] += multiply_high(s3, scale[3]);
}

/* sums += scale w x / 2^32; rows that are left over from the fours stand alone. */
static void add_product(int32_t *sums, const TABLE int8_t *w,
                        const TABLE int32_t *scale, const int16_t *x, int rows,
                        int columns)
{
    for (; rows >= 4; rows -= 4, sums += 4, scale += 4, w += 4 * columns) {
        add_four(sums, w, scale, x, x + columns);
    }
    for (; rows > 0; rows--) {
        int32_t s = 0;
        for (int k = 0; k < columns; k++) s += *w++ * (int32_t)x[k];
        *sums++ += multiply_high(s, *scale++);
    }
}
""",
    _int8,
)
