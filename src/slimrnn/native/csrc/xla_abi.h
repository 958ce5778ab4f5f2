/* The part of XLA's foreign function interface (its C ABI, major version 0) that
 * xla.c reads, so that building needs no XLA. XLA keeps these layouts: fields are only
 * ever added behind the last, and each structure tells its size. A test compares them
 * with the header of the installed jaxlib. */
#ifndef SLIM_XLA_ABI_H
#define SLIM_XLA_ABI_H

#include <stddef.h>
#include <stdint.h>

enum { XLA_MAJOR = 0, XLA_MINOR = 1 }; /* what is used here was there from 0.1 on */
enum { XLA_EXTENSION_METADATA = 1, XLA_INVALID_ARGUMENT = 3, XLA_RESOURCE_EXHAUSTED = 8 };
enum { XLA_BOOL = 1, XLA_INT32 = 4, XLA_FLOAT32 = 11 }; /* of elements */

typedef struct xla_extension {
  size_t struct_size;
  int type;
  struct xla_extension *next;
} xla_extension;

typedef struct {
  size_t struct_size;
  xla_extension *extension;
  int major, minor;
} xla_version;

typedef struct {
  size_t struct_size;
  xla_version version;
  uint32_t traits;
} xla_metadata;

typedef struct {
  xla_extension base;
  xla_metadata *metadata;
} xla_metadata_extension;

typedef struct {
  size_t struct_size;
  xla_extension *extension;
  const char *message;
  int code;
} xla_error_args;

typedef struct xla_error xla_error;

typedef struct {
  size_t struct_size;
  xla_extension *extension;
  xla_version version;
  const void *internal;
  xla_error *(*error_create)(xla_error_args *);
} xla_api;

typedef struct {
  size_t struct_size;
  xla_extension *extension;
  int dtype;
  void *data;
  int64_t rank;
  int64_t *dims;
} xla_buffer;

typedef struct {
  size_t struct_size;
  xla_extension *extension;
  int64_t size;
  int *types;
  void **values; /* of arguments and results: xla_buffer * */
} xla_values;

typedef struct {
  const char *at;
  size_t length;
} xla_text;

typedef struct {
  int dtype;
  size_t size;
  void *data;
} xla_array;

typedef struct {
  size_t struct_size;
  xla_extension *extension;
  int64_t size;
  int *types;
  xla_text **names;
  void **values;
} xla_attributes;

typedef struct {
  size_t struct_size;
  xla_extension *extension;
  const xla_api *api;
  void *context;
  int stage;
  xla_values arguments, results;
  xla_attributes attributes;
} xla_call;

#endif
