/* The engine: has checked what it is given, splits the batch into blocks of rows, and lets
 * threads take the blocks. Where the gates do not read h, and there are few rows, time is
 * split, too. The split depends on the sizes alone, and sums are added in the order of
 * the blocks, so that results are the same, bit for bit, whatever the number of threads.
 *
 * A split time is a scan in two parts: forward, threads compute the gates' values of all
 * steps, and then a block's steps follow one another, which is little work. Backward, a
 * block's dh and dc come first, step by step, and then threads compute what they mean to
 * the gates. */
#include "engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 8, MOST_TASKS = 16, LEAST_STEPS = 1024 };

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
  slim_forward_args forward;
  const slim_backward_args *backward; /* NULL: forward */
  int rows;                           /* of a block */
  int64_t blocks, pieces, tasks;
  int64_t steps;                      /* of a piece of a block's time */
  int apart;                          /* a task takes pieces, or whole blocks */
  int does;                           /* forward: see kernel.h */
  size_t scratch;                     /* floats */
  slim_sums *sums;                    /* one a task */
  float *states;                      /* backward: (blocks, pieces, 2, R, padded), dh and
                                         dc before each piece */
  int failure;                        /* of any task */
} job;

/* Into blocks of rows, and their time into as many pieces as there may be tasks. */
static void split(job *j, int64_t batch, int64_t time) {
  j->rows = block_rows(batch);
  j->blocks = (batch + j->rows - 1) / j->rows;
  const int64_t most = slim_scans(j->cell, j->rows) ? MOST_TASKS / j->blocks : 1;
  j->pieces = time / LEAST_STEPS < most ? time / LEAST_STEPS : most;
  if (j->pieces < 1) j->pieces = 1;
  j->steps = (time + j->pieces - 1) / j->pieces;
  const int64_t parts = j->blocks * j->pieces;
  j->tasks = parts < MOST_TASKS ? parts : MOST_TASKS;
  j->apart = 1;
}

static int fits(const float *tape, int rows, int64_t time) {
  return tape[0] == (float)rows && tape[1] == (float)time;
}

/* Where dh and dc before a piece lie; NULL where time is not split. */
static float *states_before(const job *j, int64_t block, int64_t piece) {
  const int64_t state = 2 * (int64_t)j->rows * slim_padded(j->cell->units);
  return j->states ? j->states + (block * j->pieces + piece) * state : NULL;
}

/* The pieces [piece, end) of a block. */
static void run_part(job *j, int64_t task, int64_t block, int64_t piece, int64_t end,
                     float *scratch) {
  const slim_forward_args *f = &j->forward;
  const int64_t first = block * j->rows, rest = f->batch - first;
  const slim_part part = {first, rest < j->rows ? (int)rest : j->rows, piece * j->steps,
                          end < j->pieces ? end * j->steps : f->time};
  float *tape = NULL;
  if (f->tape) {
    float *head = f->tape + first * slim_tape_row(j->cell, f->time);
    tape = head + SLIM_HEAD * part.rows;
    if (j->backward && !fits(head, part.rows, f->time)) {
      __atomic_store_n(&j->failure, SLIM_BAD_TAPE, __ATOMIC_RELAXED);
      return;
    }
    if (j->does & SLIM_STEPS) {
      memset(head, 0, SLIM_HEAD * part.rows * sizeof *head);
      head[0] = (float)part.rows;
      head[1] = (float)f->time;
    }
  }
  if (j->backward)
    j->kernels->backward(j->plan, j->backward, part, tape, states_before(j, block, end),
                         j->sums ? NULL : states_before(j, block, piece), scratch,
                         j->sums ? &j->sums[task] : NULL);
  else
    j->kernels->forward(j->plan, f, part, j->does, tape, scratch);
}

