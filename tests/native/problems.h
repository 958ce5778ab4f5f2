/* Random cells and sequences. Every buffer is as large as slimrnn.h says and no larger,
 * so that AddressSanitizer sees whoever goes beyond; what the engine has to write is NaN
 * before. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slimrnn.h"

#define TOOL static inline

extern int failures;

#define CHECK(condition, ...)                                \
  do {                                                       \
    if (!(condition)) {                                      \
      __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);    \
      fprintf(stderr, "line %d: %s: ", __LINE__, #condition); \
      fprintf(stderr, __VA_ARGS__);                          \
      fputc('\n', stderr);                                   \
    }                                                        \
  } while (0)

/* A case: random numbers, its memory, and what the engine wrote. */
typedef struct {
  uint64_t seed, state;
  void *memory[160];
  int pieces;
  struct {
    const float *at;
    size_t count;
  } written[32];
  int results;
} problem;

TOOL uint32_t below(problem *p, uint32_t limit) {
  p->state = p->state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(p->state >> 33) % limit;
}

#define ANY_OF(p, ...) \
  ((int[]){__VA_ARGS__})[below(p, sizeof(int[]){__VA_ARGS__} / sizeof(int))]

TOOL float within(problem *p, float scale) {
  return scale * ((float)below(p, 20001) / 10000 - 1);
}

TOOL problem begin(uint64_t seed) { return (problem){.seed = seed, .state = seed * 977}; }

TOOL void end(problem *p) {
  while (p->pieces) free(p->memory[--p->pieces]);
}

TOOL void *piece(problem *p, size_t bytes) {
  void *memory = malloc(bytes);
  if (!memory) abort();
  return p->memory[p->pieces++] = memory;
}

/* Random floats, |x| <= scale, or all NaN or 0 where `scale` is. They end where their
 * memory does; half of them begin at no multiple of 16. */
TOOL float *floats(problem *p, size_t count, float scale) {
  const size_t offset = below(p, 2);
  float *at = (float *)piece(p, (count + offset) * sizeof(float)) + offset;
  for (size_t k = 0; k < count; k++) at[k] = scale > 0 ? within(p, scale) : scale;
  return at;
}

TOOL slim_buffer buffer(problem *p, size_t count, float scale) {
  return (slim_buffer){floats(p, count, scale), count};
}

TOOL slim_buffer maybe(problem *p, size_t count, float scale) {
  return below(p, 4) ? buffer(p, count, scale) : (slim_buffer){NULL, 0};
}

/* What the engine has to write. */
TOOL slim_buffer result(problem *p, size_t count) {
  slim_buffer b = buffer(p, count, NAN);
  p->written[p->results].at = b.at;
  p->written[p->results++].count = count;
  return b;
}

/* All that was written, in one piece. */
typedef struct {
  float *at;
  size_t count;
} record;

TOOL record note(problem *p) {
  record all = {NULL, 0};
  for (int k = 0; k < p->results; k++) all.count += p->written[k].count;
  float *to = all.at = malloc(all.count * sizeof(float));
  if (!to) abort();
  for (int k = 0; k < p->results; k++) {
    size_t strange = 0;
    for (size_t j = 0; j < p->written[k].count; j++)
      strange += !isfinite(*to++ = p->written[k].at[j]);
    CHECK(!strange, "case %llu, result %d: %zu of %zu", (unsigned long long)p->seed, k,
          strange, p->written[k].count);
  }
  return all;
}

TOOL void same(record a, record b, uint64_t seed, const char *what) {
  CHECK(a.count == b.count && !memcmp(a.at, b.at, a.count * sizeof(float)),
        "case %llu, %s", (unsigned long long)seed, what);
}

