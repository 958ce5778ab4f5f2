"""A trained model one step at a time, in C: without Keras, without allocation."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import read
from slimrnn.native import library
from slimrnn.stream.block import Block
from slimrnn.stream.layers import EMBEDDING, Part, part_of
from slimrnn.utils.checks import whole

__all__ = ["Stream"]

Array = np.ndarray
State = list[dict[str, Array]]

MOST_STREAMS = 2**31 - 1  # that a C int holds
#: a step over this many weights takes some 10 µs: then other threads may run
_LONG = 250_000
_BLOCK = 2**18  # numbers of x or y that C takes at once


class Stream:
    """A layer or a model that takes one step at a time, in C.

    ``yₜ, stateₜ = layers(xₜ, stateₜ₋₁)`` in float32: step after step, bit for bit what
    ``slimrnn.native.run`` gives for the whole sequence. The weights are copied: what
    is trained afterwards needs a new Stream.

    A stream takes what ``slimrnn.ir.from_keras`` reads, but for layers that need the
    whole sequence: ``Bidirectional``, ``go_backwards``, and a Conv1D or a local pool
    that looks ahead (``padding="same"``). After one with strides fewer steps come out
    than go in: :meth:`step` gives None for the others, :meth:`run` leaves them out.
    Each step passes every layer, so ``return_sequences`` and ``Flatten`` do not
    matter. A masked step, by ``Masking`` or index 0 of an Embedding with
    ``mask_zero``, keeps the states of its row.

    Streams are independent of one another. One stream serves one thread at a time.

    Args:
        model: a built layer, ``keras.Sequential``, or functional model that is a chain;
            a ``slimrnn.ir.Model``; or the path of a ``.keras`` file.
        batch_size: B, how many sequences go side by side.

    Attributes:
        batch_size: B.

    Raises:
        InputError: a layer, an activation or a setting that cannot be streamed, layers
            without weights yet, a batch_size below 1, or there is no native engine on
            this machine.

    Example:
        >>> from slimrnn import SlimLSTM
        >>> layer = SlimLSTM(4, "LSTM6")
        >>> layer.build((None, None, 3))
        >>> if not library.find()[1]:
        ...     stream = Stream(layer)
        ...     y = stream.step(np.ones(3, "float32"))
        ...     assert y.shape == (4,)
        ...     assert np.array_equal(stream.state[0]["h"], [y])
    """

    def __init__(self, model: Any, batch_size: int = 1):
        whole("batch_size", batch_size, least=1, most=MOST_STREAMS)
        layers = read(model, recurrent=False).layers
        self._begin([part_of(layer) for layer in layers], batch_size)

    def _begin(self, parts: list[Part], batch_size: int) -> None:
        """Makes the stream of these parts in C."""
        native = library.get()
        self.batch_size: int = batch_size
        self._parts = parts
        first, last = parts[0], parts[-1]
        self._rows = first.inputs if first.kind == EMBEDDING else 0
        shape = (batch_size,) if self._rows else (batch_size, first.inputs)
        x = np.zeros(shape, "int32" if self._rows else "float32")
        y = np.zeros((batch_size, last.outputs), "float32")
        self._dtype = x.dtype
        #: what a shape of x is written to, and what is returned
        self._views: dict[tuple[int, ...], tuple[Array, Array]] = {shape: (x, y)}
        if batch_size == 1:
            self._views[shape[1:]] = (x.reshape(shape[1:]), y[0])
            if x.size == 1:
                self._views[()] = (x.reshape(()), y[0])
        self._steps = max(1, _BLOCK // max(x.size, y.size))
        self._blocks: dict[tuple[int, ...], Block] = {}  # the last one
        memory = [
            {
                name: np.zeros((batch_size, native.slim_padded(width)), "float32")
                for name, width in part.states.items()
            }
            for part in parts
        ]
        self._state = [
            {name: array[:, : part.states[name]] for name, array in states.items()}
            for part, states in zip(parts, memory, strict=True)
            if states
        ]
        self._initial = [part.initial or {} for part in parts if part.states]
        self.reset()
        self._handle: _Handle | None = _Handle.new(parts, memory, x, y)
        long = sum(part.work for part in parts) > _LONG
        self._run: Callable = (native if long else library.quick()).slim_stream_step

    def step(self, x: Any) -> Array | None:
        """Take one step.

        Args:
            x: (B, m) float32, or (B,) indices for an Embedding; with ``batch_size=1``
                also (m,), one index, or a number where m is 1. Other numbers are
                converted, which takes longer.

        Returns:
            (B, n), or (n,) where x has no axis for the batch: the last layer's output
            after this step, a new array each time. None where a Conv1D or a local pool
            waits for more steps: for its first ones where it is not causal, for the
            next ones where it has strides.

        Raises:
            InputError: a shape or a type that does not fit, an index that the
                Embedding does not have (the states are as before), a closed stream.
        """
        if type(x) is not Array or x.dtype is not self._dtype:
            x = self._converted(x)
        views = self._views.get(x.shape)
        if views is None:
            raise self._misshapen(x)
        views[0][...] = x
        row = self._run(self._handle)
        if row > 0:
            views[0].fill(0)  # what measure reads
            raise self._outside(x.reshape(-1)[row - 1])
        if row < 0:
            if row == library.WAITS:
                return None
            raise _unusable(row)
        return views[1].copy()

    def run(self, x: Any) -> Array:
        """Take a block of steps in one call: bit for bit what step after step gives.

        Other threads of Python run meanwhile.

        Args:
            x: what :meth:`step` takes, with an axis of T steps in front: (T, B, m), and
                with ``batch_size=1`` also (T, m), or (T,) where m is 1; (T, B) or (T,)
                indices.

        Returns:
            (T, B, n), or (T, n) where x has no axis for the batch; without the steps
            for which :meth:`step` gives None.

        Raises:
            InputError: as :meth:`step`; an index outside is found before any step.

        Example:
            >>> from slimrnn import SlimLSTM
            >>> layer = SlimLSTM(4, "LSTM6")
            >>> layer.build((None, None, 3))
            >>> if not library.find()[1]:
            ...     assert Stream(layer).run(np.ones((64, 3))).shape == (64, 4)
        """
        if type(x) is not Array or x.dtype is not self._dtype:
            x = self._converted(x)
        views = self._views.get(x.shape[1:]) if x.ndim else None
        if views is None:
            raise self._misshapen(x, "T, ")
        if self._rows:
            self._indices(x)
        of_y, steps = views[1].shape, self._steps
        if 0 < len(x) <= steps:
            return self._block(x, of_y)
        parts = [np.empty((0, *of_y), "float32")]
        for first in range(0, len(x), steps):
            parts.append(self._block(x[first : first + steps], of_y))
        return np.concatenate(parts)

    def _block(self, x: Array, of_y: tuple[int, ...]) -> Array:
        """A block that C takes at once."""
        # Taken out: another thread that comes meanwhile must not write into it.
        block = self._blocks.pop(x.shape, None) or Block(x, of_y)
        code, y = block.run(self._handle, x)
        self._blocks = {x.shape: block}
        if code < 0:
            raise _unusable(code)
        return y

    def prewarm(self, steps: int) -> None:
        """Take so many steps of zeros, or of index 0, so that the states settle.

        Audio models are trained and run after such a silence.

        Raises:
            InputError: steps is not a whole number from 1 on, or the stream is closed.
        """
        whole("steps", steps, least=1, most=MOST_STREAMS)
        shape, most = next(iter(self._views)), self._steps
        for first in range(0, steps, most):
            self.run(np.zeros((min(most, steps - first), *shape), self._dtype))

    @property
    def state(self) -> State:
        """The states: for each layer that has some, its arrays (B, n) by name.

        They are copies: read them to keep them, assign them to restore them. h is a
        recurrent layer's last output, c the cell state of an LSTM; x are the last steps
        into a Conv1D or a local pool, the oldest first, and wait is how many it takes
        before it gives something.

        Raises:
            InputError: what is assigned lacks a layer or a name, or has another shape;
                then nothing has changed.

        Example:
            >>> from slimrnn import SlimGRU
            >>> layer = SlimGRU(4, "GRU3")
            >>> layer.build((None, None, 3))
            >>> if not library.find()[1]:
            ...     stream = Stream(layer)
            ...     kept = stream.state
            ...     first = stream.step(np.ones(3))
            ...     stream.state = kept
            ...     assert np.array_equal(stream.step(np.ones(3)), first)
        """
        return [{k: a.copy() for k, a in states.items()} for states in self._state]

    @state.setter
    def state(self, given: Sequence[dict[str, Any]]) -> None:
        checked = self._checked(given)
        for mine, new in zip(self._state, checked, strict=True):
            for name, array in mine.items():
                array[...] = new[name]

    def reset(self) -> None:
        """Begin anew: all states are 0, or what the model has for them."""
        for states, initial in zip(self._state, self._initial, strict=True):
            for name, array in states.items():
                array[...] = initial.get(name, 0)

    def measure(self, steps: int = 1000) -> float:
        """Time some steps inside C, without what calling them from Python costs.

        Args:
            steps: how many; they repeat the last step's x, and leave the states alone.

        Returns:
            Seconds a step, the mean.

        Raises:
            InputError: steps is not a whole number from 1 on, or the stream is closed.
        """
        whole("steps", steps, least=1, most=MOST_STREAMS)
        kept = self.state
        seconds = library.get().slim_stream_measure(self._handle, steps)
        if seconds < 0:
            raise _unusable(seconds)
        self.state = kept
        return seconds

    def copy(self) -> Stream:
        """An independent stream at the same step; ``copy.copy`` and ``deepcopy``, too.

        Raises:
            InputError: the stream is closed.
        """
        if self._handle is None:
            raise _unusable(0)
        new = object.__new__(type(self))
        new._begin(self._parts, self.batch_size)
        for mine, other in zip(new._buffers(), self._buffers(), strict=True):
            mine[...] = other
        return new

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> Stream:
        return self.copy()

    def __reduce__(self) -> Any:
        raise TypeError(
            "A Stream cannot be pickled, since it is memory of C: keep its model as a "
            "file and pickle its state; then make a new Stream and assign the state."
        )

    def __repr__(self) -> str:
        first, last = self._parts[0], self._parts[-1]
        taken = (
            f"an index below {self._rows}" if self._rows else f"{first.inputs} numbers"
        )
        states = [f"{k} {a.shape}" for each in self._state for k, a in each.items()]
        return (
            f"<Stream: {taken} in, {last.outputs} out, batch_size={self.batch_size}, "
            f"states {', '.join(states) or 'none'}{', closed' * (not self._handle)}>"
        )

    def _buffers(self) -> list[Array]:
        """All arrays that a step reads or writes."""
        x_and_y = next(iter(self._views.values()))
        return [*x_and_y, *(a for each in self._state for a in each.values())]

    def close(self) -> None:
        """Give the memory back now, and not when the stream is garbage."""
        self._handle = None  # C refuses NULL; a step that runs has the old one

    def _converted(self, x: Any) -> Array:
        """The array of the right type that x is, or can be."""
        if self._rows and type(x) is int and 0 <= x < self._rows:
            return np.array(x, self._dtype)
        try:
            array = np.asarray(x)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                f"x must be an array; received {type(x).__name__} ({error})."
            ) from error
        if self._rows:
            return self._indices(array)
        if not np.can_cast(array.dtype, self._dtype, "same_kind"):
            raise InputError(
                f"x must be float32, or real numbers to be converted; received "
                f"{array.dtype}."
            )
        return array.astype(self._dtype)

    def _indices(self, array: Array) -> Array:
        """The indices, none of them outside the embedding, as int32."""
        if array.dtype.kind not in "iu":
            raise InputError(
                f"x must be whole numbers, the indices of an Embedding; received "
                f"{array.dtype}. Convert them with x.astype('int32')."
            )
        outside = array[(array < 0) | (array >= self._rows)]
        if outside.size:
            raise self._outside(outside[0])
        return array.astype(self._dtype)

    def _outside(self, index: int) -> InputError:
        return InputError(
            f"x has the index {index}, which the Embedding does not have; allowed: 0 "
            f"to {self._rows - 1}. No state has changed."
        )

    def _misshapen(self, x: Array, steps: str = "") -> InputError:
        what = "indices" if self._rows else "features"
        allowed = " or ".join(f"({steps}{str(shape)[1:]}" for shape in self._views)
        return InputError(
            f"x must have the shape {allowed} ({what}, batch_size={self.batch_size}); "
            f"received {x.shape}."
        )

    def _checked(self, given: Any) -> State:
        """States like this stream's, as float32."""
        listed = isinstance(given, (list, tuple))
        if not listed or len(given) != len(self._state):
            raise InputError(
                f"state must be a list of {len(self._state)} dicts, one for each "
                f"layer with states, as Stream.state gives it; received "
                f"{f'{len(given)} of them' if listed else type(given).__name__}."
            )
        return [
            _like(mine, new, f"state[{k}]")
            for k, (mine, new) in enumerate(zip(self._state, given, strict=True))
        ]


