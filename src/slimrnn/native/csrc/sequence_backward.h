/* A sequence of steps, backward: the loop carries dh and dc only; the gradients of the
 * matrices are products over a chunk of steps at a time. */
#ifndef SLIM_BACKWARD_H
#define SLIM_BACKWARD_H

#include "sequence_forward.h"
#include "step_backward.h"

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
