/* One vector of floats, as wide as the instruction set that this file is compiled
 * for. Everything else in the kernels is written with the compiler's own vector
 * arithmetic (gcc and clang), and a * b + c becomes one instruction where there is
 * one (-ffp-contract=fast). */
#ifndef SLIM_VEC_H
#define SLIM_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#ifdef SLIM_POISON /* sanitized and inlined, the kernels take minutes to compile */
#define ALWAYS_INLINE static __attribute__((unused))
#else
#define ALWAYS_INLINE static inline __attribute__((always_inline, unused))
#endif

/* VL: floats in a vector. WIDE_ROWS: rows of a tile; see gemm.h. */
#if defined(__AVX512F__)
enum { VL = 16 };
#elif defined(__AVX2__)
enum { VL = 8 };
#else
enum { VL = 4 };
#endif

typedef float vec __attribute__((vector_size(4 * VL)));
typedef int32_t ivec __attribute__((vector_size(4 * VL)));
typedef uint32_t uvec __attribute__((vector_size(4 * VL)));

/* In memory, at any multiple of 4 bytes. A vector of floats is no alias of anything but
 * floats, which keeps the compiler from reading all else again after each store. */
typedef float vec_in_memory __attribute__((vector_size(4 * VL), aligned(4)));

ALWAYS_INLINE vec load(const float *p) { return *(const vec_in_memory *)p; }

ALWAYS_INLINE void store(float *p, vec v) { *(vec_in_memory *)p = v; }

ALWAYS_INLINE vec all(float x) { return x - (vec){0}; }

/* The smaller and the greater of two; where x is NaN, NaN. */
ALWAYS_INLINE vec at_most(float limit, vec x) {
#if defined(__AVX512F__)
  return (vec)_mm512_min_ps((__m512)all(limit), (__m512)x);
#elif defined(__AVX2__)
  return (vec)_mm256_min_ps((__m256)all(limit), (__m256)x);
#elif defined(__SSE2__)
  return (vec)_mm_min_ps((__m128)all(limit), (__m128)x);
#else
  ivec above = x > all(limit);
  return (vec)((above & (ivec)all(limit)) | (~above & (ivec)x));
#endif
}

ALWAYS_INLINE vec at_least(float limit, vec x) {
#if defined(__AVX512F__)
  return (vec)_mm512_max_ps((__m512)all(limit), (__m512)x);
#elif defined(__AVX2__)
  return (vec)_mm256_max_ps((__m256)all(limit), (__m256)x);
#elif defined(__SSE2__)
  return (vec)_mm_max_ps((__m128)all(limit), (__m128)x);
#else
  ivec below = x < all(limit);
  return (vec)((below & (ivec)all(limit)) | (~below & (ivec)x));
#endif
}

/* 1 / x. A division of 16 floats takes as long as ten multiplications: there, an
 * estimate of 14 bits and one step of Newton's method. */
ALWAYS_INLINE vec reciprocal(vec x) {
#if defined(__AVX512F__)
  vec y = (vec)_mm512_rcp14_ps((__m512)x);
  return y + y * (1.0f - x * y);
#else
  return 1.0f / x;
#endif
}

/* value where the condition holds, else 0 */
ALWAYS_INLINE vec where(ivec condition, vec value) {
  return (vec)(condition & (ivec)value);
}

/* Several vectors, one of each of Q rows, that go through the same operations side by
 * side: an activation is one long chain, in which a processor would mostly wait. Four
 * are faster than two even where 16 registers cannot hold them. Q is a constant wherever
 * these functions are inlined. */
enum { LANES = 4 };

typedef struct {
  vec v[LANES];
} lanes;

/* The same for each lane q, written out: a loop that gcc unrolls is in memory until then,
 * and takes two thirds longer to compile. */
#define LANE(lane, ...)   \
  if (Q > lane) {         \
    enum { q = lane };    \
    __VA_ARGS__;          \
  }
#define EACH(...)         \
  do {                    \
    LANE(0, __VA_ARGS__)  \
    LANE(1, __VA_ARGS__)  \
    LANE(2, __VA_ARGS__)  \
    LANE(3, __VA_ARGS__)  \
  } while (0)

/* Q rows, `row` floats apart. */
ALWAYS_INLINE lanes load_rows(const int Q, const float *p, ptrdiff_t row) {
  lanes x;
  EACH(x.v[q] = load(p + q * row));
  return x;
}

ALWAYS_INLINE void store_rows(const int Q, float *p, ptrdiff_t row, lanes x) {
  EACH(store(p + q * row, x.v[q]));
}

ALWAYS_INLINE lanes spread(const int Q, vec x) {
  lanes y;
  EACH(y.v[q] = x);
  return y;
}

/* Asks for the lines of Q rows before they are needed; see sequence.h. Of a line
 * that several vectors share, the first one asks. */
enum { LINE = 64 / sizeof(float) };

ALWAYS_INLINE void ask_for_rows(const int Q, const float *p, ptrdiff_t row,
                                ptrdiff_t column) {
  if (column % LINE == 0) EACH(__builtin_prefetch(p + q * row));
}

/* 2^y = power * (1 + rest), the rest exact near y = 0, for |y| < 126. The
 * polynomial's relative error is 1.1e-8 on [-1/2, 1/2]. */
typedef struct {
  lanes power, rest;
} exponential;

ALWAYS_INLINE exponential exp2_parts(const int Q, lanes y) {
  const float shift = 12582912.0f; /* 1.5 * 2^23: its last bits hold round(y) */
  lanes r, p;
  exponential e;
  EACH({
    vec shifted = y.v[q] + shift;
    r.v[q] = y.v[q] - (shifted - shift);
    e.power.v[q] = (vec)(((uvec)shifted << 23) + 0x3f800000u); /* of a NaN: wraps */
  });
  EACH(p.v[q] = 1.540351223e-04f * r.v[q] + 1.339073526e-03f);
  EACH(p.v[q] = p.v[q] * r.v[q] + 9.618237615e-03f);
  EACH(p.v[q] = p.v[q] * r.v[q] + 5.550357327e-02f);
  EACH(p.v[q] = p.v[q] * r.v[q] + 2.402264923e-01f);
  EACH(p.v[q] = p.v[q] * r.v[q] + 6.931471825e-01f);
  EACH(e.rest.v[q] = p.v[q] * r.v[q]);
  return e;
}

#endif
