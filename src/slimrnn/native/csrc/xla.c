/* XLA's custom calls: the engine inside `jax.jit`. The cell comes as an attribute, and
 * so does which of the optional tensors are there; those that are come in order. */
#include "xla_abi.h"

#include <string.h>

#include "engine.h"

/* Answers XLA's question, when it registers a function, which ABI it was made for. */
static int answers_metadata(const xla_call *call) {
  const xla_extension *extension = call->extension;
  if (!extension || extension->type != XLA_EXTENSION_METADATA) return 0;
  xla_metadata *metadata = ((const xla_metadata_extension *)extension)->metadata;
  metadata->version.major = XLA_MAJOR;
  metadata->version.minor = XLA_MINOR;
  metadata->traits = 0;
  return 1;
}

static xla_error *fail(const xla_call *call, int code, const char *message) {
  xla_error_args args = {.struct_size = sizeof args, .message = message, .code = code};
  return call->api->error_create(&args);
}

static const xla_array *attribute(const xla_call *call, const char *name) {
  for (int64_t k = 0; k < call->attributes.size; k++) {
    const xla_text *text = call->attributes.names[k];
    if (text->length == strlen(name) && !memcmp(text->at, name, text->length))
      return call->attributes.values[k];
  }
  return NULL;
}

/* The tensors of a call, in order; `there` tells which exist. */
typedef struct {
  const xla_values *values;
  const xla_array *there;
  size_t asked;
  int64_t taken;
} tensors;

static const xla_buffer *next(tensors *t) {
  if (t->asked >= t->there->size || !((int32_t *)t->there->data)[t->asked++]) return NULL;
  return t->taken < t->values->size ? t->values->values[t->taken++] : NULL;
}

static void *next_data(tensors *t) {
  const xla_buffer *buffer = next(t);
  return buffer ? buffer->data : NULL;
}

/* What both directions read: x, weights, states, mask, recurrent mask. */
static slim_forward_args forward_args(tensors *in) {
  slim_forward_args a = {0};
  const xla_buffer *x = next(in);
  if (x && x->rank == 3) {
    a.x = x->data;
    a.batch = x->dims[0];
    a.time = x->dims[1];
    a.x_strides[0] = x->dims[1] * x->dims[2];
    a.x_strides[1] = x->dims[2];
  }
  for (int w = 0; w < SLIM_WEIGHTS; w++) a.weights[w] = next_data(in);
  for (int s = 0; s < SLIM_STATES; s++) a.states[s] = next_data(in);
  a.mask = next_data(in);
  a.recurrent_mask = next_data(in);
  return a;
}

static xla_error *ended(const xla_call *call, int code) {
  if (code == SLIM_OK) return NULL;
  return fail(call, code == SLIM_NO_MEMORY ? XLA_RESOURCE_EXHAUSTED : XLA_INVALID_ARGUMENT,
              slim_error(code));
}

/* The attributes of a call; NULL for the cell if one is missing or of another size. */
static const slim_cell *begin(const xla_call *call, tensors *in, tensors *out) {
  const xla_array *cell = attribute(call, "cell");
  *in = (tensors){&call->arguments, attribute(call, "arguments"), 0, 0};
  *out = (tensors){&call->results, attribute(call, "results"), 0, 0};
  if (!cell || cell->size * sizeof(int32_t) != sizeof(slim_cell)) return NULL;
  return in->there && out->there ? cell->data : NULL;
}

SLIM_API xla_error *slim_xla_forward(xla_call *call) {
  tensors in, out;
  if (answers_metadata(call)) return NULL;
  const slim_cell *cell = begin(call, &in, &out);
  if (!cell) return fail(call, XLA_INVALID_ARGUMENT, "slimrnn: attributes are missing");
  slim_forward_args a = forward_args(&in);
  a.outputs = next_data(&out);
  for (int s = 0; s < SLIM_STATES; s++) a.last[s] = next_data(&out);
  a.tape = next_data(&out);
  return ended(call, slim_forward(cell, &a));
}

SLIM_API xla_error *slim_xla_backward(xla_call *call) {
  tensors in, out;
  if (answers_metadata(call)) return NULL;
  const slim_cell *cell = begin(call, &in, &out);
  if (!cell) return fail(call, XLA_INVALID_ARGUMENT, "slimrnn: attributes are missing");
  slim_backward_args a = {.forward = forward_args(&in)};
  a.forward.tape = next_data(&in);
  a.doutputs = next_data(&in);
  for (int s = 0; s < SLIM_STATES; s++) a.dlast[s] = next_data(&in);
  a.dx = next_data(&out);
  for (int w = 0; w < SLIM_WEIGHTS; w++) a.dweights[w] = next_data(&out);
  for (int s = 0; s < SLIM_STATES; s++) a.dstates[s] = next_data(&out);
  return ended(call, slim_backward(cell, &a));
}
