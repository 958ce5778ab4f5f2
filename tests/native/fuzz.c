/* Every entry of slimrnn.h with whatever sizes, cells and buffers the bytes tell: each
 * buffer is as large as the engine is told, and no larger, so that AddressSanitizer sees
 * whoever goes beyond. What is answered does not matter; nothing may be read or written
 * out of bounds, and nothing may be undefined.
 *
 * With clang: -fsanitize=fuzzer,address,undefined. Else with main() below, which makes
 * the bytes from a seed: fuzz SECONDS SEED [FILE ...]; the files come first. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slimrnn.h"

typedef struct {
  const uint8_t *at, *end;
  void *memory[96];
  int pieces;
} bytes;

static uint32_t byte(bytes *b) { return b->at < b->end ? *b->at++ : 0; }

static uint32_t below(bytes *b, uint32_t limit) { return byte(b) % limit; }

/* A size: mostly small, now and then 0, negative or very large. */
static int64_t size(bytes *b) {
  static const int64_t strange[] = {-1,        INT32_MAX,        INT32_MIN, 1 << 24,
                                    1LL << 40, SLIM_MOST_WIDE + 1, INT64_MAX, INT64_MIN};
  const uint32_t kind = byte(b);
  return kind >= 248 ? strange[kind - 248] : kind % 8 == 0 ? kind / 8 : kind % 6;
}

static int32_t size32(bytes *b) { return (int32_t)size(b); }

enum { MOST = 1 << 13 }; /* elements of a buffer */

/* As many floats as wanted, or some more or fewer, or none. */
static slim_buffer buffer(bytes *b, int64_t wanted, size_t of_one) {
  const uint32_t kind = byte(b);
  int64_t count = kind >= 240 ? wanted + (int64_t)kind - 248 : kind == 1 ? 0 : wanted;
  if (kind == 0 || wanted > MOST) return (slim_buffer){NULL, count};
  count = count < 0 ? 0 : count;
  const float specials[] = {NAN, INFINITY, -INFINITY, 1e38f, -1e38f, 1e-45f, 0, 1};
  char *at = b->memory[b->pieces++] = malloc(count * of_one + 1);
  const uint32_t first = byte(b);
  for (int64_t k = 0; k < count; k++)
    if (of_one == sizeof(float)) {
      const uint32_t which = (uint32_t)k * 7 + first;
      const float value = first >= 192 ? specials[which % 8] : (float)(which % 17) / 9 - 1;
      memcpy(at + k * of_one, &value, of_one);
    } else {
      at[k] = (char)((k + first) % 3);
    }
  return (slim_buffer){at, count};
}

static slim_cell random_cell(bytes *b) {
  slim_cell cell = {.features = size32(b), .units = size32(b)};
  const int with_c = below(b, 2);
  cell.gates = with_c ? 4 : 2 + below(b, 3);
  cell.input = cell.forget = cell.output = cell.update = cell.reset = cell.tied = -1;
  if (with_c)
    cell.candidate = 2, cell.input = 0, cell.forget = 1, cell.output = 3;
  else
    cell.candidate = cell.gates - 1, cell.update = 0, cell.reset = cell.gates > 2;
  cell.product = !with_c && !below(b, 4) ? cell.gates - 2 : -1;
  cell.keeps = below(b, 2);
  cell.activation = below(b, SLIM_ACTIVATIONS);
  cell.recurrent_activation = below(b, SLIM_ACTIVATIONS);
  cell.state_activation = below(b, SLIM_ACTIVATIONS);
  if (with_c) cell.tied = (int)below(b, 3) - 1;
  cell.ratio = below(b, 2) ? 1.0f : 0.25f;
  for (int k = 0; k < SLIM_GATES; k++) {
    uint32_t kind = k == cell.candidate ? 1 | byte(b) : byte(b);
    if (cell.product >= 0 && k == cell.candidate) kind &= ~6u;
    if (k == cell.product) kind = (kind & ~1u) | 2;
    cell.gate[k].terms[SLIM_TIE_SCALARS] = k == cell.tied && kind & 1;
    if (k == cell.tied) continue;
    for (int w = 0; w <= SLIM_BIAS; w++) cell.gate[k].terms[w] = kind >> w & 1;
    cell.gate[k].is_constant = !(kind & 15);
    cell.gate[k].shared = with_c && k != cell.candidate && (kind & 15) == 1 << SLIM_BIAS &&
                          kind >> 4 & 1;
    cell.gate[k].constant = (float)below(b, 5) / 2;
  }
  if (byte(b) > 224) { /* any field becomes anything */
    int32_t *fields = (int32_t *)&cell;
    fields[byte(b) % (sizeof cell / sizeof *fields)] = size32(b);
  }
  return cell;
}

