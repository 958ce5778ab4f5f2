/* One step, forward, of a block of rows or of a stream. */
#ifndef SLIM_STEP_FORWARD_H
#define SLIM_STEP_FORWARD_H

#include "step.h"

static const functions usual_of_sums = {SLIM_TANH, SLIM_SIGMOID, SLIM_TANH, 1};

/* compute(p, s, functions), by what is known. */
#define AS_KNOWN(p, compute)                 \
  if (are_usual(p) && p->sums)               \
    compute(p, s, usual_of_sums);            \
  else if (are_usual(p))                     \
    compute(p, s, usual);                    \
  else                                       \
    compute(p, s, functions_of(p));

/* A gate's values where project may have computed them, or all gates are sums alone. */
ALWAYS_INLINE lanes gate_value(const int Q, const plan *p, const step *s, int k,
                               int32_t function, int sums, place w, lanes read) {
  if (sums) {
    lanes z = activate(Q, function, load_rows(Q, values(p, s, k, w), w.next));
    store_rows(Q, values(p, s, k, w), w.next, z);
    return z;
  }
  return p->gate[k].ahead ? load_rows(Q, values(p, s, k, w), w.next)
                          : new_value(Q, p, s, k, function, w, read);
}

/* A masked row keeps its state. */
ALWAYS_INLINE void keep_row(const plan *p, int r, const float *from, float *to) {
  const ptrdiff_t at = (ptrdiff_t)r * p->padded;
  if (from != to) memcpy(to + at, from + at, p->padded * sizeof *to);
}

/* The product of one row of a and packed panels, without a call for each of them: a small
 * cell's step took a fifth longer with it. */
static void multiply_row(ptrdiff_t K, const float *a, const panels *b, const float *start,
                         float *c) {
  const float *panel = b->at;
  for (int v = 0, width; v < b->vectors; v += width) {
    width = panel_width(*b, v);
    const operand row = {a, 0, 1};
    const target to = {c + v * VL, 0};
    switch (width) {
#define CASE(W) \
  case W: tile(1, W, K, row, panel, W * VL, start + v * VL, 0, to); break;
      CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
    }
    panel += K * width * VL;
  }
}

/* z += read U for the gates that read it; where there is no W, z = b + read U. */
static void add_recurrent(const plan *p, const step *s, const float *read, int after) {
  for (int k = 0; k < p->products; k++) {
    const product *u = &p->product[k];
    if (u->after_reset != after) continue;
    float *z = s->z + u->slot * s->gap;
    if (s->rows == 1)
      multiply_row(p->n, read, &u->u, u->start ? u->start : z, z);
    else
      multiply(s->rows, p->n, (operand){read, p->padded, 1}, u->u,
               u->start ? u->start : z, u->start ? 0 : p->pitch, (target){z, p->pitch});
  }
}

/* The tape, where a later step will put its states. */
ALWAYS_INLINE void ask_for_states(const int Q, const step *s, place w) {
  ask_for_rows(Q, s->h1 + s->ahead + w.at, w.step, w.j);
  if (s->c1) ask_for_rows(Q, s->c1 + s->ahead + w.at, w.step, w.j);
}

ALWAYS_INLINE void lstm_rows(const int Q, const plan *p, const step *s, functions by,
                             place w) {
  const slim_cell *cell = p->cell;
  lanes seen = load_rows(Q, s->seen + w.at, w.step);
  lanes i = gate_value(Q, p, s, cell->input, by.gates, by.sums, w, seen);
  lanes f = gate_value(Q, p, s, cell->forget, by.gates, by.sums, w, seen);
  lanes o = gate_value(Q, p, s, cell->output, by.gates, by.sums, w, seen);
  lanes g = gate_value(Q, p, s, cell->candidate, by.candidate, by.sums, w, seen);
  lanes c = load_rows(Q, s->c + w.at, w.step);
  if (!by.sums) tie(Q, p, &i, &f);
  EACH(c.v[q] = f.v[q] * c.v[q] + i.v[q] * g.v[q]);
  store_rows(Q, s->c1 + w.at, w.step, c);
  lanes h = activate(Q, by.state, c);
  EACH(h.v[q] *= o.v[q]);
  if (s->ahead) ask_for_states(Q, s, w);
  store_rows(Q, s->h1 + w.at, w.step, h);
}

