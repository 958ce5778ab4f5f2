/* Streams against the engine. */
#include <pthread.h>

#include "problems.h"

/* A dense layer of (rows, inputs), in double. */
static void dense(const float *x, const float *w, const float *b, int rows, int inputs,
                  int outputs, double *y) {
  for (int r = 0; r < rows; r++) {
    double *row = y + r * outputs, most = -INFINITY, sum = 0;
    for (int j = 0; j < outputs; j++) {
      row[j] = b ? b[j] : 0;
      for (int i = 0; i < inputs; i++)
        row[j] += (double)x[r * inputs + i] * w[i * outputs + j];
      if (row[j] > most) most = row[j];
    }
    for (int j = 0; j < outputs; j++) sum += row[j] = exp(row[j] - most);
    for (int j = 0; j < outputs; j++) row[j] /= sum;
  }
}

/* A block of steps, whole and not; that it is the steps one by one, Python tests. */
static void run_checks_its_block(problem *p, slim_stream *stream, int B, int outputs,
                                 int rows) {
  enum { STEPS = 5 };
  int32_t *index = piece(p, STEPS * B * sizeof *index);
  for (int k = 0; k < STEPS * B; k++) index[k] = below(p, rows);
  const slim_buffer x = {index, STEPS * B}, y = buffer(p, STEPS * B * outputs, NAN);
  int64_t done = -1;
  CHECK(slim_stream_run(stream, x, y, STEPS, &done) == 0 && done == STEPS, "run");
  CHECK(slim_stream_run(stream, x, y, STEPS + 1, &done) == SLIM_BAD_BLOCK, "steps");
  CHECK(slim_stream_run(stream, x, y, 0, &done) == SLIM_BAD_BLOCK, "no step");
  index[2 * B] = -1;
  CHECK(slim_stream_run(stream, x, y, STEPS, &done) == 1 && done == 2, "a bad index");
}

/* Embedding, two cells and a softmax, a step at a time: as the engine over the
 * sequence, bit for bit, and the softmax as in double. */
void stream_case(uint64_t seed) {
  problem p = begin(seed), weights = begin(seed + 1);
  const int B = 1 + below(&p, 9), T = 1 + below(&p, 12), rows = 1 + below(&p, 20);
  const int m = ANY_OF(&p, 1, 3, 16, 17, 40), masked = below(&p, 2);
  const int units[] = {ANY_OF(&p, 1, 7, 16, 33, 100), ANY_OF(&p, 2, 16, 17, 64)};
  const int outputs = ANY_OF(&p, 1, 2, 10, 17, 100);
  const slim_buffer table = buffer(&p, rows * m, 1);
  int32_t *all = piece(&p, B * T * sizeof *all), *index = piece(&p, B * sizeof *index);
  uint8_t *mask = piece(&p, B * T);
  const slim_buffer x = buffer(&p, B * T * m, NAN), y = buffer(&p, B * outputs, NAN);
  for (int k = 0; k < B * T; k++) {
    mask[k] = (all[k] = below(&p, rows)) != 0;
    memcpy((float *)x.at + k * m, (float *)table.at + all[k] * m, m * sizeof(float));
  }
  slim_layer layers[4] = {{.kind = SLIM_LAYER_EMBEDDING, .inputs = rows, .outputs = m,
                           .mask_zero = masked, .weights = {table}}};
  slim_buffer expected[2], last[2][2];
  slim_cell *cells = piece(&weights, 2 * sizeof *cells);
  for (int k = 0, inputs = m; k < 2; inputs = units[k++]) {
    const int n = units[k], padded = slim_padded(n);
    cells[k] = random_cell(&p, inputs, n, 1);
    slim_layer *l = &layers[1 + k];
    *l = (slim_layer){.kind = SLIM_LAYER_CELL, .inputs = inputs, .outputs = n,
                      .cell = &cells[k]};
    slim_sequence s = {.batch = B, .time = T};
    slim_buffer *at = s.buffer;
    at[SLIM_X] = k ? expected[0] : x;
    if (masked) at[SLIM_MASK] = (slim_buffer){mask, B * T};
    give_weights(&weights, &cells[k], &at[SLIM_WEIGHT]);
    memcpy(l->weights, &at[SLIM_WEIGHT], sizeof l->weights);
    at[SLIM_OUTPUTS] = expected[k] = buffer(&p, B * T * n, NAN);
    for (int i = 0; i < 1 + (cells[k].forget >= 0); i++) {
      at[SLIM_STATE + i] = buffer(&p, B * n, 0.5f);
      at[SLIM_LAST + i] = last[k][i] = buffer(&p, B * n, NAN);
      l->states[i] = buffer(&p, B * padded, 0);
      for (int r = 0; r < B; r++)
        memcpy((float *)l->states[i].at + r * padded,
               (float *)at[SLIM_STATE + i].at + r * n, n * sizeof(float));
    }
    CHECK(slim_forward(&cells[k], &s) == SLIM_OK, "case %llu", (unsigned long long)seed);
  }
  const slim_buffer w = buffer(&p, units[1] * outputs, 1), bias = maybe(&p, outputs, 1);
  layers[3] = (slim_layer){.kind = SLIM_LAYER_DENSE, .inputs = units[1], .outputs = outputs,
                           .activation = SLIM_SOFTMAX, .weights = {w, bias}};
  slim_stream *stream = NULL;
  const int code = slim_stream_new(layers, 4, B, (slim_buffer){index, B}, y, &stream);
  CHECK(code == SLIM_OK, "case %llu: %s", (unsigned long long)seed, slim_error(code));
  end(&weights); /* copied */
  double *probabilities = piece(&p, B * outputs * sizeof *probabilities);
  for (int t = 0; t < T && stream; t++) {
    for (int r = 0; r < B; r++) index[r] = all[r * T + t];
    index[B - 1] = below(&p, 2) ? rows : -1;
    CHECK(slim_stream_step(stream) == B, "an index that the embedding does not have");
    index[B - 1] = all[(B - 1) * T + t];
    CHECK(slim_stream_step(stream) == 0, "case %llu", (unsigned long long)seed);
    for (int r = 0; r < B; r++) {
      const float *h = (float *)expected[1].at + (r * T + t) * units[1];
      CHECK(!memcmp((float *)layers[2].states[0].at + r * slim_padded(units[1]), h,
                    units[1] * sizeof *h),
            "case %llu: step %d is not the engine's", (unsigned long long)seed, t);
      dense(h, w.at, bias.at, 1, units[1], outputs, probabilities + r * outputs);
    }
    for (int k = 0; k < B * outputs; k++)
      CHECK(fabs(((float *)y.at)[k] - probabilities[k]) < 1e-5, "softmax: %g, not %g",
            ((float *)y.at)[k], probabilities[k]);
  }
  for (int k = 0; k < 2; k++)
    for (int s = 0; s < 2 && layers[1 + k].states[s].at; s++)
      for (int r = 0; r < B; r++)
        CHECK(!memcmp((float *)layers[1 + k].states[s].at + r * slim_padded(units[k]),
                      (float *)last[k][s].at + r * units[k], units[k] * sizeof(float)),
              "case %llu: state %d of cell %d", (unsigned long long)seed, s, k);
  if (stream) run_checks_its_block(&p, stream, B, outputs, rows);
  slim_stream_free(stream);
  end(&p);
}

