/* One step, and a sequence of them, backward: the loop carries dh and dc only; the
 * gradients of the matrices are products over a chunk of steps at a time. */
#ifndef SLIM_BACKWARD_H
#define SLIM_BACKWARD_H

#include "forward.h"

typedef struct {
  step s;                   /* the step as it was; h1: after it */
  const float *dy;          /* (R, padded): of this step's h, or NULL */
  const float *dh;          /* of h after the step, without dy */
  float *dc;                /* of c: after the step, then before it */
  float *dseen;             /* of h before the step as the gates see it */
  float *direct;            /* of h before the step otherwise; may be dseen */
  float *dread, *dupdate;
  float *dz[SLIM_GATES];    /* of the HEAVY gates' pre-activations */
  slim_sums *sums;
} back_step;

/* The sums of a gate's vectors, while the rows of one column pass by. */
typedef struct {
  vec vector, bias;
} column_sums;

ALWAYS_INLINE column_sums open_sums(const plan *p, const slim_sums *sums, int k,
                                    ptrdiff_t j) {
  column_sums c = {all(0), all(0)};
  if (p->gate[k].vector) c.vector = load(sums->of[k][SLIM_RECURRENT_VECTOR] + j);
  if (p->gate[k].bias) c.bias = load(sums->of[k][SLIM_BIAS] + j);
  return c;
}

ALWAYS_INLINE void close_sums(const plan *p, const slim_sums *sums, int k, ptrdiff_t j,
                              const column_sums *c) {
  if (p->gate[k].vector) store(sums->of[k][SLIM_RECURRENT_VECTOR] + j, c->vector);
  if (p->gate[k].bias) store(sums->of[k][SLIM_BIAS] + j, c->bias);
}

/* From the gradients of a gate's values y to those of what they were made of; adds its
 * share to the gradient of what the gate read through its vector. */
ALWAYS_INLINE void gate_back(const int Q, const plan *p, const back_step *b, int k,
                             int32_t function, place w, lanes dvalue, lanes y, lanes read,
                             lanes *dread, column_sums *c) {
  const gate_plan *g = &p->gate[k];
  if (!g->trained) return;
  lanes d;
  EACH d.v[q] = dvalue.v[q] * slope(function, y.v[q]);
  if (g->kind == HEAVY) store_rows(Q, b->dz[k] + w.at, p->padded, d);
  if (g->vector) {
    vec u = load(g->vector + w.j);
    EACH c->vector += d.v[q] * read.v[q];
    EACH dread->v[q] += d.v[q] * u;
  }
  if (g->bias) EACH c->bias += d.v[q];
}

ALWAYS_INLINE lanes times(const int Q, lanes a, lanes b) {
  EACH a.v[q] *= b.v[q];
  return a;
}

/* The gradient of h after the step. */
ALWAYS_INLINE lanes whole_dh(const int Q, const plan *p, const back_step *b, place w) {
  lanes dh = load_rows(Q, b->dh + w.at, p->padded);
  if (b->dy) {
    lanes dy = load_rows(Q, b->dy + w.at, p->padded);
    EACH dh.v[q] += dy.v[q];
  }
  return dh;
}

/* A row that is masked: its gradients pass through. */
ALWAYS_INLINE void pass_through(const plan *p, const back_step *b, place w) {
  const vec dh = whole_dh(1, p, b, w).v[0];
  for (int k = 0; k < p->cell->gates; k++)
    if (b->dz[k]) store(b->dz[k] + w.at, all(0));
  store(b->dseen + w.at, all(0));
  store(b->direct + w.at, dh);
}

/* to += dz U' of the gates that read the same. */
static void through_recurrent(const plan *p, const back_step *b, float *to, int after) {
  for (int k = 0; k < p->cell->gates; k++)
    if (p->gate[k].u.vectors && p->gate[k].after_reset == after)
      multiply(b->s.rows, p->n, (operand){b->dz[k], p->padded, 1}, p->gate[k].ut, to,
               p->padded, (target){to, p->padded});
}

