"""A trained model one step at a time, in C: without Keras, without allocation.

Layers are read once, as data: what is supported, and how Keras's own layers are rows
of the table, stands in the tables below.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import keras
import numpy as np

from slimrnn.activations import KNOWN
from slimrnn.cells import SlimGRUCell, SlimLSTMCell, SlimMGUCell
from slimrnn.errors import InputError
from slimrnn.layers import SlimGRU, SlimLSTM, SlimMGU, SlimRNN
from slimrnn.native import library
from slimrnn.variants import FAMILIES, FULL, WEIGHTS, Gate, Variant, get

Array = np.ndarray
State = list[dict[str, Array]]

#: slim_layer's kinds, in the order of slimrnn.h
_EMBEDDING, _CELL, _DENSE = range(3)

#: the rows of Keras's own cells; their weights are packed like ours
_KERAS_CELLS: dict[type, Variant] = {
    keras.layers.LSTMCell: get("LSTM"),
    keras.layers.GRUCell: get("GRU"),
    # h = 0 * h + 1 * g(W x + U (1 * h) + b)
    keras.layers.SimpleRNNCell: Variant(
        "SimpleRNN", "mgu", {"f": Gate(constant=1.0), "c": FULL}
    ),
}
_SLIM_CELLS = (SlimLSTMCell, SlimGRUCell, SlimMGUCell)

#: layers that hand on what they get, except in training
_NOTHING = (
    keras.layers.InputLayer,
    keras.layers.Identity,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ActivityRegularization,
)

_CELL_ACTIVATIONS = {function: known.name for function, known in KNOWN.items()}
_DENSE_ACTIVATIONS = {**_CELL_ACTIVATIONS, keras.activations.softmax: "softmax"}
#: by number, as slimrnn.h has them
_NUMBERS = {name: k for k, name in enumerate((*library.ACTIVATIONS, "softmax"))}

#: settings of a recurrent layer that cannot be streamed; those of the second table are
#: so only where steps are masked: there, Keras's outputs are not the states
_ALWAYS = {"go_backwards": ""}
_MASKED = {
    **_ALWAYS,
    "stateful": " behind mask_zero",
    "zero_output_for_mask": " behind mask_zero",
}

#: a step over this many weights takes some 10 µs: then other threads may run
_LONG = 250_000


class Stream:
    """A layer or a model that takes one step at a time, in C.

    ``yₜ, stateₜ = layers(xₜ, stateₜ₋₁)`` in float32: step after step, bit for bit what
    ``slimrnn.native.run`` gives for the whole sequence. The weights are copied: what
    is trained afterwards needs a new Stream.

    A stream takes ``Embedding`` (first), the slim layers, ``keras.layers.LSTM``,
    ``GRU``, ``SimpleRNN``, ``RNN`` over one of their cells, ``Dense``, an
    ``Activation`` after a Dense that has none, and layers that only act in training,
    such as ``Dropout``. Each step passes every layer, so ``return_sequences`` does not
    matter. Index 0 of an Embedding with ``mask_zero`` keeps the states of its row.

    Streams are independent of one another. One stream serves one thread at a time.

    Args:
        model: a built layer, ``keras.Sequential``, or functional model that is a chain.
        batch_size: B, how many sequences go side by side.

    Attributes:
        batch_size: B.

    Raises:
        InputError: a layer, an activation or a setting that cannot be streamed, layers
            without weights yet, a batch_size below 1, or there is no native engine on
            this machine.

    Example:
        >>> layer = SlimLSTM(4, "LSTM6")
        >>> layer.build((None, None, 3))
        >>> if not library.find()[1]:
        ...     stream = Stream(layer)
        ...     y = stream.step(np.ones(3, "float32"))
        ...     assert y.shape == (4,)
        ...     assert np.array_equal(stream.state[0]["h"], [y])
    """

    def __init__(self, model: Any, batch_size: int = 1):
        self.batch_size = _whole("batch_size", batch_size)
        native = library.get()
        parts = _parts(model)
        first, last = parts[0], parts[-1]
        self._rows = first.inputs if first.kind == _EMBEDDING else 0
        shape = (batch_size,) if self._rows else (batch_size, first.inputs)
        x = np.zeros(shape, "int32" if self._rows else "float32")
        y = np.zeros((batch_size, last.outputs), "float32")
        self._dtype = x.dtype
        #: what a shape of x is written to, and what is returned
        self._views: dict[tuple[int, ...], tuple[Array, Array]] = {shape: (x, y)}
        if batch_size == 1:
            self._views[shape[1:]] = (x.reshape(shape[1:]), y[0])
        padded = [native.slim_padded(part.outputs) for part in parts]
        memory = [
            {name: np.zeros((batch_size, row), "float32") for name in part.states}
            for part, row in zip(parts, padded, strict=True)
        ]
        self._state = [
            {name: array[:, : part.outputs] for name, array in states.items()}
            for part, states in zip(parts, memory, strict=True)
            if states
        ]
        self._handle: _Handle | None = _Handle.new(parts, memory, x, y)
        long = sum(part.work for part in parts) > _LONG
        self._run: Callable = (native if long else library.quick()).slim_stream_step

    def step(self, x: Any) -> Array:
        """Take one step.

        Args:
            x: (B, m) float32, or (B,) indices for an Embedding; with ``batch_size=1``
                also (m,), or one index. Other numbers are converted, which takes
                longer.

        Returns:
            (B, n), or (n,) where x has no axis for the batch: the last layer's output
            after this step, a new array each time.

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
        if row:
            views[0].fill(0)  # what measure reads
            raise self._outside(x.reshape(-1)[row - 1])
        return views[1].copy()

    @property
    def state(self) -> State:
        """The states: for each recurrent layer, its arrays (B, n) by name.

        They are copies: read them to keep them, assign them to restore them. h is the
        layer's last output, c the cell state of an LSTM.

        Raises:
            InputError: what is assigned lacks a layer or a name, or has another shape;
                then nothing has changed.

        Example:
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
        """Begin anew: all states are 0."""
        for states in self._state:
            for array in states.values():
                array.fill(0)

    def measure(self, steps: int = 1000) -> float:
        """Time some steps inside C, without what calling them from Python costs.

        Args:
            steps: how many; they repeat the last step's x, and leave the states alone.

        Returns:
            Seconds a step, the mean.

        Raises:
            InputError: steps is not a whole number from 1 on, or the stream is closed.
        """
        _whole("steps", steps)
        if self._handle is None:
            _closed()
        kept = self.state
        seconds = library.get().slim_stream_measure(self._handle, steps)
        self.state = kept
        return seconds

    def close(self) -> None:
        """Give the memory back now, and not when the stream is garbage."""
        self._handle, self._run = None, _closed

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

    def _misshapen(self, x: Array) -> InputError:
        what = "indices" if self._rows else "features"
        allowed = " or ".join(map(str, self._views))
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
                f"recurrent layer, as Stream.state gives it; received "
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
    def new(cls, parts: list[_Part], memory: State, x: Array, y: Array) -> _Handle:
        """The parts as a stream that reads x and writes y."""
        native = library.get()
        layers = (library.Layer * len(parts))()
        for layer, part, states in zip(layers, parts, memory, strict=True):
            part.describe(layer, states)
        pointer = native.slim_stream_new(
            layers, len(parts), len(x), x.ctypes.data, y.ctypes.data
        )
        if not pointer:
            raise MemoryError("There is not enough memory for the stream.")
        handle = cls(pointer)
        handle.arrays = (parts, memory, x, y)
        # At the end of the process the memory goes anyway.
        weakref.finalize(handle, native.slim_stream_free, pointer).atexit = False
        return handle


@dataclass(frozen=True)
class _Part:
    """What C needs of a layer: see ``slim_layer`` in slimrnn.h."""

    kind: int
    inputs: int
    outputs: int
    weights: tuple[Array | None, ...]  # float32, in the places that C has for them
    activation: str = "linear"
    mask_zero: bool = False
    cell: library.Cell | None = None
    reset_bias: Array | None = None
    states: tuple[str, ...] = ()

    @property
    def work(self) -> int:
        """How many weights a step reads."""
        if self.kind == _EMBEDDING:
            return self.outputs
        return sum(w.size for w in self.weights if w is not None)

    def describe(self, layer: library.Layer, states: dict[str, Array]) -> None:
        """Write it into C's structure."""
        layer.kind, layer.inputs, layer.outputs = self.kind, self.inputs, self.outputs
        layer.activation = _NUMBERS[self.activation]
        layer.mask_zero = self.mask_zero
        if self.cell is not None:
            layer.cell = ctypes.pointer(self.cell)
        layer.reset_bias = library.address(self.reset_bias)
        for k, array in enumerate(self.weights):
            layer.weights[k] = library.address(array)
        for k, array in enumerate(states.values()):
            layer.states[k] = library.address(array)