/* Several callers of one stream. */
typedef struct {
  slim_stream *stream;
  int64_t steps, refused;
} shared_stream;

enum { TRIES = 2000 };

static void *step_often(void *shared) {
  shared_stream *s = shared;
  for (int k = 0; k < TRIES; k++) {
    const int code = slim_stream_step(s->stream);
    CHECK(code == 0 || code == SLIM_BUSY, "code %d", code);
    __atomic_add_fetch(code ? &s->refused : &s->steps, 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

/* h counts the steps that were taken: h = h + relu(1) of a cell without memory of x. */
void stream_of_several(void) {
  const float one = 1, zero = 0;
  float x = 1, y = 0, h[64] = {0}, c[64] = {0};
  slim_cell cell = {.features = 1, .units = 1, .gates = 4, .candidate = 2, .forget = 1,
                    .output = 3, .update = -1, .reset = -1, .tied = -1, .product = -1,
                    .activation = SLIM_LINEAR, .recurrent_activation = SLIM_LINEAR,
                    .state_activation = SLIM_LINEAR};
  for (int k = 0; k < SLIM_GATES; k++) {
    cell.gate[k].is_constant = k != cell.candidate;
    cell.gate[k].constant = 1;
  }
  cell.gate[cell.candidate].terms[SLIM_KERNEL] = 1;
  cell.gate[cell.candidate].terms[SLIM_BIAS] = 1;
  const int padded = slim_padded(1);
  const slim_layer layer = {.kind = SLIM_LAYER_CELL, .inputs = 1, .outputs = 1,
                            .cell = &cell,
                            .weights = {[SLIM_KERNEL] = {(void *)&one, 1},
                                        [SLIM_BIAS] = {(void *)&zero, 1}},
                            .states = {{h, padded}, {c, padded}}};
  shared_stream s = {0};
  const int code = slim_stream_new(&layer, 1, 1, (slim_buffer){&x, 1},
                                   (slim_buffer){&y, 1}, &s.stream);
  CHECK(code == SLIM_OK, "%s", slim_error(code));
  pthread_t callers[4];
  for (int k = 0; k < 4; k++) pthread_create(&callers[k], NULL, step_often, &s);
  for (int k = 0; k < 4; k++) pthread_join(callers[k], NULL);
  CHECK(s.steps + s.refused == 4 * TRIES, "each call is answered");
  CHECK(y == (float)s.steps && c[0] == y, "%g, not %lld steps", (double)y,
        (long long)s.steps);
  slim_stream_free(s.stream);
}
