"""A step as Python calls it: x checked, or refused in a sentence."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.native import library
from slimrnn.stream.layers import EMBEDDING, Part

if TYPE_CHECKING:
    from slimrnn.native import _stream

Array = np.ndarray
State = list[dict[str, Array]]

#: a step over this many weights takes some 10 µs: then other threads may run
_LONG = 250_000


class Step:
    """One step of a stream, on the memory that C reads and writes.

    It knows nothing of the Stream, which has :meth:`take` or :meth:`compiled` among its
    own attributes: no circle keeps the memory of C alive.
    """

    def __init__(self, parts: list[Part], memory: State, batch_size: int):
        first, last = parts[0], parts[-1]
        self.rows = first.inputs if first.kind == EMBEDDING else 0
        shape = (batch_size,) if self.rows else (batch_size, first.inputs)
        self.x = x = np.zeros(shape, "int32" if self.rows else "float32")
        self.y = y = np.zeros((batch_size, last.outputs), "float32")
        #: what a shape of x is written to, and what is returned
        self.views: dict[tuple[int, ...], tuple[Array, Array]] = {shape: (x, y)}
        if batch_size == 1:
            self.views[shape[1:]] = (x.reshape(shape[1:]), y[0])
            if x.size == 1:
                self.views[()] = (x.reshape(()), y[0])
        self.handle: Handle | None = Handle.new(parts, memory, x, y)
        self._long = sum(part.work for part in parts) > _LONG
        native = library.get() if self._long else library.quick()
        self._run: Callable = native.slim_stream_step

    def take(self, x: Any) -> Array | None:
        """``Stream.step``."""
        if type(x) is not Array or x.dtype is not self.x.dtype:
            x = self.converted(x)
        views = self.views.get(x.shape)
        if views is None:
            raise self.misshapen(x)
        views[0][...] = x
        row = self._run(self.handle)
        if row > 0:
            views[0].fill(0)  # what measure reads
            raise self._outside(x.reshape(-1)[row - 1])
        if row < 0:
            if row == library.WAITS:
                return None
            raise unusable(row)
        return views[1].copy()

    def compiled(self) -> _stream.Step | None:
        """The same in C, for arrays of x's type; :meth:`take` does all else.

        None where the module of C was not built.
        """
        if library.Step is None or self.handle is None:
            return None
        function = ctypes.cast(library.get().slim_stream_step, ctypes.c_void_p)
        axes = {x.ndim: y.ndim for x, y in self.views.values()}
        return library.Step(
            function.value or 0,
            self.handle.value or 0,
            self.handle,
            self.x,
            self.y,
            (axes.get(0, 0), axes.get(1, 0), axes.get(2, 0)),
            self.take,
            self._long,
        )

    def converted(self, x: Any) -> Array:
        """The array of the right type that x is, or can be."""
        if self.rows and type(x) is int and 0 <= x < self.rows:
            return np.array(x, self.x.dtype)
        try:
            array = np.asarray(x)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                f"x must be an array; received {type(x).__name__} ({error})."
            ) from error
        if self.rows:
            return self.indices(array)
        if not np.can_cast(array.dtype, self.x.dtype, "same_kind"):
            raise InputError(
                f"x must be float32, or real numbers to be converted; received "
                f"{array.dtype}."
            )
        return array.astype(self.x.dtype)

    def indices(self, array: Array) -> Array:
        """The indices, none of them outside the embedding, as int32."""
        if array.dtype.kind not in "iu":
            raise InputError(
                f"x must be whole numbers, the indices of an Embedding; received "
                f"{array.dtype}. Convert them with x.astype('int32')."
            )
        outside = array[(array < 0) | (array >= self.rows)]
        if outside.size:
            raise self._outside(outside[0])
        return array.astype(self.x.dtype)

    def _outside(self, index: int) -> InputError:
        return InputError(
            f"x has the index {index}, which the Embedding does not have; allowed: 0 "
            f"to {self.rows - 1}. No state has changed."
        )

    def misshapen(self, x: Array, steps: str = "") -> InputError:
        """An x of another shape; `steps`: the axis that a block has in front."""
        what = "indices" if self.rows else "features"
        allowed = " or ".join(f"({steps}{str(shape)[1:]}" for shape in self.views)
        return InputError(
            f"x must have the shape {allowed} ({what}, batch_size={len(self.x)}); "
            f"received {x.shape}."
        )


class Handle(ctypes.c_void_p):
    """The stream in C, freed with the last reference to it.

    A call holds one, so that closing a stream while a step runs is safe.
    """

    arrays: tuple  # what C reads and writes, alive as long as it may

    @classmethod
    def new(cls, parts: list[Part], memory: State, x: Array, y: Array) -> Handle:
        """The parts as a stream that reads x and writes y."""
        native = library.get()
        layers = (library.Layer * len(parts))()
        for layer, part, states in zip(layers, parts, memory, strict=True):
            part.describe(layer, states)
        handle = cls()
        new = native.slim_stream_new(
            *(layers, len(parts), len(x)),
            *(library.buffer(x, x.dtype.name), library.buffer(y)),
            ctypes.byref(handle),
        )
        library.check(new)
        handle.arrays = (parts, memory, x, y)
        # At the end of the process the memory goes anyway.
        weakref.finalize(handle, native.slim_stream_free, handle.value).atexit = False
        return handle


def unusable(code: float) -> InputError:
    """What C says of a stream in which it cannot take a step."""
    if code == library.BUSY:
        return InputError(
            "Another thread is in this stream; one stream serves one thread at a time."
        )
    return InputError("This stream is closed; make a new Stream.")
