/* A stream: layers, each with its plan and its scratch in one piece of memory. */
#include <stdlib.h>
#include <string.h>

#include "stream.h"

/* Whether a buffer is there and has as many elements. */
static int holds(slim_buffer buffer, int64_t rows, int64_t columns) {
  return buffer.at && buffer.count == rows * columns;
}

static int may_hold(slim_buffer buffer, int64_t columns) {
  return !buffer.at || holds(buffer, 1, columns);
}

static int is_good_cell(const slim_layer *l, int batch) {
  const slim_cell *cell = l->cell;
  if (slim_check_cell(cell) || cell->features != l->inputs || cell->units != l->outputs)
    return 0;
  for (int w = 0; w < SLIM_WEIGHTS; w++) {
    const int64_t wanted = slim_elements(cell, 1, 1, SLIM_WEIGHT + w);
    if (wanted ? !holds(l->weights[w], 1, wanted) : l->weights[w].at != NULL) return 0;
  }
  for (int k = 0; k < 1 + (cell->forget >= 0); k++)
    if (!holds(l->states[k], batch, slim_padded(cell->units))) return 0;
  return 1;
}

/* Whether so many numbers of the stream's x can be added. */
static int is_good_skip(const slim_layer *layers, int k) {
  const slim_layer *l = &layers[k];
  return k && layers[0].kind != SLIM_LAYER_EMBEDDING &&
         l->inputs <= layers[0].inputs && holds(l->weights[0], 1, l->inputs);
}

static int is_good_window(const slim_layer *l, int batch) {
  if (l->taps < 1 || l->dilation < 1 || l->strides < 1) return 0;
  const int64_t span = span_of(l);
  if (span > SLIM_MOST_WIDE || span * l->inputs > SLIM_MOST_WIDE) return 0;
  const slim_buffer wait = l->states[1];
  return holds(l->states[0], batch, slim_padded((int)(span * l->inputs))) &&
         (wait.at ? holds(wait, batch, slim_padded(1)) : l->strides == 1);
}

static int is_good(const slim_layer *layers, int k, int batch) {
  const slim_layer *l = &layers[k];
  if (l->inputs < 1 || l->outputs < 1 || l->outputs > SLIM_MOST_WIDE) return 0;
  if (k && layers[k - 1].outputs != l->inputs) return 0;
  if (l->kind == SLIM_LAYER_CELL) return is_good_cell(l, batch);
  if (l->kind == SLIM_LAYER_EMBEDDING)
    return k == 0 && holds(l->weights[0], l->inputs, l->outputs);
  if (l->inputs > SLIM_MOST_WIDE || l->activation < 0 ||
      l->activation >= SLIM_FUNCTIONS)
    return 0;
  if (l->kind == SLIM_LAYER_DENSE)
    return holds(l->weights[0], l->inputs, l->outputs) &&
           may_hold(l->weights[1], l->outputs);
  if (l->kind == SLIM_LAYER_CONVOLUTION)
    return is_good_window(l, batch) &&
           holds(l->weights[0], (int64_t)l->taps * l->inputs, l->outputs) &&
           may_hold(l->weights[1], l->outputs);
  if (l->inputs != l->outputs) return 0;
  if (l->kind == SLIM_LAYER_POINTWISE)
    return may_hold(l->weights[0], l->inputs) && may_hold(l->weights[1], l->inputs) &&
           !l->weights[0].at == !l->weights[1].at;
  if (l->kind == SLIM_LAYER_SKIP) return is_good_skip(layers, k);
  if (l->kind == SLIM_LAYER_PRELU) return holds(l->weights[0], 1, l->inputs);
  if (l->kind == SLIM_LAYER_WINDOW_AVERAGE || l->kind == SLIM_LAYER_WINDOW_LARGEST)
    return is_good_window(l, batch);
  if (l->kind == SLIM_LAYER_NORMALIZATION)
    return holds(l->weights[0], 1, l->inputs) && holds(l->weights[1], 1, l->inputs) &&
           holds(l->weights[2], 1, 1);
  if (l->kind == SLIM_LAYER_AVERAGE || l->kind == SLIM_LAYER_LARGEST)
    return holds(l->states[0], batch, slim_padded(l->inputs)) &&
           holds(l->states[1], batch, slim_padded(1));
  return l->kind == SLIM_LAYER_MASKING && holds(l->weights[0], 1, 1);
}

static int are_good(const slim_layer *layers, int count, int batch, slim_buffer x,
                    slim_buffer y) {
  if (!layers || count < 1 || batch < 1) return 0;
  for (int k = 0; k < count; k++)
    if (!is_good(layers, k, batch)) return 0;
  const int is_index = layers[0].kind == SLIM_LAYER_EMBEDDING;
  return holds(x, batch, is_index ? 1 : layers[0].inputs) &&
         holds(y, batch, layers[count - 1].outputs);
}

