/* The layers of a stream around its cells: what they keep of the steps before lies in the
 * states of their part. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "stream.h"

/* Rows of the table, and which rows are live; the indices are in the table. */
void slim_embed(slim_stream *s, const part *p, block *b) {
  const float *table = p->layer.weights[0].at;
  for (int r = 0; r < b->count * s->batch; r++) {
    s->live[r] = !p->layer.mask_zero || s->index[r] != 0;
    memcpy(p->out + (ptrdiff_t)r * p->row, table + (ptrdiff_t)s->index[r] * p->row,
           p->row * sizeof(float));
  }
  if (p->layer.mask_zero) b->live = s->live;
}

/* Which rows are live: those with a number that is not the value. Others become 0. */
void slim_mask(slim_stream *s, const part *p, block *b) {
  const int n = p->layer.inputs;
  const float value = *(const float *)p->layer.weights[0].at, *x = b->x;
  for (int r = 0; r < b->count * s->batch; r++, x += b->row) {
    float *out = p->out + (ptrdiff_t)r * p->row;
    s->live[r] = 0;
    for (int j = 0; j < n; j++) s->live[r] |= x[j] != value;
    for (int j = 0; j < n; j++) out[j] = s->live[r] ? x[j] : 0;
  }
  b->live = s->live;
}

/* out = x + scale * the first numbers of each row of the stream's x */
void slim_skip(const slim_stream *s, const part *p, const block *b,
                 const float *input) {
  const int n = p->layer.inputs, m = s->parts[0].layer.inputs;
  const float *scale = p->layer.weights[0].at, *x = b->x;
  float *out = p->out;
  for (int t = 0; t < b->count; t++) {
    const float *first = input + (ptrdiff_t)b->of[t] * s->batch * m;
    for (int r = 0; r < s->batch; r++, x += b->row, first += m, out += p->row)
      for (int j = 0; j < n; j++) out[j] = x[j] + scale[j] * first[j];
  }
}

/* out = x where it is positive, else slope * x */
void slim_prelu(const slim_stream *s, const part *p, const block *b) {
  const int n = p->layer.inputs;
  const float *slope = p->layer.weights[0].at, *x = b->x;
  float *out = p->out;
  for (int r = 0; r < b->count * s->batch; r++, x += b->row, out += p->row)
    for (int j = 0; j < n; j++) out[j] = x[j] > 0 ? x[j] : slope[j] * x[j];
}

/* The average, or the largest, of the steps so far: 0 where there is none. */
void slim_pool(const slim_stream *s, const part *p, const block *b) {
  const int n = p->layer.inputs, averages = p->layer.kind == SLIM_LAYER_AVERAGE;
  const float *x = b->x;
  float *out = p->out;
  for (int k = 0; k < b->count * s->batch; k++, x += b->row, out += p->row) {
    const int r = k % s->batch;
    float *so_far = (float *)p->layer.states[0].at + (ptrdiff_t)r * p->row;
    float *count = (float *)p->layer.states[1].at + (ptrdiff_t)r * slim_padded(1);
    if (!b->live || b->live[k]) {
      for (int j = 0; j < n; j++)
        so_far[j] = averages                           ? so_far[j] + x[j]
                    : *count == 0 || x[j] > so_far[j] ? x[j]
                                                       : so_far[j];
      *count += 1;
    }
    const float by = averages && *count > 1 ? *count : 1;
    for (int j = 0; j < n; j++) out[j] = so_far[j] / by;
  }
}

/* out = scale * (x - mean) / sqrt(variance + a number) + offset, for each row. */
void slim_normalize(const slim_stream *s, const part *p, const block *b) {
  const int n = p->layer.inputs;
  const float *scale = p->layer.weights[0].at, *offset = p->layer.weights[1].at;
  const float *more = p->layer.weights[2].at, *x = b->x;
  for (int r = 0; r < b->count * s->batch; r++, x += b->row) {
    float *out = p->out + (ptrdiff_t)r * p->row, mean = 0, variance = 0;
    for (int j = 0; j < n; j++) mean += x[j];
    mean /= n;
    for (int j = 0; j < n; j++) variance += (x[j] - mean) * (x[j] - mean);
    const float by = 1 / sqrtf(variance / n + *more);
    for (int j = 0; j < n; j++) out[j] = scale[j] * ((x[j] - mean) * by) + offset[j];
  }
}

/* One step more of the past of each row; 0 where nothing comes out of it yet. */
static int slide(const slim_stream *s, const part *p, const float *x, ptrdiff_t row) {
  const slim_layer *l = &p->layer;
  const int m = l->inputs, wide = (int)span_of(l) * m;
  const ptrdiff_t pitch = slim_padded(wide), one = slim_padded(1);
  float *past = l->states[0].at, *wait = l->states[1].at;
  for (int r = 0; r < s->batch; r++, x += row) {
    float *mine = past + r * pitch;
    memmove(mine, mine + m, (wide - m) * sizeof *mine);
    memcpy(mine + wide - m, x, m * sizeof *mine);
  }
  if (wait) {
    const int waits = wait[0] >= 1;
    for (int r = 0; r < s->batch; r++, wait += one)
      *wait = waits ? *wait - 1 : (float)(l->strides - 1);
    if (waits) return 0;
  }
  return 1;
}

/* The last steps of each row side by side, (B, taps m): what a convolution takes. */
static void side_by_side(const slim_stream *s, const part *p, float *to) {
  const slim_layer *l = &p->layer;
  const int m = l->inputs;
  const ptrdiff_t pitch = slim_padded((int)span_of(l) * m);
  const float *past = l->states[0].at;
  for (int r = 0; r < s->batch; r++, past += pitch)
    for (int k = 0; k < l->taps; k++, to += m)
      memcpy(to, past + (ptrdiff_t)k * l->dilation * m, m * sizeof *past);
}

/* The average, or the largest, of the last steps. */
static void pool_window(const slim_stream *s, const part *p, float *out) {
  const slim_layer *l = &p->layer;
  const int n = l->inputs, averages = l->kind == SLIM_LAYER_WINDOW_AVERAGE;
  const ptrdiff_t pitch = slim_padded((int)span_of(l) * n);
  const float *past = l->states[0].at;
  for (int r = 0; r < s->batch; r++, past += pitch, out += p->row) {
    for (int j = 0; j < n; j++) {
      float found = averages ? 0 : -FLT_MAX;
      for (int k = 0; k < l->taps; k++) {
        const float value = past[(ptrdiff_t)k * l->dilation * n + j];
        found = averages ? found + value : value > found ? value : found;
      }
      out[j] = averages ? found / l->taps : found;
    }
  }
}

void slim_take_windows(slim_stream *s, const part *p, block *b) {
  const slim_layer *l = &p->layer;
  const int is_pool = l->kind != SLIM_LAYER_CONVOLUTION, inputs = l->taps * l->inputs;
  const float *x = b->x;
  int given = 0;
  for (int t = 0; t < b->count; t++, x += s->batch * b->row) {
    if (!slide(s, p, x, b->row)) continue;
    if (is_pool)
      pool_window(s, p, p->out + (ptrdiff_t)given * s->batch * p->row);
    else
      side_by_side(s, p, p->scratch + (ptrdiff_t)given * s->batch * inputs);
    if (b->live)
      memmove(s->live + given * s->batch, b->live + t * s->batch, s->batch);
    b->of[given++] = b->of[t];
  }
  b->count = given;
  if (!is_pool)
    s->kernels->dense(p->packed, p->scratch, inputs, p->out, inputs, l->outputs,
                      given * s->batch, l->activation);
}
