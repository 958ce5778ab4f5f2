/* The kernels, compiled once for each instruction set, which SLIM_ISA names; backward,
 * which takes as long to compile, in a file of their own. */
#include "kernel.h"
#include "functions.h"

#include "sequence_forward.h"

#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

static size_t header(void) { return round_up(sizeof(plan), 64); }

static size_t plan_size(const slim_cell *cell, int use) {
  const float *none[SLIM_WEIGHTS] = {NULL};
  plan p;
  arena a = {NULL, 0};
  make_plan(&p, &a, cell, none, 1, 1, use);
  return header() + a.used * sizeof(float);
}

static plan *new_plan(void *memory, const slim_cell *cell,
                      const float *const weights[SLIM_WEIGHTS], int rows, int all_rows,
                      int use) {
  plan *p = memory;
  arena a = {(float *)((char *)memory + header()), 0};
  make_plan(p, &a, cell, weights, rows, all_rows, use);
  return p;
}

static size_t scratch_size(const plan *p, int64_t time, int backward,
                           int masked_recurrence) {
  scratch s;
  arena a = {NULL, 0};
  lay_out(&s, &a, p, p->rows, time, backward, masked_recurrence);
  return a.used;
}

/* A dense layer's memory: this, then the bias and W in panels. */
typedef struct {
  const float *bias;
  panels w;
} dense_plan;

static size_t dense_size(int inputs, int outputs) {
  const size_t floats = (size_t)(inputs + 1) * (slim_padded(outputs) + 15);
  return round_up(sizeof(dense_plan), 64) / sizeof(float) + floats;
}

static void dense_pack(float *memory, const float *w, const float *b, int inputs,
                       int outputs, int rows) {
  dense_plan *d = (dense_plan *)memory;
  arena a = {(float *)((char *)memory + round_up(sizeof *d, 64)), 0};
  const int padded = slim_padded(outputs);
  float *bias = take(&a, padded);
  memset(bias, 0, padded * sizeof *bias);
  if (b) memcpy(bias, b, outputs * sizeof *bias);
  d->bias = bias;
  d->w = pack(&a, w, outputs, 1, inputs, outputs, tile_width(rows));
}

static void softmax(float *y, int count) {
  float top = y[0], total = 0;
  for (int j = 1; j < count; j++) top = y[j] > top ? y[j] : top;
  for (int j = 0; j < count; j += VL) {
    vec z = at_least(-120.0f, (load(y + j) - top) * 1.442695041f);
    exponential e = exp2_parts(1, spread(1, z));
    store(y + j, e.power.v[0] + e.power.v[0] * e.rest.v[0]);
  }
  for (int j = 0; j < count; j++) total += y[j];
  for (int j = 0; j < count; j++) y[j] /= total;
}

/* A row of n numbers, in place. */
static void activate_row(int32_t activation, float *y, int n) {
  if (activation == SLIM_SOFTMAX)
    softmax(y, n);
  else if (activation != SLIM_LINEAR)
    for (int j = 0; j < n; j += VL) store(y + j, function_of(activation, load(y + j)));
}

static void dense(const float *memory, const float *x, ptrdiff_t row, float *y,
                  int inputs, int outputs, int rows, int32_t activation) {
  const int padded = slim_padded(outputs);
  const dense_plan *d = (const dense_plan *)memory;
  multiply(rows, inputs, (operand){x, row, 1}, d->w, d->bias, 0, (target){y, padded});
  for (int r = 0; r < rows; r++, y += padded) activate_row(activation, y, outputs);
}

static void pointwise(const float *scale, const float *offset, const float *x,
                      ptrdiff_t row, float *y, int n, int rows, int32_t activation) {
  const int padded = slim_padded(n);
  for (int r = 0; r < rows; r++, x += row, y += padded) {
    for (int j = 0; j < n; j++) y[j] = scale ? scale[j] * x[j] + offset[j] : x[j];
    for (int j = n; j < padded; j++) y[j] = 0;
    activate_row(activation, y, n);
  }
}

const slim_kernels SLIM_OF_ISA(slim_kernels) = {
    .name = TEXT(SLIM_ISA),
    .plan_size = plan_size,
    .plan = new_plan,
    .scratch_size = scratch_size,
    .forward = forward_part,
    .backward = SLIM_OF_ISA(slim_backward),
    .stream_steps = stream_steps,
    .dense_size = dense_size,
    .dense_pack = dense_pack,
    .dense = dense,
    .pointwise = pointwise,
};
