/* A sequence of steps, forward. */
#ifndef SLIM_SEQUENCE_FORWARD_H
#define SLIM_SEQUENCE_FORWARD_H

#include "sequence.h"
#include "step_forward.h"

/* The outputs of a chunk, from h after each of its steps. */
static void scatter_outputs(const plan *p, const slim_forward_args *a, int64_t first,
                            int rows, int64_t t0, int64_t steps, const float *h) {
  if (!a->outputs) return;
  for (int64_t t = 0; t < steps; t++)
    for (int r = 0; r < rows; r++, h += p->padded)
      memcpy(a->outputs + ((first + r) * a->time + t0 + t) * p->n, h, p->n * sizeof *h);
}

/* The steps of a chunk, from the states h and c; z: of its gates. */
static void forward_steps(const plan *p, const slim_forward_args *a, int rows,
                          int64_t steps, float *h, float *c, float *z, ptrdiff_t gap,
                          const scratch *s) {
  const size_t state = (size_t)rows * p->padded;
  step one = {.rows = rows, .h = h, .c = c, .h1 = h + state, .c1 = c ? c + state : NULL,
              .z = z, .gap = gap, .seen = h, .read = s->read,
              .ahead = a->tape ? STEPS_AHEAD * (ptrdiff_t)state : 0};
  if (p->scans && !a->mask) {
    scan(p, &one, steps);
    return;
  }
  for (int64_t t = 0; t < steps; t++) {
    one.live = live_rows(a, s, rows, t);
    forward_step(p, &one, s->recurrent_mask, s->seen);
    one.h = one.h1, one.h1 += state;
    if (c) one.c = one.c1, one.c1 += state;
    one.z += state;
  }
}

static void forward_part(const plan *p, const slim_forward_args *a, slim_part part,
                         int does, float *tape, float *memory) {
  const int rows = part.rows;
  const int64_t time = a->time, first = part.first;
  const size_t state = (size_t)rows * p->padded;
  const int tapes_c = tape && p->keeps_c;
  scratch s;
  lay_out(&s, &(arena){memory, 0}, p, rows, time, 0, a->recurrent_mask != NULL);
  float *h = tape ? tape : s.h; /* of the step that is next */
  float *c = tapes_c ? tape + (time + 1) * state : s.c;
  float *all_z = tape ? tape + (1 + tapes_c) * (time + 1) * state : s.z;
  if (does & SLIM_STEPS) {
    gather_rows(p, a->states[0], first, rows, h);
    if (c) gather_rows(p, a->states[1], first, rows, c);
  }
  if (a->recurrent_mask) gather_rows(p, a->recurrent_mask, first, rows, s.recurrent_mask);
  for (int64_t t0 = part.begin, steps; t0 < part.end; t0 += steps) {
    steps = part.end - t0 < s.chunk ? part.end - t0 : s.chunk;
    float *z = all_z + (tape ? t0 : 0) * state;
    const ptrdiff_t gap = (tape ? time : s.chunk) * state;
    gather_live(a, first, rows, t0, steps, &s);
    if (does & SLIM_VALUES) {
      gather_inputs(p, a, first, rows, t0, steps, &s);
      project(p, s.x, p->m, steps * rows, z, gap);
    }
    if (!(does & SLIM_STEPS)) continue;
    if (t0 && !tape) h = memcpy(s.h, h, state * sizeof *h);
    if (t0 && c && !tapes_c) c = memcpy(s.c, c, state * sizeof *c);
    forward_steps(p, a, rows, steps, h, c, z, gap, &s);
    scatter_outputs(p, a, first, rows, t0, steps, h + state);
    h += steps * state;
    if (c) c += steps * state;
  }
  if (!(does & SLIM_STEPS)) return;
  scatter_rows(p, h, first, rows, a->last[0]);
  if (c) scatter_rows(p, c, first, rows, a->last[1]);
}

#endif
