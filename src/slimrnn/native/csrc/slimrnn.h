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

enum { SLIM_GATES = 4, SLIM_WEIGHTS = 4, SLIM_STATES = 2 };

/* The order of weights everywhere. Each gate that has a term has a block of n
 * columns in that weight; the blocks lie side by side, in the order of the gates. */
enum { SLIM_KERNEL, SLIM_RECURRENT_KERNEL, SLIM_RECURRENT_VECTOR, SLIM_BIAS };

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
} slim_gate;

/* A cell. Gates are named by their index in the order of packing, -1: none. */
typedef struct {
  int32_t features, units;
  int32_t gates;                /* how many */
  int32_t candidate;            /* the gate with the activation g */
  int32_t input, forget, output; /* a cell with the state c (LSTM): all three */
  int32_t update, reset;        /* a cell that mixes h with the candidate */
  int32_t keeps;                /* the update gate weighs the old h */
  int32_t reset_after;          /* r * (U h + b'): Keras's GRU; forward only */
  int32_t activation, recurrent_activation;
  slim_gate gate[SLIM_GATES];
} slim_cell;

/* A whole sequence, forward. NULL means: not given, or not wanted. */
typedef struct {
  int64_t batch, time;
  const float *x;                     /* (B, T, m), element (b, t, k) at
                                         b * x_strides[0] + t * x_strides[1] + k */
  int64_t x_strides[2];
  const float *weights[SLIM_WEIGHTS]; /* (m, kn), (n, kn), (kn), (kn), contiguous */
  const float *reset_bias;            /* (n): b' of reset_after */
  const float *states[SLIM_STATES];   /* h, c before: (B, n); NULL: zeros */
  const uint8_t *mask;                /* (B, T): 0 repeats the states before */
  const float *recurrent_mask;        /* (B, n): multiplied with h in the gates */
  float *outputs;                     /* (B, T, n): h of each step, or NULL */
  float *last[SLIM_STATES];           /* h, c after: (B, n), or NULL */
  float *tape;                        /* slim_tape_size() floats for the backward
                                         pass, or NULL */
} slim_forward_args;

/* The same sequence, backward. */
typedef struct {
  slim_forward_args forward;           /* as it was; outputs and last not used */
  const float *doutputs;               /* (B, T, n), or NULL: zeros */
  const float *dlast[SLIM_STATES];     /* (B, n), or NULL: zeros */
  float *dx;                           /* (B, T, m) contiguous, or NULL */
  float *dweights[SLIM_WEIGHTS];       /* as the weights; NULL where there is none */
  float *dstates[SLIM_STATES];         /* (B, n), or NULL */
} slim_backward_args;

/* Floats of the tape that slim_forward writes for slim_backward. */
SLIM_API int64_t slim_tape_size(const slim_cell *cell, int64_t batch, int64_t time);

/* 0, or the reason why not (slim_error tells it in words). Results do not depend on
 * the number of threads. Safe from several threads at once. */
SLIM_API int slim_forward(const slim_cell *cell, const slim_forward_args *args);
SLIM_API int slim_backward(const slim_cell *cell, const slim_backward_args *args);
SLIM_API const char *slim_error(int code);

enum { SLIM_OK, SLIM_BAD_CELL, SLIM_BAD_ARGUMENT, SLIM_BAD_TAPE, SLIM_NO_MEMORY };

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

/* Instruction sets, best first: "avx512", "avx2", "baseline", "neon". slim_use_isa
 * returns 0, or -1 where this processor or this build lacks it. */
SLIM_API const char *slim_isa(int index); /* NULL: no more */
SLIM_API const char *slim_isa_in_use(void);
SLIM_API int slim_use_isa(const char *name);

/* A stream: layers that take one step at a time, without allocation. */
typedef struct slim_stream slim_stream;

enum { SLIM_LAYER_EMBEDDING, SLIM_LAYER_CELL, SLIM_LAYER_DENSE };
enum { SLIM_SOFTMAX = SLIM_ACTIVATIONS };

typedef struct {
  int32_t kind;
  int32_t inputs, outputs; /* features; an embedding's inputs: how many rows it has */
  int32_t activation;      /* of a dense layer: SLIM_TANH ... or SLIM_SOFTMAX */
  int32_t mask_zero;       /* an embedding's index 0 keeps the states of that row */
  const slim_cell *cell;
  const float *weights[SLIM_WEIGHTS]; /* dense: (inputs, outputs) and, as the second,
                                         (outputs) or NULL; embedding: (inputs,
                                         outputs), not copied */
  const float *reset_bias;
  float *states[SLIM_STATES]; /* of a cell: (B, slim_padded(n)), read and written by
                                 each step; the caller's, 0 behind the first n */
} slim_layer;

/* The floats of a row of n units in a stream's states. */
SLIM_API int slim_padded(int n);

/* x is what a step reads, (B, m) floats or, where the first layer is an embedding, (B)
 * int32; y, (B, outputs of the last layer), is what it writes. NULL: no memory, or a
 * layer that cannot be. */
SLIM_API slim_stream *slim_stream_new(const slim_layer *layers, int count, int batch,
                                      const void *x, float *y);
/* One step; 0, or 1 + the row whose index the embedding does not have (then no state
 * has changed). */
SLIM_API int slim_stream_step(slim_stream *stream);
SLIM_API void slim_stream_free(slim_stream *stream);
/* Seconds of one step, the mean over this many: without what calling it costs. */
SLIM_API double slim_stream_measure(slim_stream *stream, int64_t steps);

/* The machine's limits, as these sources can use them. */
SLIM_API double slim_peak_flops(int threads);                     /* FLOP/s */
SLIM_API double slim_peak_bandwidth(int64_t bytes, int threads);  /* bytes/s, reading */
SLIM_API double slim_product_flops(int rows, int units, int threads); /* h U, FLOP/s */

#ifdef __cplusplus
}
#endif
#endif
