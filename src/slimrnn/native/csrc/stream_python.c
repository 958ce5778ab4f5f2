/* A step of a stream as Python calls it: a module in Python's stable ABI, which every
 * CPython from 3.11 on loads. It is no part of the library and calls it by an address;
 * without it, the same is done through ctypes.
 *
 *   Step(function, stream, owner, x, y, axes, otherwise, long)
 *     function   the address of slim_stream_step
 *     stream     the address of what it takes, valid as long as `owner` lives
 *     x, y       the arrays that it reads and writes: (B, m) float32 or (B,) int32, and
 *                (B, n) float32, contiguous
 *     axes       how many the output has where x has 0, 1, 2 of them, the last ones of
 *                (B, m); 0: no such x is taken
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

#include "numpy_abi.h"
#include "slimrnn.h"

typedef struct {
  PyObject_HEAD
  int (*function)(slim_stream *);
  slim_stream *stream;
  PyObject *owner; /* NULL: closed */
  numpy_array *x, *y;
  size_t bytes_of_x, bytes_of_y;
  int axes[3];
  PyObject *otherwise;
  int is_long;
} Step;

/* NumPy's: one for all interpreters, as it is. */
static PyTypeObject *array_type;
static numpy_new new_array;

/* The argument, borrowed. */
static PyObject *argument(PyObject *const *given, Py_ssize_t count, PyObject *names) {
  const Py_ssize_t all = count + (names ? PyTuple_Size(names) : 0);
  if (all == 1 && (count == 1 || !PyUnicode_CompareWithASCIIString(
                                     PyTuple_GetItem(names, 0), "x")))
    return given[0];
  PyErr_SetString(PyExc_TypeError, "Stream.step() takes one argument, x");
  return NULL;
}

/* Whether an object is an array that memcpy may read as x. */
static int fits(const Step *self, PyObject *object) {
  const numpy_array *own = self->x, *given = (numpy_array *)object;
  const int wanted = NUMPY_C_CONTIGUOUS | NUMPY_ALIGNED;
  if (Py_TYPE(object) != array_type || given->dtype != own->dtype ||
      (given->flags & wanted) != wanted || given->axes > 2 || !self->axes[given->axes])
    return 0;
  const Py_ssize_t *shape = own->shape + own->axes - given->axes;
  for (int k = 0; k < given->axes; k++)
    if (given->shape[k] != shape[k]) return 0;
  return 1;
}

/* A new array: y, without the axis of the batch where there is one axis. */
static PyObject *output(const Step *self, int axes) {
  const numpy_array *y = self->y;
  PyObject *given = new_array(array_type, axes, y->shape + 2 - axes, NUMPY_FLOAT32,
                              NULL, NULL, 0, 0, NULL);
  if (given) memcpy(((numpy_array *)given)->data, y->data, self->bytes_of_y);
  return given;
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
  if (self->owner && fits(self, x)) {
    const int axes = self->axes[((numpy_array *)x)->axes];
    memcpy(self->x->data, ((numpy_array *)x)->data, self->bytes_of_x);
    const int code = self->is_long ? take_long(self) : self->function(self->stream);
    if (!code) return output(self, axes);
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
  Py_XDECREF(self->owner);
  Py_XDECREF((PyObject *)self->x);
  Py_XDECREF((PyObject *)self->y);
  Py_XDECREF(self->otherwise);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyObject *new_step(PyTypeObject *type, PyObject *arguments, PyObject *names) {
  PyObject *function, *stream, *owner, *x, *y, *otherwise;
  int axes[3], is_long;
  (void)names; /* it has none */
  if (!PyArg_ParseTuple(arguments, "O!O!OO!O!(iii)Op:Step", &PyLong_Type, &function,
                        &PyLong_Type, &stream, &owner, array_type, &x, array_type, &y,
                        &axes[0], &axes[1], &axes[2], &otherwise, &is_long))
    return NULL;
  Step *self = (Step *)PyType_GenericAlloc(type, 0);
  if (!self) return NULL;
  self->function = (int (*)(slim_stream *))PyLong_AsVoidPtr(function);
  self->stream = PyLong_AsVoidPtr(stream);
  self->owner = Py_NewRef(owner);
  self->x = (numpy_array *)Py_NewRef(x);
  self->y = (numpy_array *)Py_NewRef(y);
  self->bytes_of_x = self->bytes_of_y = sizeof(float);
  for (int k = 0; k < self->x->axes; k++) self->bytes_of_x *= self->x->shape[k];
  for (int k = 0; k < self->y->axes; k++) self->bytes_of_y *= self->y->shape[k];
  memcpy(self->axes, axes, sizeof axes);
  self->otherwise = Py_NewRef(otherwise);
  self->is_long = is_long;
  if (PyErr_Occurred()) Py_CLEAR(self); /* an address that is none */
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

/* NumPy's table of functions; NULL, with an exception set: there is none. */
static void **numpy_table(void) {
  PyObject *numpy = PyImport_ImportModule("numpy._core._multiarray_umath");
  if (!numpy) { /* 1.x */
    PyErr_Clear();
    numpy = PyImport_ImportModule("numpy.core._multiarray_umath");
  }
  PyObject *capsule = numpy ? PyObject_GetAttrString(numpy, "_ARRAY_API") : NULL;
  void **table = capsule ? PyCapsule_GetPointer(capsule, NULL) : NULL;
  Py_XDECREF(capsule);
  Py_XDECREF(numpy);
  return table;
}

static int begin(PyObject *module) {
  void **table = numpy_table();
  if (!table) return -1;
  const unsigned version = ((numpy_version)table[NUMPY_VERSION])();
  if (version < NUMPY_FIRST || version > NUMPY_LAST) {
    PyErr_Format(PyExc_ImportError, "NumPy has another ABI, of version %x", version);
    return -1;
  }
  array_type = table[NUMPY_ARRAY];
  new_array = (numpy_new)table[NUMPY_NEW];
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
