"""The reader of ONNX files: a chain of layers, whoever exported it.

The graph is gone through once, and of each tensor is kept what is known without running
it: a number, a shape, or what layers the model's input has gone through. So it does not
matter how an exporter turns axes round, or finds the shape of a first state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.flow import FEATURES, Array, Filled, Flow, Mask, State
from slimrnn.ir.model import Model
from slimrnn.ir.onnx_axes import AXES
from slimrnn.ir.onnx_layers import LAYERS
from slimrnn.ir.onnx_recurrent import KINDS, About, check_steps, recurrent
from slimrnn.ir.onnx_scan import scan
from slimrnn.ir.onnx_values import FOLDED, Body
from slimrnn.ir.traced import Final, first_that_is_read, model_of_graph, reading, source
from slimrnn.utils import foreign
from slimrnn.utils.optional import require

_FLOAT, *_ = _FLOATS = (1, 10, 11, 16)  # of the format's numbers for types
#: by the number of axes, where the features may lie: last, or in front of the steps, as
#: convolutions have them; None: it is indices, or one number a step
_PLACES: dict[int, tuple[int | None, ...]] = {1: (None,), 2: (-1, None), 3: (-1, 1)}
MOST_BYTES = 1 << 31  # of a file, as the format has it


def from_onnx(path: Path) -> Model:
    """The model of an ONNX file.

    Read are the operators LSTM, GRU and RNN, Gemm and MatMul, Gather of a table,
    BatchNormalization, activations, sums and products with constants, the model's input
    added to the output, and what only turns axes round; of Scan, what
    :func:`slimrnn.deploy.to_onnx` writes.
    """
    onnx = require("onnx", "onnx", "slimrnn[onnx]")
    with foreign.reading(path, "an ONNX model"):
        foreign.size_of(path, MOST_BYTES)
        proto = onnx.load_model_from_string(path.read_bytes())
        _load_beside(onnx, proto.graph, path)
        return first_that_is_read(
            partial(_model, onnx, proto, given, path.stem)
            for given in _sources(_inputs(proto.graph)[0])
        )


def _model(onnx: Any, proto: Any, given: Flow, name: str) -> Model:
    return _Reading(onnx, proto, given).model(name)


def _load_beside(onnx: Any, graph: Any, path: Path) -> None:
    """Read the weights that lie in files beside the model's, as PyTorch exports them.

    The library refuses whatever is no regular file in the model's folder.
    """
    tensors = [tensor for tensor in graph.initializer if tensor.external_data]
    tensors += [
        attribute.t
        for node in graph.node
        for attribute in node.attribute
        if attribute.t.external_data
    ]
    left = MOST_BYTES
    for tensor in tensors:
        about = {entry.key: entry.value for entry in tensor.external_data}
        beside = path.parent / about.get("location", "")
        try:
            most = foreign.size_of(beside)
        except OSError as error:
            raise InputError(
                f"Its weights lie in {beside.name}, which cannot be read "
                f"({error.strerror}); put that file beside it."
            ) from error
        left -= int(about.get("length") or most)
        if left < 0:
            raise InputError(f"Its weights take more than {MOST_BYTES} bytes.")
        onnx.external_data_helper.load_external_data_for_tensor(
            tensor, str(path.parent)
        )
        tensor.ClearField("external_data")
        tensor.data_location = onnx.TensorProto.DEFAULT


class _Reading:
    """A graph, being gone through."""

    def __init__(self, onnx: Any, proto: Any, given: Flow):
        self.onnx, self.graph = onnx, proto.graph
        producer = proto.producer_name
        self.origin = f"ONNX, {producer}" if producer.isprintable() else "ONNX"
        self.translated: dict[str, None] = {}
        self.values: dict[str, Any] = {"": None}
        for tensor in self.graph.initializer:
            self.values[tensor.name] = self.array(tensor)
        first, *states = _inputs(self.graph)
        self.source = self.values[first.name] = given
        self.values |= {each.name: State(each.name, True) for each in states}
        if states:
            self.translated["states, inputs of the graph, begin as zeros"] = None

    def array(self, tensor: Any) -> Array:
        """The numbers of a tensor that lies in the file."""
        found = self.onnx.numpy_helper.to_array(tensor)
        return found.astype("float32") if found.dtype.kind == "f" else found

    def model(self, name: str) -> Model:
        for number, node in enumerate(self.graph.node):
            self.take(node, f"{node.op_type.lower()}_{number}")
        return model_of_graph(
            self.graph.name or name,
            self.source,
            (self.values.get(each.name) for each in self.graph.output),
            self.origin,
            self.translated,
        )

    def take(self, node: Any, usual: str) -> None:
        """Find out what an operator's outputs are."""
        kind = node.op_type
        about = {a.name: self._attribute(a) for a in node.attribute}
        about["name"] = node.name.strip("/").replace("/", "_") or usual
        about |= {"doc_string": node.doc_string, "outputs": len(node.output)}
        given = [self._value(name) for name in node.input]
        with reading(about["name"], kind, given):
            found = self._found(kind, about, given)
        many = found if isinstance(found, tuple) else (found,)
        self.values |= dict(zip(node.output, many, strict=False))

    def _found(self, kind: str, about: About, given: list[Any]) -> Any:
        """What an operator gives: one output, or a tuple of them."""
        if kind == "Constant":
            found = about.get("value", about.get("value_int"))
            return np.asarray(about.get("value_float", found))
        if kind == "Shape" and isinstance(given[0], np.ndarray):
            return np.array(given[0].shape)[about.get("start") : about.get("end")]
        if isinstance(given[0], Mask) and kind in _OF_MASKS:
            return given[0]
        if any(isinstance(value, Flow) for value in given):
            if kind not in _OPERATORS:
                raise Final(
                    f"The operator {about['name']} ({kind}) cannot be read; allowed: "
                    f"{', '.join(_OPERATORS)}."
                )
            if kind in KINDS:
                check_steps(about["name"], given[0])
            return _OPERATORS[kind](about, *given)
        if kind in FOLDED and not any(isinstance(v, State) for v in given):
            known = [v.values if isinstance(v, Filled) else v for v in given]
            return Filled() if _is_zero(given) else FOLDED[kind](about, *known)
        inputs = [v for v in given if isinstance(v, State)]
        return State(about["name"], bool(inputs) and inputs[0].is_input)

    def _value(self, name: str) -> Any:
        if name not in self.values:
            raise InputError(f"The graph uses {name}, which nothing gives.")
        return self.values[name]

    def _attribute(self, attribute: Any) -> Any:
        value = self.onnx.helper.get_attribute_value(attribute)
        if isinstance(value, self.onnx.TensorProto):
            return self.array(value)
        if isinstance(value, self.onnx.GraphProto):
            arrays = {each.name: self.array(each) for each in value.initializer}
            return Body(value.SerializeToString(), arrays)
        if isinstance(value, list) and value and isinstance(value[0], bytes):
            return [text.decode() for text in value]
        return value.decode() if isinstance(value, bytes) else value


