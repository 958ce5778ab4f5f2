/* XLA's custom calls: the engine inside `jax.jit`. The cell comes as an attribute, and
 * so does which of the engine's buffers each tensor is. */
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

/* A row of int32, or NULL. */
static const int32_t *attribute(const xla_call *call, const char *name, int64_t count) {
  for (int64_t k = 0; k < call->attributes.size; k++) {
    const xla_text *text = call->attributes.names[k];
    if (text->length != strlen(name) || memcmp(text->at, name, text->length)) continue;
    const xla_array *array = call->attributes.values[k];
    return array->dtype == XLA_INT32 && (int64_t)array->size == count ? array->data : NULL;
  }
  return NULL;
}

/* The tensors as the buffers whose numbers are in `which`. */
static int take(const xla_values *tensors, const int32_t *which, slim_sequence *s) {
  for (int64_t k = 0; which && k < tensors->size; k++) {
    if (which[k] < 0 || which[k] >= SLIM_BUFFERS) return 0;
    const xla_buffer *tensor = tensors->values[k];
    if (tensor->dtype != (which[k] == SLIM_MASK ? XLA_BOOL : XLA_FLOAT32)) return 0;
    slim_buffer *buffer = &s->buffer[which[k]];
    *buffer = (slim_buffer){tensor->data, 1};
    for (int64_t d = 0; d < tensor->rank; d++) buffer->count *= tensor->dims[d];
    if (which[k] == SLIM_X && tensor->rank == 3) {
      s->batch = tensor->dims[0];
      s->time = tensor->dims[1];
    }
  }
  return which != NULL;
}

static xla_error *run(const xla_call *call,
                      int (*engine)(const slim_cell *, const slim_sequence *)) {
  if (answers_metadata(call)) return NULL;
  slim_sequence s = {0};
  const int64_t numbers = sizeof(slim_cell) / sizeof(int32_t);
  const slim_cell *cell = (const void *)attribute(call, "cell", numbers);
  if (!cell ||
      !take(&call->arguments, attribute(call, "arguments", call->arguments.size), &s) ||
      !take(&call->results, attribute(call, "results", call->results.size), &s))
    return fail(call, XLA_INVALID_ARGUMENT,
                "slimrnn: an attribute is missing, or a tensor is of another type");
  const int code = engine(cell, &s);
  if (code == SLIM_OK) return NULL;
  return fail(call, code == SLIM_NO_MEMORY ? XLA_RESOURCE_EXHAUSTED : XLA_INVALID_ARGUMENT,
              slim_error(code));
}

SLIM_API xla_error *slim_xla_forward(xla_call *call) { return run(call, slim_forward); }

SLIM_API xla_error *slim_xla_backward(xla_call *call) { return run(call, slim_backward); }
