/* The machine's limits, as the kernels can use them. */
#include <string.h>

#include "engine.h"

/* One thread's share of a measurement: it works for a while, and counts. */
typedef struct {
  const slim_kernels *kernels;
  void (*work)(void *measure, int64_t task);
  double rates[64];
  int64_t bytes;
  int rows, units;
} measure;

static const double WHILE = 0.2; /* seconds */

static double over_all_threads(measure *m, int threads) {
  const int most = sizeof m->rates / sizeof *m->rates;
  threads = threads < 1 ? 1 : threads > most ? most : threads;
  const int before = slim_num_threads();
  slim_set_num_threads(threads);
  slim_parallel(m->work, m, threads, threads);
  slim_set_num_threads(before);
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
  } while (now - start < WHILE);
  m->rates[task] = 2 * done / (now - start);
}

double slim_peak_flops(int threads) {
  measure m = {.kernels = slim_kernels_in_use(), .work = do_multiply_adds};
  return over_all_threads(&m, threads);
}

static void do_reads(void *shared, int64_t task) {
  measure *m = shared;
  float *memory = slim_acquire(m->bytes);
  m->rates[task] = 0;
  if (!memory) return;
  memset(memory, 0, m->bytes);
  volatile float kept;
  double done = 0, start = slim_seconds(), now;
  do {
    for (int64_t read = 0; read < 1 << 20; read += m->bytes) {
      kept = m->kernels->read(memory, m->bytes / (int64_t)sizeof(float));
      done += m->bytes;
    }
    now = slim_seconds();
  } while (now - start < WHILE);
  (void)kept;
  m->rates[task] = done / (now - start);
  slim_release(memory);
}

double slim_peak_bandwidth(int64_t bytes, int threads) {
  measure m = {.kernels = slim_kernels_in_use(), .work = do_reads};
  m.bytes = bytes < 4096 ? 4096 : bytes;
  return over_all_threads(&m, threads);
}

static void do_products(void *shared, int64_t task) {
  measure *m = shared;
  const int64_t n = slim_padded(m->units), size = n * n + 2 * n * m->rows;
  float *memory = slim_acquire(size * sizeof(float));
  m->rates[task] = 0;
  if (!memory) return;
  memset(memory, 0, size * sizeof(float));
  double done = 0, start = slim_seconds(), now;
  do {
    done += m->kernels->products(memory, m->rows, m->units, 1000);
    now = slim_seconds();
  } while (now - start < WHILE);
  m->rates[task] = done / (now - start);
  slim_release(memory);
}

double slim_product_flops(int rows, int units, int threads) {
  measure m = {.kernels = slim_kernels_in_use(), .work = do_products, .rows = rows,
               .units = units};
  return rows < 1 || units < 1 ? 0 : over_all_threads(&m, threads);
}
