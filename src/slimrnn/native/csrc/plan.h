/* A cell bound to its weights: all that does not change with time, laid out for the
 * kernels. Vectors are padded with zeros to `padded` floats, a multiple of VL, and
 * matrices are packed in panels (gemm.h). */
#ifndef SLIM_PLAN_H
#define SLIM_PLAN_H

#include "activation.h"
#include "kernel.h"
#include "gemm.h"

/* What a gate costs: STATIC is the same at each step (a constant, or s(b)); LIGHT has
 * vectors only, and is cheaper to compute again in the backward pass than to keep;
 * HEAVY has a matrix, or shares the candidate's sums; TIED follows another gate. */
enum { STATIC, LIGHT, HEAVY, TIED };

typedef struct {
  int kind;
  int slot;            /* of a HEAVY gate: its place among the values on the tape */
  int32_t function;    /* its activation */
  int trained;         /* not a constant, and not TIED */
  int sums;            /* the gate in whose place its sums are found: it, or another */
  int after_reset;     /* reads r * h */
  int ahead;           /* HEAVY without h: computed for many steps at once */
  const float *fixed;  /* (padded): the value of a STATIC gate */
  const float *vector; /* (padded), or NULL; where sums are shared, the candidate's */
  const float *bias;   /* (padded), or NULL; where sums are shared, beside theirs */
  panels w;            /* W, K = m */
  panels u;            /* U, K = n */
  panels wt;           /* its transpose, K = n, one row of m floats; backward */
  panels ut;           /* its transpose, K = n; backward */
} gate_plan;

typedef struct slim_plan {
  const slim_cell *cell;
  int rows; /* of a block, at most */
  int m, n, padded, padded_inputs, heavy;
  int has_c;      /* the family has the state c */
  int keeps_c;    /* the tape has c too */
  int resets;     /* there is a reset gate, before the product */
  int reads_h;    /* some gate does */
  int scans;      /* steps are computed at once */
  int scaled;     /* the complement of a TIED gate is */
  float zeta, nu; /* multiplied by zeta, and nu is added */
  const float *zeros;      /* as wide as any row */
  gate_plan gate[SLIM_GATES];
} plan;

/* Memory handed out piece by piece; a first pass with no memory counts. */
typedef struct {
  float *at;
  size_t used;
} arena;

ALWAYS_INLINE float *take(arena *a, size_t count) {
  float *p = a->at ? a->at + a->used : NULL;
  a->used += round_up(count, 16); /* whole lines of a cache */
  return p;
}

/* `count` floats padded with zeros. */
static const float *pad(arena *a, const float *from, int count, int padded) {
  float *to = take(a, padded);
  if (to) {
    memset(to, 0, padded * sizeof *to);
    memcpy(to, from, count * sizeof *to);
  }
  return to;
}

/* The (rows, columns) matrix whose element (k, j) lies at from + k * step + j * next,
 * in panels. */
static panels pack(arena *a, const float *from, ptrdiff_t step, ptrdiff_t next, int rows,
                   int columns, int width) {
  int vectors = (columns + VL - 1) / VL;
  float *to = take(a, (size_t)rows * vectors * VL);
  const panels packed = panels_of(to, vectors, width, 0);
  if (!to) return packed;
  for (int v = 0, wide; v < vectors; v += wide) {
    wide = panel_width(packed, v);
    for (int k = 0; k < rows; k++)
      for (int j = v * VL; j < (v + wide) * VL; j++)
        *to++ = j < columns ? from[k * step + j * next] : 0.0f;
  }
  return packed;
}

/* A gate's value where it is the same at each step. */
static const float *static_value(arena *a, const slim_gate *gate, const gate_plan *g,
                                 int padded) {
  float *to = take(a, padded);
  if (to)
    for (int j = 0; j < padded; j += VL)
      store(to + j, gate->is_constant ? all(gate->constant)
                                      : activate_one(g->function, load(g->bias + j)));
  return to;
}

/* A gate that shares the candidate's sums: the candidate's bias is in them. */
static void share(arena *a, gate_plan *g, const gate_plan *candidate, int padded) {
  float *to = take(a, padded);
  if (to)
    for (int j = 0; j < padded; j++)
      to[j] = g->bias[j] - (candidate->bias ? candidate->bias[j] : 0.0f);
  g->bias = to;
  g->vector = candidate->vector;
}