/* One task: the parts task, task + tasks, ... */
static void run_task(void *shared, int64_t task) {
  job *j = shared;
  float *scratch = slim_acquire(j->scratch * sizeof(float));
  if (!scratch) {
    __atomic_store_n(&j->failure, SLIM_NO_MEMORY, __ATOMIC_RELAXED);
    return;
  }
  const slim_float_mode before = slim_flush_denormals();
  for (int64_t k = task; k < j->blocks * (j->apart ? j->pieces : 1); k += j->tasks)
    if (j->apart)
      run_part(j, task, k / j->pieces, k % j->pieces, k % j->pieces + 1, scratch);
    else if (!j->backward)
      run_part(j, task, k, 0, j->pieces, scratch);
    else
      for (int64_t piece = j->pieces - 1; piece > 0; piece--)
        run_part(j, task, k, piece, piece + 1, scratch);
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

/* A task takes a block with all its pieces. */
static int run_blocks(job whole, int64_t threads) {
  whole.apart = 0;
  whole.tasks = whole.blocks;
  slim_parallel(run_task, &whole, whole.tasks, threads);
  return whole.failure;
}

static void run_forward(job *j, int64_t threads) {
  float *tape = NULL;
  if (j->pieces == 1 || threads == 1) {
    j->does = SLIM_VALUES | SLIM_STEPS;
    j->failure = run_blocks(*j, threads);
    return;
  }
  if (!j->forward.tape) { /* the values of all steps must be somewhere */
    const size_t row = slim_tape_row(j->cell, j->forward.time);
    tape = j->forward.tape = slim_acquire(j->forward.batch * row * sizeof *tape);
  }
  j->does = SLIM_VALUES;
  if (j->forward.tape) slim_parallel(run_task, j, j->tasks, threads);
  j->does = j->forward.tape ? SLIM_STEPS : SLIM_VALUES | SLIM_STEPS;
  if (!j->failure) j->failure = run_blocks(*j, threads);
  slim_release(tape);
}

static void run_backward(job *j, int64_t threads) {
  if (j->pieces > 1) {
    job states = *j;
    states.sums = NULL;
    j->failure = run_blocks(states, threads);
  }
  if (!j->failure) slim_parallel(run_task, j, j->tasks, threads);
}

static int run(job *j) {
  const slim_forward_args *f = &j->forward;
  const int backward = j->backward != NULL;
  j->kernels = slim_kernels_in_use();
  void *memory = slim_acquire(j->kernels->plan_size(j->cell, backward));
  if (!memory) return SLIM_NO_MEMORY;
  const int64_t all_rows = j->rows * f->time;
  j->plan = j->kernels->plan(memory, j->cell, f->weights, j->rows,
                             all_rows > BLOCK ? BLOCK : (int)all_rows, backward);
  j->scratch = j->kernels->scratch_size(j->plan, f->time, backward,
                                        f->recurrent_mask != NULL);
  const int64_t most = slim_num_threads(), worth = threads_worth(j->cell, f);
  const int64_t threads = worth < most ? worth : most;
  if (backward)
    run_backward(j, threads);
  else
    run_forward(j, threads);
  slim_release(memory);
  return j->failure;
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
  if (bad || !sequence->batch) return bad;
  const slim_backward_args args = named(sequence);
  const slim_buffer *tape = &sequence->buffer[SLIM_TAPE];
  if (tape->at) slim_advise(tape->at, tape->count * sizeof(float));
  job j = {.cell = cell, .forward = args.forward};
  split(&j, sequence->batch, sequence->time);
  return run(&j);
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

/* No sequence has a part in the gradients of the weights. */
static int no_gradients(const slim_buffer *dweights) {
  for (int w = 0; w < SLIM_WEIGHTS; w++)
    if (dweights[w].at) memset(dweights[w].at, 0, dweights[w].count * sizeof(float));
  return SLIM_OK;
}

int slim_backward(const slim_cell *cell, const slim_sequence *sequence) {
  const int bad = slim_check_sequence(cell, sequence, 1);
  if (bad) return bad;
  if (!sequence->batch) return no_gradients(&sequence->buffer[SLIM_DWEIGHT]);
  const slim_backward_args args = named(sequence);
  job j = {.cell = cell, .forward = args.forward, .backward = &args};
  split(&j, sequence->batch, sequence->time);
  slim_sums sums[MOST_TASKS];
  const size_t floats = lay_out_sums(cell, sums, j.tasks, NULL);
  const size_t states = j.pieces == 1 ? 0 : 2 * j.blocks * j.pieces * j.rows *
                                                (size_t)slim_padded(cell->units);
  float *memory = slim_acquire((floats + states) * sizeof *memory);
  if (!memory) return SLIM_NO_MEMORY;
  lay_out_sums(cell, sums, j.tasks, memory);
  memset(memory, 0, floats * sizeof *memory);
  j.sums = sums;
  j.states = states ? memory + floats : NULL;
  const int failed = run(&j);
  if (!failed) reduce(cell, sums, j.tasks, args.dweights);
  if (!failed && args.dweights[SLIM_TIE_SCALARS])
    reduce_tie(cell, sums, j.tasks, args.forward.weights[SLIM_TIE_SCALARS],
               args.dweights[SLIM_TIE_SCALARS]);
  slim_release(memory);
  return failed;
}
