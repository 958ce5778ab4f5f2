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
void stream_of_several(void);

/* Whether activations are such as have a slope everywhere: at a kink, rounding decides. */
static int smooth;

static void run(const char *what, int code) {
  CHECK(code == SLIM_OK, "%s: %s", what, slim_error(code));
}

/* One sequence, forward and backward. */
static record run_case(uint64_t seed, int size) {
  problem p = begin(seed);
  slim_cell cell;
  slim_sequence s = random_sequence(&p, size, &cell);
  slim_buffer *at = s.buffer;
  const size_t states = s.batch * cell.units, all = states * s.time;
  const int count = 1 + (cell.forget >= 0);
  if (smooth) cell.activation = cell.state_activation = SLIM_TANH,
              cell.recurrent_activation = SLIM_SIGMOID;
  /* x's last feature without weight: its gradient is 0 */
  const size_t m = cell.features, columns = at[SLIM_WEIGHT].count / m;
  if (seed % 2)
    memset((float *)at[SLIM_WEIGHT].at + (m - 1) * columns, 0, columns * sizeof(float));
  slim_sequence plain = s;
  plain.buffer[SLIM_OUTPUTS] = result(&p, all);
  for (int k = 0; k < count; k++) plain.buffer[SLIM_LAST + k] = result(&p, states);
  run("forward", slim_forward(&cell, &plain));
  at[SLIM_TAPE] = buffer(&p, slim_elements(&cell, s.batch, s.time, SLIM_TAPE), NAN);
  if (below(&p, 2)) at[SLIM_OUTPUTS] = result(&p, all);
  for (int k = 0; k < count; k++) at[SLIM_LAST + k] = result(&p, states);
  run("forward with a tape", slim_forward(&cell, &s));
  for (int k = 0; k < count; k++)
    CHECK(!memcmp(at[SLIM_LAST + k].at, plain.buffer[SLIM_LAST + k].at,
                  states * sizeof(float)),
          "case %llu: a tape changes results", (unsigned long long)seed);
  at[SLIM_DOUTPUTS] = maybe(&p, all, 1);
  for (int k = 0; k < count; k++) at[SLIM_DLAST + k] = maybe(&p, states, 1);
  if (below(&p, 2)) at[SLIM_DX] = result(&p, s.batch * s.time * m);
  for (int w = 0; w < SLIM_WEIGHTS; w++)
    if (at[SLIM_WEIGHT + w].at)
      at[SLIM_DWEIGHT + w] = result(&p, at[SLIM_WEIGHT + w].count);
  for (int k = 0; k < count; k++)
    if (below(&p, 4)) at[SLIM_DSTATE + k] = result(&p, states);
  run("backward", slim_backward(&cell, &s));
  size_t strange = 0;
  const float *dx = at[SLIM_DX].at;
  for (int64_t k = 1; seed % 2 && dx && k <= s.batch * s.time; k++)
    strange += dx[k * m - 1] != 0;
  CHECK(!strange, "case %llu: dx is not 0 where W is", (unsigned long long)seed);
  record all_of_it = note(&p);
  end(&p);
  return all_of_it;
}

enum { CALLERS = 4, CALLS = 6 };

static int size_of(uint64_t seed) { return seed % CALLS ? SMALL : LARGE; }

