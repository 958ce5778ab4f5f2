/* Streams against the engine. */
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

/* Embedding, two cells and a softmax, a step at a time: as the engine over the
 * sequence, bit for bit, and the softmax as in double. */
void stream_case(uint64_t seed) {
  problem p = begin(seed), weights = begin(seed + 1);
  const int B = 1 + below(&p, 9), T = 1 + below(&p, 12), rows = 1 + below(&p, 20);
  const int m = ANY_OF(&p, 1, 3, 16, 17, 40), masked = below(&p, 2);
  const int units[] = {ANY_OF(&p, 1, 7, 16, 33, 100), ANY_OF(&p, 2, 16, 17, 64)};
  const int outputs = ANY_OF(&p, 1, 2, 10, 17, 100);
  const float *table = floats(&p, rows * m, 1);
  int32_t *all = piece(&p, B * T * sizeof *all), *index = piece(&p, B * sizeof *index);
  uint8_t *mask = piece(&p, B * T);
  float *x = floats(&p, B * T * m, NAN), *y = floats(&p, B * outputs, NAN);
  for (int k = 0; k < B * T; k++) {
    mask[k] = (all[k] = below(&p, rows)) != 0;
    memcpy(x + k * m, table + all[k] * m, m * sizeof *x);
  }
  slim_layer layers[4] = {{.kind = SLIM_LAYER_EMBEDDING, .inputs = rows, .outputs = m,
                           .mask_zero = masked, .weights = {table}}};
  float *expected[2], *last[2][2];
  slim_cell *cells = piece(&weights, 2 * sizeof *cells);
  for (int k = 0, inputs = m; k < 2; inputs = units[k++]) {
    const int n = units[k], padded = slim_padded(n);
    size_t sizes[SLIM_WEIGHTS];
    cells[k] = random_cell(&p, inputs, n);
    slim_layer *l = &layers[1 + k];
    *l = (slim_layer){.kind = SLIM_LAYER_CELL, .inputs = inputs, .outputs = n,
                      .cell = &cells[k]};
    slim_forward_args a = {.batch = B, .time = T, .x = k ? expected[0] : x,
                           .x_strides = {T * inputs, inputs}, .mask = masked ? mask : NULL};
    give_weights(&weights, &cells[k], a.weights, sizes);
    reset_after(&weights, &cells[k], &a);
    memcpy(l->weights, a.weights, sizeof a.weights);
    l->reset_bias = a.reset_bias;
    a.outputs = expected[k] = floats(&p, B * T * n, NAN);
    for (int s = 0; s < 1 + (cells[k].forget >= 0); s++) {
      float *state = floats(&p, B * n, 0.5f);
      a.states[s] = state;
      a.last[s] = last[k][s] = floats(&p, B * n, NAN);
      l->states[s] = floats(&p, B * padded, 0);
      for (int r = 0; r < B; r++)
        memcpy(l->states[s] + r * padded, state + r * n, n * sizeof *state);
    }
    CHECK(slim_forward(&cells[k], &a) == SLIM_OK, "case %llu", (unsigned long long)seed);
  }
  const float *w = floats(&p, units[1] * outputs, 1), *bias = maybe(&p, outputs, 1);
  layers[3] = (slim_layer){.kind = SLIM_LAYER_DENSE, .inputs = units[1], .outputs = outputs,
                           .activation = SLIM_SOFTMAX, .weights = {w, bias}};
  slim_stream *stream = slim_stream_new(layers, 4, B, index, y);
  CHECK(stream, "case %llu", (unsigned long long)seed);
  end(&weights); /* copied */
  double *probabilities = piece(&p, B * outputs * sizeof *probabilities);
  for (int t = 0; t < T && stream; t++) {
    for (int r = 0; r < B; r++) index[r] = all[r * T + t];
    index[B - 1] = below(&p, 2) ? rows : -1;
    CHECK(slim_stream_step(stream) == B, "an index that the embedding does not have");
    index[B - 1] = all[(B - 1) * T + t];
    CHECK(slim_stream_step(stream) == 0, "case %llu", (unsigned long long)seed);
    for (int r = 0; r < B; r++) {
      const float *h = expected[1] + (r * T + t) * units[1];
      CHECK(!memcmp(layers[2].states[0] + r * slim_padded(units[1]), h,
                    units[1] * sizeof *h),
            "case %llu: step %d is not the engine's", (unsigned long long)seed, t);
      dense(h, w, bias, 1, units[1], outputs, probabilities + r * outputs);
    }
    for (int k = 0; k < B * outputs; k++)
      CHECK(fabs(y[k] - probabilities[k]) < 1e-5, "softmax: %g, not %g", y[k],
            probabilities[k]);
  }
  for (int k = 0; k < 2; k++)
    for (int s = 0; s < 2 && layers[1 + k].states[s]; s++)
      for (int r = 0; r < B; r++)
        CHECK(!memcmp(layers[1 + k].states[s] + r * slim_padded(units[k]),
                      last[k][s] + r * units[k], units[k] * sizeof(float)),
              "case %llu: state %d of cell %d", (unsigned long long)seed, s, k);
  slim_stream_free(stream);
  end(&p);
}