ALWAYS_INLINE void lstm_rows_back(const int Q, const plan *p, const back_step *b,
                                  functions by, place w, column_sums *sums) {
  const slim_cell *cell = p->cell;
  const step *s = &b->s;
  const int I = cell->input, F = cell->forget, G = cell->candidate, O = cell->output;
  const ptrdiff_t row = p->padded;
  lanes seen = load_rows(Q, s->seen + w.at, row), dh = whole_dh(Q, p, b, w);
  lanes i = gate_again(Q, p, s, I, by.gates, w, seen);
  lanes f = gate_again(Q, p, s, F, by.gates, w, seen);
  lanes g = gate_again(Q, p, s, G, by.candidate, w, seen);
  lanes o = gate_again(Q, p, s, O, by.gates, w, seen);
  lanes old = p->keeps_c ? load_rows(Q, s->c + w.at, row) : spread(Q, all(0));
  lanes active = p->keeps_c
                     ? activate(Q, by.candidate, load_rows(Q, s->c1 + w.at, row))
                     : load_rows(Q, s->h1 + w.at, row);
  lanes dc = load_rows(Q, b->dc + w.at, row), dseen = spread(Q, all(0));
  EACH dc.v[q] += o.v[q] * dh.v[q] * slope(by.candidate, active.v[q]);
  gate_back(Q, p, b, I, by.gates, w, times(Q, dc, g), i, seen, &dseen, &sums[I]);
  gate_back(Q, p, b, F, by.gates, w, times(Q, dc, old), f, seen, &dseen, &sums[F]);
  gate_back(Q, p, b, G, by.candidate, w, times(Q, dc, i), g, seen, &dseen, &sums[G]);
  gate_back(Q, p, b, O, by.gates, w, times(Q, dh, active), o, seen, &dseen, &sums[O]);
  if (b->direct != b->dseen) store_rows(Q, b->direct + w.at, row, spread(Q, all(0)));
  store_rows(Q, b->dseen + w.at, row, dseen);
  store_rows(Q, b->dc + w.at, row, times(Q, dc, f));
}

ALWAYS_INLINE void backward_lstm_by(const plan *p, const back_step *b, functions by) {
  for (int j = 0; j < p->padded; j += VL) {
    column_sums sums[SLIM_GATES];
    for (int k = 0; k < SLIM_GATES; k++) sums[k] = open_sums(p, b->sums, k, j);
    for (int r = 0; r < b->s.rows;) {
      const place w = down_rows(p, r, j);
      if (all_live(&b->s, r)) {
        lstm_rows_back(LANES, p, b, by, w, sums);
        r += LANES;
        continue;
      }
      if (is_live(b->s.live, r))
        lstm_rows_back(1, p, b, by, w, sums);
      else
        pass_through(p, b, w);
      r++;
    }
    for (int k = 0; k < SLIM_GATES; k++) close_sums(p, b->sums, k, j, &sums[k]);
  }
}

static void backward_lstm(const plan *p, const back_step *b) {
  if (are_usual(p))
    backward_lstm_by(p, b, usual);
  else
    backward_lstm_by(p, b, functions_of(p));
  through_recurrent(p, b, b->dseen, 0);
}

/* The candidate, the share of the update gate and of what the candidate read. */
ALWAYS_INLINE void candidate_back(const int Q, const plan *p, const back_step *b,
                                  functions by, place w, column_sums *sums) {
  const slim_cell *cell = p->cell;
  const step *s = &b->s;
  const int G = cell->candidate;
  const ptrdiff_t row = p->padded;
  lanes dh = whole_dh(Q, p, b, w), h = load_rows(Q, s->h + w.at, row);
  lanes seen = load_rows(Q, s->seen + w.at, row), g = load_rows(Q, s->z[G] + w.at, row);
  lanes reset = gate_again(Q, p, s, cell->reset, by.gates, w, seen);
  lanes update = gate_again(Q, p, s, cell->update, by.gates, w, seen);
  lanes read = times(Q, reset, seen), dread = spread(Q, all(0)), dnew, dold, change;
  EACH {
    vec old = cell->keeps ? update.v[q] : 1.0f - update.v[q];
    vec difference = cell->keeps ? h.v[q] - g.v[q] : g.v[q] - h.v[q];
    dold.v[q] = dh.v[q] * old;
    dnew.v[q] = dh.v[q] * (1.0f - old);
    change.v[q] = dh.v[q] * difference;
  }
  gate_back(Q, p, b, G, by.candidate, w, dnew, g, read, &dread, sums);
  store_rows(Q, s->read + w.at, row, read);
  store_rows(Q, b->dread + w.at, row, dread);
  store_rows(Q, b->dupdate + w.at, row, change);
  store_rows(Q, b->direct + w.at, row, dold);
}

/* A masked row of it; what it read counts for nothing, but must be a number. */
ALWAYS_INLINE void candidate_passes(const plan *p, const back_step *b, place w) {
  pass_through(p, b, w);
  store(b->s.read + w.at, all(0));
  store(b->dread + w.at, all(0));
  store(b->dupdate + w.at, all(0));
}

