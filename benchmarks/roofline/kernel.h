/* What is measured, compiled once for each instruction set. */
#ifndef ROOFLINE_KERNEL_H
#define ROOFLINE_KERNEL_H

#include <stdint.h>

enum { PADDING = 16 }; /* floats of the widest vector */

typedef struct {
  const char *name;
  double (*multiply_adds)(int64_t rounds); /* does some; how many */
  /* h U of `rows` rows, some rounds: the useful FLOP that were done. */
  double (*products)(float *memory, int rows, int units, int rounds);
  /* Reads whole vectors, so up to PADDING floats more, some rounds: bytes wanted. */
  double (*reading)(const float *memory, int64_t floats, int64_t rounds);
} roofline_kernels;

#endif