static void sequence(bytes *b) {
  const slim_cell cell = random_cell(b);
  slim_sequence s = {.batch = size(b), .time = size(b)};
  for (int k = 0; k < SLIM_BUFFERS; k++) {
    const int64_t wanted = slim_elements(&cell, s.batch, s.time, k);
    if (wanted > 0 || byte(b) > 250)
      s.buffer[k] = buffer(b, wanted > 0 ? wanted : below(b, 9), k == SLIM_MASK ? 1 : 4);
  }
  if (byte(b) > 240) s.batch = size(b);
  if (byte(b) > 240) s.time = size(b);
  const int forward = slim_forward(&cell, &s);
  if (forward == SLIM_OK || byte(b) > 128) slim_error(slim_backward(&cell, &s));
  slim_error(forward);
}

enum { LAYERS = 4 };

static void stream(bytes *b) {
  slim_layer layers[LAYERS] = {{0}};
  slim_cell cells[LAYERS];
  const int count = 1 + below(b, LAYERS), batch = size32(b);
  int32_t inputs = size32(b);
  for (int k = 0; k < count; k++) {
    slim_layer *l = &layers[k];
    l->kind = k && byte(b) < 250 ? 1 + below(b, SLIM_LAYERS - 1) : below(b, SLIM_LAYERS + 1);
    l->inputs = inputs;
    const int is_pool = l->kind == SLIM_LAYER_AVERAGE || l->kind == SLIM_LAYER_LARGEST;
    const int is_convolution = l->kind == SLIM_LAYER_CONVOLUTION;
    const int is_wide = l->kind == SLIM_LAYER_POINTWISE ||
                        l->kind == SLIM_LAYER_MASKING ||
                        l->kind == SLIM_LAYER_PRELU || is_pool;
    if (is_convolution) {
      l->taps = byte(b) < 240 ? 1 + (int32_t)below(b, 4) : size32(b);
      l->dilation = byte(b) < 240 ? 1 + (int32_t)below(b, 4) : size32(b);
      l->strides = byte(b) < 240 ? 1 + (int32_t)below(b, 4) : size32(b);
    }
    l->outputs = inputs = is_wide && byte(b) < 250 ? inputs : size32(b);
    l->activation = below(b, SLIM_FUNCTIONS + 1);
    l->mask_zero = below(b, 2);
    if (byte(b) > 250) l->inputs = size32(b);
    cells[k] = random_cell(b);
    if (byte(b) < 250) cells[k].features = l->inputs, cells[k].units = l->outputs;
    l->cell = byte(b) < 250 ? &cells[k] : NULL;
    const int is_cell = l->kind == SLIM_LAYER_CELL;
    const int taps = is_convolution && l->taps > 0 && l->taps < MOST ? l->taps : 1;
    int64_t matrix = (int64_t)l->inputs * l->outputs;
    if (matrix > 0 && matrix < MOST) matrix *= taps;
    for (int w = 0; w < SLIM_WEIGHTS; w++) {
      const int64_t wanted = is_cell  ? slim_elements(&cells[k], 1, 1, SLIM_WEIGHT + w)
                             : l->kind == SLIM_LAYER_MASKING ? w == 0
                             : l->kind == SLIM_LAYER_PRELU   ? (w ? 0 : l->inputs)
                             : is_wide ? (w < 2 && l->mask_zero ? l->inputs : 0)
                             : w == 0  ? matrix
                             : w == 1 && (is_convolution || l->kind == SLIM_LAYER_DENSE)
                                 ? l->outputs
                                 : 0;
      if (wanted > 0) l->weights[w] = buffer(b, wanted, sizeof(float));
    }
    const int64_t span = is_convolution ? (taps - 1) * (int64_t)l->dilation + 1 : 1;
    const int64_t wide = !is_convolution            ? l->outputs
                         : span > 0 && span < MOST ? span * l->inputs
                                                   : 0;
    for (int i = 0; (is_cell || is_pool || is_convolution) && i < SLIM_STATES; i++)
      if (batch > 0 && batch < MOST && wide > 0 && wide < MOST * MOST)
        l->states[i] = buffer(
            b, (int64_t)batch * slim_padded(i && !is_cell ? 1 : (int)wide), sizeof(float));
  }
  const int is_index = layers[0].kind == SLIM_LAYER_EMBEDDING;
  const int64_t rows = batch > 0 && batch < MOST ? batch : 0;
  slim_buffer x = buffer(b, rows * (is_index ? 1 : layers[0].inputs), sizeof(float));
  slim_buffer y = buffer(b, rows * layers[count - 1].outputs, sizeof(float));
  slim_stream *made = NULL;
  slim_error(slim_stream_new(layers, count, batch, x, y, &made));
  for (int k = 0; k < 3; k++) {
    for (int64_t r = 0; is_index && x.at && r < x.count; r++)
      ((int32_t *)x.at)[r] = byte(b) < 200 ? (int32_t)below(b, 8) : size32(b);
    slim_stream_step(made);
    int64_t steps = below(b, 4), done;
    const int64_t of_x = rows * (is_index ? 1 : layers[0].inputs);
    const slim_buffer block = buffer(b, steps * of_x, sizeof(float));
    const slim_buffer out = buffer(b, steps * rows * layers[count - 1].outputs, sizeof(float));
    slim_stream_run(made, block, out, byte(b) < 250 ? steps : size32(b), &done);
  }
  slim_stream_measure(made, below(b, 3));
  slim_stream_free(made);
}