ALWAYS_INLINE void backward_candidate_by(const plan *p, const back_step *b,
                                         functions by) {
  const int G = p->cell->candidate;
  for (int j = 0; j < p->padded; j += VL) {
    column_sums sums = open_sums(p, b->sums, G, j);
    for (int r = 0; r < b->s.rows;) {
      const place w = down_rows(p, r, j);
      if (all_live(&b->s, r)) {
        candidate_back(LANES, p, b, by, w, &sums);
        r += LANES;
        continue;
      }
      if (is_live(b->s.live, r))
        candidate_back(1, p, b, by, w, &sums);
      else
        candidate_passes(p, b, w);
      r++;
    }
    close_sums(p, b->sums, G, j, &sums);
  }
}

/* The other gates. */
ALWAYS_INLINE void gates_back(const int Q, const plan *p, const back_step *b,
                              functions by, place w, column_sums *sums) {
  const int U = p->cell->update, R = p->cell->reset;
  const step *s = &b->s;
  const ptrdiff_t row = p->padded;
  lanes seen = load_rows(Q, s->seen + w.at, row);
  lanes dread = load_rows(Q, b->dread + w.at, row);
  lanes dupdate = load_rows(Q, b->dupdate + w.at, row);
  lanes reset = gate_again(Q, p, s, R, by.gates, w, seen);
  lanes dreset = times(Q, dread, seen), dseen = times(Q, dread, reset);
  if (R == U)
    EACH dupdate.v[q] += dreset.v[q];
  else
    gate_back(Q, p, b, R, by.gates, w, dreset, reset, seen, &dseen, &sums[R]);
  lanes update = gate_again(Q, p, s, U, by.gates, w, seen);
  gate_back(Q, p, b, U, by.gates, w, dupdate, update, seen, &dseen, &sums[U]);
  if (b->direct == b->dseen) {
    lanes direct = load_rows(Q, b->direct + w.at, row);
    EACH dseen.v[q] += direct.v[q];
  }
  store_rows(Q, b->dseen + w.at, row, dseen);
}

ALWAYS_INLINE void backward_gates_by(const plan *p, const back_step *b, functions by) {
  const int U = p->cell->update, R = p->cell->reset;
  for (int j = 0; j < p->padded; j += VL) {
    column_sums sums[SLIM_GATES];
    sums[U] = open_sums(p, b->sums, U, j);
    sums[R] = open_sums(p, b->sums, R, j);
    for (int r = 0; r < b->s.rows;) {
      const place w = down_rows(p, r, j);
      if (all_live(&b->s, r)) {
        gates_back(LANES, p, b, by, w, sums);
        r += LANES;
        continue;
      }
      if (is_live(b->s.live, r)) gates_back(1, p, b, by, w, sums);
      r++;
    }
    close_sums(p, b->sums, U, j, &sums[U]);
    if (R != U) close_sums(p, b->sums, R, j, &sums[R]);
  }
}

static void backward_mix(const plan *p, const back_step *b) {
  const int is_usual = are_usual(p);
  if (is_usual)
    backward_candidate_by(p, b, usual);
  else
    backward_candidate_by(p, b, functions_of(p));
  through_recurrent(p, b, b->dread, 1);
  if (is_usual)
    backward_gates_by(p, b, usual);
  else
    backward_gates_by(p, b, functions_of(p));
  through_recurrent(p, b, b->dseen, 0);
}

/* The gradients of the matrices and of x, over a chunk of steps. `seen`: what the
 * gates saw of h, (steps, R, padded). */
static void chunk_gradients(const plan *p, const slim_backward_args *a, int64_t first,
                            int rows, int64_t t0, int64_t steps, const float *seen,
                            const scratch *s, slim_sums *sums) {
  const ptrdiff_t count = steps * rows, state = (ptrdiff_t)rows * p->padded;
  const int vectors = p->padded / VL;
  const float *start = p->zeros;
  for (int k = 0; k < p->cell->gates; k++) {
    const gate_plan *g = &p->gate[k];
    if (g->kind != HEAVY) continue;
    const float *dz = s->dz + g->slot * s->chunk * state;
    const panels b = {dz, vectors, tile_width(TILE_ROWS), p->padded};
    if (g->w.vectors) {
      float *sum = sums->of[k][SLIM_KERNEL];
      multiply(p->m, count, (operand){s->x, 1, p->m}, b, sum, p->padded,
               (target){sum, p->padded});
      if (a->dx) {
        multiply(count, p->n, (operand){dz, p->padded, 1}, g->wt, start,
                 start == p->zeros ? 0 : p->padded_inputs,
                 (target){s->dx, p->padded_inputs});
        start = s->dx;
      }
    }
    if (g->u.vectors) {
      float *sum = sums->of[k][SLIM_RECURRENT_KERNEL];
      multiply(p->n, count, (operand){g->after_reset ? s->reads : seen, 1, p->padded}, b,
               sum, p->padded, (target){sum, p->padded});
    }
  }
  if (!a->dx) return;
  for (int r = 0; r < rows; r++)
    for (int64_t t = 0; t < steps; t++)
      memcpy(a->dx + ((first + r) * a->forward.time + t0 + t) * p->m,
             s->dx + (t * rows + r) * p->padded_inputs, p->m * sizeof *a->dx);
}