/* Memory handed out in whole lines of a cache; with none, only counted. */
typedef struct {
  char *at;
  size_t used;
} pieces;

static void *piece(pieces *m, size_t bytes) {
  void *p = m->at ? m->at + m->used : NULL;
  m->used += round_up(bytes, 64);
  return p;
}

/* Gives a part its memory. */
static void lay_out(slim_stream *s, part *p, pieces *memory) {
  const int counting = !memory->at;
  const slim_layer *l = &p->layer;
  const slim_kernels *kernels = s->kernels;
  p->row = l->kind == SLIM_LAYER_EMBEDDING ? l->outputs : slim_padded(l->outputs);
  const size_t rows = (size_t)s->steps * s->batch;
  p->out = piece(memory, sizeof(float) * rows * p->row);
  if (l->kind == SLIM_LAYER_DENSE || l->kind == SLIM_LAYER_CONVOLUTION) {
    const int inputs = l->kind == SLIM_LAYER_DENSE ? l->inputs : l->taps * l->inputs;
    p->packed = piece(memory, sizeof(float) * kernels->dense_size(inputs, l->outputs));
    if (!counting)
      kernels->dense_pack(p->packed, l->weights[0].at, l->weights[1].at, inputs,
                          l->outputs, s->batch);
    if (l->kind == SLIM_LAYER_CONVOLUTION)
      p->scratch = piece(memory, sizeof(float) * rows * inputs);
  } else if (l->kind == SLIM_LAYER_CELL) {
    const float *weights[SLIM_WEIGHTS];
    for (int w = 0; w < SLIM_WEIGHTS; w++) weights[w] = l->weights[w].at;
    void *own = piece(memory, kernels->plan_size(&p->cell, SLIM_STREAM));
    if (!counting)
      p->plan = kernels->plan(own, &p->cell, weights, s->batch, s->batch, SLIM_STREAM);
    /* a state for each gate and one more: more than any cell's step takes */
    p->scratch = piece(memory, sizeof(float) * rows * p->row * (SLIM_GATES + 1));
  }
}

static int steps_at_once(const slim_layer *layers, int count, int batch) {
  int64_t widest = 1;
  for (int k = 0; k < count; k++) {
    const slim_layer *l = &layers[k];
    const int64_t taken = l->kind == SLIM_LAYER_CONVOLUTION ? l->taps : 1;
    if (l->kind != SLIM_LAYER_EMBEDDING && taken * l->inputs > widest)
      widest = taken * l->inputs;
    if (l->outputs > widest) widest = l->outputs;
  }
  const int64_t most = MOST_FLOATS / (batch * widest);
  return most < 1 ? 1 : most < MOST_STEPS ? (int)most : MOST_STEPS;
}

int slim_stream_new(const slim_layer *layers, int count, int batch, slim_buffer x,
                    slim_buffer y, slim_stream **stream) {
  if (!stream || !are_good(layers, count, batch, x, y)) return SLIM_BAD_LAYER;
  const size_t bytes = sizeof(slim_stream) + count * sizeof(part);
  slim_stream *s = malloc(bytes);
  if (!s) return SLIM_NO_MEMORY;
  memset(s, 0, bytes);
  s->kernels = slim_kernels_in_use();
  s->count = count;
  s->batch = batch;
  s->steps = steps_at_once(layers, count, batch);
  s->x = x.at;
  s->y = y.at;
  pieces memory = {NULL, 0};
  for (int k = 0; k < count; k++) {
    part *p = &s->parts[k];
    p->layer = layers[k];
    if (p->layer.kind == SLIM_LAYER_CELL) p->cell = *p->layer.cell;
    lay_out(s, p, &memory);
  }
  const size_t rows = (size_t)s->steps * batch;
  piece(&memory, rows);
  piece(&memory, rows * sizeof *s->index);
  memory = (pieces){aligned_alloc(64, memory.used), 0};
  if (!memory.at) {
    free(s);
    return SLIM_NO_MEMORY;
  }
  s->live = piece(&memory, rows);
  s->index = piece(&memory, rows * sizeof *s->index);
  for (int k = 0; k < count; k++) lay_out(s, &s->parts[k], &memory);
  *stream = s;
  return SLIM_OK;
}

void slim_stream_free(slim_stream *s) {
  if (!s) return;
  free(s->live); /* the first piece of all */
  free(s);
}