def _is_zero(given: list[Any]) -> bool:
    """Whether something that is 0 everywhere only gets another shape."""
    return isinstance(given[0], Filled) and given[0].values is None


def _inputs(graph: Any) -> list[Any]:
    """What a graph gets, the sequences first; up to 2018, files had the weights too."""
    own = {tensor.name for tensor in graph.initializer}
    found = [each for each in graph.input if each.name not in own]
    if not found:
        raise InputError("The graph has no input.")
    return found


def _sources(declared: Any) -> Iterator[Flow]:
    """What the model's input may be, by its declaration."""
    about = declared.type.tensor_type
    sizes = [d.dim_value or f"size{k}" for k, d in enumerate(about.shape.dim)]
    indices = about.elem_type != _FLOAT and len(sizes) < 3
    places = (None,) if indices else _PLACES.get(len(sizes), (-1,))
    yield from (source(sizes, place) for place in places)


def _as_it_is(about: About, x: Any, *others: Any) -> Any:
    return x


def _cast(about: About, x: Flow) -> Flow:
    if about["to"] not in _FLOATS and x.axes[-1].name == FEATURES:
        raise InputError(f"The operator {about['name']} (Cast) rounds features.")
    return x


def _clamp(about: About, x: Any, bound: Any) -> Any:
    """As our exporter keeps an index within a table."""
    found = x if isinstance(x, Flow) else bound
    if found.axes[-1].name == FEATURES:
        raise InputError(f"The operator {about['name']} clamps features.")
    return found


def _equal(about: About, x: Flow, value: Array) -> Mask:
    return Mask(len(x.layers), float(value))


#: operators that a mask goes through on its way to a Scan
_OF_MASKS = ("Cast", "ReduceMin", "Equal", "Unsqueeze", "Slice")
#: operators on the model's input and what becomes of it
_OPERATORS: dict[str, Callable[..., Any]] = {
    **{kind: partial(recurrent, kind) for kind in KINDS},
    "Scan": scan,
    "Equal": _equal,
    **LAYERS,
    **AXES,
    "Shape": lambda about, x: x.shape[about.get("start") : about.get("end")],
    "Cast": _cast,
    **dict.fromkeys(("Identity", "Dropout"), _as_it_is),
    **dict.fromkeys(("Max", "Min"), _clamp),
}
