/* A cell as data: whether it can be computed, and what each buffer must hold. */
#include "cell.h"

int slim_padded(int n) {
  return n < 1 || n > SLIM_MOST_WIDE ? 0 : (int)round_up(n, slim_padding());
}

int slim_keeps_c(const slim_cell *cell) {
  if (cell->forget < 0) return 0;
  const slim_gate *output = &cell->gate[cell->output];
  return !cell->gate[cell->forget].is_constant || !output->is_constant ||
         output->constant != 1.0f;
}

int64_t slim_weight_rows(const slim_cell *cell, int weight) {
  return weight == SLIM_KERNEL             ? cell->features
         : weight == SLIM_RECURRENT_KERNEL ? cell->units
         : weight == SLIM_TIE_SCALARS      ? 2
                                           : 1;
}

int64_t slim_weight_columns(const slim_cell *cell, int weight) {
  return weight == SLIM_TIE_SCALARS ? 1 : cell->units;
}

int64_t slim_tape_row(const slim_cell *cell, int64_t time) {
  int heavy = 0;
  for (int k = 0; k < cell->gates; k++) {
    const slim_gate *gate = &cell->gate[k];
    heavy += gate->terms[SLIM_KERNEL] || gate->terms[SLIM_RECURRENT_KERNEL] || gate->shared;
  }
  const int64_t states = (1 + slim_keeps_c(cell)) * (time + 1);
  return SLIM_HEAD + (states + heavy * time) * slim_padded(cell->units);
}

static int is_width(int32_t size) { return size >= 1 && size <= SLIM_MOST_WIDE; }

/* A batch may be empty; a sequence has a step. */
static int are_lengths(int64_t batch, int64_t time) {
  return batch >= 0 && batch <= INT32_MAX && time >= 1 && time <= INT32_MAX;
}

static int is_activation(int32_t function) {
  return function >= 0 && function < SLIM_ACTIVATIONS;
}

enum { PARTS = 6 };

/* Whether each gate has its part, and the candidate no other. */
static int has_its_parts(const slim_cell *cell) {
  const int with_c = cell->forget >= 0;
  const int has[PARTS] = {with_c, with_c, with_c, !with_c, !with_c,
                          !with_c && cell->product != -1};
  const int32_t parts[PARTS] = {cell->input, cell->forget, cell->output, cell->update,
                                cell->reset, cell->product};
  if (cell->candidate < 0 || cell->candidate >= cell->gates) return 0;
  unsigned used = 1u << cell->candidate;
  for (int k = 0; k < PARTS; k++) {
    if (!has[k] && parts[k] != -1) return 0;
    if (!has[k]) continue;
    if (parts[k] < 0 || parts[k] >= cell->gates || parts[k] == cell->candidate) return 0;
    used |= 1u << parts[k];
  }
  return used == (1u << cell->gates) - 1 && (!with_c || cell->gates == SLIM_GATES);
}

/* Whether one gate of a pair, and none of a cell without, follows the other. */
static int is_tied_well(const slim_cell *cell) {
  if (cell->tied == -1) return 1;
  return cell->forget >= 0 && (cell->tied == cell->input || cell->tied == cell->forget) &&
         cell->ratio > 0;
}

/* Whether a gate has terms, or something else instead. */
static int has_its_terms(const slim_cell *cell, int k) {
  const slim_gate *gate = &cell->gate[k];
  int count = 0;
  for (int w = 0; w < SLIM_WEIGHTS; w++) {
    if (gate->terms[w] != 0 && gate->terms[w] != 1) return 0;
    count += gate->terms[w];
  }
  if (gate->shared)
    return gate->shared == 1 && cell->forget >= 0 && k != cell->candidate && count == 1 &&
           gate->terms[SLIM_BIAS] && !gate->is_constant && k != cell->tied;
  if (k == cell->tied) return count == gate->terms[SLIM_TIE_SCALARS] && !gate->is_constant;
  return (count != 0) + (gate->is_constant != 0) == 1 && !gate->terms[SLIM_TIE_SCALARS];
}

static int reads_h(const slim_gate *gate) {
  return gate->terms[SLIM_RECURRENT_KERNEL] || gate->terms[SLIM_RECURRENT_VECTOR];
}

int slim_gate_reads_h(const slim_cell *cell, int k) {
  const int sums = cell->gate[k].shared ? cell->candidate : k;
  return reads_h(&cell->gate[sums]) || (sums == cell->candidate && cell->product >= 0);
}

