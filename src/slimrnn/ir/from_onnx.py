"""The reader of ONNX files: a chain of layers, whoever exported it.

The graph is gone through once, and of each tensor is kept what is known without running
it: a number, a shape, or what layers the model's input has gone through. So it does not
matter how an exporter turns axes round, or finds the shape of a first state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.chain import model_of
from slimrnn.ir.described import Described
from slimrnn.ir.model import Model
from slimrnn.ir.onnx_axes import AXES
from slimrnn.ir.onnx_layers import LAYERS
from slimrnn.ir.onnx_recurrent import KINDS, About, recurrent
from slimrnn.ir.onnx_scan import scan
from slimrnn.ir.onnx_values import (
    FEATURES,
    FOLDED,
    Array,
    Axis,
    Body,
    Filled,
    Flow,
    Mask,
    State,
)
from slimrnn.utils import foreign
from slimrnn.utils.optional import require

_FLOATS = (1, 10, 11, 16)  # of the format's numbers for types
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
        return _Reading(onnx, proto.graph, proto.producer_name).model(path)


class _Reading:
    """A graph, being gone through."""

    def __init__(self, onnx: Any, graph: Any, producer: str):
        self.onnx, self.graph = onnx, graph
        self.origin = f"ONNX, {producer}" if producer.isprintable() else "ONNX"
        self.translated: dict[str, None] = {}
        self.values: dict[str, Any] = {"": None}
        for tensor in graph.initializer:
            self.values[tensor.name] = self.array(tensor)
        given, *states = [x for x in graph.input if x.name not in self.values]
        self.source = self.values[given.name] = _input(given)
        self.values |= {each.name: State(each.name) for each in states}
        if states:
            self.translated["states, inputs of the graph, begin as zeros"] = None

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
        if flow.time == self.source.axes[0].name:
            self.translated["steps, the first axis there, are the second one"] = None
        _check_order(flow)
        return model_of(
            self.graph.name or path.stem,
            self._layers(flow),
            self._steps(flow),
            origin=self.origin,
            translated="; ".join(self.translated),
        )

    def _layers(self, flow: Flow) -> list[Described]:
        first, *rest = flow.layers
        name, size = self.source.axes[-1]
        known = size if name == FEATURES and isinstance(size, int) else None
        found = [replace(first, features=known), *rest]
        if flow.mask and flow.mask.place == 0 and first.kind == "Embedding":
            found[0] = replace(found[0], settings={"mask_zero": True})
        elif flow.mask:
            settings = {"mask_value": flow.mask.value}
            place = flow.mask.place
            masking = Described("Masking", "masking", settings, features=known)
            found.insert(place, masking)
        if flow.time in flow.axes[-1].name.split("*"):  # with the features
            found.append(Described("Flatten", "flatten"))
        return found

    def _steps(self, flow: Flow) -> int | None:
        sizes = {axis.name: axis.size for axis in self.source.axes}
        size = sizes.get(flow.time)
        return size if isinstance(size, int) else None

    def take(self, node: Any, usual: str) -> None:
        """Find out what an operator's outputs are."""
        kind = node.op_type
        about = {a.name: self._attribute(a) for a in node.attribute}
        about["name"] = node.name.strip("/").replace("/", "_") or usual
        about["doc_string"] = node.doc_string
        given = [self._value(name) for name in node.input]
        if kind == "Constant":
            found: Any = about.get("value", about.get("value_int"))
            found = np.asarray(about.get("value_float", found))
        elif isinstance(given[0], Mask) and kind in _OF_MASKS:
            found = given[0]
        elif any(isinstance(value, Flow) for value in given):
            if kind not in _OPERATORS:
                raise InputError(
                    f"The operator {about['name']} ({kind}) cannot be read; allowed: "
                    f"{', '.join(_OPERATORS)}."
                )
            if kind in KINDS:
                _check_steps(about["name"], given[0])
            found = _OPERATORS[kind](about, *given)
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
        if isinstance(value, self.onnx.GraphProto):
            arrays = {each.name: self.array(each) for each in value.initializer}
            return Body(value.SerializeToString(), arrays)
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


def _is_state_of(other: Flow, flow: Flow) -> bool:
    """Whether an output is the last h of a layer that the first one went through."""
    return bool(other.layers) and other.layers[-1].name in {
        layer.name for layer in flow.layers
    }


def _check_steps(name: str, x: Flow) -> None:
    """Refuses what a recurrent operator cannot go over, or what went another way."""
    _check_order(x)
    if len(x.axes) != 3 or x.axes[2].name != FEATURES:
        raise InputError(f"The layer {name} gets no sequence of features.")
    if x.time not in ("", x.axes[0].name):
        raise InputError(f"The layer {name} goes over another axis than before.")


def _check_order(flow: Flow) -> None:
    if flow.in_order:
        raise InputError(
            f"The layer {flow.layers[-1].name} goes backwards and gives all steps; "
            f"allowed is that as the second direction of a bidirectional layer."
        )


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
