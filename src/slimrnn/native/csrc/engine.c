/* The engine: checks what it is given, splits the batch into blocks of rows, and lets
 * threads take the blocks. The split depends on the sizes alone, and sums over blocks
 * are added in the order of the blocks, so that results are the same, bit for bit,
 * whatever the number of threads. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 8, MOST_TASKS = 16, HEAD = 16 };

const char *slim_error(int code) {
  switch (code) {
    case SLIM_OK: return "done";
    case SLIM_BAD_CELL: return "the cell is not one that the native engine computes";
    case SLIM_BAD_ARGUMENT: return "a size is below 1, or a tensor is missing";
    case SLIM_BAD_TAPE: return "the tape was not made by a forward pass over this batch";
    case SLIM_NO_MEMORY: return "there is not enough memory";
    default: return "there is no such error";
  }
}

int slim_keeps_c(const slim_cell *cell) {
  if (cell->forget < 0) return 0;
  const slim_gate *output = &cell->gate[cell->output];
  return !cell->gate[cell->forget].is_constant || !output->is_constant ||
         output->constant != 1.0f;
}

static int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

static int is_gate(const slim_cell *cell, int32_t k) { return k >= 0 && k < cell->gates; }

int slim_check_cell(const slim_cell *cell) {
  if (!cell || cell->features < 1 || cell->units < 1) return SLIM_BAD_CELL;
  if (cell->gates < 2 || cell->gates > SLIM_GATES) return SLIM_BAD_CELL;
  if (cell->activation < 0 || cell->activation >= SLIM_ACTIVATIONS) return SLIM_BAD_CELL;
  if (cell->recurrent_activation < 0 || cell->recurrent_activation >= SLIM_ACTIVATIONS)
    return SLIM_BAD_CELL;
  if (!is_gate(cell, cell->candidate)) return SLIM_BAD_CELL;
  const int with_c = is_gate(cell, cell->input) && is_gate(cell, cell->forget) &&
                     is_gate(cell, cell->output);
  const int mixes = is_gate(cell, cell->update) && is_gate(cell, cell->reset);
  if (with_c == mixes || (with_c && cell->gates != SLIM_GATES)) return SLIM_BAD_CELL;
  for (int k = 0; k < cell->gates; k++) {
    const int32_t *terms = cell->gate[k].terms;
    int count = 0;
    for (int w = 0; w < SLIM_WEIGHTS; w++) {
      if (terms[w] != 0 && terms[w] != 1) return SLIM_BAD_CELL;
      count += terms[w];
    }
    if (cell->gate[k].is_constant ? count != 0 : count == 0) return SLIM_BAD_CELL;
  }
  const int32_t *candidate = cell->gate[cell->candidate].terms;
  if (!candidate[SLIM_KERNEL]) return SLIM_BAD_CELL;
  if (cell->reset_after && (with_c || !candidate[SLIM_RECURRENT_KERNEL] ||
                            candidate[SLIM_RECURRENT_VECTOR]))
    return SLIM_BAD_CELL;
  return SLIM_OK;
}

static int has_weight(const slim_cell *cell, int w) {
  for (int k = 0; k < cell->gates; k++)
    if (cell->gate[k].terms[w]) return 1;
  return 0;
}

static int check(const slim_cell *cell, const slim_forward_args *a) {
  const int bad = slim_check_cell(cell);
  if (bad) return bad;
  if (!a || a->batch < 1 || a->time < 1 || !a->x) return SLIM_BAD_ARGUMENT;
  for (int w = 0; w < SLIM_WEIGHTS; w++)
    if (has_weight(cell, w) && !a->weights[w]) return SLIM_BAD_ARGUMENT;
  return SLIM_OK;
}

/* Floats of the tape for one batch row. A block of rows begins with HEAD floats a row,
 * the first of which tell how many rows and steps it has: so that a tape that was cut
 * in another way (a batch sharded differently, say) is refused and not misread. */
static int64_t tape_row(const slim_cell *cell, int64_t time) {
  int heavy = 0;
  for (int k = 0; k < cell->gates; k++)
    heavy += cell->gate[k].terms[SLIM_KERNEL] || cell->gate[k].terms[SLIM_RECURRENT_KERNEL];
  const int64_t states = (1 + slim_keeps_c(cell)) * (time + 1);
  return HEAD + (states + heavy * time) * slim_padded(cell->units);
}