class _Handle(ctypes.c_void_p):
    """The stream in C, freed with the last reference to it.

    A call holds one, so that closing a stream while a step runs is safe.
    """

    arrays: tuple  # what C reads and writes, alive as long as it may

    @classmethod
    def new(cls, parts: list[Part], memory: State, x: Array, y: Array) -> _Handle:
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


def _like(mine: dict[str, Array], given: Any, what: str) -> dict[str, Array]:
    """Arrays of the same names and shapes, as float32."""
    if not isinstance(given, dict) or set(given) != set(mine):
        received = ", ".join(map(str, given)) if isinstance(given, dict) else given
        raise InputError(
            f"{what} must be a dict with {', '.join(mine)}; received {received!r}."
        )
    try:
        new = {name: np.asarray(array, "float32") for name, array in given.items()}
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} must have arrays of numbers ({error}).") from error
    for name, array in mine.items():
        if new[name].shape != array.shape:
            raise InputError(
                f"{what}[{name!r}] must have the shape {array.shape}; received "
                f"{new[name].shape}."
            )
    return new


def _unusable(code: float) -> InputError:
    """What C says of a stream in which it cannot take a step."""
    if code == library.BUSY:
        return InputError(
            "Another thread is in this stream; one stream serves one thread at a time."
        )
    return InputError("This stream is closed; make a new Stream.")
