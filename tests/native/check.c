/* The engine by slimrnn.h alone: results must be finite, and the same bit for bit with 1,
 * 2 and 3 threads, from several callers at once and in a forked child. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "problems.h"

int failures;

void stream_case(uint64_t seed); /* streams.c */

/* Whether activations are such as have a slope everywhere: at a kink, rounding decides. */
static int smooth;

/* One sequence, forward, and backward where that is. */
static record run_case(uint64_t seed, int size) {
  problem p = begin(seed);
  slim_cell cell;
  size_t sizes[SLIM_WEIGHTS];
  slim_forward_args a = random_sequence(&p, size, &cell, sizes);
  const size_t states = a.batch * cell.units, all = states * a.time;
  const int count = 1 + (cell.forget >= 0);
  reset_after(&p, &cell, &a);
  if (smooth) cell.activation = SLIM_TANH, cell.recurrent_activation = SLIM_SIGMOID;
  /* x's last feature without weight: its gradient is 0 */
  const size_t m = cell.features, columns = sizes[SLIM_KERNEL] / m;
  if (seed % 2)
    memset((float *)a.weights[SLIM_KERNEL] + (m - 1) * columns, 0, columns * sizeof(float));
  slim_forward_args plain = a;
  plain.outputs = result(&p, all);
  for (int s = 0; s < count; s++) plain.last[s] = result(&p, states);
  int code = slim_forward(&cell, &plain);
  CHECK(code == SLIM_OK, "%s", slim_error(code));
  if (!cell.reset_after) {
    const int64_t tape = slim_tape_size(&cell, a.batch, a.time);
    a.tape = floats(&p, tape, NAN);
    if (below(&p, 2)) a.outputs = result(&p, all);
    for (int s = 0; s < count; s++) a.last[s] = result(&p, states);
    code = slim_forward(&cell, &a);
    CHECK(code == SLIM_OK, "%s", slim_error(code));
    for (int s = 0; s < count; s++)
      CHECK(!memcmp(a.last[s], plain.last[s], states * sizeof(float)),
            "case %llu: a tape changes results", (unsigned long long)seed);
    a.outputs = a.last[0] = a.last[1] = NULL;
    slim_backward_args b = {.forward = a, .doutputs = maybe(&p, all, 1)};
    for (int s = 0; s < count; s++) b.dlast[s] = maybe(&p, states, 1);
    if (below(&p, 2)) b.dx = result(&p, a.batch * a.time * cell.features);
    for (int w = 0; w < SLIM_WEIGHTS; w++)
      if (sizes[w]) b.dweights[w] = result(&p, sizes[w]);
    for (int s = 0; s < count; s++)
      if (below(&p, 4)) b.dstates[s] = result(&p, states);
    code = slim_backward(&cell, &b);
    CHECK(code == SLIM_OK, "%s", slim_error(code));
    size_t strange = 0;
    for (int64_t k = 1; seed % 2 && b.dx && k <= a.batch * a.time; k++)
      strange += b.dx[k * m - 1] != 0;
    CHECK(!strange, "case %llu: dx is not 0 where W is", (unsigned long long)seed);
  }
  record all_of_it = note(&p);
  end(&p);
  return all_of_it;
}

enum { CALLERS = 4, CALLS = 6 };

static int size_of(uint64_t seed) { return seed % CALLS ? SMALL : LARGE; }

static void threads_agree(uint64_t sequences) {
  for (uint64_t seed = 1; seed <= sequences; seed++) {
    const int size = seed % 32 ? SMALL : LARGE;
    record one = {NULL, 0};
    for (int threads = 1; threads <= 3; threads++) {
      slim_set_num_threads(threads);
      record now = run_case(seed, size);
      if (threads == 1)
        one = now;
      else
        same(one, now, seed, "more than one thread"), free(now.at);
    }
    free(one.at);
  }
}

static record alone[CALLS]; /* what one caller gets */

static void *call(void *nothing) {
  for (uint64_t seed = 0; seed < CALLS; seed++) {
    record now = run_case(seed, size_of(seed));
    same(alone[seed], now, seed, "one of several callers, or a child");
    free(now.at);
    stream_case(seed);
  }
  return nothing;
}

static void callers_agree(void) {
  for (uint64_t seed = 0; seed < CALLS; seed++) alone[seed] = run_case(seed, size_of(seed));
  pthread_t callers[CALLERS];
  for (int k = 0; k < CALLERS; k++) pthread_create(&callers[k], NULL, call, NULL);
  for (int k = 0; k < 1000; k++) {
    slim_set_num_threads(1 + k % 3);
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  }
  for (int k = 0; k < CALLERS; k++) pthread_join(callers[k], NULL);
}

