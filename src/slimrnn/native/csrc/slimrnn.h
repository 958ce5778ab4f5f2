/* slimrnn: recurrent layers with reduced gates, on the CPU, forward and backward.
 *
 * Sizes: B batch, T time, m features, n units. All numbers are float32; all sizes
 * and strides count floats. The caller owns every buffer.
 *
 * A cell is data: for each gate, which terms of s(W x + U h + b) it has. There is no
 * case for a variant anywhere in these sources.
 */
#ifndef SLIMRNN_H
#define SLIMRNN_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define SLIM_API __declspec(dllexport)
#else
#define SLIM_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum { SLIM_GATES = 4, SLIM_WEIGHTS = 5, SLIM_STATES = 2 };

/* The order of weights everywhere. Each gate that has a term has a block of n
 * columns in that weight; the blocks lie side by side, in the order of the gates. A tied
 * gate alone can have SLIM_TIE_SCALARS, 2 numbers zeta and nu: it is sigmoid(zeta) times the
 * complement, and sigmoid(nu) more. */
enum {
  SLIM_KERNEL,
  SLIM_RECURRENT_KERNEL,
  SLIM_RECURRENT_VECTOR,
  SLIM_BIAS,
  SLIM_TIE_SCALARS
};

enum {
  SLIM_TANH,
  SLIM_SIGMOID,
  SLIM_RELU,
  SLIM_LINEAR,
  SLIM_HARD_SIGMOID,        /* clip(x / 6 + 0.5, 0, 1) */
  SLIM_HARD_SIGMOID_KERAS2, /* clip(0.2 x + 0.5, 0, 1) */
  SLIM_ACTIVATIONS
};

/* A gate, or its constant. Every field has 4 bytes, so that a cell can travel as an
 * array of int32. */
typedef struct {
  int32_t terms[SLIM_WEIGHTS]; /* 1 where the gate has a block of this weight */
  int32_t is_constant;
  float constant;
  int32_t shared; /* beside its bias, its only term, the candidate's W x + U h */
} slim_gate;

/* A cell. Gates are named by their index in the order of packing, -1: none. */
typedef struct {
  int32_t features, units;
  int32_t gates;                /* how many */
  int32_t candidate;            /* the gate with the activation g */
  int32_t input, forget, output; /* a cell with the state c (LSTM): all three */
  int32_t tied;                 /* of input and forget, the one without a sum: the */
  float ratio;                  /* complement of the other, (1 - f) / (1 - f + ratio f) */
  int32_t update, reset;        /* a cell that mixes h with the candidate */
  int32_t keeps;                /* the update gate weighs the old h */
  int32_t product;              /* U h + b, which the reset gate multiplies in the
                                   candidate; -1: it multiplies the h that is read */
  int32_t activation, recurrent_activation; /* of the candidate, of the other gates */
  int32_t state_activation;                 /* of c in h = o * g(c) */
  slim_gate gate[SLIM_GATES];
} slim_cell;

/* A buffer: where it lies and how many elements it has, floats or (mask, indices) what
 * is said there. NULL: not given, or not wanted. Nothing is read or written before all
 * buffers have been held against what they must have. */
typedef struct {
  void *at;
  int64_t count;
} slim_buffer;

/* The buffers of a sequence, each contiguous. There are as many weights and states as
 * enums above say; what a cell lacks is not given. Optional: o. */