static void others(bytes *b) {
  char name[4] = {(char)byte(b), (char)byte(b), (char)byte(b), 0};
  slim_use_isa(byte(b) < 128 ? slim_isa(size32(b)) : name);
  slim_set_num_threads(below(b, 3) ? (int)below(b, 3) : size32(b));
  if (slim_num_threads() > 3) slim_set_num_threads(2);
  slim_padded(size32(b));
  const int64_t wanted = size(b);
  void *memory = wanted > MOST || wanted < 0 ? NULL : slim_acquire(wanted);
  if (memory) memset(memory, 1, wanted);
  slim_release(memory);
  if (wanted < 0 && slim_acquire((size_t)wanted)) abort();
  slim_error(size32(b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
  bytes b = {.at = data, .end = data + length};
  const uint32_t kind = byte(&b);
  (kind < 128 ? sequence : kind < 250 ? stream : others)(&b);
  while (b.pieces) free(b.memory[--b.pieces]);
  return 0;
}

#ifdef SLIM_FUZZ_MAIN
#include <time.h>

static void from_file(const char *path) {
  uint8_t data[4096];
  FILE *file = fopen(path, "rb");
  if (!file) abort();
  LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof data, file));
  fclose(file);
}

/* Inputs from files, and from a seed for so many seconds; prints how many. */
int main(int count, char **arguments) {
  const double seconds = count > 1 ? atof(arguments[1]) : 5; /* one input at least */
  uint64_t state = count > 2 ? strtoull(arguments[2], NULL, 10) : 1, runs = 0;
  for (int k = 3; k < count; k++, runs++) from_file(arguments[k]);
  const time_t start = time(NULL);
  for (; !runs || difftime(time(NULL), start) < seconds; runs++) {
    uint8_t data[512];
    for (size_t k = 0; k < sizeof data; k++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      data[k] = (uint8_t)(state >> 56);
    }
    LLVMFuzzerTestOneInput(data, sizeof data);
  }
  printf("%llu inputs\n", (unsigned long long)runs);
  return 0;
}
#endif
