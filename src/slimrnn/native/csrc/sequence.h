/* What a sequence's two directions share.
 *
 * x, and with it the products W x of many steps at once, come in chunks that stay in the
 * second-level cache.
 *
 * The tape: h before each step and after the last, (T + 1, R, padded); c likewise,
 * where the backward pass needs it; the values of each HEAVY gate, (T, R, padded). */
#ifndef SLIM_SEQUENCE_H
#define SLIM_SEQUENCE_H

#include "step.h"

/* The tape of a long sequence lies in no cache. Each step asks for what the one so many
 * steps later touches of it, line by line between its arithmetic, which hides the way.
 * Without, the backward pass of a cell without a matrix took twice as long and more; all
 * lines of a step asked for at once, hardly less. */
enum { STEPS_AHEAD = 2 };

/* What a chunk needs, and the whole sequence; see scratch_size. */
typedef struct {
  int64_t chunk;           /* steps */
  float *x;                /* (chunk, R, m) */
  uint8_t *live;           /* (chunk, R) */
  float *h, *c, *z;        /* the tape of a chunk, for what the tape lacks */
  float *recurrent_mask, *seen, *read;     /* (R, padded) */
  /* backward only */
  float *dz;               /* (heavy, chunk, R, padded) */
  float *dy;               /* (chunk, R, padded) */
  float *dhs, *dcs;        /* likewise, where p->scans: of each step */
  float *reads, *seens;    /* (chunk, R, padded): r * seen, and seen if not h */
  float *dx;               /* (chunk, R, padded inputs) */
  float *dh, *dc;          /* (R, padded) */
  float *dseen, *dread, *dupdate, *direct; /* likewise; where p->scans, of each step */
} scratch;

/* Steps of a chunk: as many as fill about 256 KB, so that its values and x are still
 * in the second-level cache when they are read again. */
static inline int64_t chunk_of(const plan *p, int64_t time) {
  const int64_t floats = (int64_t)p->rows * (p->padded * (p->heavy + 1) + p->m);
  int64_t chunk = 65536 / floats;
  chunk = chunk < 4 ? 4 : chunk > 64 ? 64 : chunk;
  return chunk < time ? chunk : time;
}

static inline void lay_out(scratch *s, arena *a, const plan *p, int rows, int64_t time,
                           int backward, int masked_recurrence) {
  const size_t state = (size_t)rows * p->padded;
  *s = (scratch){.chunk = chunk_of(p, time)};
  const size_t chunk = s->chunk;
  s->x = take(a, chunk * rows * p->m);
  s->live = (uint8_t *)take(a, chunk * rows / sizeof(float) + 1);
  const size_t at_once = p->scans ? chunk * state : state;
  s->read = take(a, at_once);
  if (masked_recurrence) {
    s->recurrent_mask = take(a, state);
    s->seen = take(a, state);
  }
  if (!backward) {
    s->h = take(a, (chunk + 1) * state);
    if (p->has_c) s->c = take(a, (chunk + 1) * state);
    s->z = take(a, p->heavy * chunk * state);
    return;
  }
  s->dz = take(a, p->heavy * chunk * state);
  s->dy = take(a, chunk * state);
  if (p->resets) s->reads = take(a, chunk * state);
  if (masked_recurrence) s->seens = take(a, chunk * state);
  s->dx = take(a, chunk * rows * p->padded_inputs);
  float **const each[] = {&s->dseen, &s->dread, &s->dupdate, &s->direct};
  for (size_t k = 0; k < sizeof each / sizeof *each; k++) *each[k] = take(a, at_once);
  s->dh = take(a, state);
  s->dc = take(a, state);
  if (!p->scans) return;
  s->dhs = take(a, at_once);
  if (p->has_c) s->dcs = take(a, at_once);
}

/* (R, padded) from rows of a (B, n) array; zeros where there is none. */
static inline void gather_rows(const plan *p, const float *from, int64_t first, int rows,
                               float *to) {
  memset(to, 0, (size_t)rows * p->padded * sizeof *to);
  if (from)
    for (int r = 0; r < rows; r++)
      memcpy(to + (size_t)r * p->padded, from + (first + r) * p->n, p->n * sizeof *to);
}

static inline void scatter_rows(const plan *p, const float *from, int64_t first,
                                int rows, float *to) {
  if (to)
    for (int r = 0; r < rows; r++)
      memcpy(to + (first + r) * p->n, from + (size_t)r * p->padded, p->n * sizeof *to);
}

/* Which rows of a chunk are live, (steps, R). */
static inline void gather_live(const slim_forward_args *a, int64_t first, int rows,
                               int64_t t0, int64_t steps, scratch *s) {
  if (!a->mask) return;
  for (int r = 0; r < rows; r++)
    for (int64_t t = 0; t < steps; t++)
      s->live[t * rows + r] = a->mask[(first + r) * a->time + t0 + t];
}

/* x of a chunk, (steps, R, m). What is masked becomes 0, so that not even a NaN of it
 * counts. */
static inline void gather_inputs(const plan *p, const slim_forward_args *a,
                                 int64_t first, int rows, int64_t t0, int64_t steps,
                                 scratch *s) {
  for (int r = 0; r < rows; r++) {
    const float *x = a->x + ((first + r) * a->time + t0) * p->m;
    for (int64_t t = 0; t < steps; t++) {
      float *to = s->x + (t * rows + r) * p->m;
      if (a->mask && !s->live[t * rows + r])
        memset(to, 0, p->m * sizeof *to);
      else
        memcpy(to, x + t * p->m, p->m * sizeof *to);
    }
  }
}

/* The rows of step t of a chunk that are live; NULL where all are. */
ALWAYS_INLINE const uint8_t *live_rows(const slim_forward_args *a, const scratch *s,
                                       int rows, int64_t t) {
  if (!a->mask) return NULL;
  const uint8_t *live = s->live + t * rows;
  return memchr(live, 0, rows) ? live : NULL;
}

#endif
