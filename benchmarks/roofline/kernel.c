/* The measured loops; SLIM_ISA names the instruction set. */
#include "kernel.h"

#include "cell.h"
#include "gemm.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

/* Independent chains of multiply-adds: enough to hide the latency (4 cycles, in 2 units;
 * 4 units on ARM), and as many as stay in registers beside the two operands (16; 32). */
#if defined(__aarch64__)
enum { CHAINS = 20 };
#else
enum { CHAINS = 12 };
#endif

static double multiply_adds(int64_t rounds) {
  vec sums[CHAINS];
  /* From 2 on: 1 = 1 * a + b stays what it is, and compilers would leave that chain out. */
#pragma GCC unroll 20
  for (int k = 0; k < CHAINS; k++) sums[k] = all(2.0f + k);
  vec a = all(0.999f), b = all(0.001f);
  for (int64_t i = 0; i < rounds; i++) {
#pragma GCC unroll 20
    for (int k = 0; k < CHAINS; k++) sums[k] = sums[k] * a + b;
  }
  vec total = all(0);
#pragma GCC unroll 20
  for (int k = 0; k < CHAINS; k++) total += sums[k];
  volatile float kept = total[0];
  (void)kept;
  return (double)CHAINS * VL * rounds;
}

static double products(float *memory, int rows, int units, int rounds) {
  const int padded = (int)round_up(units, PADDING);
  const panels u = panels_of(memory, (units + VL - 1) / VL, tile_width(rows), 0);
  float *h = memory + (ptrdiff_t)padded * padded, *z = h + (ptrdiff_t)rows * padded;
  for (int k = 0; k < rounds; k++)
    multiply(rows, units, (operand){h, padded, 1}, u, z, padded, (target){z, padded});
  return 2.0 * rows * units * units * rounds;
}

/* The sums only keep the compiler from leaving the loads out: they take no longer. */
static double reading(const float *memory, int64_t floats, int64_t rounds) {
  vec sums[CHAINS] = {0};
  for (int64_t i = 0; i < rounds; i++) {
    const float *p = memory;
    for (int64_t left = floats / (CHAINS * VL); left; left--, p += CHAINS * VL) {
#pragma GCC unroll 20
      for (int k = 0; k < CHAINS; k++) sums[k] += load(p + k * VL);
    }
    for (const float *end = memory + floats; p < end; p += VL) sums[0] += load(p);
    __asm__ volatile("" ::: "memory"); /* the next round reads anew */
  }
  vec total = all(0);
#pragma GCC unroll 20
  for (int k = 0; k < CHAINS; k++) total += sums[k];
  volatile float kept = total[0];
  (void)kept;
  return 4.0 * floats * rounds;
}

const roofline_kernels JOIN(roofline_, SLIM_ISA) = {TEXT(SLIM_ISA), multiply_adds, products,
                                                    reading};