int slim_reads_h(const slim_cell *cell) {
  int found = 0;
  for (int k = 0; k < cell->gates; k++) found |= slim_gate_reads_h(cell, k);
  return found;
}

int slim_scans(const slim_cell *cell, int rows) { return rows < 4 && !slim_reads_h(cell); }

/* Whether the product has h alone, is no other gate, and the candidate has it instead. */
static int reads_through_product(const slim_cell *cell) {
  const slim_gate *product = &cell->gate[cell->product];
  return cell->product != cell->update && cell->product != cell->reset &&
         reads_h(product) && !product->terms[SLIM_KERNEL] &&
         !reads_h(&cell->gate[cell->candidate]);
}

int slim_check_cell(const slim_cell *cell) {
  if (!cell || cell->gates < 2 || cell->gates > SLIM_GATES) return SLIM_BAD_CELL;
  if (!is_width(cell->features) || !is_width(cell->units)) return SLIM_BAD_SIZE;
  if (!is_activation(cell->activation) || !is_activation(cell->recurrent_activation) ||
      !is_activation(cell->state_activation) || !has_its_parts(cell) ||
      !is_tied_well(cell))
    return SLIM_BAD_CELL;
  for (int k = 0; k < cell->gates; k++)
    if (!has_its_terms(cell, k)) return SLIM_BAD_CELL;
  const int32_t *candidate = cell->gate[cell->candidate].terms;
  if (!candidate[SLIM_KERNEL]) return SLIM_BAD_CELL;
  return cell->product < 0 || reads_through_product(cell) ? SLIM_OK : SLIM_BAD_CELL;
}

/* A product of sizes, or -1 where its bytes would be too many. */
static int64_t product(int64_t a, int64_t b, int64_t c) {
  int64_t found;
  if (__builtin_mul_overflow(a, b, &found) || __builtin_mul_overflow(found, c, &found))
    return -1;
  return found > INT64_MAX / 16 ? -1 : found;
}

/* Which state, say, a buffer is, if it is one of those from `first` on. */
static int is_one_of(int buffer, int first, int count) {
  return buffer >= first && buffer < first + count;
}

static int64_t elements(const slim_cell *cell, int64_t batch, int64_t time, int buffer) {
  const int64_t m = cell->features, n = cell->units;
  const int first_weight = is_one_of(buffer, SLIM_WEIGHT, SLIM_WEIGHTS) ? SLIM_WEIGHT
                                                                       : SLIM_DWEIGHT;
  if (is_one_of(buffer, first_weight, SLIM_WEIGHTS)) {
    const int weight = buffer - first_weight;
    int64_t blocks = 0;
    for (int k = 0; k < cell->gates; k++) blocks += cell->gate[k].terms[weight];
    return product(slim_weight_rows(cell, weight), slim_weight_columns(cell, weight), blocks);
  }
  const int64_t state = product(batch, n, 1), c = cell->forget < 0 ? 0 : state;
  switch (buffer) {
    case SLIM_X:
    case SLIM_DX: return product(batch, time, m);
    case SLIM_MASK: return product(batch, time, 1);
    case SLIM_OUTPUTS:
    case SLIM_DOUTPUTS: return product(batch, time, n);
    case SLIM_TAPE: return product(batch, slim_tape_row(cell, time), 1);
    case SLIM_STATE + 1:
    case SLIM_LAST + 1:
    case SLIM_DLAST + 1:
    case SLIM_DSTATE + 1: return c;
    default: return state;
  }
}

int64_t slim_elements(const slim_cell *cell, int64_t batch, int64_t time, int buffer) {
  if (slim_check_cell(cell) || !are_lengths(batch, time)) return -1;
  return buffer < 0 || buffer >= SLIM_BUFFERS ? -1 : elements(cell, batch, time, buffer);
}

static int is_needed(int buffer, int backward) {
  return buffer == SLIM_X || is_one_of(buffer, SLIM_WEIGHT, SLIM_WEIGHTS) ||
         (buffer == SLIM_TAPE && backward);
}

int slim_check_sequence(const slim_cell *cell, const slim_sequence *s, int backward) {
  const int bad = slim_check_cell(cell);
  if (bad) return bad;
  if (!s || !are_lengths(s->batch, s->time)) return SLIM_BAD_SIZE;
  for (int k = 0; k < SLIM_BUFFERS; k++) {
    const int of_forward = is_one_of(k, SLIM_OUTPUTS, 1 + SLIM_STATES);
    if (backward ? of_forward : k >= SLIM_DOUTPUTS) continue;
    const slim_buffer *b = &s->buffer[k];
    const int64_t wanted = elements(cell, s->batch, s->time, k);
    if (wanted < 0) return SLIM_BAD_SIZE;
    const int unknown = !wanted && s->batch; /* this cell has no such buffer */
    if (b->at ? b->count != wanted || unknown : wanted && is_needed(k, backward))
      return SLIM_BAD_BUFFER + k;
  }
  return SLIM_OK;
}

