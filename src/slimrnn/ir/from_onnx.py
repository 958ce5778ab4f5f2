"""The reader of ONNX files: a chain of layers, whoever exported it.

The graph is gone through once, and of each tensor is kept what is known without running
it: a number, a shape, or what layers the model's input has gone through. So it does not
matter how an exporter turns axes round, or finds the shape of a first state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.chain import model_of
from slimrnn.ir.described import Described
from slimrnn.ir.model import Model
from slimrnn.ir.onnx_recurrent import About, named_function, recurrent
from slimrnn.ir.onnx_values import (
    DIRECTIONS,
    FEATURES,
    FOLDED,
    ONE,
    Array,
    Axis,
    Filled,
    Flow,
    State,
)
from slimrnn.utils import files, foreign
from slimrnn.utils.optional import require

MOST_BYTES = 1 << 31  # of a file, as the format has it
_END = np.iinfo("int32").max  # a slice's, or more


def from_onnx(path: Path) -> Model:
    """The model of an ONNX file.

    Read are the operators LSTM, GRU and RNN, Gemm and MatMul, Gather of a table,
    BatchNormalization, activations, sums and products with constants, the model's input
    added to the output, and what only turns axes round.

    Raises:
        InputError: a damaged file, an operator that the IR lacks, branches.
    """
    onnx = require("onnx", "onnx", "slimrnn[onnx]")
    try:
        foreign.size_of(path, MOST_BYTES)
        proto = onnx.load_model_from_string(path.read_bytes())
        return _Reading(onnx, proto.graph, proto.producer_name).model(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # whatever foreign bytes make protobuf and NumPy raise
        raise files.unreadable(path, "an ONNX model", error) from error


class _Reading:
    """A graph, being gone through."""

    def __init__(self, onnx: Any, graph: Any, producer: str):
        self.onnx, self.graph = onnx, graph
        self.origin = f"ONNX, {producer}" if producer.isprintable() else "ONNX"
        self.translated: dict[str, None] = {}
        self.values: dict[str, Any] = {"": None}
        self.layout: tuple[str, str] | None = None  # the axes of time and sequences
        for tensor in graph.initializer:
            self.values[tensor.name] = self.array(tensor)
        given = [each for each in graph.input if each.name not in self.values]
        for place, each in enumerate(given):
            self.values[each.name] = State(each.name) if place else _input(each)

    def array(self, tensor: Any) -> Array:
        """The numbers of a tensor that lies in the file."""
        if tensor.external_data:
            raise InputError(
                f"The weights {tensor.name} lie in another file; save the model with "
                f"all its weights in one."
            )
        found = self.onnx.numpy_helper.to_array(tensor)
        return found.astype("float32") if found.dtype.kind == "f" else found

    def model(self, path: Path) -> Model:
        """The model, from the input to the first output that it goes to."""
        for number, node in enumerate(self.graph.node):
            self.take(node, f"{node.op_type.lower()}_{number}")
        outputs = [self.values.get(each.name) for each in self.graph.output]
        flows = [value for value in outputs if isinstance(value, Flow)]
        if not flows or not flows[0].layers:
            raise InputError("The graph has no output that layers give.")
        flow, *others = flows
        finals = [other for other in others if not _is_state_of(other, flow)]
        if finals:
            raise InputError(
                f"The graph has {len(flows)} outputs; allowed is one, and the states "
                f"of recurrent layers."
            )
        if len(outputs) > 1:
            self.translated["its first output alone"] = None
        if any(isinstance(v, State) for v in self.values.values() if v is not None):
            self.translated["states, inputs of the graph, begin as zeros"] = None
        _check_order(flow)
        return model_of(
            self.graph.name or path.stem,
            self._layers(flow),
            self._steps(),
            origin=self.origin,
            translated="; ".join(self.translated),
        )

    def _layers(self, flow: Flow) -> list[Described]:
        first, *rest = flow.layers
        source = next(v for v in self.values.values() if _is_source(v))
        width = source.axes[-1].size if source.axes[-1].name == FEATURES else None
        found = [replace(first, features=width if isinstance(width, int) else None)]
        joined = {name for axis in flow.axes for name in axis.name.split("*")}
        if self.layout and self.layout[0] in joined and len(flow.axes) < 3:
            rest = [*rest, Described("Flatten", "flatten")]
        return [*found, *rest]

    def _steps(self) -> int | None:
        source = next(v for v in self.values.values() if _is_source(v))
        sizes = {axis.name: axis.size for axis in source.axes}
        size = sizes.get(self.layout[0]) if self.layout else None
        return size if isinstance(size, int) else None

    def take(self, node: Any, usual: str) -> None:
        """Find out what an operator's outputs are."""
        kind = node.op_type
        about = {a.name: self._attribute(a) for a in node.attribute}
        about["name"] = node.name.strip("/").replace("/", "_") or usual
        given = [self._value(name) for name in node.input]
        if kind == "Constant":
            found: Any = about.get("value", about.get("value_int"))
            found = np.asarray(about.get("value_float", found))
        elif any(isinstance(value, Flow) for value in given):
            if kind not in _OPERATORS:
                raise InputError(
                    f"The operator {about['name']} ({kind}) cannot be read; allowed: "
                    f"{', '.join(_OPERATORS)}."
                )
            found = _OPERATORS[kind](self, about, *given)
        elif kind in FOLDED and not any(isinstance(v, State) for v in given):
            known = [v.values if isinstance(v, Filled) else v for v in given]
            found = Filled() if _is_zero(given) else FOLDED[kind](about, *known)
        else:
            found = State(about["name"])
        many = found if isinstance(found, tuple) else (found,)
        self.values |= dict(zip(node.output, many, strict=False))

    def _value(self, name: str) -> Any:
        if name not in self.values:
            raise InputError(f"The graph uses {name}, which nothing gives.")
        return self.values[name]

    def _attribute(self, attribute: Any) -> Any:
        value = self.onnx.helper.get_attribute_value(attribute)
        if isinstance(value, self.onnx.TensorProto):
            return self.array(value)
        if isinstance(value, list) and value and isinstance(value[0], bytes):
            return [text.decode() for text in value]
        return value.decode() if isinstance(value, bytes) else value


