/* The engine: has checked what it is given, splits the batch into blocks of rows, and lets
 * threads take the blocks. The split depends on the sizes alone, and sums over blocks
 * are added in the order of the blocks, so that results are the same, bit for bit,
 * whatever the number of threads. */
#include "engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 8, MOST_TASKS = 16 };

/* Rows of a block: as many as a tile has; where the batch is smaller, half of it, so
 * that two can work. */
static int block_rows(int64_t batch) {
  return batch >= 2 * BLOCK ? BLOCK : (int)((batch + 1) / 2);
}

/* What all tasks of a call share. */
typedef struct {
  const slim_kernels *kernels;
  const slim_cell *cell;
  const slim_plan *plan;
  const slim_forward_args *forward;
  const slim_backward_args *backward; /* NULL: forward */
  int rows;                           /* of a block */
  int64_t blocks, tasks;
  size_t scratch;                     /* floats */
  slim_sums *sums;                    /* one a task */
  int failure;                        /* of any task */
} job;

static int fits(const float *tape, int rows, int64_t time) {
  return tape[0] == (float)rows && tape[1] == (float)time;
}

static void run_block(job *j, int64_t task, int64_t block, float *scratch) {
  const slim_forward_args *f = j->forward;
  const int64_t first = block * j->rows, rest = f->batch - first;
  const int rows = rest < j->rows ? (int)rest : j->rows;
  float *tape = NULL;
  if (f->tape) {
    float *head = f->tape + first * slim_tape_row(j->cell, f->time);
    if (!j->backward) {
      memset(head, 0, SLIM_HEAD * rows * sizeof *head);
      head[0] = (float)rows;
      head[1] = (float)f->time;
    } else if (!fits(head, rows, f->time)) {
      __atomic_store_n(&j->failure, SLIM_BAD_TAPE, __ATOMIC_RELAXED);
      return;
    }
    tape = head + SLIM_HEAD * rows;
  }
  if (j->backward)
    j->kernels->backward(j->plan, j->backward, first, rows, tape, scratch,
                         &j->sums[task]);
  else
    j->kernels->forward(j->plan, f, first, rows, tape, scratch);
}

/* One task: the blocks task, task + tasks, ... */
static void run_task(void *shared, int64_t task) {
  job *j = shared;
  float *scratch = slim_acquire(j->scratch * sizeof(float));
  if (!scratch) {
    __atomic_store_n(&j->failure, SLIM_NO_MEMORY, __ATOMIC_RELAXED);
    return;
  }
  const slim_float_mode before = slim_flush_denormals();
  for (int64_t block = task; block < j->blocks; block += j->tasks)
    run_block(j, task, block, scratch);
  slim_restore(before);
  slim_release(scratch);
}

/* Below this many multiply-adds a second thread costs more than it brings. */
enum { WORTH_A_THREAD = 2000000 };

static int64_t threads_worth(const slim_cell *cell, const slim_forward_args *f) {
  int64_t products = 0;
  for (int k = 0; k < cell->gates; k++) {
    const int32_t *terms = cell->gate[k].terms;
    products += terms[SLIM_KERNEL] * cell->features +
                terms[SLIM_RECURRENT_KERNEL] * cell->units + 24; /* the activations */
  }
  const double work = (double)f->batch * f->time * cell->units * products;
  return 1 + (int64_t)fmin(work / WORTH_A_THREAD, 1e6);
}

static int run(const slim_cell *cell, const slim_forward_args *f,
               const slim_backward_args *b, slim_sums *sums, int64_t tasks) {
  const slim_kernels *kernels = slim_kernels_in_use();
  job j = {.kernels = kernels, .cell = cell, .forward = f, .backward = b, .sums = sums};
  j.rows = block_rows(f->batch);
  j.blocks = (f->batch + j.rows - 1) / j.rows;
  j.tasks = tasks ? tasks : j.blocks;
  void *memory = slim_acquire(kernels->plan_size(cell, b != NULL));
  if (!memory) return SLIM_NO_MEMORY;
  const int64_t all_rows = j.rows * f->time;
  j.plan = kernels->plan(memory, cell, f->weights, j.rows,
                         all_rows > BLOCK ? BLOCK : (int)all_rows, b != NULL);
  j.scratch = kernels->scratch_size(j.plan, f->time, b != NULL, f->recurrent_mask != NULL);
  slim_parallel(run_task, &j, j.tasks, threads_worth(cell, f));
  slim_release(memory);
  return j.failure;
}