def _parts(model: Any) -> list[_Part]:
    """The layers that compute something."""
    parts: list[_Part] = []
    for layer in _layers(model):
        if type(layer) in _NOTHING:
            continue
        if type(layer) is keras.layers.Activation:
            _fold(parts, layer)
            continue
        read = _READERS.get(type(layer))
        if read is None:
            names = ", ".join(kind.__name__ for kind in _READERS)
            raise InputError(
                f"A stream cannot have the layer {_name(layer)}; allowed: {names}, "
                f"Activation after Dense, and layers that only act in training."
            )
        _check(layer, first=not parts, masked=bool(parts) and parts[0].mask_zero)
        parts.append(read(layer))
    if not parts:
        raise InputError("A stream needs a layer that computes something; it has none.")
    return parts


def _layers(model: Any) -> Iterator[keras.layers.Layer]:
    """The layers of a model, in order; models inside it are opened."""
    if not isinstance(model, keras.layers.Layer):
        raise InputError(
            f"Stream takes a Keras layer, a keras.Sequential or a functional model "
            f"that is a chain; received {type(model).__name__}."
        )
    if isinstance(model, keras.Sequential):
        inside = model.layers
    elif isinstance(model, keras.Model):
        inside = _chain(model)
    else:
        yield model
        return
    for layer in inside:
        yield from _layers(layer)