static void threads_agree(uint64_t sequences) {
  for (uint64_t seed = 1; seed <= sequences; seed++) {
    const int size = seed % 32 == 0 ? LARGE : seed % 8 == 3 ? LONG : SMALL;
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

/* Each buffer missing, or of another size; what the cell lacks given. */
static void bad_buffers_are_refused(const slim_cell *cell, const slim_sequence *s,
                                    int (*engine)(const slim_cell *,
                                                  const slim_sequence *)) {
  const int backward = engine == slim_backward;
  for (int k = 0; k < SLIM_BUFFERS; k++) {
    const int needed = k == SLIM_X || (k >= SLIM_WEIGHT && k < SLIM_STATE) ||
                       (k == SLIM_TAPE && backward);
    const int ignored =
        backward ? k >= SLIM_OUTPUTS && k < SLIM_DOUTPUTS : k >= SLIM_DOUTPUTS;
    const int64_t wanted = slim_elements(cell, s->batch, s->time, k);
    const int64_t counts[] = {0, -1, wanted - 1, wanted + 1, INT64_MAX, INT64_MIN};
    for (size_t c = 0; !ignored && c < sizeof counts / sizeof *counts; c++) {
      slim_sequence bad = *s;
      bad.buffer[k] = (slim_buffer){&bad, counts[c]};
      CHECK(engine(cell, &bad) == SLIM_BAD_BUFFER + k, "buffer %d of %lld", k,
            (long long)counts[c]);
    }
    slim_sequence bad = *s;
    bad.buffer[k] = (slim_buffer){NULL, wanted};
    const int code = wanted && needed ? SLIM_BAD_BUFFER + k : SLIM_OK;
    CHECK(engine(cell, &bad) == code, "no buffer %d", k);
  }
}

static void bad_ones_are_refused(void) {
  problem p = begin(5);
  slim_cell good, cell;
  slim_sequence s = random_sequence(&p, SMALL, &good), bad;
#define REFUSES(code, ...)          \
  cell = good, bad = s, __VA_ARGS__; \
  CHECK(slim_forward(&cell, &bad) == code, #__VA_ARGS__)
  REFUSES(SLIM_BAD_SIZE, cell.features = 0);
  REFUSES(SLIM_BAD_SIZE, cell.units = -1);
  REFUSES(SLIM_BAD_SIZE, cell.units = SLIM_MOST_WIDE + 1);
  REFUSES(SLIM_BAD_CELL, cell.gates = 5);
  REFUSES(SLIM_BAD_CELL, cell.candidate = cell.gates);
  REFUSES(SLIM_BAD_CELL, cell.forget = cell.reset = -1);
  REFUSES(SLIM_BAD_CELL, cell.forget = cell.reset = 0);
  REFUSES(SLIM_BAD_CELL, cell.activation = SLIM_ACTIVATIONS);
  REFUSES(SLIM_BAD_CELL, cell.recurrent_activation = -1);
  REFUSES(SLIM_BAD_CELL, cell.state_activation = SLIM_ACTIVATIONS);
  REFUSES(SLIM_BAD_CELL, cell.tied = cell.candidate);
  REFUSES(SLIM_BAD_CELL, cell.gate[cell.candidate].shared = 1);
  REFUSES(SLIM_BAD_CELL, cell.gate[cell.candidate].terms[SLIM_TIE_SCALARS] = 1);
  REFUSES(SLIM_BAD_CELL, cell.gate[cell.candidate].terms[SLIM_KERNEL] = 0);
  REFUSES(SLIM_BAD_CELL, cell.gate[cell.candidate].terms[SLIM_BIAS] = 2);
  REFUSES(SLIM_BAD_SIZE, bad.batch = -1);
  REFUSES(SLIM_BAD_SIZE, bad.time = -1);
  REFUSES(SLIM_BAD_SIZE, bad.time = INT64_MAX);
  REFUSES(SLIM_BAD_SIZE, bad.batch = bad.time = INT32_MAX, cell.units = SLIM_MOST_WIDE);
  CHECK(slim_forward(NULL, &s) == SLIM_BAD_CELL, "no cell");
  CHECK(slim_forward(&good, NULL) == SLIM_BAD_SIZE, "no sequence");
  CHECK(slim_backward(&good, NULL) == SLIM_BAD_SIZE, "no sequence");
  bad_buffers_are_refused(&good, &s, slim_forward);
  s.buffer[SLIM_TAPE] =
      buffer(&p, slim_elements(&good, s.batch, s.time, SLIM_TAPE), NAN);
  CHECK(slim_backward(&good, &s) == SLIM_BAD_TAPE, "a tape that nobody wrote");
  run("forward", slim_forward(&good, &s));
  bad_buffers_are_refused(&good, &s, slim_backward);
  cell = good, cell.units = 0;
  CHECK(slim_elements(&cell, 1, 1, SLIM_TAPE) == -1, "a bad cell's tape");
  CHECK(slim_elements(&good, 1, 1, SLIM_BUFFERS) == -1, "no such buffer");
  CHECK(slim_use_isa("abacus") == -1 && slim_use_isa("") == -1 && slim_use_isa(NULL) == -1,
        "no such instruction set");
  CHECK(!slim_isa(-1) && !slim_isa(INT32_MIN) && !slim_isa(99), "no such index");
  slim_stream *none = NULL;
  CHECK(slim_stream_new(NULL, 1, 1, s.buffer[SLIM_X], s.buffer[SLIM_X], &none) ==
                SLIM_BAD_LAYER &&
            !none,
        "no layers");
  CHECK(slim_stream_step(NULL) == SLIM_NO_STREAM, "no stream");
  int64_t done;
  CHECK(slim_stream_run(NULL, s.buffer[SLIM_X], s.buffer[SLIM_X], 1, &done) ==
            SLIM_NO_STREAM, "no stream");
  CHECK(slim_stream_measure(NULL, 9) == SLIM_NO_STREAM, "no stream");
  slim_stream_free(NULL);
  CHECK(!slim_acquire(SIZE_MAX) && !slim_acquire(SIZE_MAX - 63), "all memory");
  for (int code = -1; code < SLIM_BAD_BUFFER + SLIM_BUFFERS + 2; code++)
    CHECK(*slim_error(code), "%d has no words", code);
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
  for (int k = 0; slim_isa(k); k++) {
    CHECK(slim_use_isa(slim_isa(k)) == 0, "%s", slim_isa(k));
    threads_agree(sequences);
    done("computes the same with 1, 2 and 3 threads");
    for (uint64_t seed = 1; seed <= sequences / 4; seed++) stream_case(seed);
    done("computes streams as sequences");
    stream_of_several();
    done("lets one caller at a time into a stream");
    callers_agree();
    done("serves several callers");
    child_agrees();
    done("serves a forked child");
    for (int seed = 0; seed < CALLS; seed++) free(alone[seed].at);
  }
  return failures > 0;
}