def _is_zero(given: list[Any]) -> bool:
    """Whether something that is 0 everywhere only gets another shape."""
    return isinstance(given[0], Filled) and given[0].values is None


def _input(declared: Any) -> Flow:
    """The model's input, by its declaration."""
    sizes = declared.type.tensor_type.shape.dim
    axes = [Axis(str(k), d.dim_value or f"size{k}") for k, d in enumerate(sizes)]
    if declared.type.tensor_type.elem_type == 1 or len(axes) > 2:  # a float
        axes[-1] = Axis(FEATURES, axes[-1].size)
    return Flow(tuple(axes))


def _is_source(value: Any) -> bool:
    return isinstance(value, Flow) and not value.layers and value.columns is None


def _is_state_of(other: Flow, flow: Flow) -> bool:
    """Whether an output is the last h of a layer that the first one went through."""
    return bool(other.layers) and other.layers[-1].name in {
        layer.name for layer in flow.layers
    }


def _check_order(flow: Flow) -> None:
    if flow.in_order:
        raise InputError(
            f"The layer {flow.layers[-1].name} goes backwards and gives all steps; "
            f"allowed is that as the second direction of a bidirectional layer."
        )


def _transpose(reading: _Reading, about: About, x: Flow) -> Flow:
    order = about.get("perm", range(len(x.axes))[::-1])
    return x.with_axes(x.axes[k] for k in order)


def _places(axes: Any, rank: int) -> list[int]:
    return [int(axis) % rank for axis in axes]


def _squeeze(reading: _Reading, about: About, x: Flow, axes: Any = None) -> Flow:
    ones = [k for k, axis in enumerate(x.axes) if axis.size == 1]
    gone = _places(about.get("axes", ones if axes is None else axes), len(x.axes))
    return x.with_axes(axis for k, axis in enumerate(x.axes) if k not in gone)


def _unsqueeze(reading: _Reading, about: About, x: Flow, axes: Any = None) -> Flow:
    found = list(x.axes)
    given = about.get("axes", axes)
    for place in _places(given, len(x.axes) + len(given)):
        found.insert(place, Axis(ONE, 1))
    return x.with_axes(found)


def _reshape(reading: _Reading, about: About, x: Flow, shape: Array) -> Flow:
    return x.reshaped(list(shape))


def _flatten(reading: _Reading, about: About, x: Flow) -> Flow:
    sizes = [axis.size for axis in x.axes]
    return x.reshaped([*sizes[: about.get("axis", 1)], -1])


def _slice(
    reading: _Reading,
    about: About,
    x: Flow,
    starts: Any = None,
    ends: Any = None,
    axes: Any = None,
    steps: Any = None,
) -> Flow:
    starts, ends = about.get("starts", starts), about.get("ends", ends)
    axes = about.get("axes", range(len(starts)) if axes is None else axes)
    steps = [1] * len(starts) if steps is None else steps
    places = _places(axes, len(x.axes))
    for place, *bounds in zip(places, starts, ends, steps, strict=True):
        x = _cut(x, place, *map(int, bounds))
    return x