ALWAYS_INLINE void forward_lstm_by(const plan *p, const step *s, functions by) {
  for (int r = 0; r < s->rows;) {
    if (all_live(s, r)) {
      DOWN_ROWS(p, r, lstm_rows)
      r += LANES;
      continue;
    }
    if (is_live(s->live, r)) {
      ALONG_ROW(p, r, lstm_rows)
    } else {
      keep_row(p, r, s->h, s->h1);
      keep_row(p, r, s->c, s->c1);
    }
    r++;
  }
}

static void forward_lstm(const plan *p, const step *s) {
  add_recurrent(p, s, s->seen, 0);
  AS_KNOWN(p, forward_lstm_by)
}

/* What the candidate reads, where the reset gate comes before the product; and the other
 * gates, while they are here. */
ALWAYS_INLINE void reset_rows(const int Q, const plan *p, const step *s, functions by,
                              place w) {
  const slim_cell *cell = p->cell;
  lanes seen = load_rows(Q, s->seen + w.at, w.step);
  lanes reset = gate_value(Q, p, s, cell->reset, by.gates, by.sums, w, seen);
  if (cell->update != cell->reset)
    gate_value(Q, p, s, cell->update, by.gates, by.sums, w, seen);
  EACH(reset.v[q] *= seen.v[q]);
  store_rows(Q, s->read + w.at, w.step, reset);
}

ALWAYS_INLINE void mix_rows(const int Q, const plan *p, const step *s, functions by,
                            place w) {
  const slim_cell *cell = p->cell;
  const int G = cell->candidate;
  lanes h = load_rows(Q, s->h + w.at, w.step);
  lanes seen = load_rows(Q, s->seen + w.at, w.step);
  lanes update, new;
  if (cell->product >= 0) {
    update = gate_value(Q, p, s, cell->update, by.gates, by.sums, w, seen);
    lanes reset = update;
    if (cell->update != cell->reset)
      reset = gate_value(Q, p, s, cell->reset, by.gates, by.sums, w, seen);
    lanes product = gate_value(Q, p, s, cell->product, SLIM_LINEAR, by.sums, w, seen);
    lanes z = load_rows(Q, values(p, s, G, w), w.next);
    EACH(z.v[q] += reset.v[q] * product.v[q]);
    new = activate(Q, by.candidate, z);
    store_rows(Q, values(p, s, G, w), w.next, new);
  } else {
    update = gate_again(Q, p, s, cell->update, by.gates, w, seen);
    lanes read = load_rows(Q, s->read + w.at, w.step);
    new = gate_value(Q, p, s, G, by.candidate, by.sums, w, read);
  }
  EACH({
    vec old = cell->keeps ? update.v[q] : 1.0f - update.v[q];
    h.v[q] = old * h.v[q] + (1.0f - old) * new.v[q];
  });
  if (s->ahead) ask_for_states(Q, s, w);
  store_rows(Q, s->h1 + w.at, w.step, h);
}

ALWAYS_INLINE void forward_reset_by(const plan *p, const step *s, functions by) {
  int r = 0;
  for (; r + LANES <= s->rows; r += LANES) DOWN_ROWS(p, r, reset_rows)
  for (; r < s->rows; r++) ALONG_ROW(p, r, reset_rows)
}

ALWAYS_INLINE void forward_mix_by(const plan *p, const step *s, functions by) {
  for (int r = 0; r < s->rows;) {
    if (all_live(s, r)) {
      DOWN_ROWS(p, r, mix_rows)
      r += LANES;
      continue;
    }
    if (is_live(s->live, r))
      ALONG_ROW(p, r, mix_rows)
    else
      keep_row(p, r, s->h, s->h1);
    r++;
  }
}

static void forward_mix(const plan *p, const step *s) {
  if (p->reads_h) add_recurrent(p, s, s->seen, 0);
  if (p->reads_h && p->resets) {
    AS_KNOWN(p, forward_reset_by)
    add_recurrent(p, s, s->read, 1);
  }
  AS_KNOWN(p, forward_mix_by)
}

/* Steps, one after the other, of a cell that has all its gates' values. */
typedef struct {
  step first;
  int64_t steps;
} several;