static void take(slim_stream *s, const part *p, block *b, const float *input) {
  const slim_layer *l = &p->layer;
  const int rows = b->count * s->batch;
  switch (l->kind) {
    case SLIM_LAYER_EMBEDDING: slim_embed(s, p, b); break;
    case SLIM_LAYER_MASKING: slim_mask(s, p, b); break;
    case SLIM_LAYER_SKIP: slim_skip(s, p, b, input); break;
    case SLIM_LAYER_PRELU: slim_prelu(s, p, b); break;
    case SLIM_LAYER_AVERAGE:
    case SLIM_LAYER_LARGEST: slim_pool(s, p, b); break;
    case SLIM_LAYER_NORMALIZATION: slim_normalize(s, p, b); break;
    case SLIM_LAYER_CONVOLUTION:
    case SLIM_LAYER_WINDOW_AVERAGE:
    case SLIM_LAYER_WINDOW_LARGEST: slim_take_windows(s, p, b); break;
    case SLIM_LAYER_DENSE:
      s->kernels->dense(p->packed, b->x, b->row, p->out, l->inputs, l->outputs, rows,
                        l->activation);
      break;
    case SLIM_LAYER_POINTWISE:
      s->kernels->pointwise(l->weights[0].at, l->weights[1].at, b->x, b->row, p->out,
                            l->outputs, rows, l->activation);
      break;
    default:
      s->kernels->stream_steps(p->plan, s->batch, b->count, b->x, b->row,
                               l->states[0].at, l->states[1].at, b->live, p->out,
                               p->scratch);
  }
  b->x = p->out;
  b->row = p->row;
}

/* Takes as many steps as a block has, one layer after the other. 0, or 1 + the row of a
 * bad index, before which the steps are taken; *given: how many come out. */
static int take_block(slim_stream *s, const void *x, int count, float *y, int *given) {
  const slim_layer *first = &s->parts[0].layer;
  int bad = 0;
  if (first->kind == SLIM_LAYER_EMBEDDING) {
    memcpy(s->index, x, (size_t)count * s->batch * sizeof *s->index);
    for (int r = 0; r < count * s->batch && !bad; r++)
      if (s->index[r] < 0 || s->index[r] >= first->inputs) {
        bad = 1 + r % s->batch;
        count = r / s->batch;
      }
  }
  block b = {.x = x, .row = first->inputs, .count = count};
  for (int t = 0; t < count; t++) b.of[t] = t;
  for (int k = 0; k < s->count && b.count; k++) take(s, &s->parts[k], &b, x);
  const int outputs = s->parts[s->count - 1].layer.outputs;
  for (int r = 0; r < b.count * s->batch; r++, b.x += b.row, y += outputs) {
    y[0] = b.x[0]; /* often all, and then no call */
    if (outputs > 1) memcpy(y, b.x, outputs * sizeof *y);
  }
  *given = b.count;
  return bad;
}

int slim_stream_step(slim_stream *s) {
  if (!s) return SLIM_NO_STREAM;
  if (__atomic_exchange_n(&s->busy, 1, __ATOMIC_ACQUIRE)) return SLIM_BUSY;
  const slim_float_mode before = slim_flush_denormals();
  int given;
  const int bad = take_block(s, s->x, 1, s->y, &given);
  slim_restore(before);
  __atomic_store_n(&s->busy, 0, __ATOMIC_RELEASE);
  return bad || given ? bad : SLIM_WAITS;
}

/* Whether a buffer has so many elements for each step, which no product of sizes that
 * could be too large tells. */
static int are_steps(slim_buffer buffer, int64_t steps, int64_t columns) {
  return buffer.at && steps >= 1 && buffer.count % steps == 0 &&
         buffer.count / steps == columns;
}

int slim_stream_run(slim_stream *s, slim_buffer x, slim_buffer y, int64_t steps,
                    int64_t *done) {
  if (!s) return SLIM_NO_STREAM;
  const slim_layer *first = &s->parts[0].layer;
  const int width = first->kind == SLIM_LAYER_EMBEDDING ? 1 : first->inputs;
  const int64_t of_x = (int64_t)s->batch * width;
  const int64_t of_y = (int64_t)s->batch * s->parts[s->count - 1].layer.outputs;
  if (!done || !are_steps(x, steps, of_x) || !are_steps(y, steps, of_y))
    return SLIM_BAD_BLOCK;
  *done = 0;
  if (__atomic_exchange_n(&s->busy, 1, __ATOMIC_ACQUIRE)) return SLIM_BUSY;
  const slim_float_mode before = slim_flush_denormals();
  int bad = 0;
  for (int64_t k = 0, count; k < steps && !bad; k += count) {
    count = steps - k < s->steps ? steps - k : s->steps;
    /* an index is as large as a float */
    const char *from = (const char *)x.at + k * of_x * sizeof(float);
    int given;
    bad = take_block(s, from, (int)count, (float *)y.at + *done * of_y, &given);
    *done += given;
  }
  slim_restore(before);
  __atomic_store_n(&s->busy, 0, __ATOMIC_RELEASE);
  return bad;
}

double slim_stream_measure(slim_stream *s, int64_t steps) {
  const double start = slim_seconds();
  for (int64_t k = 0; k < steps; k++) {
    const int code = slim_stream_step(s);
    if (code < 0 && code != SLIM_WAITS) return code;
  }
  return (slim_seconds() - start) / (steps > 0 ? steps : 1);
}