/* Fills the plan from the arena. `rows` is the number of batch rows that the kernels
 * take at once in a step, `all_rows` that of several steps. */
static void make_plan(plan *p, arena *a, const slim_cell *cell,
                      const float *const weights[SLIM_WEIGHTS], int rows,
                      int all_rows, int backward) {
  const int m = cell->features, n = cell->units;
  const int width = tile_width(rows), all_width = tile_width(all_rows);
  ptrdiff_t columns[SLIM_WEIGHTS] = {0}, first[SLIM_WEIGHTS] = {0};
  *p = (plan){.cell = cell, .rows = rows, .m = m, .n = n};
  p->padded = slim_padded(n);
  p->padded_inputs = slim_padded(m);
  p->has_c = cell->forget >= 0;
  p->resets = cell->reset >= 0 && cell->product < 0;
  p->reads_h = slim_reads_h(cell);
  p->scans = slim_scans(cell, rows);
  const int widest = p->padded > p->padded_inputs ? p->padded : p->padded_inputs;
  float *zeros = take(a, widest);
  if (zeros) memset(zeros, 0, widest * sizeof *zeros);
  p->zeros = zeros;
  for (int w = 0; w < SLIM_WEIGHTS; w++)
    for (int k = 0; k < cell->gates; k++)
      columns[w] += cell->gate[k].terms[w] * slim_weight_columns(cell, w);
  for (int k = 0; k < cell->gates; k++) {
    const slim_gate *gate = &cell->gate[k];
    const int32_t *has = gate->terms;
    gate_plan *g = &p->gate[k];
    const float *block[SLIM_WEIGHTS];
    for (int w = 0; w < SLIM_WEIGHTS; w++) {
      block[w] = has[w] && weights[w] ? weights[w] + first[w] : NULL; /* counting */
      first[w] += has[w] * slim_weight_columns(cell, w);
    }
    int is_candidate = k == cell->candidate;
    g->function = is_candidate         ? cell->activation
                  : k == cell->product ? SLIM_LINEAR
                                       : cell->recurrent_activation;
    g->trained = !gate->is_constant && k != cell->tied;
    g->sums = gate->shared ? cell->candidate : k;
    g->after_reset = is_candidate && p->resets;
    g->kind = k == cell->tied                ? TIED
              : gate->shared || has[SLIM_KERNEL] || has[SLIM_RECURRENT_KERNEL] ? HEAVY
              : has[SLIM_RECURRENT_VECTOR] ? LIGHT
                                           : STATIC;
    if (has[SLIM_TIE_SCALARS]) {
      const float *scalars = block[SLIM_TIE_SCALARS];
      p->scaled = 1;
      p->zeta = scalars ? activate_one(SLIM_SIGMOID, all(scalars[0]))[0] : 1;
      p->nu = scalars ? activate_one(SLIM_SIGMOID, all(scalars[1]))[0] : 0;
    }
    if (g->kind == HEAVY) g->slot = p->heavy++;
    g->ahead = g->kind == HEAVY && !slim_gate_reads_h(cell, k);
    if (has[SLIM_RECURRENT_VECTOR])
      g->vector = pad(a, block[SLIM_RECURRENT_VECTOR], n, p->padded);
    if (has[SLIM_BIAS]) g->bias = pad(a, block[SLIM_BIAS], n, p->padded);
    if (g->kind == STATIC) g->fixed = static_value(a, gate, g, p->padded);
    if (has[SLIM_KERNEL]) {
      const ptrdiff_t step = columns[SLIM_KERNEL];
      g->w = pack(a, block[SLIM_KERNEL], step, 1, m, n, all_width);
      if (backward) g->wt = pack(a, block[SLIM_KERNEL], 1, step, n, m, all_width);
    }
    if (has[SLIM_RECURRENT_KERNEL]) {
      const ptrdiff_t step = columns[SLIM_RECURRENT_KERNEL];
      g->u = pack(a, block[SLIM_RECURRENT_KERNEL], step, 1, n, n, width);
      if (backward) g->ut = pack(a, block[SLIM_RECURRENT_KERNEL], 1, step, n, n, width);
    }
  }
  for (int k = 0; k < cell->gates; k++)
    if (cell->gate[k].shared)
      share(a, &p->gate[k], &p->gate[cell->candidate], p->padded);
  p->keeps_c = slim_keeps_c(cell);
}

#endif
