/* Instruction sets: which builds of the kernels run here, and which is used; and what all
 * was built from. */
#include <string.h>

#include "engine.h"

#if defined(__x86_64__)
extern const slim_kernels slim_kernels_avx512, slim_kernels_avx2, slim_kernels_baseline;
static int has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}
static int has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static int always(void) { return 1; }
static const struct {
  const slim_kernels *kernels;
  int (*here)(void);
  int padding;
} builds[] = {{&slim_kernels_avx512, has_avx512, 16},
              {&slim_kernels_avx2, has_avx2, 8},
              {&slim_kernels_baseline, always, 4}};
#else
#if defined(__ARM_NEON)
extern const slim_kernels slim_kernels_neon;
#define ONLY slim_kernels_neon
#else
extern const slim_kernels slim_kernels_baseline;
#define ONLY slim_kernels_baseline
#endif
static int always(void) { return 1; }
static const struct {
  const slim_kernels *kernels;
  int (*here)(void);
  int padding;
} builds[] = {{&ONLY, always, 4}};
#endif

enum { BUILDS = sizeof builds / sizeof *builds };

/* The builds that run here, best first. */
static int here(int index) {
  for (int k = 0; k < BUILDS && index >= 0; k++)
    if (builds[k].here() && index-- == 0) return k;
  return -1;
}

static const slim_kernels *forced; /* by slim_use_isa */

const slim_kernels *slim_kernels_in_use(void) {
  const slim_kernels *chosen = __atomic_load_n(&forced, __ATOMIC_ACQUIRE);
  return chosen ? chosen : builds[here(0)].kernels;
}

int slim_padding(void) { return builds[here(0)].padding; }

const char *slim_isa(int index) {
  const int k = here(index);
  return k < 0 ? NULL : builds[k].kernels->name;
}

const char *slim_build(void) { return SLIM_BUILD; }

const char *slim_isa_in_use(void) { return slim_kernels_in_use()->name; }

int slim_use_isa(const char *name) {
  if (!name) return -1;
  for (int index = 0; here(index) >= 0; index++) {
    const slim_kernels *kernels = builds[here(index)].kernels;
    if (strcmp(kernels->name, name)) continue;
    __atomic_store_n(&forced, kernels, __ATOMIC_RELEASE);
    return 0;
  }
  return -1;
}