enum {
  SLIM_X,                                             /*   (B, T, m) */
  SLIM_WEIGHT,                                        /*   (m, kn), (n, kn), (kn), (kn),
                                                           (2) */
  SLIM_STATE = SLIM_WEIGHT + SLIM_WEIGHTS,            /* o h, c before: (B, n); zeros */
  SLIM_MASK = SLIM_STATE + SLIM_STATES,               /* o (B, T) bytes: 0 repeats the
                                                           states before */
  SLIM_RECURRENT_MASK,                                /* o (B, n): multiplied with h in
                                                           the gates */
  SLIM_TAPE,                                          /*   what slim_forward (o) writes
                                                           for slim_backward */
  SLIM_OUTPUTS,                                       /* o (B, T, n): h of each step */
  SLIM_LAST,                                          /* o h, c after: (B, n) */
  SLIM_DOUTPUTS = SLIM_LAST + SLIM_STATES,            /* o as the outputs; zeros */
  SLIM_DLAST,                                         /* o as the last; zeros */
  SLIM_DX = SLIM_DLAST + SLIM_STATES,                 /* o as x */
  SLIM_DWEIGHT,                                       /* o as the weights */
  SLIM_DSTATE = SLIM_DWEIGHT + SLIM_WEIGHTS,          /* o as the states */
  SLIM_BUFFERS = SLIM_DSTATE + SLIM_STATES
};

/* A whole sequence. slim_forward uses what stands before SLIM_DOUTPUTS, slim_backward
 * all but the outputs and the last states. */
typedef struct {
  int64_t batch, time;
  slim_buffer buffer[SLIM_BUFFERS];
} slim_sequence;

/* How many elements a buffer must have; 0: this cell has no such buffer; -1: there is no
 * such cell or buffer, or it would be too large. */
SLIM_API int64_t slim_elements(const slim_cell *cell, int64_t batch, int64_t time,
                               int buffer);

/* 0, or the reason why not (slim_error tells it in words). Results do not depend on
 * the number of threads. Safe from several threads at once. */
SLIM_API int slim_forward(const slim_cell *cell, const slim_sequence *sequence);
SLIM_API int slim_backward(const slim_cell *cell, const slim_sequence *sequence);
SLIM_API const char *slim_error(int code);

enum { SLIM_MOST_WIDE = 1 << 24 }; /* features or units */

enum {
  SLIM_OK,
  SLIM_BAD_CELL,
  SLIM_BAD_SIZE,
  SLIM_BAD_TAPE,
  SLIM_BAD_LAYER,
  SLIM_NO_MEMORY,
  SLIM_BAD_BUFFER /* + its number */
};

/* Memory of at least this many bytes, aligned to 64, of no particular contents, for a
 * tape, say; NULL where there is none. What is released is kept for the next call, up
 * to 256 MB of it in all: the pages of fresh memory cost more than the work of a short
 * sequence. */
SLIM_API void *slim_acquire(size_t bytes);
SLIM_API void slim_release(void *memory);

/* Threads: at most this many work at one sequence; 0: the cores that the process may
 * use. */
SLIM_API void slim_set_num_threads(int count);
SLIM_API int slim_num_threads(void);

/* The SHA-256 of the SHA-256s of the sources, in the order of their names. */
SLIM_API const char *slim_build(void);

/* Instruction sets, best first: "avx512", "avx2", "baseline", "neon". slim_use_isa
 * returns 0, or -1 where this processor or this build lacks it. */
SLIM_API const char *slim_isa(int index); /* NULL: no more */
SLIM_API const char *slim_isa_in_use(void);
SLIM_API int slim_use_isa(const char *name);

/* A stream: layers that take one step at a time, without allocation. */
typedef struct slim_stream slim_stream;

enum {
  SLIM_LAYER_EMBEDDING,
  SLIM_LAYER_CELL,
  SLIM_LAYER_DENSE,
  SLIM_LAYER_POINTWISE, /* activation(scale * x + offset) */
  SLIM_LAYER_MASKING,   /* rows whose numbers all equal a value keep the states */
  SLIM_LAYER_SKIP,      /* x + scale * the first numbers of the stream's x */
  SLIM_LAYER_CONVOLUTION, /* a dense layer of some steps, the last of them this one */
  SLIM_LAYER_AVERAGE,   /* of the steps so far, but those that a mask leaves out */
  SLIM_LAYER_LARGEST,   /* of each number in the steps so far */
  SLIM_LAYER_NORMALIZATION,  /* scale * (x - mean) / sqrt(variance + a number) + offset */
  SLIM_LAYER_WINDOW_AVERAGE, /* of each number in so many steps, the last one this */
  SLIM_LAYER_WINDOW_LARGEST, /* likewise */
  SLIM_LAYER_PRELU,          /* x where it is positive, else slope * x */
  SLIM_LAYERS
};
/* The functions that layers beside the cells have, too. */
enum {
  SLIM_SOFTMAX = SLIM_ACTIVATIONS,
  SLIM_RELU6,
  SLIM_HARD_TANH, /* clip(x, -1, 1) */
  SLIM_SOFTSIGN,
  SLIM_ELU,
  SLIM_SELU,
  SLIM_SOFTPLUS,
  SLIM_GELU,
  SLIM_GELU_TANH, /* its approximation */
  SLIM_SILU,
  SLIM_HARD_SILU,
  SLIM_MISH,
  SLIM_FUNCTIONS
};

