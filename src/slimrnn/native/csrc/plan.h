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
  int slot;            /* of a HEAVY gate: its place among them */
  int32_t function;    /* its activation */
  int trained;         /* not a constant, and not TIED */
  int sums;            /* the gate in whose place its sums are found: it, or another */
  int after_reset;     /* reads r * h */
  int ahead;           /* HEAVY without h: computed for many steps at once */
  const float *fixed;  /* (padded): the value of a STATIC gate */
  const float *vector; /* (padded), or NULL; where sums are shared, the candidate's */
  const float *bias;   /* (padded), or NULL; where sums are shared, beside theirs */
  int has_w, has_u;    /* the matrices W and U */
  panels w;            /* W, K = m */
  panels wt;           /* its transpose, K = n, one row of m floats; backward */
  panels ut;           /* its transpose, K = n; backward */
} gate_plan;

/* z = start + read U, of a gate or of several that lie side by side. */
typedef struct {
  panels u;           /* K = n */
  int slot;           /* the first one */
  int after_reset;    /* reads r * h */
  const float *start; /* (padded): a bias; NULL: z */
} product;

typedef struct slim_plan {
  const slim_cell *cell;
  int rows; /* of a block, at most */
  int m, n, padded, padded_inputs, heavy;
  int has_c;      /* the family has the state c */
  int keeps_c;    /* the tape has c too */
  int resets;     /* there is a reset gate, before the product */
  int reads_h;    /* some gate does */
  int scans;      /* steps are computed at once */
  int sums;       /* each gate is a HEAVY sum of its own that reads h, with no vector */
  int scaled;     /* the complement of a TIED gate is */
  float zeta, nu; /* multiplied by zeta, and nu is added */
  const float *zeros;      /* as wide as any row */
  int side_by_side; /* HEAVY gates' values: then products with h are one, where they can */
  int pitch;        /* floats from a row of a gate's values to the next */
  int products;     /* with h */
  product product[SLIM_GATES];
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
static inline const float *pad(arena *a, const float *from, int count, int padded) {
  float *to = take(a, padded);
  if (to) {
    memset(to, 0, padded * sizeof *to);
    memcpy(to, from, count * sizeof *to);
  }
  return to;
}

/* Matrices side by side, each (rows, columns) with the element (k, j) at from + k * step
 * + j * next, and `padded` columns wide; in panels. */
static inline panels pack_all(arena *a, int count, const float *const *from,
                              ptrdiff_t step, ptrdiff_t next, int rows, int columns,
                              int padded, int width) {
  const int vectors = count * padded / VL;
  float *to = take(a, (size_t)rows * vectors * VL);
  const panels packed = panels_of(to, vectors, width, 0);
  if (!to) return packed;
  for (int v = 0, wide; v < vectors; v += wide) {
    wide = panel_width(packed, v);
    for (int k = 0; k < rows; k++)
      for (int i = v; i < v + wide; i++) {
        const int which = i * VL / padded, first = i * VL - which * padded;
        const float *row = from[which] + k * step;
        for (int j = first; j < first + VL; j++)
          *to++ = j < columns ? row[j * next] : 0.0f;
      }
  }
  return packed;
}

static inline panels pack(arena *a, const float *from, ptrdiff_t step, ptrdiff_t next,
                          int rows, int columns, int width) {
  const int padded = (int)round_up(columns, VL);
  return pack_all(a, 1, &from, step, next, rows, columns, padded, width);
}

/* A gate's value where it is the same at each step. */
static inline const float *static_value(arena *a, const slim_gate *gate,
                                        const gate_plan *g, int padded) {
  float *to = take(a, padded);
  if (to)
    for (int j = 0; j < padded; j += VL)
      store(to + j, gate->is_constant ? all(gate->constant)
                                      : activate_one(g->function, load(g->bias + j)));
  return to;
}

/* A gate that shares the candidate's sums: the candidate's bias is in them. */
static inline void share(arena *a, gate_plan *g, const gate_plan *candidate, int padded) {
  float *to = take(a, padded);
  if (to)
    for (int j = 0; j < padded; j++)
      to[j] = g->bias[j] - (candidate->bias ? candidate->bias[j] : 0.0f);
  g->bias = to;
  g->vector = candidate->vector;
}

/* What the gates are, which the cell alone tells. Those whose products with h can be one
 * have the first slots. */
static inline void classify(plan *p) {
  const slim_cell *cell = p->cell;
  for (int k = 0; k < cell->gates; k++) {
    const slim_gate *gate = &cell->gate[k];
    const int32_t *has = gate->terms;
    gate_plan *g = &p->gate[k];
    const int is_candidate = k == cell->candidate;
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
    g->has_w = has[SLIM_KERNEL];
    g->has_u = has[SLIM_RECURRENT_KERNEL];
    g->ahead = g->kind == HEAVY && !slim_gate_reads_h(cell, k);
  }
  p->sums = 1;
  for (int k = 0; k < cell->gates; k++)
    p->sums &= p->gate[k].kind == HEAVY && p->gate[k].sums == k && !p->gate[k].ahead &&
               !cell->gate[k].terms[SLIM_RECURRENT_VECTOR];
  for (int first = 1; first >= 0; first--)
    for (int k = 0; k < cell->gates; k++) {
      gate_plan *g = &p->gate[k];
      if (g->kind == HEAVY && (g->has_u && !g->after_reset) == first) g->slot = p->heavy++;
    }
  p->pitch = p->side_by_side ? p->heavy * p->padded : p->padded;
}

/* Fills the plan from the arena. `rows` is the number of batch rows that the kernels
 * take at once in a step, `all_rows` that of several steps. */
static inline void make_plan(plan *p, arena *a, const slim_cell *cell,
                             const float *const weights[SLIM_WEIGHTS], int rows,
                             int all_rows, int use) {
  const int m = cell->features, n = cell->units;
  const int width = tile_width(rows), all_width = tile_width(all_rows);
  const int backward = use == SLIM_BACKWARD;
  ptrdiff_t columns[SLIM_WEIGHTS] = {0}, first[SLIM_WEIGHTS] = {0};
  const float *joined[SLIM_GATES];
  int joins = 0;
  *p = (plan){.cell = cell, .rows = rows, .m = m, .n = n,
              .side_by_side = use == SLIM_STREAM};
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
  classify(p);
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
    if (has[SLIM_TIE_SCALARS]) {
      const float *scalars = block[SLIM_TIE_SCALARS];
      p->scaled = 1;
      p->zeta = scalars ? activate_one(SLIM_SIGMOID, all(scalars[0]))[0] : 1;
      p->nu = scalars ? activate_one(SLIM_SIGMOID, all(scalars[1]))[0] : 0;
    }
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
      const float *u = block[SLIM_RECURRENT_KERNEL];
      if (p->side_by_side && !g->after_reset)
        joined[joins++] = u;
      else
        p->product[p->products++] =
            (product){pack(a, u, step, 1, n, n, width), g->slot, g->after_reset,
                      g->has_w  ? NULL
                      : g->bias ? g->bias
                                : zeros};
      if (backward) g->ut = pack(a, u, 1, step, n, n, width);
    }
  }
  if (joins)
    p->product[p->products++].u = pack_all(a, joins, joined, columns[SLIM_RECURRENT_KERNEL],
                                           1, n, n, p->padded, width);
  for (int k = 0; k < cell->gates; k++)
    if (cell->gate[k].shared)
      share(a, &p->gate[k], &p->gate[cell->candidate], p->padded);
  p->keeps_c = slim_keeps_c(cell);
}

#endif