TOOL slim_cell random_cell(problem *p, int features, int units, int reads_h) {
  const float constants[] = {1, 0.4f, 0.96f, 0};
  const int with_c = below(p, 2), resets_product = reads_h && !with_c && !below(p, 3);
  const int gates = with_c ? 4 : 2 + below(p, 2) + resets_product;
  int order[4] = {0, 1, 2, 3};
  for (int k = gates - 1; k > 0; k--) {
    const int j = below(p, k + 1), was = order[k];
    order[k] = order[j];
    order[j] = was;
  }
  slim_cell cell = {.features = features, .units = units, .gates = gates, .input = -1,
                    .forget = -1, .output = -1, .update = -1, .reset = -1, .tied = -1,
                    .product = -1};
  cell.candidate = order[0];
  if (with_c) {
    cell.input = order[1];
    cell.forget = order[2];
    cell.output = order[3];
    cell.tied = ANY_OF(p, -1, cell.input, cell.forget);
  } else {
    cell.update = order[1];
    cell.reset = order[gates - 1 - resets_product];
    if (resets_product) cell.product = order[gates - 1];
    cell.keeps = below(p, 2);
  }
  cell.activation = below(p, SLIM_ACTIVATIONS);
  cell.recurrent_activation = below(p, SLIM_ACTIVATIONS);
  cell.state_activation = below(p, SLIM_ACTIVATIONS);
  /* Beyond a gate's values a shifted complement has a pole. */
  const int is_gate = cell.recurrent_activation == SLIM_SIGMOID ||
                      cell.recurrent_activation >= SLIM_HARD_SIGMOID;
  cell.ratio = is_gate && below(p, 2) ? 0.3679f : 1.0f;
  for (int k = 0; k < gates; k++) {
    slim_gate *gate = &cell.gate[k];
    /* A forget gate of more than 1 grows without end over many steps. */
    const int may_grow = reads_h || cell.tied == cell.input;
    gate->terms[SLIM_TIE_SCALARS] = k == cell.tied && may_grow && below(p, 2);
    if (k == cell.tied) continue;
    gate->shared = with_c && k != cell.candidate && !below(p, 4);
    if (gate->shared) {
      gate->terms[SLIM_BIAS] = 1;
      continue;
    }
    const int bias = below(p, 2) << SLIM_BIAS, kind = below(p, reads_h ? 8 : 2);
    const int of_candidate = resets_product ? 1 : 1 | kind;
    const int has = bias | (k == cell.candidate ? of_candidate
                            : k == cell.product ? (1 + kind % 3) << 1
                                                : kind);
    for (int w = 0; w <= SLIM_BIAS; w++) gate->terms[w] = has >> w & 1;
    gate->is_constant = !has;
    gate->constant = constants[below(p, 4)];
  }
  return cell;
}

TOOL void give_weights(problem *p, const slim_cell *cell, slim_buffer *weights) {
  const float rows[] = {cell->features, cell->units, 1, 1, 1};
  for (int w = 0; w < SLIM_WEIGHTS; w++) {
    const int64_t count = slim_elements(cell, 1, 1, SLIM_WEIGHT + w);
    weights[w] = count ? buffer(p, count, 0.2f / sqrtf(rows[w])) : (slim_buffer){NULL, 0};
  }
}

/* LARGE is worth three threads; LONG, of cells whose gates do not read h, is split in
 * time. */
enum { SMALL, LARGE, LONG };

/* Sizes, cell and inputs of a sequence; without what it writes. */
TOOL slim_sequence random_sequence(problem *p, int size, slim_cell *cell) {
  int64_t m, n, work;
  slim_sequence s = {0};
  if (size == LONG) {
    s.batch = ANY_OF(p, 1, 2, 5, 6, 7);
    s.time = ANY_OF(p, 2048, 2100, 3333);
    m = ANY_OF(p, 1, 3, 8);
    n = ANY_OF(p, 16, 17, 33);
  } else do {
    s.batch = ANY_OF(p, 1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 40, 150);
    s.time = ANY_OF(p, 1, 2, 3, 4, 5, 16, 33, 70);
    m = ANY_OF(p, 1, 2, 3, 8, 15, 16, 17, 32, 50);
    n = ANY_OF(p, 1, 2, 7, 15, 16, 17, 31, 33, 64, 100);
    work = s.batch * s.time * n * (m + n);
  } while (size == LARGE ? work < 4000000 || work > 8000000 : work > 500000);
  *cell = random_cell(p, (int)m, (int)n, size != LONG);
  const int endless = cell->activation == SLIM_RELU || cell->activation == SLIM_LINEAR ||
                      cell->state_activation == SLIM_RELU ||
                      cell->state_activation == SLIM_LINEAR ||
                      cell->recurrent_activation == SLIM_RELU ||
                      cell->recurrent_activation == SLIM_LINEAR;
  if (size == LONG) /* or states may grow without end, here by tanh's 1 - f, too */
    cell->activation = cell->state_activation = SLIM_TANH,
    cell->recurrent_activation = SLIM_SIGMOID;
  else if (endless && s.time > 8)
    s.time = 8;
  const int64_t B = s.batch, T = s.time;
  give_weights(p, cell, &s.buffer[SLIM_WEIGHT]);
  s.buffer[SLIM_X] = buffer(p, B * T * m, 1);
  if (below(p, 2)) {
    uint8_t *mask = piece(p, B * T);
    float *x = s.buffer[SLIM_X].at;
    const int often = 1 + below(p, 4);
    for (int64_t k = 0; k < B * T; k++) {
      mask[k] = k / T % 4 != 3 && below(p, often) ? 1 + below(p, 255) : 0;
      if (!mask[k]) x[k * m] = NAN; /* then x does not count, whatever it is */
    }
    s.buffer[SLIM_MASK] = (slim_buffer){mask, B * T};
  }
  for (int k = 0; k < 1 + (cell->forget >= 0); k++)
    s.buffer[SLIM_STATE + k] = maybe(p, B * n, 0.5f);
  if (below(p, 2)) s.buffer[SLIM_RECURRENT_MASK] = buffer(p, B * n, 1);
  return s;
}
