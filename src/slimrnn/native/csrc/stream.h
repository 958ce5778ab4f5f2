/* A stream from within: what stream.c holds and what stream_layers.c computes on. */
#ifndef SLIM_STREAM_H
#define SLIM_STREAM_H

#include "engine.h"

typedef struct {
  slim_layer layer;
  slim_cell cell;
  slim_plan *plan;
  float *packed;  /* of a dense layer */
  float *out;     /* (steps, B, row) */
  float *scratch;
  int row;        /* floats of a row of out */
} part;

/* Steps that go through a layer before they go through the next one: so many, that a
 * product has some rows, and that what is between two layers stays in the cache. */
enum { MOST_STEPS = 32, MOST_FLOATS = 8192 };

struct slim_stream {
  const slim_kernels *kernels;
  int count, batch;
  int steps;      /* at once: 1 to MOST_STEPS */
  const void *x;
  float *y;
  int busy;       /* a step runs */
  int32_t *index; /* (steps, B): x as it was read, whatever another thread writes there */
  uint8_t *live;  /* (steps, B) */
  part parts[];
};

/* Some steps, on their way from layer to layer: (count, B, row). */
typedef struct {
  const float *x;
  ptrdiff_t row;
  int count;
  const uint8_t *live;  /* (count, B), or NULL: all */
  int of[MOST_STEPS];   /* which step of the stream's x each of them is */
} block;

/* How many steps a convolution looks at, the ones that it leaves out too. */
static inline int64_t span_of(const slim_layer *l) {
  return (l->taps - (int64_t)1) * l->dilation + 1;
}

/* What a layer makes of a block, into its part's out; `input`: the stream's x. */
void slim_embed(slim_stream *, const part *, block *);
void slim_mask(slim_stream *, const part *, block *);
void slim_skip(const slim_stream *, const part *, const block *, const float *input);
void slim_prelu(const slim_stream *, const part *, const block *);
void slim_pool(const slim_stream *, const part *, const block *);
void slim_normalize(const slim_stream *, const part *, const block *);

/* A layer of the last steps, which need not give one for each. */
void slim_take_windows(slim_stream *, const part *, block *);

#endif
