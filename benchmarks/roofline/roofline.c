/* The processor's limit, and how near the engine's product comes to it. */
#include <string.h>

#include "engine.h"
#include "kernel.h"

#if defined(__x86_64__)
extern const roofline_kernels roofline_avx512, roofline_avx2, roofline_baseline;
static const roofline_kernels *const builds[] = {&roofline_avx512, &roofline_avx2,
                                                 &roofline_baseline};
#elif defined(__ARM_NEON)
extern const roofline_kernels roofline_neon;
static const roofline_kernels *const builds[] = {&roofline_neon};
#else
extern const roofline_kernels roofline_baseline;
static const roofline_kernels *const builds[] = {&roofline_baseline};
#endif

enum { MOST_THREADS = 64 };
static const double MEASURE_SECONDS = 0.2;

/* One thread's share of a measurement: it works for a while, and counts. */
typedef struct {
  const roofline_kernels *kernels;
  double rates[MOST_THREADS];
  int rows, units;
  int64_t floats;
} measure;

static double over_all_threads(measure *m, const char *isa, int threads,
                               void (*work)(void *, int64_t)) {
  threads = threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads;
  for (size_t k = 0; k < sizeof builds / sizeof *builds; k++)
    if (!strcmp(builds[k]->name, isa)) m->kernels = builds[k];
  if (!m->kernels) return 0;
  slim_set_num_threads(threads);
  slim_parallel(work, m, threads, threads);
  double sum = 0;
  for (int k = 0; k < threads; k++) sum += m->rates[k];
  return sum;
}

static void do_multiply_adds(void *shared, int64_t task) {
  measure *m = shared;
  double done = 0, start = slim_seconds(), now;
  do {
    done += m->kernels->multiply_adds(10000);
    now = slim_seconds();
  } while (now - start < MEASURE_SECONDS);
  m->rates[task] = 2 * done / (now - start);
}

static void do_products(void *shared, int64_t task) {
  measure *m = shared;
  const int64_t n = round_up(m->units, PADDING), size = n * n + 2 * n * m->rows;
  float *memory = slim_acquire(size * sizeof(float));
  m->rates[task] = 0;
  if (!memory) return;
  memset(memory, 0, size * sizeof(float));
  double done = 0, start = slim_seconds(), now;
  do {
    done += m->kernels->products(memory, m->rows, m->units, 1000);
    now = slim_seconds();
  } while (now - start < MEASURE_SECONDS);
  m->rates[task] = done / (now - start);
  slim_release(memory);
}

static void do_reading(void *shared, int64_t task) {
  measure *m = shared;
  const size_t size = (m->floats + PADDING) * sizeof(float);
  float *memory = slim_acquire(size);
  m->rates[task] = 0;
  if (!memory) return;
  memset(memory, 0, size);
  double done = 0, start = slim_seconds(), now;
  do {
    done += m->kernels->reading(memory, m->floats, 1000);
    now = slim_seconds();
  } while (now - start < MEASURE_SECONDS);
  m->rates[task] = done / (now - start);
  slim_release(memory);
}

/* FLOP/s of all threads together; 0: there is no such instruction set. */
SLIM_API double roofline_peak(const char *isa, int threads) {
  measure m = {0};
  return over_all_threads(&m, isa, threads, do_multiply_adds);
}

/* The same of h U, (rows, units) times (units, units). */
SLIM_API double roofline_product(const char *isa, int threads, int rows, int units) {
  measure m = {.rows = rows, .units = units};
  return over_all_threads(&m, isa, threads, do_products);
}

/* Bytes/s at which a thread reads so many floats again and again, wherever they lie. */
SLIM_API double roofline_reading(const char *isa, int64_t floats) {
  measure m = {.floats = floats};
  return over_all_threads(&m, isa, 1, do_reading);
}
