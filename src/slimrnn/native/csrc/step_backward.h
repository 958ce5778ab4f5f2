/* One step, backward, of a block of rows. */
#ifndef SLIM_STEP_BACK_H
#define SLIM_STEP_BACK_H

#include "step.h"

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

/* The sums of a gate's vectors, while the rows of one column pass by; of a scaled tie,
 * those of zeta and nu. */
typedef struct {
  vec vector, bias;
} column_sums;

ALWAYS_INLINE int has_vector(const plan *p, int k) {
  return p->gate[k].vector && p->gate[k].sums == k;
}

ALWAYS_INLINE int is_scaled(const plan *p, int k) {
  return p->scaled && p->gate[k].kind == TIED;
}

ALWAYS_INLINE column_sums open_sums(const plan *p, const slim_sums *sums, int k,
                                    ptrdiff_t j) {
  column_sums c = {all(0), all(0)};
  if (is_scaled(p, k)) {
    const float *tie = sums->of[k][SLIM_TIE_SCALARS] + j;
    return (column_sums){load(tie), load(tie + p->padded)};
  }
  if (has_vector(p, k)) c.vector = load(sums->of[k][SLIM_RECURRENT_VECTOR] + j);
  if (p->gate[k].bias) c.bias = load(sums->of[k][SLIM_BIAS] + j);
  return c;
}

ALWAYS_INLINE void close_sums(const plan *p, const slim_sums *sums, int k, ptrdiff_t j,
                              const column_sums *c) {
  if (is_scaled(p, k)) {
    float *tie = sums->of[k][SLIM_TIE_SCALARS] + j;
    store(tie, c->vector);
    store(tie + p->padded, c->bias);
  }
  if (has_vector(p, k)) store(sums->of[k][SLIM_RECURRENT_VECTOR] + j, c->vector);
  if (p->gate[k].bias) store(sums->of[k][SLIM_BIAS] + j, c->bias);
}

/* From the gradients of a gate's values y to those of what they were made of; adds its
 * share to the gradient of what the gate read through its vector. `shared`: where the
 * gates that share the candidate's sums add what the candidate takes, or NULL. */
ALWAYS_INLINE void gate_back(const int Q, const plan *p, const back_step *b, int k,
                             int32_t function, place w, lanes dvalue, lanes y, lanes read,
                             lanes *dread, lanes *shared, column_sums *c) {
  const gate_plan *g = &p->gate[k];
  if (!g->trained) return;
  lanes d;
  EACH(d.v[q] = dvalue.v[q] * slope(function, y.v[q]));
  if (g->bias) EACH(c->bias += d.v[q]);
  if (shared && g->sums != k) {
    EACH(shared->v[q] += d.v[q]);
    return;
  }
  if (shared && k == p->cell->candidate) EACH(d.v[q] += shared->v[q]);
  if (g->kind == HEAVY) store_rows(Q, b->dz[k] + w.at, p->padded, d);
  if (g->vector) {
    vec u = load(g->vector + w.j);
    EACH(c->vector += d.v[q] * read.v[q]);
    EACH(dread->v[q] += d.v[q] * u);
  }
}

ALWAYS_INLINE lanes times(const int Q, lanes a, lanes b) {
  EACH(a.v[q] *= b.v[q]);
  return a;
}

/* Of a tied gate the gradient becomes a part of the other one's. */
ALWAYS_INLINE void tie_back(const int Q, const plan *p, lanes i, lanes f, lanes *di,
                            lanes *df, column_sums *sums) {
  if (p->cell->tied < 0) return;
  const float ratio = p->cell->ratio;
  const int is_input = p->cell->tied == p->cell->input;
  const lanes from = is_input ? f : i;
  lanes d = is_input ? *di : *df, *to = is_input ? df : di, part;
  if (p->scaled) {
    column_sums *c = &sums[p->cell->tied];
    const lanes value = complement(Q, p, from);
    EACH(c->vector += d.v[q] * value.v[q]);
    EACH(c->bias += d.v[q]);
    EACH(d.v[q] *= p->zeta);
  }
  if (ratio != 1.0f) {
    EACH(part.v[q] = reciprocal(1.0f - from.v[q] + ratio * from.v[q]));
    EACH(d.v[q] *= ratio * part.v[q] * part.v[q]);
  }
  EACH(to->v[q] -= d.v[q]);
}

/* The gradient of h after the step. */
ALWAYS_INLINE lanes whole_dh(const int Q, const plan *p, const back_step *b, place w) {
  lanes dh = load_rows(Q, b->dh + w.at, p->padded);
  if (b->dy) {
    lanes dy = load_rows(Q, b->dy + w.at, p->padded);
    EACH(dh.v[q] += dy.v[q]);
  }
  return dh;
}