/* The buffers by name; they have been checked. */
static slim_backward_args named(const slim_sequence *s) {
  const slim_buffer *at = s->buffer;
  slim_backward_args b = {.forward = {.batch = s->batch, .time = s->time}};
  slim_forward_args *f = &b.forward;
  f->x = at[SLIM_X].at;
  f->mask = at[SLIM_MASK].at;
  f->recurrent_mask = at[SLIM_RECURRENT_MASK].at;
  f->tape = at[SLIM_TAPE].at;
  f->outputs = at[SLIM_OUTPUTS].at;
  b.doutputs = at[SLIM_DOUTPUTS].at;
  b.dx = at[SLIM_DX].at;
  for (int w = 0; w < SLIM_WEIGHTS; w++) {
    f->weights[w] = at[SLIM_WEIGHT + w].at;
    b.dweights[w] = at[SLIM_DWEIGHT + w].at;
  }
  for (int k = 0; k < SLIM_STATES; k++) {
    f->states[k] = at[SLIM_STATE + k].at;
    f->last[k] = at[SLIM_LAST + k].at;
    b.dlast[k] = at[SLIM_DLAST + k].at;
    b.dstates[k] = at[SLIM_DSTATE + k].at;
  }
  return b;
}

int slim_forward(const slim_cell *cell, const slim_sequence *sequence) {
  const int bad = slim_check_sequence(cell, sequence, 0);
  if (bad) return bad;
  const slim_backward_args args = named(sequence);
  const slim_buffer *tape = &sequence->buffer[SLIM_TAPE];
  if (tape->at) slim_advise(tape->at, tape->count * sizeof(float));
  return run(cell, &args.forward, NULL, NULL, 0);
}

/* Lays the sums of all tasks out in `memory`; with no memory, only counts. */
static size_t lay_out_sums(const slim_cell *cell, slim_sums *sums, int64_t tasks,
                           float *memory) {
  const int64_t padded = slim_padded(cell->units);
  size_t used = 0;
  for (int64_t task = 0; task < tasks; task++)
    for (int k = 0; k < cell->gates; k++)
      for (int w = 0; w < SLIM_WEIGHTS; w++) {
        const int there = cell->gate[k].terms[w];
        sums[task].of[k][w] = there && memory ? memory + used : NULL;
        if (there) used += round_up(slim_weight_rows(cell, w) * padded, 16);
      }
  return used;
}

/* dweights = the sum over tasks, each gate's block in its columns. */
static void reduce(const slim_cell *cell, const slim_sums *sums, int64_t tasks,
                   float *const dweights[SLIM_WEIGHTS]) {
  const int64_t n = cell->units, padded = slim_padded((int)n);
  for (int w = 0; w < SLIM_TIE_SCALARS; w++) {
    if (!dweights[w]) continue;
    int64_t columns = 0, first = 0;
    for (int k = 0; k < cell->gates; k++) columns += cell->gate[k].terms[w] * n;
    for (int k = 0; k < cell->gates; k++) {
      if (!cell->gate[k].terms[w]) continue;
      for (int64_t row = 0; row < slim_weight_rows(cell, w); row++) {
        float *to = dweights[w] + row * columns + first;
        memcpy(to, sums[0].of[k][w] + row * padded, n * sizeof *to);
        for (int64_t task = 1; task < tasks; task++)
          for (int64_t j = 0; j < n; j++) to[j] += sums[task].of[k][w][row * padded + j];
      }
      first += n;
    }
  }
}

/* The same of a tie's two numbers, which all units share; those sums are of their
 * sigmoids' gradients. */
static void reduce_tie(const slim_cell *cell, const slim_sums *sums, int64_t tasks,
                       const float *tie, float *dtie) {
  const int64_t padded = slim_padded(cell->units);
  for (int k = 0; k < 2; k++) {
    const double value = 1 / (1 + exp(-tie[k]));
    double total = 0;
    for (int64_t task = 0; task < tasks; task++)
      for (int64_t j = 0; j < cell->units; j++)
        total += sums[task].of[cell->tied][SLIM_TIE_SCALARS][k * padded + j];
    dtie[k] = (float)(total * value * (1 - value));
  }
}

int slim_backward(const slim_cell *cell, const slim_sequence *sequence) {
  const int bad = slim_check_sequence(cell, sequence, 1);
  if (bad) return bad;
  const slim_backward_args args = named(sequence);
  const int rows = block_rows(args.forward.batch);
  const int64_t blocks = (args.forward.batch + rows - 1) / rows;
  const int64_t tasks = blocks < MOST_TASKS ? blocks : MOST_TASKS;
  slim_sums sums[MOST_TASKS];
  const size_t bytes = lay_out_sums(cell, sums, tasks, NULL) * sizeof(float);
  float *memory = slim_acquire(bytes);
  if (!memory) return SLIM_NO_MEMORY;
  lay_out_sums(cell, sums, tasks, memory);
  memset(memory, 0, bytes);
  const int failed = run(cell, &args.forward, &args, sums, tasks);
  if (!failed) reduce(cell, sums, tasks, args.dweights);
  if (!failed && args.dweights[SLIM_TIE_SCALARS])
    reduce_tie(cell, sums, tasks, args.forward.weights[SLIM_TIE_SCALARS],
               args.dweights[SLIM_TIE_SCALARS]);
  slim_release(memory);
  return failed;
}
