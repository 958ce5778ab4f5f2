/* A sequence of steps, backward: the loop carries dh and dc only; the gradients of the
 * matrices are products over a chunk of steps at a time. */
#include "sequence.h"
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
    const panels b = panels_of(dz, vectors, tile_width(TILE_ROWS), p->padded);
    if (g->has_w) {
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
    if (g->has_u) {
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

/* What a chunk's step t reads and writes, or the steps from t on as one of more rows. */
static back_step step_of(const plan *p, const slim_backward_args *a, int rows, int64_t t,
                         const several_back *chunk, const float *seen, const scratch *s,
                         slim_sums *sums) {
  const ptrdiff_t at = t * chunk->step.rows * p->padded;
  const slim_forward_args *f = &a->forward;
  back_step b = {.s = chunk->step,
                 .dy = chunk->dy && !p->scans ? chunk->dy + at : NULL,
                 .dh = p->scans ? s->dhs : s->dh, .dc = p->scans ? s->dcs : s->dc,
                 .dseen = s->dseen, .direct = f->recurrent_mask ? s->direct : s->dseen,
                 .dread = s->dread, .dupdate = s->dupdate, .sums = sums};
  b.s.rows = rows;
  b.s.ahead = -STEPS_AHEAD * (ptrdiff_t)rows * p->padded;
  b.s.h += at, b.s.h1 += at, b.s.z += at;
  if (b.s.c) b.s.c += at, b.s.c1 += at;
  b.s.live = live_rows(f, s, rows, t);
  b.s.seen = seen + at;
  b.s.read = p->resets ? s->reads + at : s->read;
  for (int k = 0; k < p->cell->gates; k++)
    if (p->gate[k].kind == HEAVY)
      b.dz[k] = s->dz + p->gate[k].slot * s->chunk * chunk->step.rows * p->padded + at;
  return b;
}

static void backward_step(const plan *p, const back_step *b) {
  if (p->has_c)
    backward_lstm(p, b);
  else
    backward_mix(p, b);
}

/* The steps of a chunk, the last one first; where p->scans, their dh and dc are known. */
static void backward_steps(const plan *p, const slim_backward_args *a,
                           const several_back *chunk, const float *seen, scratch *s,
                           slim_sums *sums) {
  const int rows = chunk->step.rows;
  if (p->scans) {
    const back_step b = step_of(p, a, (int)chunk->steps * rows, 0, chunk, seen, s, sums);
    backward_step(p, &b);
    return;
  }
  for (int64_t t = chunk->steps - 1; t >= 0; t--) {
    const back_step b = step_of(p, a, rows, t, chunk, seen, s, sums);
    backward_step(p, &b);
    if (a->forward.recurrent_mask)
      for (ptrdiff_t at = 0; at < (ptrdiff_t)rows * p->padded; at += VL)
        store(s->dh + at, load(s->direct + at) +
                              load(s->dseen + at) * load(s->recurrent_mask + at));
    else {
      float *was = s->dh;
      s->dh = s->dseen;
      s->dseen = was;
    }
  }
}

/* h as the gates of a chunk's steps saw it. */
static const float *seen_of(const plan *p, const scratch *s, const several_back *chunk) {
  const ptrdiff_t state = (ptrdiff_t)chunk->step.rows * p->padded;
  if (!s->recurrent_mask) return chunk->step.h;
  for (int64_t t = 0; t < chunk->steps; t++)
    for (ptrdiff_t at = 0; at < state; at += VL)
      store(s->seens + t * state + at,
            load(chunk->step.h + t * state + at) * load(s->recurrent_mask + at));
  return s->seens;
}

void SLIM_OF_ISA(slim_backward)(const plan *p, const slim_backward_args *a,
                                slim_part part, const float *tape, const float *after,
                                float *before, float *memory, slim_sums *sums) {
  const int rows = part.rows;
  const int64_t first = part.first;
  const size_t state = (size_t)rows * p->padded;
  const slim_forward_args *f = &a->forward;
  const int64_t time = f->time;
  const float *h = tape, *c = p->keeps_c ? tape + (time + 1) * state : NULL;
  const float *z = tape + (1 + p->keeps_c) * (time + 1) * state;
  scratch s;
  lay_out(&s, &(arena){memory, 0}, p, rows, time, 1, f->recurrent_mask != NULL);
  if (part.end < time) {
    memcpy(s.dh, after, state * sizeof *after);
    memcpy(s.dc, after + state, state * sizeof *after);
  } else {
    gather_rows(p, a->dlast[0], first, rows, s.dh);
    gather_rows(p, a->dlast[1], first, rows, s.dc);
  }
  if (f->recurrent_mask) gather_rows(p, f->recurrent_mask, first, rows, s.recurrent_mask);
  for (int64_t t1 = part.end, steps; t1 > part.begin; t1 -= steps) {
    steps = t1 - part.begin < s.chunk ? t1 - part.begin : s.chunk;
    const int64_t t0 = t1 - steps;
    several_back chunk = {
        .step = {.rows = rows, .h = h + t0 * state, .h1 = (float *)h + (t0 + 1) * state,
                 .z = (float *)z + t0 * state, .gap = time * state},
        .steps = steps, .dy = a->doutputs ? s.dy : NULL,
        .dh = s.dh, .dc = s.dc, .dhs = s.dhs, .dcs = s.dcs};
    if (c) {
      chunk.step.c = c + t0 * state;
      chunk.step.c1 = (float *)c + (t0 + 1) * state;
    }
    if (a->doutputs) gather_doutputs(p, a, first, rows, t0, steps, s.dy);
    gather_live(f, first, rows, t0, steps, &s);
    chunk.step.live = f->mask ? s.live : NULL;
    if (p->scans) scan_back(p, &chunk);
    if (!sums) continue;
    gather_inputs(p, f, first, rows, t0, steps, &s);
    const float *seen = seen_of(p, &s, &chunk);
    backward_steps(p, a, &chunk, seen, &s, sums);
    chunk_gradients(p, a, first, rows, t0, steps, seen, &s, sums);
  }
  if (before) {
    memcpy(before, s.dh, state * sizeof *before);
    memcpy(before + state, s.dc, state * sizeof *before);
  }
  if (part.begin) return;
  scatter_rows(p, s.dh, first, rows, a->dstates[0]);
  if (p->has_c) scatter_rows(p, s.dc, first, rows, a->dstates[1]);
}
