"""A trained model one step at a time, in C: without Keras, without allocation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import read
from slimrnn.native import library
from slimrnn.stream.block import Block
from slimrnn.stream.layers import Part, part_of
from slimrnn.stream.step import State, Step, unusable
from slimrnn.utils.checks import whole

__all__ = ["Stream"]

Array = np.ndarray

MOST_STREAMS = 2**31 - 1  # that a C int holds
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
    Each step passes every layer, so ``return_sequences`` and a ``Flatten`` at the end
    do not matter; a Dense behind one gives nothing before it has all its steps, and
    then takes the last ones. A masked step, by ``Masking`` or index 0 of an Embedding
    with ``mask_zero``, keeps the states of its row.

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
        self._step = step = Step(parts, memory, batch_size)
        self._compiled = step.compiled()
        self._take: Callable = self._compiled.step if self._compiled else step.take
        if type(self).step is Stream.step:  # no subclass has its own
            self.__dict__["step"] = self._take  # without a frame of Python between
        self._steps = max(1, _BLOCK // max(step.x.size, step.y.size))
        self._blocks: dict[tuple[int, ...], Block] = {}  # the last one

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
        return self._take(x)

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
        step = self._step
        if type(x) is not Array or x.dtype is not step.x.dtype:
            x = step.converted(x)
        views = step.views.get(x.shape[1:]) if x.ndim else None
        if views is None:
            raise step.misshapen(x, "T, ")
        if step.rows:
            step.indices(x)
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
        code, y = block.run(self._step.handle, x)
        self._blocks = {x.shape: block}
        if code < 0:
            raise unusable(code)
        return y

    def prewarm(self, steps: int) -> None:
        """Take so many steps of zeros, or of index 0, so that the states settle.

        Audio models are trained and run after such a silence.

        Raises:
            InputError: steps is not a whole number from 1 on, or the stream is closed.
        """
        whole("steps", steps, least=1, most=MOST_STREAMS)
        x, most = self._step.x, self._steps
        for first in range(0, steps, most):
            self.run(np.zeros((min(most, steps - first), *x.shape), x.dtype))

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
        seconds = library.get().slim_stream_measure(self._step.handle, steps)
        if seconds < 0:
            raise unusable(seconds)
        self.state = kept
        return seconds

    def copy(self) -> Stream:
        """An independent stream at the same step; ``copy.copy`` and ``deepcopy``, too.

        Raises:
            InputError: the stream is closed.
        """
        if self._step.handle is None:
            raise unusable(0)
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
        first, last, rows = self._parts[0], self._parts[-1], self._step.rows
        taken = f"an index below {rows}" if rows else f"{first.inputs} numbers"
        closed = ", closed" if self._step.handle is None else ""
        states = [f"{k} {a.shape}" for each in self._state for k, a in each.items()]
        return (
            f"<Stream: {taken} in, {last.outputs} out, batch_size={self.batch_size}, "
            f"states {', '.join(states) or 'none'}{closed}>"
        )

    def _buffers(self) -> list[Array]:
        """All arrays that a step reads or writes."""
        states = (a for each in self._state for a in each.values())
        return [self._step.x, self._step.y, *states]

    def close(self) -> None:
        """Give the memory back now, and not when the stream is garbage."""
        self._step.handle = None  # C refuses NULL; a step that runs has the old one
        if self._compiled:
            self._compiled.close()

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