static void child_agrees(void) {
  fflush(NULL);
  const pid_t child = fork();
  if (!child) {
    call(NULL);
    _exit(failures > 0);
  }
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(!status, "the child's status is %d", status);
}

static void bad_ones_are_refused(void) {
  problem p = begin(5);
  slim_cell good, cell;
  size_t sizes[SLIM_WEIGHTS];
  slim_forward_args a = random_sequence(&p, SMALL, &good, sizes), bad;
  slim_backward_args back = {.forward = a};
#define REFUSES(code, ...)            \
  cell = good, bad = a, __VA_ARGS__; \
  CHECK(slim_forward(&cell, &bad) == code, #__VA_ARGS__)
  REFUSES(SLIM_BAD_CELL, cell.features = 0);
  REFUSES(SLIM_BAD_CELL, cell.units = -1);
  REFUSES(SLIM_BAD_CELL, cell.gates = 5);
  REFUSES(SLIM_BAD_CELL, cell.candidate = cell.gates);
  REFUSES(SLIM_BAD_CELL, cell.forget = cell.reset = -1);
  REFUSES(SLIM_BAD_CELL, cell.activation = SLIM_ACTIVATIONS);
  REFUSES(SLIM_BAD_CELL, cell.recurrent_activation = -1);
  REFUSES(SLIM_BAD_CELL, cell.gate[cell.candidate].terms[SLIM_KERNEL] = 0);
  REFUSES(SLIM_BAD_CELL, cell.gate[cell.candidate].terms[SLIM_BIAS] = 2);
  REFUSES(SLIM_BAD_ARGUMENT, bad.batch = 0);
  REFUSES(SLIM_BAD_ARGUMENT, bad.time = -1);
  REFUSES(SLIM_BAD_ARGUMENT, bad.x = NULL);
  REFUSES(SLIM_BAD_ARGUMENT, bad.weights[SLIM_KERNEL] = NULL);
  CHECK(slim_forward(NULL, &a) == SLIM_BAD_CELL, "no cell");
  CHECK(slim_forward(&good, NULL) == SLIM_BAD_ARGUMENT, "no arguments");
  CHECK(slim_backward(&good, NULL) == SLIM_BAD_ARGUMENT, "no arguments");
  CHECK(slim_backward(&good, &back) == SLIM_BAD_ARGUMENT, "no tape");
  cell.units = 0;
  CHECK(slim_tape_size(&cell, 1, 1) == 0, "a bad cell's tape");
  CHECK(slim_use_isa("abacus") == -1 && slim_use_isa("") == -1, "no such instruction set");
  CHECK(!slim_stream_new(NULL, 1, 1, &a, &(float){0}), "no layers");
  for (int code = -1; code < 9; code++) CHECK(*slim_error(code), "%d has no words", code);
  end(&p);
}

static void done(const char *what) {
  printf("%s %s: %s\n", slim_isa_in_use(), what, failures ? "FAILED" : "ok");
  fflush(stdout);
}

/* What some sequences give, a line each, to be compared with another processor's. */
static int print_numbers(void) {
  smooth = 1;
  for (uint64_t seed = 1; seed <= 60; seed++) {
    record all = run_case(seed, SMALL);
    for (size_t k = 0; k < all.count; k++) printf("%.9g ", (double)all.at[k]);
    printf("\n");
    free(all.at);
  }
  return failures > 0;
}

/* The argument: how many sequences, or `numbers`. */
int main(int count, char **arguments) {
  if (count > 1 && !strcmp(arguments[1], "numbers")) return print_numbers();
  const uint64_t sequences = count > 1 ? strtoull(arguments[1], NULL, 10) : 400;
  bad_ones_are_refused();
  done("refuses what it cannot compute");
  CHECK(slim_peak_flops(2) > 0 && slim_peak_bandwidth(1 << 20, 2) > 0 &&
            slim_product_flops(8, 33, 2) > 0,
        "a limit");
  done("measures the machine's limits");
  for (int k = 0; slim_isa(k); k++) {
    CHECK(slim_use_isa(slim_isa(k)) == 0, "%s", slim_isa(k));
    threads_agree(sequences);
    done("computes the same with 1, 2 and 3 threads");
    for (uint64_t seed = 1; seed <= sequences / 4; seed++) stream_case(seed);
    done("computes streams as sequences");
    callers_agree();
    done("serves several callers");
    child_agrees();
    done("serves a forked child");
    for (int seed = 0; seed < CALLS; seed++) free(alone[seed].at);
  }
  return failures > 0;
}