def _cut(x: Flow, place: int, start: int, end: int, step: int) -> Flow:
    """One axis of it, from start to end."""
    axis, axes = x.axes[place], list(x.axes)
    to_end = end >= _END or end == axis.size
    if (start, step) == (0, 1) and to_end:
        return x
    if step == -1 and start in (-1, axis.size) and end < -1 and x.layers:
        return replace(x, in_order=not x.in_order)
    if axis.name == FEATURES and (start, step) == (0, 1) and not x.layers:
        axes[place] = Axis(FEATURES, end)
        return replace(x, axes=tuple(axes), columns=end)
    is_last = step == 1 and to_end and start in (-1, _before(axis.size))
    if is_last and axis.name not in (FEATURES, DIRECTIONS):
        axes[place] = Axis(ONE, 1)
        return x.last_step().with_axes(axes)
    raise InputError(
        f"The graph cuts the axis {axis.name} from {start} to {end} by {step}; allowed "
        f"is the last step."
    )


def _before(size: Any) -> Any:
    return size - 1 if isinstance(size, int) else None


def _gather(reading: _Reading, about: About, x: Any, index: Any) -> Flow:
    if isinstance(index, Flow):
        if about.get("axis", 0) or index.layers or np.ndim(x) != 2:
            raise InputError(f"The operator {about['name']} (Gather) is no Embedding.")
        layer = Described("Embedding", about["name"], weights=[x])
        axes = (*index.axes, Axis(FEATURES, x.shape[1]))
        return Flow(axes, (*index.layers, layer))
    place = about.get("axis", 0) % len(x.axes)
    axis, axes = x.axes[place], x.axes
    if np.size(index) != 1 or int(index) not in (-1, _before(axis.size)):
        raise InputError(
            f"The operator {about['name']} (Gather) takes {index} of the axis "
            f"{axis.name}; allowed is the last step."
        )
    found = x if axis.size == 1 else _cut(x, place, -1, _END, 1)
    ones = [Axis(ONE, 1)] * np.ndim(index)
    return found.with_axes([*axes[:place], *ones, *axes[place + 1 :]])


def _dense(about: About, x: Flow, kernel: Array, bias: Any = None) -> Flow:
    if not isinstance(kernel, np.ndarray) or kernel.ndim != 2:
        raise InputError(f"The operator {about['name']} has no matrix in the file.")
    weights = [kernel] if bias is None else [kernel, np.resize(bias, kernel.shape[1])]
    settings = {"use_bias": bias is not None}
    layer = Described("Dense", about["name"], settings, weights)
    return x.through(layer, kernel.shape[1])


def _matmul(reading: _Reading, about: About, x: Any, kernel: Any) -> Flow:
    return _dense(about, x, kernel)


def _gemm(
    reading: _Reading, about: About, x: Any, kernel: Any, bias: Any = None
) -> Flow:
    if about.get("transA"):
        raise InputError(f"The operator {about['name']} (Gemm) turns its input round.")
    matrix = kernel.T if about.get("transB") else kernel
    scaled = None if bias is None else bias * np.float32(about.get("beta", 1))
    return _dense(about, x, matrix * np.float32(about.get("alpha", 1)), scaled)


def _affine(scale: Callable[[Any], Any], offset: Callable[[Any], Any], sign: float = 1):
    """An operator with a constant, on either side; ``sign``: of x as the second."""

    def read(reading: _Reading, about: About, one: Any, other: Any) -> Flow:
        x, constant = (one, other) if isinstance(one, Flow) else (other, one)
        if isinstance(constant, Filled) or not isinstance(constant, np.ndarray):
            raise InputError(f"The operator {about['name']} has no constant.")
        first = isinstance(one, Flow)
        if not first and sign == 0:
            raise InputError(f"The operator {about['name']} divides by its input.")
        settings = {
            "scale": scale(constant) if first or sign > 0 else np.float32(-1),
            "offset": offset(constant) if first or sign > 0 else constant,
        }
        return x.through(Described("Rescaling", about["name"], settings))

    return read


def _add(reading: _Reading, about: About, one: Any, other: Any) -> Flow:
    if isinstance(one, Flow) and isinstance(other, Flow):
        for x, y in ((one, other), (other, one)):
            if not y.layers:
                settings = {"columns": y.columns}
                return x.through(Described("Add", about["name"], settings))
        return _pair(about, "sum", one, other)
    return _OFFSET(reading, about, one, other)


def _mul(reading: _Reading, about: About, one: Any, other: Any) -> Flow:
    if isinstance(one, Flow) and isinstance(other, Flow):
        return _pair(about, "mul", one, other)
    return _SCALE(reading, about, one, other)


