/* The machine: threads, memory, and the mode of its floats. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "engine.h"

/* Threads ---------------------------------------------------------------------- */

/* Threads live for one call: that costs little beside a sequence that is worth one, and
 * there is no pool to be lost in a fork, to be shared by callers or to be starved by
 * another library's spinning one. */

static int wanted_threads; /* 0: the cores that the process may use */

void slim_set_num_threads(int count) {
  __atomic_store_n(&wanted_threads, count < 0 ? 0 : count, __ATOMIC_RELAXED);
}

int slim_num_threads(void) {
  const int wanted = __atomic_load_n(&wanted_threads, __ATOMIC_RELAXED);
  if (wanted) return wanted;
#if defined(__linux__)
  cpu_set_t set;
  if (!sched_getaffinity(0, sizeof set, &set)) return CPU_COUNT(&set);
#endif
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores < 1 ? 1 : (int)cores;
}

typedef struct {
  void (*task)(void *, int64_t);
  void *shared;
  int64_t tasks, next;
} work;

static void *take_tasks(void *argument) {
  work *w = argument;
  for (;;) {
    const int64_t k = __atomic_fetch_add(&w->next, 1, __ATOMIC_RELAXED);
    if (k >= w->tasks) return NULL;
    w->task(w->shared, k);
  }
}

enum { MOST_THREADS = 64 };

/* A new thread may run wherever its maker may, but not where its maker runs now. Linux
 * often starts it just there, and moves it only at the next tick: milliseconds in which
 * the two share a core. */
static pthread_attr_t *elsewhere(pthread_attr_t *attributes) {
#if defined(__GLIBC__)
  cpu_set_t set;
  const int cpu = sched_getcpu();
  if (cpu < 0 || sched_getaffinity(0, sizeof set, &set)) return NULL;
  CPU_CLR(cpu, &set);
  if (!CPU_COUNT(&set) || pthread_attr_init(attributes)) return NULL;
  if (!pthread_attr_setaffinity_np(attributes, sizeof set, &set)) return attributes;
  pthread_attr_destroy(attributes);
#else
  (void)attributes;
#endif
  return NULL;
}

void slim_parallel(void (*task)(void *, int64_t), void *shared, int64_t tasks,
                   int64_t worth) {
  work w = {task, shared, tasks, 0};
  int64_t threads = slim_num_threads();
  if (threads > tasks) threads = tasks;
  if (threads > worth) threads = worth;
  if (threads > MOST_THREADS) threads = MOST_THREADS;
  pthread_t others[MOST_THREADS];
  pthread_attr_t memory, *attributes = threads > 1 ? elsewhere(&memory) : NULL;
  int started = 0;
  /* A thread that cannot be had is done without. */
  while (started < threads - 1 &&
         !pthread_create(&others[started], attributes, take_tasks, &w))
    started++;
  if (attributes) pthread_attr_destroy(attributes);
  take_tasks(&w);
  for (int k = 0; k < started; k++) pthread_join(others[k], NULL);
}

/* Memory ----------------------------------------------------------------------- */

typedef struct {
  size_t bytes;
  char pad[56];
} header; /* 64 bytes, so that what follows is aligned */

enum { KEPT = 32 };
static const size_t MOST_KEPT = (size_t)256 << 20; /* bytes of all */
static header *kept[KEPT];
static size_t bytes_kept;
static unsigned next_slot;

static const size_t LARGE_PAGE = (size_t)2 << 20;

void slim_advise(void *memory, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (bytes < 2 * LARGE_PAGE) return;
  const uintptr_t first = ((uintptr_t)memory + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
  const uintptr_t last = ((uintptr_t)memory + bytes) & ~(LARGE_PAGE - 1);
  madvise((void *)first, last - first, MADV_HUGEPAGE); /* a hint: it may fail */
#else
  (void)memory, (void)bytes;
#endif
}

/* Where SLIM_POISON is defined, as in the sanitizers' builds, nothing is kept, and each
 * piece is full of NaN, so that whoever reads it before writing shows. */
#ifdef SLIM_POISON
enum { POISON = 1 };
#else
enum { POISON = 0 };
#endif

static void drop(header *h) {
  __atomic_sub_fetch(&bytes_kept, h->bytes, __ATOMIC_RELAXED);
  free(h);
}

static int put(int slot, header *h) {
  header *none = NULL;
  return __atomic_compare_exchange_n(&kept[slot], &none, h, 0, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED);
}

/* A kept piece that fits, and is not much larger: the large ones are for large needs. */
static header *take_kept(size_t bytes) {
  for (int k = 0; k < KEPT; k++) {
    header *h = __atomic_exchange_n(&kept[k], NULL, __ATOMIC_ACQ_REL);
    if (!h) continue;
    if (h->bytes >= bytes && h->bytes <= 2 * bytes + 65536) {
      __atomic_sub_fetch(&bytes_kept, h->bytes, __ATOMIC_RELAXED);
      return h;
    }
    if (!put(k, h)) drop(h);
  }
  return NULL;
}

void *slim_acquire(size_t bytes) {
  if (bytes > SIZE_MAX / 2) return NULL;
  header *h = POISON ? NULL : take_kept(bytes);
  if (h) return h + 1;
  const size_t all = round_up(bytes, 64);
  h = aligned_alloc(64, sizeof(header) + all);
  if (!h) return NULL;
  h->bytes = all;
  slim_advise(h, all);
  if (POISON) memset(h + 1, 0xff, all);
  return h + 1;
}

void slim_release(void *memory) {
  if (!memory) return;
  header *h = (header *)memory - 1;
  if (POISON || h->bytes > MOST_KEPT) {
    free(h);
    return;
  }
  /* In turn, so that what nobody takes any more makes room. */
  const unsigned slot = __atomic_fetch_add(&next_slot, 1, __ATOMIC_RELAXED) % KEPT;
  size_t all = __atomic_add_fetch(&bytes_kept, h->bytes, __ATOMIC_RELAXED);
  header *old = __atomic_exchange_n(&kept[slot], h, __ATOMIC_ACQ_REL);
  if (old) drop(old);
  for (unsigned k = 1; k < KEPT && all > MOST_KEPT; k++) {
    old = __atomic_exchange_n(&kept[(slot + k) % KEPT], NULL, __ATOMIC_ACQ_REL);
    if (old) drop(old);
    all = __atomic_load_n(&bytes_kept, __ATOMIC_RELAXED);
  }
}

/* Denormal numbers ------------------------------------------------------------- */

slim_float_mode slim_flush_denormals(void) {
#if defined(__SSE2__)
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040); /* flush to zero, denormals are zero */
  return before;
#elif defined(__aarch64__)
  uint64_t before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before));
  __asm__ volatile("msr fpcr, %0" ::"r"(before | (uint64_t)1 << 24)); /* FZ */
  return before;
#else
  return 0;
#endif
}

void slim_restore(slim_float_mode before) {
#if defined(__SSE2__)
  _mm_setcsr((unsigned)before);
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" ::"r"(before));
#else
  (void)before;
#endif
}

/* Time ----------------------------------------------------------------------- */

double slim_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}
