/* The part of NumPy's C ABI (1.x and 2.x) that stream_python.c uses, so that building
 * needs no NumPy. NumPy keeps the head of an array and the places of its table of
 * functions. A test compares them with the headers of the installed NumPy. */
#ifndef SLIM_NUMPY_ABI_H
#define SLIM_NUMPY_ABI_H

#include <Python.h>

typedef struct {
  PyObject_HEAD
  char *data;
  int axes;
  Py_ssize_t *shape;
  Py_ssize_t *strides;
  PyObject *base;
  PyObject *dtype;
  int flags;
} numpy_array;

/* both of an array that lies in memory as C has it; it may be read-only */
enum { NUMPY_C_CONTIGUOUS = 0x1, NUMPY_ALIGNED = 0x100 };

enum { NUMPY_FLOAT32 = 11 }; /* number of a type */

/* Places in the table, and what is there. */
enum { NUMPY_VERSION = 0, NUMPY_ARRAY = 2 /* its type */, NUMPY_NEW = 93 };
enum { NUMPY_FIRST = 0x01000009, NUMPY_LAST = 0x02000000 }; /* versions */
typedef unsigned (*numpy_version)(void);
/* A new array of a type, its number of axes, shape, number of a type; then strides, data
 * (NULL: new memory, by rows), bytes of an element, flags, array made from: 0 here. */
typedef PyObject *(*numpy_new)(PyTypeObject *, int, const Py_ssize_t *, int,
                               const Py_ssize_t *, void *, int, int, PyObject *);

#endif