static void gather_doutputs(const plan *p, const slim_backward_args *a, int64_t first,
                            int rows, int64_t t0, int64_t steps, float *to) {
  for (int64_t t = 0; t < steps; t++)
    for (int r = 0; r < rows; r++, to += p->padded) {
      memcpy(to, a->doutputs + ((first + r) * a->forward.time + t0 + t) * p->n,
             p->n * sizeof *to);
      memset(to + p->n, 0, (p->padded - p->n) * sizeof *to);
    }
}

static void backward_rows(const plan *p, const slim_backward_args *a, int64_t first,
                          int rows, const float *tape, float *memory, slim_sums *sums) {
  const size_t state = (size_t)rows * p->padded;
  const slim_forward_args *f = &a->forward;
  const int64_t time = f->time;
  const float *h = tape, *c = p->keeps_c ? tape + (time + 1) * state : NULL;
  const float *z = tape + (1 + p->keeps_c) * (time + 1) * state;
  scratch s;
  lay_out(&s, &(arena){memory, 0}, p, rows, time, 1, f->recurrent_mask != NULL);
  gather_rows(p, a->dlast[0], first, rows, s.dh);
  gather_rows(p, a->dlast[1], first, rows, s.dc);
  if (f->recurrent_mask) gather_rows(p, f->recurrent_mask, first, rows, s.recurrent_mask);
  for (int64_t t1 = time, steps; t1 > 0; t1 -= steps) {
    steps = t1 < s.chunk ? t1 : s.chunk;
    const int64_t t0 = t1 - steps;
    gather_inputs(p, f, first, rows, t0, steps, &s);
    if (a->doutputs) gather_doutputs(p, a, first, rows, t0, steps, s.dy);
    if (f->recurrent_mask)
      for (int64_t t = 0; t < steps; t++)
        for (size_t at = 0; at < state; at += VL)
          store(s.seens + t * state + at,
                load(h + (t0 + t) * state + at) * load(s.recurrent_mask + at));
    const float *seen = f->recurrent_mask ? s.seens : h + t0 * state;
    for (int64_t t = steps - 1; t >= 0; t--) {
      const float *before = h + (t0 + t) * state;
      back_step b = {
          .s = {.rows = rows, .h = before, .h1 = (float *)before + state,
                .live = live_rows(f, &s, rows, t), .seen = seen + t * state,
                .read = p->resets ? s.reads + t * state : s.read},
          .dy = a->doutputs ? s.dy + t * state : NULL,
          .dh = s.dh, .dc = s.dc, .dseen = s.dseen,
          .direct = f->recurrent_mask ? s.direct : s.dseen,
          .dread = s.dread, .dupdate = s.dupdate, .sums = sums};
      if (c) {
        b.s.c = c + (t0 + t) * state;
        b.s.c1 = (float *)b.s.c + state;
      }
      for (int k = 0; k < p->cell->gates; k++)
        if (p->gate[k].kind == HEAVY) {
          b.s.z[k] = (float *)z + (p->gate[k].slot * time + t0 + t) * state;
          b.dz[k] = s.dz + (p->gate[k].slot * s.chunk + t) * state;
        }
      if (p->has_c)
        backward_lstm(p, &b);
      else
        backward_mix(p, &b);
      if (f->recurrent_mask)
        for (size_t at = 0; at < state; at += VL)
          store(s.dh + at, load(s.direct + at) +
                               load(s.dseen + at) * load(s.recurrent_mask + at));
      else {
        float *was = s.dh;
        s.dh = s.dseen;
        s.dseen = was;
      }
    }
    chunk_gradients(p, a, first, rows, t0, steps, seen, &s, sums);
  }
  scatter_rows(p, s.dh, first, rows, a->dstates[0]);
  if (p->has_c) scatter_rows(p, s.dc, first, rows, a->dstates[1]);
}

#endif
