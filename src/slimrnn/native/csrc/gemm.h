/* C = start + A B in registers: the products of the kernels.
 *
 * A tile of C, some rows by some vectors, stays in registers while k runs: each step
 * loads a row of B once for all rows and broadcasts one float of A for all vectors.
 * Each element is the same chain of multiply-adds over k whatever the tile, so that
 * results depend neither on how rows are grouped nor on who computes them. */
#ifndef SLIM_PRODUCT_H
#define SLIM_PRODUCT_H

#include <stddef.h>

#include "simd.h"

/* Rows by vectors of the largest tiles: what the registers hold (32; 16 where there
 * is only AVX2 or SSE). */
#if defined(__AVX512F__) || defined(__aarch64__)
enum { TILE_ROWS = 8 };
#define TILES(X) \
  X(8, 1) X(8, 2) X(8, 3) X(4, 1) X(4, 2) X(4, 3) X(4, 4) X(4, 5) X(4, 6) \
  X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(2, 5) X(2, 6) X(2, 7) X(2, 8) \
  X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(1, 5) X(1, 6) X(1, 7) X(1, 8)
#else
enum { TILE_ROWS = 4 };
#define TILES(X) \
  X(4, 1) X(4, 2) X(4, 3) X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(2, 5) \
  X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(1, 5) X(1, 6) X(1, 7) X(1, 8)
#endif

/* The vectors of the widest tile with this many rows. */
ALWAYS_INLINE int tile_width(int rows) {
#if defined(__AVX512F__) || defined(__aarch64__)
  return rows > 4 ? 3 : rows > 2 ? 6 : 8;
#else
  return rows > 2 ? 3 : rows > 1 ? 5 : 8;
#endif
}

/* A: element (r, k) at a + r * rows + k * step. */
typedef struct {
  const float *at;
  ptrdiff_t row, step;
} operand;

/* B: K rows of `vectors` vectors. Packed, it lies in panels at most as wide as a tile,
 * each contiguous; else in rows `stride` floats apart. The panels are as even as they
 * come, so that none is too narrow to hide the latency of an addition. */
typedef struct {
  const float *at;
  int vectors;
  int narrow;       /* of a panel, in vectors */
  int wide;         /* how many panels, the first ones, have a vector more */
  ptrdiff_t stride; /* 0: packed */
} panels;

ALWAYS_INLINE panels panels_of(const float *at, int vectors, int width,
                               ptrdiff_t stride) {
  const int count = vectors ? (vectors + width - 1) / width : 1;
  return (panels){at, vectors, vectors / count, vectors % count, stride};
}

/* The width of the panel that begins at vector v. */
ALWAYS_INLINE int panel_width(panels b, int v) {
  return b.narrow + (v < b.wide * (b.narrow + 1));
}

typedef struct {
  float *at;
  ptrdiff_t row;
} target;

ALWAYS_INLINE void tile(const int R, const int W, ptrdiff_t K, operand a, const float *b,
                        ptrdiff_t ldb, const float *start, ptrdiff_t start_row, target c) {
  vec sum[8][8];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int w = 0; w < W; w++) sum[r][w] = load(start + r * start_row + w * VL);
  for (ptrdiff_t k = 0; k < K; k++) {
    vec row[8];
#pragma GCC unroll 8
    for (int w = 0; w < W; w++) row[w] = load(b + k * ldb + w * VL);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      vec value = all(a.at[r * a.row + k * a.step]);
#pragma GCC unroll 8
      for (int w = 0; w < W; w++) sum[r][w] += value * row[w];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int w = 0; w < W; w++) store(c.at + r * c.row + w * VL, sum[r][w]);
}

/* By address: a copy on the stack waits for its parts, which were just written. */
typedef void tile_function(ptrdiff_t, const operand *, const float *, ptrdiff_t,
                           const float *, ptrdiff_t, const target *);

#define DEFINE_TILE(R, W)                                                            \
  static void tile_##R##_##W(ptrdiff_t K, const operand *a, const float *b,          \
                             ptrdiff_t ldb, const float *start, ptrdiff_t start_row, \
                             const target *c) {                                      \
    tile(R, W, K, *a, b, ldb, start, start_row, *c);                                 \
  }
TILES(DEFINE_TILE)
#undef DEFINE_TILE

/* tiles[log2(rows)][vectors] */
enum { LOG_1 = 0, LOG_2 = 1, LOG_4 = 2, LOG_8 = 3 };
static tile_function *const tiles[4][9] = {
#define TILE_ENTRY(R, W) [LOG_##R][W] = tile_##R##_##W,
    TILES(TILE_ENTRY)
#undef TILE_ENTRY
};

/* c (rows x vectors) = start (rows x vectors; start_row 0: one row for all) + a b. */
static void multiply(int rows, ptrdiff_t K, operand a, panels b, const float *start,
                     ptrdiff_t start_row, target c) {
  for (int v = 0, width; v < b.vectors; v += width) {
    width = panel_width(b, v);
    const float *panel = b.at + (b.stride ? 1 : K) * (ptrdiff_t)v * VL;
    ptrdiff_t ldb = b.stride ? b.stride : (ptrdiff_t)width * VL;
    for (int r = 0, log = rows > 4 ? LOG_8 : rows / 2; r < rows;) {
      while ((1 << log) > rows - r || !tiles[log][width]) log--;
      const operand ar = {a.at + r * a.row, a.row, a.step};
      const target cr = {c.at + r * c.row + v * VL, c.row};
      tiles[log][width](K, &ar, panel, ldb, start + r * start_row + v * VL, start_row, &cr);
      r += 1 << log;
    }
  }
}

#endif