ALWAYS_INLINE void scan_rows(const int Q, const plan *p, const several *s, functions by,
                             place w) {
  const ptrdiff_t rows = s->first.rows;
  for (int64_t t = 0; t < s->steps; t++, w.at += rows * p->padded, w.z += rows * p->pitch)
    if (p->has_c)
      lstm_rows(Q, p, &s->first, by, w);
    else
      mix_rows(Q, p, &s->first, by, w);
}

static void scan(const plan *p, const step *first, int64_t steps) {
  const several s[1] = {{*first, steps}};
  const functions by = functions_of(p);
  int r = 0;
  for (; r + LANES <= first->rows; r += LANES) DOWN_ROWS(p, r, scan_rows)
  for (; r < first->rows; r++) ALONG_ROW(p, r, scan_rows)
}

/* One step, z given. */
static void forward_step(const plan *p, step *s, const float *recurrent_mask,
                         float *seen) {
  s->seen = s->h;
  if (recurrent_mask) {
    for (ptrdiff_t at = 0; at < (ptrdiff_t)s->rows * p->padded; at += VL)
      store(seen + at, load(s->h + at) * load(recurrent_mask + at));
    s->seen = seen;
  }
  if (p->has_c)
    forward_lstm(p, s);
  else
    forward_mix(p, s);
}

/* The values of the gates that are ahead. */
ALWAYS_INLINE void ahead_rows(const int Q, const plan *p, const step *s, functions by,
                              place w) {
  const int G = p->cell->candidate;
  const lanes none = spread(Q, all(0));
  for (int k = 0; k < p->cell->gates; k++)
    if (p->gate[k].ahead && k != G) new_value(Q, p, s, k, by.gates, w, none);
  if (p->gate[G].ahead) new_value(Q, p, s, G, by.candidate, w, none);
}

/* z = W x + b of the gates with W, or their values where that is all; those without
 * begin with b where they lie side by side. z: `gap` from gate to gate; x: (count, m), its
 * rows `row` floats apart. */
static void project(const plan *p, const float *x, ptrdiff_t row, ptrdiff_t count,
                    float *z, ptrdiff_t gap) {
  int any = 0;
  for (int k = 0; k < p->cell->gates; k++) {
    const gate_plan *g = &p->gate[k];
    const float *bias = g->bias ? g->bias : p->zeros;
    float *mine = z + g->slot * gap;
    if (g->has_w)
      multiply(count, p->m, (operand){x, row, 1}, g->w, bias, 0, (target){mine, p->pitch});
    else if (g->has_u && p->side_by_side)
      for (ptrdiff_t r = 0; r < count; r++, mine += p->pitch)
        memcpy(mine, bias, p->padded * sizeof *mine);
    any |= g->ahead;
  }
  if (!any) return;
  const functions by = functions_of(p);
  const step s[1] = {{.rows = (int)count, .z = z, .gap = gap}};
  int r = 0;
  for (; r + LANES <= count; r += LANES) DOWN_ROWS(p, r, ahead_rows)
  for (; r < count; r++) ALONG_ROW(p, r, ahead_rows)
}

/* Some steps of a stream. The products with x are one for all steps; then h goes from
 * step to step through `out`, (steps, rows, padded), and c in place, which is safe since a
 * step reads no element of it after it wrote it. */
static void stream_steps(const plan *p, int rows, int steps, const float *x,
                         ptrdiff_t row, float *h, float *c, const uint8_t *live,
                         float *out, float *memory) {
  const ptrdiff_t state = (ptrdiff_t)rows * p->padded, wide = (ptrdiff_t)rows * p->pitch;
  step one = {.rows = rows, .h = h, .c = c, .c1 = c, .z = memory, .gap = p->padded,
              .read = memory + steps * wide};
  project(p, x, row, (ptrdiff_t)steps * rows, memory, p->padded);
  for (int t = 0; t < steps; t++) {
    one.live = live ? live + (ptrdiff_t)t * rows : NULL;
    one.h1 = out + t * state;
    forward_step(p, &one, NULL, NULL);
    one.h = one.h1;
    one.z += wide;
  }
  memcpy(h, one.h, state * sizeof *h);
}

#endif