int64_t slim_tape_size(const slim_cell *cell, int64_t batch, int64_t time) {
  return slim_check_cell(cell) ? 0 : batch * tape_row(cell, time);
}

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
    float *head = f->tape + first * tape_row(j->cell, f->time);
    if (!j->backward) {
      memset(head, 0, HEAD * rows * sizeof *head);
      head[0] = (float)rows;
      head[1] = (float)f->time;
    } else if (!fits(head, rows, f->time)) {
      __atomic_store_n(&j->failure, SLIM_BAD_TAPE, __ATOMIC_RELAXED);
      return;
    }
    tape = head + HEAD * rows;
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
  return 1 + f->batch * f->time * cell->units * products / WORTH_A_THREAD;
}

static int run(const slim_cell *cell, const slim_forward_args *f,
               const slim_backward_args *b, slim_sums *sums, int64_t tasks) {
  const slim_kernels *kernels = slim_kernels_in_use();
  job j = {.kernels = kernels, .cell = cell, .forward = f, .backward = b, .sums = sums};
  j.rows = block_rows(f->batch);
  j.blocks = (f->batch + j.rows - 1) / j.rows;
  j.tasks = tasks ? tasks : j.blocks;
  void *memory = slim_acquire(kernels->plan_size(cell, f->reset_bias != NULL, b != NULL));
  if (!memory) return SLIM_NO_MEMORY;
  const int64_t all_rows = j.rows * f->time;
  j.plan = kernels->plan(memory, cell, f->weights, f->reset_bias, j.rows,
                         all_rows > BLOCK ? BLOCK : (int)all_rows, b != NULL);
  j.scratch = kernels->scratch_size(j.plan, f->time, b != NULL, f->recurrent_mask != NULL);
  slim_parallel(run_task, &j, j.tasks, threads_worth(cell, f));
  slim_release(memory);
  return j.failure;
}

int slim_forward(const slim_cell *cell, const slim_forward_args *args) {
  const int bad = check(cell, args);
  if (bad) return bad;
  if (args->tape && cell->reset_after) return SLIM_BAD_CELL; /* has no backward pass */
  if (args->tape)
    slim_advise(args->tape, slim_tape_size(cell, args->batch, args->time) * sizeof(float));
  return run(cell, args, NULL, NULL, 0);
}

/* The sizes of one gate's block of a weight: rows x units. */
static int64_t weight_rows(const slim_cell *cell, int w) {
  return w == SLIM_KERNEL ? cell->features : w == SLIM_RECURRENT_KERNEL ? cell->units : 1;
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
        if (there) used += round_up(weight_rows(cell, w) * padded, 16);
      }
  return used;
}

/* dweights = the sum over tasks, each gate's block in its columns. */
static void reduce(const slim_cell *cell, const slim_sums *sums, int64_t tasks,
                   float *const dweights[SLIM_WEIGHTS]) {
  const int64_t n = cell->units, padded = slim_padded((int)n);
  for (int w = 0; w < SLIM_WEIGHTS; w++) {
    if (!dweights[w]) continue;
    int64_t columns = 0, first = 0;
    for (int k = 0; k < cell->gates; k++) columns += cell->gate[k].terms[w] * n;
    for (int k = 0; k < cell->gates; k++) {
      if (!cell->gate[k].terms[w]) continue;
      for (int64_t row = 0; row < weight_rows(cell, w); row++) {
        float *to = dweights[w] + row * columns + first;
        memcpy(to, sums[0].of[k][w] + row * padded, n * sizeof *to);
        for (int64_t task = 1; task < tasks; task++)
          for (int64_t j = 0; j < n; j++) to[j] += sums[task].of[k][w][row * padded + j];
      }
      first += n;
    }
  }
}

int slim_backward(const slim_cell *cell, const slim_backward_args *args) {
  const int bad = args ? check(cell, &args->forward) : SLIM_BAD_ARGUMENT;
  if (bad) return bad;
  if (!args->forward.tape) return SLIM_BAD_ARGUMENT;
  if (cell->reset_after) return SLIM_BAD_CELL;
  const int rows = block_rows(args->forward.batch);
  const int64_t blocks = (args->forward.batch + rows - 1) / rows;
  const int64_t tasks = blocks < MOST_TASKS ? blocks : MOST_TASKS;
  slim_sums sums[MOST_TASKS];
  const size_t bytes = lay_out_sums(cell, sums, tasks, NULL) * sizeof(float);
  float *memory = slim_acquire(bytes);
  if (!memory) return SLIM_NO_MEMORY;
  lay_out_sums(cell, sums, tasks, memory);
  memset(memory, 0, bytes);
  const int failed = run(cell, &args->forward, args, sums, tasks);
  if (!failed) reduce(cell, sums, tasks, args->dweights);
  slim_release(memory);
  return failed;
}
