/* A stream: layers, each with its plan and its scratch in one piece of memory. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"

typedef struct {
  slim_layer layer;
  slim_cell cell;
  slim_plan *plan;
  float *packed;  /* of a dense layer */
  float *out;     /* (B, row) */
  float *scratch;
  int row;        /* floats of a row of out */
} part;

struct slim_stream {
  const slim_kernels *kernels;
  int count, batch;
  const void *x;
  float *y;
  uint8_t *live; /* (B) */
  part parts[];
};

int slim_padded(int n) {
  const int unit = slim_padding();
  return (n + unit - 1) / unit * unit;
}

static int is_good(const slim_layer *layers, int count, int k) {
  const slim_layer *l = &layers[k];
  if (l->inputs < 1 || l->outputs < 1) return 0;
  if (k && layers[k - 1].outputs != l->inputs) return 0;
  if (l->kind == SLIM_LAYER_CELL)
    return l->cell && !slim_check_cell(l->cell) && l->cell->features == l->inputs &&
           l->cell->units == l->outputs && l->states[0] &&
           (l->cell->forget < 0 || l->states[1]);
  if (!l->weights[0]) return 0;
  if (l->kind == SLIM_LAYER_DENSE) return l->activation >= 0 && l->activation <= SLIM_SOFTMAX;
  return l->kind == SLIM_LAYER_EMBEDDING && k == 0 && count >= 1;
}

/* Memory handed out in whole lines of a cache; with none, only counted. */
typedef struct {
  char *at;
  size_t used;
} pieces;

static void *piece(pieces *m, size_t bytes) {
  void *p = m->at ? m->at + m->used : NULL;
  m->used += (bytes + 63) / 64 * 64;
  return p;
}

/* Gives a part its memory. */
static void lay_out(slim_stream *s, part *p, pieces *memory) {
  const int counting = !memory->at;
  const slim_layer *l = &p->layer;
  const slim_kernels *kernels = s->kernels;
  p->row = l->kind == SLIM_LAYER_EMBEDDING ? l->outputs : slim_padded(l->outputs);
  p->out = l->kind == SLIM_LAYER_CELL
               ? l->states[0]
               : piece(memory, sizeof(float) * s->batch * p->row);
  if (l->kind == SLIM_LAYER_DENSE) {
    p->packed = piece(memory, sizeof(float) * kernels->dense_size(l->inputs, l->outputs));
    if (!counting)
      kernels->dense_pack(p->packed, l->weights[0], l->weights[1], l->inputs, l->outputs,
                          s->batch);
  } else if (l->kind == SLIM_LAYER_CELL) {
    void *own = piece(memory, kernels->plan_size(&p->cell, l->reset_bias != NULL, 0));
    if (!counting)
      p->plan = kernels->plan(own, &p->cell, l->weights, l->reset_bias, s->batch,
                              s->batch, 0);
    /* a state for each gate and one more: more than any cell's step takes */
    p->scratch = piece(memory, sizeof(float) * s->batch * p->row * (SLIM_GATES + 1));
  }
}

slim_stream *slim_stream_new(const slim_layer *layers, int count, int batch,
                             const void *x, float *y) {
  if (!layers || count < 1 || batch < 1 || !x || !y) return NULL;
  for (int k = 0; k < count; k++)
    if (!is_good(layers, count, k)) return NULL;
  const size_t bytes = sizeof(slim_stream) + count * sizeof(part);
  slim_stream *s = malloc(bytes);
  if (!s) return NULL;
  memset(s, 0, bytes);
  s->kernels = slim_kernels_in_use();
  s->count = count;
  s->batch = batch;
  s->x = x;
  s->y = y;
  pieces memory = {NULL, 0};
  for (int k = 0; k < count; k++) {
    part *p = &s->parts[k];
    p->layer = layers[k];
    if (p->layer.cell) p->cell = *p->layer.cell;
    lay_out(s, p, &memory);
  }
  piece(&memory, batch);
  memory = (pieces){aligned_alloc(64, memory.used), 0};
  if (!memory.at) {
    free(s);
    return NULL;
  }
  s->live = piece(&memory, batch);
  for (int k = 0; k < count; k++) lay_out(s, &s->parts[k], &memory);
  return s;
}

void slim_stream_free(slim_stream *s) {
  if (!s) return;
  free(s->live); /* the first piece of all */
  free(s);
}

/* Rows of the table, and which batch rows are live; 0, or 1 + the row of a bad index. */
static int embed(slim_stream *s, const part *p) {
  const int32_t *index = s->x;
  for (int r = 0; r < s->batch; r++)
    if (index[r] < 0 || index[r] >= p->layer.inputs) return 1 + r;
  for (int r = 0; r < s->batch; r++) {
    s->live[r] = !p->layer.mask_zero || index[r] != 0;
    memcpy(p->out + (ptrdiff_t)r * p->row,
           p->layer.weights[0] + (ptrdiff_t)index[r] * p->row, p->row * sizeof(float));
  }
  return 0;
}

static int step(slim_stream *s) {
  const float *x = s->x;
  ptrdiff_t row = s->parts[0].layer.inputs;
  const uint8_t *live = NULL;
  for (int k = 0; k < s->count; k++) {
    part *p = &s->parts[k];
    const slim_layer *l = &p->layer;
    if (l->kind == SLIM_LAYER_EMBEDDING) {
      const int bad = embed(s, p);
      if (bad) return bad;
      if (l->mask_zero) live = s->live;
    } else if (l->kind == SLIM_LAYER_DENSE) {
      s->kernels->dense(p->packed, x, row, p->out, l->inputs, l->outputs, s->batch,
                        l->activation);
    } else {
      s->kernels->stream_step(p->plan, s->batch, x, row, l->states[0], l->states[1], live,
                              p->scratch);
    }
    x = p->out;
    row = p->row;
  }
  const int outputs = s->parts[s->count - 1].layer.outputs;
  for (int r = 0; r < s->batch; r++)
    memcpy(s->y + (ptrdiff_t)r * outputs, x + r * row, outputs * sizeof *x);
  return 0;
}

int slim_stream_step(slim_stream *s) {
  const slim_float_mode before = slim_flush_denormals();
  const int bad = step(s);
  slim_restore(before);
  return bad;
}

double slim_stream_measure(slim_stream *s, int64_t steps) {
  const double start = slim_seconds();
  for (int64_t k = 0; k < steps; k++) slim_stream_step(s);
  return (slim_seconds() - start) / (steps > 0 ? steps : 1);
}
