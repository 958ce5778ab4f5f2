/* What a step's two directions share.
 *
 * A state of one step is (R, padded) floats: R batch rows that lie together; the values
 * of a HEAVY gate have rows `pitch` floats apart. */
#ifndef SLIM_STEP_H
#define SLIM_STEP_H

#include "plan.h"

typedef struct {
  int rows;
  const float *h, *c;      /* before the step */
  float *h1, *c1;          /* after it */
  float *z;                /* of the HEAVY gates: in: W x + b, out: the values */
  ptrdiff_t gap;           /* floats from one gate's z to the next one's */
  const uint8_t *live;     /* (R): 0 keeps the states; NULL: all live */
  const float *seen;       /* h as the gates see it */
  float *read;             /* r * seen */
  ptrdiff_t ahead;         /* floats to what a later step touches; 0: not asked for */
} step;

ALWAYS_INLINE int is_live(const uint8_t *live, int r) { return !live || live[r]; }

/* What the compiler may know of a cell: its activations, and whether all gates are sums
 * alone (plan.h), for which a small cell's step has nothing to decide. The kernels are
 * compiled for Keras's own activations and once more for any. */
typedef struct {
  int32_t candidate, gates, state;
  int sums;
} functions;

static const functions usual = {SLIM_TANH, SLIM_SIGMOID, SLIM_TANH, 0};

ALWAYS_INLINE functions functions_of(const plan *p) {
  return (functions){p->cell->activation, p->cell->recurrent_activation,
                     p->cell->state_activation, 0};
}

ALWAYS_INLINE int are_usual(const plan *p) {
  return p->cell->activation == usual.candidate &&
         p->cell->recurrent_activation == usual.gates &&
         (!p->has_c || p->cell->state_activation == usual.state);
}

/* What is computed side by side: the column j of several rows from the one at `at` on,
 * or several columns of one row. */
typedef struct {
  ptrdiff_t at, j;
  ptrdiff_t step;    /* from one to the next in a state */
  ptrdiff_t column;  /* the same in a vector of weights: 0 for rows */
  ptrdiff_t z, next; /* where in the values of the first gate; from one to the next */
} place;

ALWAYS_INLINE place down_rows(const plan *p, int r, int j) {
  return (place){(ptrdiff_t)r * p->padded + j, j, p->padded, 0,
                 (ptrdiff_t)r * p->pitch + j, p->pitch};
}

ALWAYS_INLINE place along_row(const plan *p, int r, int j) {
  return (place){(ptrdiff_t)r * p->padded + j, j, VL, VL, (ptrdiff_t)r * p->pitch + j, VL};
}

/* compute(Q, place) over all columns of the row r. */
#define ALONG_ROW(p, r, compute)                                       \
  for (int j = 0, left; j < p->padded; j += left * VL) {               \
    left = (p->padded - j) / VL;                                       \
    if (left >= LANES) {                                               \
      compute(LANES, p, s, by, along_row(p, r, j));                    \
      left = LANES;                                                    \
    } else if (left >= 2) {                                            \
      compute(2, p, s, by, along_row(p, r, j));                        \
      left = 2;                                                        \
    } else {                                                           \
      compute(1, p, s, by, along_row(p, r, j));                        \
    }                                                                  \
  }

/* compute(Q, place) over all columns of LANES rows from r on. */
#define DOWN_ROWS(p, r, compute)               \
  for (int j = 0; j < p->padded; j += VL)      \
    compute(LANES, p, s, by, down_rows(p, r, j));

ALWAYS_INLINE float *values(const plan *p, const step *s, int k, place w) {
  return s->z + p->gate[k].slot * s->gap + w.z;
}

/* A gate's values by its activation; a HEAVY one's are kept in their place. Those that
 * share the candidate's sums come before it, and a TIED one's from the other gate. */
ALWAYS_INLINE lanes new_value(const int Q, const plan *p, const step *s, int k,
                               int32_t function, place w, lanes read) {
  const gate_plan *g = &p->gate[k];
  if (g->kind == STATIC) return load_rows(Q, g->fixed + w.j, w.column);
  if (g->kind == TIED) return spread(Q, all(0));
  lanes z = g->kind == HEAVY ? load_rows(Q, values(p, s, g->sums, w), w.next)
            : g->bias        ? load_rows(Q, g->bias + w.j, w.column)
                             : spread(Q, all(0));
  if (g->sums != k) {
    lanes b = load_rows(Q, g->bias + w.j, w.column);
    EACH(z.v[q] += b.v[q]);
  }
  if (g->vector) {
    lanes u = load_rows(Q, g->vector + w.j, w.column);
    EACH(z.v[q] += read.v[q] * u.v[q]);
  }
  z = activate(Q, function, z);
  if (g->kind == HEAVY) store_rows(Q, values(p, s, k, w), w.next, z);
  return z;
}

/* The same once it has been computed. */
ALWAYS_INLINE lanes gate_again(const int Q, const plan *p, const step *s, int k,
                               int32_t function, place w, lanes read) {
  return p->gate[k].kind == HEAVY ? load_rows(Q, values(p, s, k, w), w.next)
                                  : new_value(Q, p, s, k, function, w, read);
}

/* Whether LANES rows from r on can be taken together. */
ALWAYS_INLINE int all_live(const step *s, int r) {
  return r + LANES <= s->rows && (!s->live || !memchr(s->live + r, 0, LANES));
}

/* The complement of a gate that is worth f; see slimrnn.h. */
ALWAYS_INLINE lanes complement(const int Q, const plan *p, lanes f) {
  const float ratio = p->cell->ratio;
  lanes i, part;
  EACH(i.v[q] = 1.0f - f.v[q]);
  if (ratio == 1.0f) return i;
  EACH(part.v[q] = reciprocal(i.v[q] + ratio * f.v[q]));
  EACH(i.v[q] *= part.v[q]);
  return i;
}

/* What a gate is worth that is tied to it. */
ALWAYS_INLINE lanes tied_value(const int Q, const plan *p, lanes f) {
  lanes i = complement(Q, p, f);
  if (p->scaled) EACH(i.v[q] = p->zeta * i.v[q] + p->nu);
  return i;
}

/* Sets the one of the two that is tied to the other. */
ALWAYS_INLINE void tie(const int Q, const plan *p, lanes *i, lanes *f) {
  if (p->cell->tied < 0) return;
  if (p->cell->tied == p->cell->input)
    *i = tied_value(Q, p, *f);
  else
    *f = tied_value(Q, p, *i);
}

#endif