/* The tape, which an earlier step will read. */
ALWAYS_INLINE void ask_for_tape(const int Q, const plan *p, const step *s, place w) {
  ask_for_rows(Q, s->h + s->ahead + w.at, w.step, w.j);
  if (s->c) ask_for_rows(Q, s->c + s->ahead + w.at, w.step, w.j);
  for (int k = 0; k < p->heavy; k++)
    ask_for_rows(Q, s->z + k * s->gap + s->ahead + w.z, w.next, w.j);
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
    if (p->gate[k].has_u && p->gate[k].after_reset == after)
      multiply(b->s.rows, p->n, (operand){b->dz[k], p->padded, 1}, p->gate[k].ut, to,
               p->padded, (target){to, p->padded});
}

/* g(c) after the step. */
ALWAYS_INLINE lanes active_c(const int Q, const plan *p, const step *s, functions by,
                             place w) {
  return p->keeps_c ? activate(Q, by.state, load_rows(Q, s->c1 + w.at, w.step))
                    : load_rows(Q, s->h1 + w.at, w.step);
}

ALWAYS_INLINE void lstm_rows_back(const int Q, const plan *p, const back_step *b,
                                  functions by, place w, column_sums *sums) {
  const slim_cell *cell = p->cell;
  const step *s = &b->s;
  const int I = cell->input, F = cell->forget, G = cell->candidate, O = cell->output;
  const ptrdiff_t row = p->padded;
  ask_for_tape(Q, p, s, w);
  lanes seen = load_rows(Q, s->seen + w.at, row), dh = whole_dh(Q, p, b, w);
  lanes i = gate_again(Q, p, s, I, by.gates, w, seen);
  lanes f = gate_again(Q, p, s, F, by.gates, w, seen);
  lanes g = gate_again(Q, p, s, G, by.candidate, w, seen);
  lanes o = gate_again(Q, p, s, O, by.gates, w, seen);
  lanes old = p->keeps_c ? load_rows(Q, s->c + w.at, row) : spread(Q, all(0));
  lanes active = active_c(Q, p, s, by, w);
  lanes dc = load_rows(Q, b->dc + w.at, row), dseen = spread(Q, all(0)), shared = dseen;
  tie(Q, p, &i, &f);
  EACH(dc.v[q] += o.v[q] * dh.v[q] * slope(by.state, active.v[q]));
  lanes di = times(Q, dc, g), df = times(Q, dc, old), dO = times(Q, dh, active);
  tie_back(Q, p, i, f, &di, &df, sums);
  gate_back(Q, p, b, I, by.gates, w, di, i, seen, &dseen, &shared, &sums[I]);
  gate_back(Q, p, b, F, by.gates, w, df, f, seen, &dseen, &shared, &sums[F]);
  gate_back(Q, p, b, O, by.gates, w, dO, o, seen, &dseen, &shared, &sums[O]);
  gate_back(Q, p, b, G, by.candidate, w, times(Q, dc, i), g, seen, &dseen, &shared,
            &sums[G]);
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

/* Steps, the last one first, of a cell whose gates do not read h: of the states'
 * gradients alone. `step` is the first of them; dh and dc are carried. */
typedef struct {
  step step;
  int64_t steps;
  const float *dy; /* (steps, R, padded), or NULL */
  float *dh, *dc;  /* (R, padded): after the steps, then before them */
  float *dhs;      /* (steps, R, padded): of each step's h, with dy */
  float *dcs;      /* and of its c, without the part of that h */
} several_back;

ALWAYS_INLINE void scan_rows_back(const int Q, const plan *p, const several_back *b,
                                  functions by, place w) {
  const slim_cell *cell = p->cell;
  const step *s = &b->step;
  const ptrdiff_t r = w.at / p->padded, start = w.at, start_z = w.z;
  lanes dh = load_rows(Q, b->dh + start, w.step), none = spread(Q, all(0));
  lanes dc = p->has_c ? load_rows(Q, b->dc + start, w.step) : none;
  for (int64_t t = b->steps - 1; t >= 0; t--) {
    w.at = start + t * s->rows * p->padded;
    w.z = start_z + t * s->rows * p->pitch;
    if (b->dy) {
      const lanes dy = load_rows(Q, b->dy + w.at, w.step);
      EACH(dh.v[q] += dy.v[q]);
    }
    store_rows(Q, b->dhs + w.at, w.step, dh);
    if (p->has_c) store_rows(Q, b->dcs + w.at, w.step, dc);
    if (!is_live(s->live, (int)(t * s->rows + r))) continue;
    if (p->has_c) {
      lanes i = gate_again(Q, p, s, cell->input, by.gates, w, none);
      lanes f = gate_again(Q, p, s, cell->forget, by.gates, w, none);
      const lanes o = gate_again(Q, p, s, cell->output, by.gates, w, none);
      const lanes active = active_c(Q, p, s, by, w);
      tie(Q, p, &i, &f);
      EACH(dc.v[q] += o.v[q] * dh.v[q] * slope(by.state, active.v[q]));
      dc = times(Q, dc, f);
      dh = none;
    } else {
      const lanes update = gate_again(Q, p, s, cell->update, by.gates, w, none);
      EACH(dh.v[q] *= cell->keeps ? update.v[q] : 1.0f - update.v[q]);
    }
  }
  store_rows(Q, b->dh + start, w.step, dh);
  if (p->has_c) store_rows(Q, b->dc + start, w.step, dc);
}

static void scan_back(const plan *p, const several_back *s) {
  const functions by = functions_of(p);
  int r = 0;
  for (; !s->step.live && r + LANES <= s->step.rows; r += LANES)
    DOWN_ROWS(p, r, scan_rows_back)
  for (; r < s->step.rows; r++) ALONG_ROW(p, r, scan_rows_back)
}

/* The candidate, the share of the update gate and of what the candidate read. */
ALWAYS_INLINE void candidate_back(const int Q, const plan *p, const back_step *b,
                                  functions by, place w, column_sums *sums) {
  const slim_cell *cell = p->cell;
  const step *s = &b->s;
  const int G = cell->candidate;
  const ptrdiff_t row = p->padded;
  ask_for_tape(Q, p, s, w);
  lanes dh = whole_dh(Q, p, b, w), h = load_rows(Q, s->h + w.at, row);
  lanes seen = load_rows(Q, s->seen + w.at, row), g = load_rows(Q, values(p, s, G, w), w.next);
  lanes reset = gate_again(Q, p, s, cell->reset, by.gates, w, seen);
  lanes update = gate_again(Q, p, s, cell->update, by.gates, w, seen);
  lanes read = times(Q, reset, seen), dread = spread(Q, all(0)), dnew, dold, change;
  EACH({
    vec old = cell->keeps ? update.v[q] : 1.0f - update.v[q];
    vec difference = cell->keeps ? h.v[q] - g.v[q] : g.v[q] - h.v[q];
    dold.v[q] = dh.v[q] * old;
    dnew.v[q] = dh.v[q] * (1.0f - old);
    change.v[q] = dh.v[q] * difference;
  });
  gate_back(Q, p, b, G, by.candidate, w, dnew, g, read, &dread, NULL, sums);
  if (cell->product >= 0) dread = load_rows(Q, b->dz[G] + w.at, row);
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
  const int U = p->cell->update, R = p->cell->reset, N = p->cell->product;
  const step *s = &b->s;
  const ptrdiff_t row = p->padded;
  lanes seen = load_rows(Q, s->seen + w.at, row);
  lanes dread = load_rows(Q, b->dread + w.at, row);
  lanes dupdate = load_rows(Q, b->dupdate + w.at, row);
  lanes reset = gate_again(Q, p, s, R, by.gates, w, seen);
  lanes dreset = times(Q, dread, seen), dseen = times(Q, dread, reset);
  if (N >= 0) { /* r reset it, and not h */
    lanes product = gate_again(Q, p, s, N, SLIM_LINEAR, w, seen), dproduct = dseen;
    dreset = times(Q, dread, product);
    dseen = spread(Q, all(0));
    gate_back(Q, p, b, N, SLIM_LINEAR, w, dproduct, product, seen, &dseen, NULL, &sums[N]);
  }
  if (R == U)
    EACH(dupdate.v[q] += dreset.v[q]);
  else
    gate_back(Q, p, b, R, by.gates, w, dreset, reset, seen, &dseen, NULL, &sums[R]);
  lanes update = gate_again(Q, p, s, U, by.gates, w, seen);
  gate_back(Q, p, b, U, by.gates, w, dupdate, update, seen, &dseen, NULL, &sums[U]);
  if (b->direct == b->dseen) {
    lanes direct = load_rows(Q, b->direct + w.at, row);
    EACH(dseen.v[q] += direct.v[q]);
  }
  store_rows(Q, b->dseen + w.at, row, dseen);
}

ALWAYS_INLINE void backward_gates_by(const plan *p, const back_step *b, functions by) {
  const int U = p->cell->update, R = p->cell->reset, N = p->cell->product;
  for (int j = 0; j < p->padded; j += VL) {
    column_sums sums[SLIM_GATES];
    sums[U] = open_sums(p, b->sums, U, j);
    sums[R] = open_sums(p, b->sums, R, j);
    if (N >= 0) sums[N] = open_sums(p, b->sums, N, j);
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
    if (N >= 0) close_sums(p, b->sums, N, j, &sums[N]);
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

#endif