def _concat(reading: _Reading, about: About, *parts: Any) -> Flow:
    flows = [part for part in parts if isinstance(part, Flow)]
    axis = about["axis"] % len(flows[0].axes)
    if len(flows) != 2 or len(parts) != 2 or axis != len(flows[0].axes) - 1:
        raise InputError(f"The operator {about['name']} (Concat) joins other tensors.")
    return _pair(about, "concat", *flows)


def _pair(about: About, merge: str, one: Flow, other: Flow) -> Flow:
    """Two layers over the same steps as the directions of one."""
    *before, forward = one.layers
    *same, backward = other.layers
    ways = [layer.get("go_backwards") for layer in (forward, backward)]
    fits = all(a is b for a, b in zip(before, same, strict=False))
    if ways != [False, True] or not fits or len(before) != len(same):
        raise InputError(
            f"The operator {about['name']} joins {forward.name} and {backward.name}; "
            f"allowed are two recurrent layers over the same steps, forwards and "
            f"backwards."
        )
    widths = [x.axes[-1].size for x in (one, other)]
    width = sum(map(int, widths)) if merge == "concat" else widths[0]
    inner = forward, backward
    both = Described("Bidirectional", about["name"], {"merge_mode": merge}, inner=inner)
    found = replace(one, layers=tuple(before), in_order=False)
    return found.through(both, width)


def _batch_norm(
    reading: _Reading, about: About, x: Flow, *arrays: Array
) -> tuple[Flow, ...]:
    if x.axes[1 if len(x.axes) > 1 else 0].name != FEATURES:
        raise InputError(
            f"The operator {about['name']} (BatchNormalization) is not over features."
        )
    settings = {"epsilon": about.get("epsilon", 1e-5)}
    layer = Described("BatchNormalization", about["name"], settings, arrays)
    return (replace(x, layers=(*x.layers, layer)),)


def _function(name: str) -> Callable[..., Flow]:
    def read(reading: _Reading, about: About, x: Flow) -> Flow:
        settings = {"activation": name}
        return x.through(Described("Activation", about["name"], settings))

    return read


def _softmax(reading: _Reading, about: About, x: Flow) -> Flow:
    if about.get("axis", -1) % len(x.axes) != len(x.axes) - 1:
        raise InputError(f"The operator {about['name']} is not over the features.")
    return _function("softmax")(reading, about, x)


def _hard_sigmoid(reading: _Reading, about: About, x: Flow) -> Flow:
    name = named_function(
        "HardSigmoid", about.get("alpha", 0.2), about.get("beta", 0.5)
    ).name
    return _function(name)(reading, about, x)


def _recurrent(kind: str) -> Callable[..., tuple]:
    def read(reading: _Reading, about: About, x: Flow, *arrays: Any) -> tuple:
        _check_order(x)
        if len(x.axes) != 3 or x.axes[2].name != FEATURES:
            raise InputError(f"The layer {about['name']} gets no sequence of features.")
        layout = (x.axes[0].name, x.axes[1].name)
        if (reading.layout or layout)[0] != layout[0]:
            raise InputError(f"The layer {about['name']} goes over another axis.")
        reading.layout = layout
        return recurrent(kind, about, x, *arrays)

    return read


def _as_it_is(reading: _Reading, about: About, x: Any, *others: Any) -> Any:
    return x


def _clamp(reading: _Reading, about: About, x: Any, bound: Any) -> Any:
    """As our exporter keeps an index within a table."""
    found = x if isinstance(x, Flow) else bound
    if found.axes[-1].name == FEATURES:
        raise InputError(f"The operator {about['name']} clamps features.")
    return found


_OFFSET = _affine(lambda c: np.float32(1), lambda c: c)
_SCALE = _affine(lambda c: c, lambda c: np.float32(0))
#: operators on the model's input and what becomes of it
_OPERATORS: dict[str, Callable[..., Any]] = {
    "LSTM": _recurrent("LSTM"),
    "GRU": _recurrent("GRU"),
    "RNN": _recurrent("RNN"),
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _add,
    "Sub": _affine(lambda c: np.float32(1), lambda c: -c, -1),
    "Mul": _mul,
    "Div": _affine(lambda c: 1 / c, lambda c: np.float32(0), 0),
    "BatchNormalization": _batch_norm,
    "Tanh": _function("tanh"),
    "Sigmoid": _function("sigmoid"),
    "Relu": _function("relu"),
    "HardSigmoid": _hard_sigmoid,
    "Softmax": _softmax,
    "Gather": _gather,
    "Concat": _concat,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Slice": _slice,
    "Shape": lambda reading, about, x: x.shape[about.get("start") : about.get("end")],
    **dict.fromkeys(("Identity", "Cast", "Dropout"), _as_it_is),
    **dict.fromkeys(("Max", "Min"), _clamp),
}