#define SENTENCE(name)                                                                 \
  name " is missing, or has another number of elements than this cell, batch and time " \
       "ask for"

const char *slim_error(int code) {
  static const char *const reasons[] = {
      [SLIM_OK] = "done",
      [SLIM_BAD_CELL] = "the cell is not one that the native engine computes",
      [SLIM_BAD_SIZE] = "time, features and units must be from 1 on, batch from 0, and "
                        "all of a buffer must fit into memory",
      [SLIM_BAD_TAPE] = "the tape was not made by a forward pass over this batch",
      [SLIM_BAD_LAYER] = "a layer does not fit the one before it, or a buffer is missing "
                         "or has another number of elements than the layers ask for",
      [SLIM_NO_MEMORY] = "there is not enough memory",
      [SLIM_BAD_BUFFER + SLIM_X] = SENTENCE("x"),
      [SLIM_BAD_BUFFER + SLIM_WEIGHT + SLIM_KERNEL] = SENTENCE("kernel"),
      [SLIM_BAD_BUFFER + SLIM_WEIGHT + SLIM_RECURRENT_KERNEL] = SENTENCE("recurrent_kernel"),
      [SLIM_BAD_BUFFER + SLIM_WEIGHT + SLIM_RECURRENT_VECTOR] = SENTENCE("recurrent_vector"),
      [SLIM_BAD_BUFFER + SLIM_WEIGHT + SLIM_BIAS] = SENTENCE("bias"),
      [SLIM_BAD_BUFFER + SLIM_WEIGHT + SLIM_TIE_SCALARS] = SENTENCE("tie_scalars"),
      [SLIM_BAD_BUFFER + SLIM_STATE] = SENTENCE("the initial h"),
      [SLIM_BAD_BUFFER + SLIM_STATE + 1] = SENTENCE("the initial c"),
      [SLIM_BAD_BUFFER + SLIM_MASK] = SENTENCE("mask"),
      [SLIM_BAD_BUFFER + SLIM_RECURRENT_MASK] = SENTENCE("recurrent_mask"),
      [SLIM_BAD_BUFFER + SLIM_TAPE] = SENTENCE("the tape"),
      [SLIM_BAD_BUFFER + SLIM_OUTPUTS] = SENTENCE("the outputs"),
      [SLIM_BAD_BUFFER + SLIM_LAST] = SENTENCE("the last h"),
      [SLIM_BAD_BUFFER + SLIM_LAST + 1] = SENTENCE("the last c"),
      [SLIM_BAD_BUFFER + SLIM_DOUTPUTS] = SENTENCE("the outputs' gradient"),
      [SLIM_BAD_BUFFER + SLIM_DLAST] = SENTENCE("the last h's gradient"),
      [SLIM_BAD_BUFFER + SLIM_DLAST + 1] = SENTENCE("the last c's gradient"),
      [SLIM_BAD_BUFFER + SLIM_DX] = SENTENCE("x's gradient"),
      [SLIM_BAD_BUFFER + SLIM_DWEIGHT + SLIM_KERNEL] = SENTENCE("kernel's gradient"),
      [SLIM_BAD_BUFFER + SLIM_DWEIGHT + SLIM_RECURRENT_KERNEL] =
          SENTENCE("recurrent_kernel's gradient"),
      [SLIM_BAD_BUFFER + SLIM_DWEIGHT + SLIM_RECURRENT_VECTOR] =
          SENTENCE("recurrent_vector's gradient"),
      [SLIM_BAD_BUFFER + SLIM_DWEIGHT + SLIM_BIAS] = SENTENCE("bias's gradient"),
      [SLIM_BAD_BUFFER + SLIM_DWEIGHT + SLIM_TIE_SCALARS] =
          SENTENCE("tie_scalars's gradient"),
      [SLIM_BAD_BUFFER + SLIM_DSTATE] = SENTENCE("the initial h's gradient"),
      [SLIM_BAD_BUFFER + SLIM_DSTATE + 1] = SENTENCE("the initial c's gradient"),
  };
  const int count = sizeof reasons / sizeof *reasons;
  return code < 0 || code >= count ? "there is no such error" : reasons[code];
}