typedef struct {
  int32_t kind;
  int32_t inputs, outputs; /* features; an embedding's inputs: how many rows it has */
  int32_t activation;      /* of a dense or pointwise layer: below SLIM_FUNCTIONS */
  int32_t mask_zero;       /* an embedding's index 0 keeps the states of that row */
  int32_t taps, dilation, strides; /* of a convolution or a window: how many steps, how
                                      far apart, and how often something comes out */
  const slim_cell *cell;
  slim_buffer weights[SLIM_WEIGHTS]; /* dense: (inputs, outputs) and, as the second,
                                        (outputs) or NULL; embedding: (inputs,
                                        outputs); pointwise: scale and offset,
                                        (inputs) each, or neither; masking: the
                                        value; skip: scale, (inputs); prelu: slope,
                                        (inputs); normalization: scale, offset, the number; convolution: as
                                        dense, of taps * inputs. Copied are a dense
                                        layer's, a convolution's and a cell's */
  slim_buffer states[SLIM_STATES]; /* of a cell: (B, slim_padded(n)), read and written by
                                      each step; the caller's, 0 behind the first n. Of a
                                      convolution or a window: its last steps, oldest first, (B,
                                      slim_padded(((taps - 1) * dilation + 1) * inputs)),
                                      and how many to wait for what comes out, (B,
                                      slim_padded(1)); NULL: none. Of an average and a
                                      largest: the sum or the largest so far, (B,
                                      slim_padded(n)), and the count, (B, slim_padded(1)) */
} slim_layer;

/* The floats of a row of n units in a stream's states; 0: there is no such row. */
SLIM_API int slim_padded(int n);

/* x is what a step reads, (B, m) floats or, where the first layer is an embedding, (B)
 * int32; y, (B, outputs of the last layer), is what it writes. 0, or the reason why
 * there is no stream. */
SLIM_API int slim_stream_new(const slim_layer *layers, int count, int batch,
                             slim_buffer x, slim_buffer y, slim_stream **stream);
/* One step; 0, or 1 + the row whose index the embedding does not have, or one of these:
 * then no state has changed. One caller at a time; the others are refused. */
enum { SLIM_NO_STREAM = -1, SLIM_BUSY = -2 };
/* Or this one: the step was taken, and a convolution waits for more: y is as it was. */
enum { SLIM_WAITS = -4 };
SLIM_API int slim_stream_step(slim_stream *stream);
/* So many steps: x (steps, B, m) and y (steps, B, outputs) instead of the stream's, bit
 * for bit as step by step. As a step; *done: the steps of y that were written: one for
 * each that was taken, unless a convolution waits; none from the index on that the
 * embedding does not have. SLIM_BAD_BLOCK: x, y or steps
 * does not fit, and nothing is done. */
enum { SLIM_BAD_BLOCK = -3 };
SLIM_API int slim_stream_run(slim_stream *stream, slim_buffer x, slim_buffer y,
                             int64_t steps, int64_t *done);
SLIM_API void slim_stream_free(slim_stream *stream);
/* Seconds of one step, the mean over this many: without what calling it costs; or below
 * 0, as a step. */
SLIM_API double slim_stream_measure(slim_stream *stream, int64_t steps);

#ifdef __cplusplus
}
#endif
#endif