def _chain(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a functional model, each fed by the one before alone."""
    try:
        config = model.get_config()
    except NotImplementedError:
        config = {}
    entries = config.get("layers", [])
    masks = [entry for entry in entries if entry["class_name"] == "NotEqual"]
    chain = [entry for entry in entries if entry not in masks]
    known = {layer.name: layer for layer in model.layers}
    if not _is_chain(chain, masks, config) or not _are_of_zeros(masks, chain, known):
        raise InputError(
            f"The model {model.name} is not a chain of layers, each fed by the one "
            f"before alone; stream a keras.Sequential of its layers."
        )
    for entry in chain:
        if entry["name"] not in known:
            raise InputError(
                f"A stream cannot have the operation {entry['name']}, which is not a "
                f"layer."
            )
    return [known[entry["name"]] for entry in chain]


def _is_chain(chain: list[dict], masks: list[dict], config: dict) -> bool:
    """Whether each layer is fed by the one before, and else only by a mask."""
    before: list[list] = []
    others: list[list] = [[], *([_output(mask)] for mask in masks)]
    for entry in chain:
        if _fed(entry, "args") != before or _fed(entry, "kwargs") not in others:
            return False
        before = [_output(entry)]
    outputs = config.get("output_layers")
    return bool(chain) and outputs in (before, before[0])


def _are_of_zeros(masks: list[dict], chain: list[dict], known: dict) -> bool:
    """Whether these are the masks that an Embedding's mask_zero makes."""
    if not masks:
        return True
    embedding = known.get(chain[1]["name"])
    fed = _fed(chain[1], "args")
    return getattr(embedding, "mask_zero", False) and all(
        _fed(mask, "args") == fed and mask["inbound_nodes"][0]["args"][-1] == 0
        for mask in masks
    )


def _output(entry: dict) -> list:
    """A layer's output in a functional model's configuration."""
    return [entry["name"], 0, 0]


def _fed(entry: dict, how: str) -> list[list]:
    """The outputs that a layer is called with."""
    return list(_outputs_in([node[how] for node in entry["inbound_nodes"]]))


def _outputs_in(tree: Any) -> Iterator[list]:
    if isinstance(tree, dict):
        if "keras_history" in tree:
            yield list(tree["keras_history"])
        tree = tree.values()
    elif not isinstance(tree, (list, tuple)):
        return
    for branch in tree:
        yield from _outputs_in(branch)


def _check(layer: Any, first: bool, masked: bool) -> None:
    """Refuse a layer of a supported kind whose settings cannot be streamed."""
    name = _name(layer)
    if not layer.built:
        raise InputError(
            f"The layer {name} has no weights yet; call the model, or build it with "
            f"the shape of its input, before streaming it."
        )
    for dtype in (layer.compute_dtype, getattr(layer, "cell", layer).compute_dtype):
        if dtype != "float32":
            raise InputError(
                f"A stream computes in float32, and the layer {name} in {dtype}; build "
                f"it with dtype='float32' and give it the same weights."
            )
    if getattr(layer, "quantization_mode", None):
        raise InputError(
            f"The layer {name} is quantized ({layer.quantization_mode}); a stream "
            f"takes float32 weights: stream the model before it is quantized."
        )
    if type(layer) is keras.layers.Embedding and not first:
        raise InputError(f"An Embedding must be the first layer; {name} is not.")
    for setting, behind in _MASKED.items() if masked else _ALWAYS.items():
        if getattr(layer, setting, False):
            raise InputError(
                f"The layer {name} has {setting}=True, which a stream cannot do"
                f"{behind}; allowed is False."
            )


def _recurrent(layer: Any) -> _Part:
    """A recurrent layer, by its cell."""
    cell = layer.cell
    if type(cell) in _SLIM_CELLS:
        variant = cell.algebra.variant
    elif type(cell) in _KERAS_CELLS:
        variant = _KERAS_CELLS[type(cell)]
        variant = variant if cell.use_bias else variant.without_bias()
    else:
        kinds = (*_KERAS_CELLS, *_SLIM_CELLS)
        raise InputError(
            f"A stream cannot have the cell {_name(cell)}; allowed: "
            f"{', '.join(kind.__name__ for kind in kinds)}."
        )
    weights = {name: _array(getattr(cell, name)) for name in variant.shapes(1, 1)}
    reset_after = bool(getattr(cell, "reset_after", False))
    reset_bias = None
    if reset_after and cell.use_bias:
        weights["bias"], reset_bias = _two_biases(weights["bias"])
    features = len(weights["kernel"])
    used = (cell.activation, getattr(cell, "recurrent_activation", None))
    g, s = (_activation(layer, f, _CELL_ACTIVATIONS) if f else "linear" for f in used)
    return _Part(
        _CELL,
        features,
        cell.units,
        tuple(weights.get(name) for name in WEIGHTS),
        cell=library.cell(variant, features, cell.units, g, s, reset_after),
        reset_bias=reset_bias,
        states=FAMILIES[variant.family].states,
    )


def _two_biases(biases: Array) -> tuple[Array, Array]:
    """The biases (2, 3n) of a GRU with reset_after: of all gates, and behind r.

    z and r add both of theirs; of the candidate, r resets the second one.
    """
    outer, inner = biases
    n = len(inner) // 3
    outer[: 2 * n] += inner[: 2 * n]
    return outer, inner[2 * n :]


def _dense(layer: Any) -> _Part:
    kernel = _array(layer.kernel)
    bias = _array(layer.bias) if layer.use_bias else None
    activation = _activation(layer, layer.activation, _DENSE_ACTIVATIONS)
    inputs, outputs = kernel.shape
    return _Part(_DENSE, inputs, outputs, (kernel, bias), activation)


def _embedding(layer: Any) -> _Part:
    table = _array(layer.embeddings)
    rows, outputs = table.shape
    return _Part(_EMBEDDING, rows, outputs, (table,), mask_zero=layer.mask_zero)


_READERS: dict[type, Callable[[Any], _Part]] = {
    keras.layers.Embedding: _embedding,
    **dict.fromkeys((SlimLSTM, SlimGRU, SlimMGU, SlimRNN), _recurrent),
    keras.layers.LSTM: _recurrent,
    keras.layers.GRU: _recurrent,
    keras.layers.SimpleRNN: _recurrent,
    keras.layers.RNN: _recurrent,
    keras.layers.Dense: _dense,
}


def _fold(parts: list[_Part], layer: Any) -> None:
    """Give an Activation layer to the Dense before it."""
    activation = _activation(layer, layer.activation, _DENSE_ACTIVATIONS)
    if activation == "linear":
        return
    if not parts or parts[-1].kind != _DENSE or parts[-1].activation != "linear":
        raise InputError(
            f"A stream can have an Activation only after a Dense without activation; "
            f"{_name(layer)} stands elsewhere. Use a layer's argument activation=."
        )
    parts[-1] = replace(parts[-1], activation=activation)


def _activation(layer: Any, function: Any, known: dict[Any, str]) -> str:
    """The name of an activation."""
    name = known.get(function)
    if name is None:
        received = getattr(function, "__name__", function)
        raise InputError(
            f"A stream cannot compute the activation {received} of the layer "
            f"{_name(layer)}; allowed: {', '.join(known.values())}."
        )
    return name


def _array(tensor: Any) -> Array:
    """A copy, as NumPy."""
    return np.array(keras.ops.convert_to_numpy(tensor), "float32", order="C")


def _name(layer: Any) -> str:
    return f"{layer.name} ({type(layer).__name__})"


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


def _whole(what: str, value: Any) -> int:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not 1 <= value < 2**31:
        raise InputError(
            f"{what} must be a whole number from 1 on; received {value!r}."
        )
    return int(value)


def _closed(*_: Any) -> NoReturn:
    raise InputError("This stream is closed; make a new Stream.")
