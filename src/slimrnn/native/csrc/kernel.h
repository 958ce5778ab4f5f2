/* Between the engine and the kernels, which are compiled once for each instruction
 * set. */
#ifndef SLIM_KERNEL_H
#define SLIM_KERNEL_H

#include "cell.h"

typedef struct slim_plan slim_plan;

/* A whole sequence, forward: the buffers of slimrnn.h by name. */
typedef struct {
  int64_t batch, time;
  const float *x;
  const float *weights[SLIM_WEIGHTS];
  const float *states[SLIM_STATES];
  const uint8_t *mask;
  const float *recurrent_mask;
  float *outputs;
  float *last[SLIM_STATES];
  float *tape;
} slim_forward_args;

/* The same sequence, backward. */
typedef struct {
  slim_forward_args forward;
  const float *doutputs;
  const float *dlast[SLIM_STATES];
  float *dx;
  float *dweights[SLIM_WEIGHTS];
  float *dstates[SLIM_STATES];
} slim_backward_args;

/* Gradients of the weights, added up by one task over its rows; (m, padded), (n,
 * padded) and (padded) floats for each gate, (2, padded) for a tie. NULL where a gate lacks
 * the term. */
typedef struct {
  float *of[SLIM_GATES][SLIM_WEIGHTS];
} slim_sums;

/* Some rows of a sequence, and some of its steps: [begin, end). */
typedef struct {
  int64_t first;
  int rows;
  int64_t begin, end;
} slim_part;

/* What a cell does whose gates do not read h: first the gates' values of all steps, which
 * threads can share, then the steps. */
enum { SLIM_VALUES = 1, SLIM_STEPS = 2 };

/* What a plan is for. */
enum { SLIM_FORWARD, SLIM_BACKWARD, SLIM_STREAM };

/* `after` and `before`: dh and dc, (R, padded) each, after the part's steps, where it
 * ends before the sequence does, and before them, if wanted. No sums: these alone. */
typedef void slim_backward_function(const slim_plan *, const slim_backward_args *,
                                    slim_part, const float *tape, const float *after,
                                    float *before, float *scratch, slim_sums *);

#ifdef SLIM_ISA
/* What several files of one build share. */
#define SLIM_JOIN_(a, b) a##_##b
#define SLIM_JOIN(a, b) SLIM_JOIN_(a, b)
#define SLIM_OF_ISA(name) SLIM_JOIN(name, SLIM_ISA)
slim_backward_function SLIM_OF_ISA(slim_backward);
#endif

/* One build of the kernels. */
typedef struct {
  const char *name;
  /* Bytes of a plan; then the plan itself, in memory of that size (aligned to 64). */
  size_t (*plan_size)(const slim_cell *, int use);
  slim_plan *(*plan)(void *memory, const slim_cell *,
                     const float *const weights[SLIM_WEIGHTS], int rows, int all_rows,
                     int use);
  /* Floats of scratch for a block of rows. */
  size_t (*scratch_size)(const slim_plan *, int64_t time, int backward,
                         int masked_recurrence);
  /* A part of a sequence; `tape` is its rows' part. `does`: SLIM_VALUES, SLIM_STEPS, or
   * both; only values can be of some steps. */
  void (*forward)(const slim_plan *, const slim_forward_args *, slim_part, int does,
                  float *tape, float *scratch);
  slim_backward_function *backward;
  /* Some steps of a stream, states in place; x has rows `row` floats apart; out: h after
   * each step, (steps, rows, padded); scratch: a state a step for each HEAVY gate, and
   * one more. */
  void (*stream_steps)(const slim_plan *, int rows, int steps, const float *x,
                       ptrdiff_t row, float *h, float *c, const uint8_t *live, float *out,
                       float *scratch);
  /* y (rows, outputs) = activation(x W + b); memory of dense_size floats, filled by
   * dense_pack for so many rows, or others; y has rows of padded outputs. */
  size_t (*dense_size)(int inputs, int outputs);
  void (*dense_pack)(float *memory, const float *w, const float *b, int inputs,
                     int outputs, int rows);
  void (*dense)(const float *memory, const float *x, ptrdiff_t row, float *y, int inputs,
                int outputs, int rows, int32_t activation);
  /* y (rows, n) = activation(scale * x + offset); scale and offset may be NULL; y has
   * rows of padded n. */
  void (*pointwise)(const float *scale, const float *offset, const float *x,
                    ptrdiff_t row, float *y, int n, int rows, int32_t activation);
} slim_kernels;

#endif
