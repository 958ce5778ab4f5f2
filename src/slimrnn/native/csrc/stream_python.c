/* A step of a stream as Python calls it: a module in Python's stable ABI, which every
 * CPython from 3.11 on loads. It is no part of the library and calls it by an address;
 * without it, the same is done through ctypes.
 *
 *   Step(function, stream, owner, x, results, otherwise, long)
 *     function   the address of slim_stream_step
 *     stream     the address of what it takes, valid as long as `owner` lives
 *     x          the array that it reads
 *     results    what gives the output, by the number of axes that x has: 0, 1, 2; None
 *                where no such x is taken
 *     otherwise  takes any x, or refuses it in a sentence; it must not know the Step,
 *                which no garbage collector sees
 *     long       whether other threads of Python may run during a step
 *
 * Step.step(x) copies an array of x's type, dtype and shape there, takes the step, and
 * gives a new array. Whatever else comes, otherwise(x) does: then nothing has changed.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#include "slimrnn.h"

typedef struct {
  PyObject_HEAD
  int (*function)(slim_stream *);
  slim_stream *stream;
  PyObject *owner; /* NULL: closed */
  Py_buffer x;
  PyObject *results[3];
  PyObject *otherwise;
  int is_long;
} Step;

/* The argument, borrowed. */
static PyObject *argument(PyObject *const *given, Py_ssize_t count, PyObject *names) {
  const Py_ssize_t all = count + (names ? PyTuple_Size(names) : 0);
  if (all == 1 && (count == 1 || !PyUnicode_CompareWithASCIIString(
                                     PyTuple_GetItem(names, 0), "x")))
    return given[0];
  PyErr_SetString(PyExc_TypeError, "Stream.step() takes one argument, x");
  return NULL;
}

/* Copies x to where the step reads it. What gives the output, borrowed; NULL, with no
 * exception set: x is something else. */
static PyObject *put(Step *self, PyObject *x) {
  /* Of an ndarray itself: no code of Python runs from here on, so that `owner` stays. */
  if (!self->owner || Py_TYPE(x) != Py_TYPE(self->x.obj)) return NULL;
  Py_buffer given;
  if (PyObject_GetBuffer(x, &given, PyBUF_RECORDS_RO)) { /* a dtype without a format */
    PyErr_Clear();
    return NULL;
  }
  const Py_buffer *own = &self->x;
  PyObject *result = given.ndim < 3 ? self->results[given.ndim] : NULL;
  /* Of as many numbers, only those of two axes can have another shape. */
  if (result && given.len == own->len && !strcmp(given.format, own->format) &&
      (given.ndim < 2 || given.shape[0] == own->shape[0]) &&
      PyBuffer_IsContiguous(&given, 'C'))
    memcpy(own->buf, given.buf, own->len);
  else
    result = NULL;
  PyBuffer_Release(&given);
  return result;
}

static int take_long(Step *self) {
  PyObject *owner = Py_NewRef(self->owner); /* another thread may close the stream */
  int code;
  Py_BEGIN_ALLOW_THREADS
  code = self->function(self->stream);
  Py_END_ALLOW_THREADS
  Py_DECREF(owner);
  return code;
}

static PyObject *step(Step *self, PyObject *const *given, Py_ssize_t count,
                      PyObject *names) {
  PyObject *x = argument(given, count, names);
  if (!x) return NULL;
  PyObject *result = put(self, x);
  if (result) {
    const int code = self->is_long ? take_long(self) : self->function(self->stream);
    if (!code) return PyObject_CallNoArgs(result);
    if (code == SLIM_WAITS) Py_RETURN_NONE;
  }
  return PyObject_CallFunctionObjArgs(self->otherwise, x, NULL);
}

static PyObject *close_step(Step *self, PyObject *none) {
  (void)none;
  Py_CLEAR(self->owner);
  Py_RETURN_NONE;
}

static void free_step(Step *self) {
  PyTypeObject *type = Py_TYPE((PyObject *)self);
  PyBuffer_Release(&self->x);
  Py_XDECREF(self->owner);
  for (int k = 0; k < 3; k++) Py_XDECREF(self->results[k]);
  Py_XDECREF(self->otherwise);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyObject *new_step(PyTypeObject *type, PyObject *arguments, PyObject *names) {
  PyObject *function, *stream, *owner, *x, *results[3], *otherwise;
  int is_long;
  (void)names; /* it has none */
  if (!PyArg_ParseTuple(arguments, "O!O!OO(OOO)Op:Step", &PyLong_Type, &function,
                        &PyLong_Type, &stream, &owner, &x, &results[0], &results[1],
                        &results[2], &otherwise, &is_long))
    return NULL;
  Step *self = (Step *)PyType_GenericAlloc(type, 0);
  if (!self) return NULL;
  self->function = (int (*)(slim_stream *))PyLong_AsVoidPtr(function);
  self->stream = PyLong_AsVoidPtr(stream);
  self->owner = Py_NewRef(owner);
  for (int k = 0; k < 3; k++)
    if (results[k] != Py_None) self->results[k] = Py_NewRef(results[k]);
  self->otherwise = Py_NewRef(otherwise);
  self->is_long = is_long;
  const int flags = PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS | PyBUF_FORMAT;
  if (PyErr_Occurred() || PyObject_GetBuffer(x, &self->x, flags)) {
    Py_DECREF(self);
    return NULL;
  }
  return (PyObject *)self;
}

#define FUNCTION(of) ((PyCFunction)(void (*)(void))(of))
static PyMethodDef methods[] = {
    {"step", FUNCTION(step), METH_FASTCALL | METH_KEYWORDS,
     "step($self, /, x)\n--\n\nTake one step: Stream.step says how."},
    {"close", FUNCTION(close_step), METH_NOARGS,
     "close($self, /)\n--\n\nLeave all further steps to `otherwise`."},
    {NULL, NULL, 0, NULL}};
static PyType_Slot slots[] = {{Py_tp_new, new_step},
                              {Py_tp_dealloc, free_step},
                              {Py_tp_methods, methods},
                              {0, NULL}};
static PyType_Spec spec = {"slimrnn.native._stream.Step", sizeof(Step), 0,
                           Py_TPFLAGS_DEFAULT, slots};

static int begin(PyObject *module) {
  PyObject *type = PyType_FromSpec(&spec);
  const int failed = !type || PyModule_AddObjectRef(module, "Step", type);
  Py_XDECREF(type);
  return failed || PyModule_AddStringConstant(module, "BUILD", SLIM_BUILD) ? -1 : 0;
}

static PyModuleDef_Slot parts[] = {{Py_mod_exec, begin}, {0, NULL}};
static struct PyModuleDef module = {.m_base = PyModuleDef_HEAD_INIT,
                                    .m_name = "_stream",
                                    .m_slots = parts};

PyMODINIT_FUNC PyInit__stream(void) { return PyModuleDef_Init(&module); }
