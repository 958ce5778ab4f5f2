/* What the parts of the engine share. */
#ifndef SLIM_ENGINE_H
#define SLIM_ENGINE_H

#include "kernel.h"

/* The kernels that were chosen for this processor, or by slim_use_isa. */
const slim_kernels *slim_kernels_in_use(void);

/* Calls task(shared, k) for k = 0 ... tasks - 1, each once, on this thread and up to
 * `worth` - 1 others, and returns when all are done. */
void slim_parallel(void (*task)(void *shared, int64_t k), void *shared, int64_t tasks,
                   int64_t worth);

/* Tells the system that a large piece of memory, about to be written, may have large
 * pages: 2 MB at a time instead of 4 KB. */
void slim_advise(void *memory, size_t bytes);

/* Lets this thread take numbers below 1e-38 as 0 until the mode is restored. A gradient
 * that vanishes over hundreds of steps passes through them, and on many processors each
 * operation on one takes many times longer. */
typedef uint64_t slim_float_mode;
slim_float_mode slim_flush_denormals(void);
void slim_restore(slim_float_mode);

/* A clock. */
double slim_seconds(void);

#endif
