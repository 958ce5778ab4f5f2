"""A graph of LiteRT's operators, and the flatbuffer that holds it.

It is written with the schema's classes inside the package ``ai-edge-litert``, without
TensorFlow. They are generated from the format's schema, but no documented interface:
the package's version is limited in pyproject.toml, and the tests run each file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from slimrnn.deploy.graph.builder import Array, Graph, Node, Shape, steps_out
from slimrnn.deploy.graph.functions import composed
from slimrnn.errors import InputError
from slimrnn.ir.layers import Conv1D, LayerNormalization, LocalPool, PReLU
from slimrnn.utils.optional import require

PACKAGE, EXTRA = "ai-edge-litert", "slimrnn[litert]"
SIGNATURE = "serving_default"
_IDENTIFIER, _SCHEMA_VERSION = b"TFL3", 3
#: the version of an operator, where it is not the first; here: without bias, any rank
_VERSIONS = {"FULLY_CONNECTED": 6}
#: name -> the operator, where it takes no options
_ACTIVATIONS = {
    "tanh": "TANH",
    "sigmoid": "LOGISTIC",
    "relu": "RELU",
    "relu6": "RELU6",
    "hard_tanh": "RELU_N1_TO_1",
    "elu": "ELU",
    "hard_silu": "HARD_SWISH",
}
#: up to here there was a byte for an operator's number
_LAST_IN_A_BYTE = 127


class LiteRTGraph(Graph):
    """A graph of LiteRT under construction."""

    elementwise_operators: ClassVar[Mapping[str, str]] = {
        "add": "ADD",
        "subtract": "SUB",
        "multiply": "MUL",
        "divide": "DIV",
        "minimum": "MINIMUM",
        "maximum": "MAXIMUM",
        "equal": "EQUAL",
        "where": "SELECT_V2",
        "abs": "ABS",
        "exp": "EXP",
        "log": "LOG",
    }

    def __init__(self) -> None:
        super().__init__()
        self.schema = require("ai_edge_litert.schema_py_generated", PACKAGE, EXTRA)
        self._buffers = [self.schema.BufferT()]  # the first one is always empty
        self._tensors: dict[str, Any] = {}
        self._operators: list[Any] = []
        self._kinds: list[str] = []
        self._inputs: dict[str, Node] = {}
        self._outputs: dict[str, Node] = {}

    def input(self, name: str, shape: Shape, dtype: str = "float32") -> Node:
        node = self._tensor(self.unique(name), shape, dtype)
        self._inputs[node.name] = node
        return node

    def output(self, name: str, node: Node) -> None:
        self._outputs[name] = node

    def variable(self, name: str, shape: Shape) -> Node:
        """A tensor that keeps its value from run to run, and begins as zeros."""
        node = self._tensor(self.unique(f"{self.scope}/{name}"), shape, "float32")
        self._tensors[node.name].isVariable = True
        return node

    def operators(
        self,
        kind: str,
        inputs: Sequence[Node | None],
        shapes: Sequence[Shape],
        dtype: str = "float32",
        options: str = "",
        **settings: Any,
    ) -> list[Node]:
        """``options`` is the schema's word for the settings of its kind."""
        name = f"{self.scope}/{kind.lower()}"
        outputs = [self._tensor(self.unique(name), shape, dtype) for shape in shapes]
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self._number(kind)
        operator.inputs = [-1 if x is None else self._index(x) for x in inputs]
        operator.outputs = [self._index(node) for node in outputs]
        if options:
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, options)
            operator.builtinOptions = _filled(
                getattr(self.schema, f"{options}T"), settings
            )
        self._operators.append(operator)
        return outputs

    def activation(self, name: str, x: Node) -> Node:
        if name == "linear":
            return x
        if name == "softmax":
            options = "SoftmaxOptions"
            return self.operator("SOFTMAX", [x], x.shape, options=options, beta=1.0)
        if name == "gelu":
            about = {"options": "GeluOptions", "approximate": False}
            return self.operator("GELU", [x], x.shape, **about)
        if name not in _ACTIVATIONS:
            return composed(name, x)
        return self.operator(_ACTIVATIONS[name], [x], x.shape)

    def product(self, x: Node, matrix: Array, bias: Array | None, name: str) -> Node:
        added = None if bias is None else self.constant(bias, "bias")
        return self.operator(
            "FULLY_CONNECTED",
            [x, self.constant(matrix.T, name), added],
            (*x.shape[:-1], matrix.shape[-1]),
            options="FullyConnectedOptions",
            keepNumDims=True,
        )

    def convolution(self, x: Node, layer: Conv1D) -> Node:
        """The operator CONV_2D, over an image of one row."""
        batch, time, m = x.shape
        if layer.before or layer.after:
            zeros = np.array([[0, 0], [layer.before, layer.after], [0, 0]])
            more = layer.before + layer.after
            time = time + more if isinstance(time, int) else f"{time} and zeros"
            x = self.operator(
                "PAD", [x, self.constant(zeros, "zeros")], (batch, time, m)
            )
        axis = self.constant(1)
        image = self.operator("EXPAND_DIMS", [x, axis], (batch, 1, time, m))
        valid = replace(layer, before=0, after=0)
        shape = (batch, steps_out(x, valid), layer.outputs)
        kernel = layer.of_window.kernel.reshape(layer.taps, layer.inputs, -1)
        kernel = kernel.transpose(2, 0, 1)[:, None]
        bias = np.zeros(layer.outputs, "f4") if layer.bias is None else layer.bias
        y = self.operator(
            "CONV_2D",
            [image, self.constant(kernel, "kernel"), self.constant(bias, "bias")],
            (batch, 1, *shape[1:]),
            options="Conv2DOptions",
            padding=self.schema.Padding.VALID,
            strideW=layer.strides,
            strideH=1,
            dilationWFactor=layer.dilation,
            dilationHFactor=1,
        )
        return self._of_one_row(y)

    def _of_one_row(self, y: Node) -> Node:
        """The steps of an image of one row."""
        batch, _, *others = y.shape
        about = {"options": "SqueezeOptions", "squeezeDims": [1]}
        return self.operator("SQUEEZE", [y], (batch, *others), **about)

    def pooling(self, x: Node, layer: LocalPool) -> Node:
        """The operator AVERAGE_POOL_2D or MAX_POOL_2D, over an image of one row."""
        batch, time, n = x.shape
        around = (layer.before, layer.after)
        if any(around) and (isinstance(time, str) or around != layer.same(time)):
            raise InputError(
                f"The layer {layer} has {layer.before} steps of nothing before a "
                f"sequence and {layer.after} after it; LiteRT has those of "
                f"padding='same' with a number of steps that is known."
            )
        padding = "SAME" if any(around) else "VALID"
        image = (batch, 1, time, n)
        return self._of_one_row(
            self.operator(
                {"average": "AVERAGE_POOL_2D", "max": "MAX_POOL_2D"}[layer.how],
                [self.operator("EXPAND_DIMS", [x, self.constant(1)], image)],
                (batch, 1, steps_out(x, layer), n),
                options="Pool2DOptions",
                padding=getattr(self.schema.Padding, padding),
                **{"strideW": layer.strides, "strideH": 1},
                **{"filterWidth": layer.taps, "filterHeight": 1},
            )
        )

    def normalized(self, x: Node, layer: LayerNormalization) -> Node:
        """By its definition."""

        def mean(x: Node) -> Node:
            axis = self.constant(np.array([len(x.shape) - 1]), "axis")
            about = {"options": "ReducerOptions", "keepDims": True}
            return self.operator("MEAN", [x, axis], (*x.shape[:-1], 1), **about)

        centred = self.elementwise("subtract", x, mean(x))
        variance = mean(centred * centred) + self.constant(layer.epsilon)
        root = self.operator("RSQRT", [variance], variance.shape)
        scaled = centred * root * self.constant(layer.scale, "scale")
        return scaled + self.constant(layer.offset, "offset")

    def prelu(self, x: Node, layer: PReLU) -> Node:
        """The operator PRELU."""
        slope = self.constant(layer.slope, "slope")
        return self.operator("PRELU", [x, slope], x.shape)

    def over_time(self, how: str, x: Node) -> Node:
        shape = (x.shape[0], x.width)
        if how != "last":
            kind = {"average": "MEAN", "max": "REDUCE_MAX", "sum": "SUM"}[how]
            axis = self.constant(np.array([1]), "axis")
            options = "ReducerOptions"
            return self.operator(
                kind, [x, axis], shape, options=options, keepDims=False
            )
        ends = [[0, -1, 0], [0, 0, 0], [1, 1, 1]]
        time = 0b010  # masks have a bit for each axis
        return self.operator(
            "STRIDED_SLICE",
            [x, *(self.constant(np.array(k), "slice") for k in ends)],
            shape,
            options="StridedSliceOptions",
            beginMask=0b111 & ~time,
            endMask=0b111,
            shrinkAxisMask=time,
        )

    def repeated(self, x: Node, times: int) -> Node:
        batch, n = x.shape
        one = self.operator("EXPAND_DIMS", [x, self.constant(1)], (batch, 1, n))
        count = self.constant(np.array([1, times, 1]), "times")
        return self.operator("TILE", [one, count], (batch, times, n))

    def split(self, x: Node, parts: int) -> list[Node]:
        axis = self.constant(len(x.shape) - 1)
        shapes = [(*x.shape[:-1], x.width // parts)] * parts
        options = "SplitOptions"
        return self.operators(
            "SPLIT", [axis, x], shapes, options=options, numSplits=parts
        )

    def concatenate(self, nodes: Sequence[Node]) -> Node:
        shape = (*nodes[0].shape[:-1], sum(node.width for node in nodes))
        settings = {"options": "ConcatenationOptions", "axis": len(shape) - 1}
        return self.operator("CONCATENATION", nodes, shape, **settings)

    def look_up(self, table: Array, index: Node) -> Node:
        shape = (*index.shape, table.shape[-1])
        inputs = [self.constant(table, "table"), index]
        return self.operator("GATHER", inputs, shape, options="GatherOptions")

    def all(self, x: Node) -> Node:
        axis = self.constant(np.array([len(x.shape) - 1]), "axis")
        settings = {"options": "ReducerOptions", "keepDims": True, "dtype": "bool"}
        return self.operator("REDUCE_ALL", [x, axis], (*x.shape[:-1], 1), **settings)

    def with_last_axis(self, x: Node) -> Node:
        axis = self.constant(len(x.shape))
        return self.operator("EXPAND_DIMS", [x, axis], (*x.shape, 1), dtype=x.dtype)

    def turned(self, x: Node) -> Node:
        axis = self.constant(np.array([1]), "axis")
        return self.operator("REVERSE_V2", [x, axis], x.shape, dtype=x.dtype)

    def finish(self, name: str, description: str, origin: Mapping[str, str]) -> bytes:
        """The file."""
        schema = self.schema
        graph = _filled(
            schema.SubGraphT,
            {
                "name": name,
                "tensors": list(self._tensors.values()),
                "operators": self._operators,
                "inputs": [self._index(node) for node in self._inputs.values()],
                "outputs": [self._index(node) for node in self._outputs.values()],
            },
        )
        signature = _filled(
            schema.SignatureDefT,
            {
                "signatureKey": SIGNATURE,
                "inputs": self._mapped(self._inputs),
                "outputs": self._mapped(self._outputs),
            },
        )
        text = json.dumps(origin).encode()
        metadata = {"name": "slimrnn", "buffer": self._buffer(text)}
        model = _filled(
            schema.ModelT,
            {
                "version": _SCHEMA_VERSION,
                "description": description,
                "operatorCodes": [self._code(kind) for kind in self._kinds],
                "subgraphs": [graph],
                "buffers": self._buffers,
                "metadata": [_filled(schema.MetadataT, metadata)],
                "signatureDefs": [signature],
            },
        )
        builder = require("flatbuffers", PACKAGE, EXTRA).Builder()
        builder.Finish(model.Pack(builder), _IDENTIFIER)
        return bytes(builder.Output())

    def _store(self, array: Array, name: str) -> Node:
        node = self._tensor(name, array.shape, array.dtype.name)
        little = array.astype(array.dtype.newbyteorder("<"))
        self._tensors[node.name].buffer = self._buffer(little.tobytes())
        return node

    def _buffer(self, content: bytes) -> int:
        data = np.frombuffer(content, "uint8")
        self._buffers.append(_filled(self.schema.BufferT, {"data": data}))
        return len(self._buffers) - 1

    def _tensor(self, name: str, shape: Shape, dtype: str) -> Node:
        """A tensor; sizes that are not known are 1 until the caller sets them."""
        sizes = [size if isinstance(size, int) else 1 for size in shape]
        free = [size if isinstance(size, int) else -1 for size in shape]
        settings = {
            "name": name,
            "shape": sizes,
            "shapeSignature": free if free != sizes else None,
            "type": getattr(self.schema.TensorType, dtype.upper()),
        }
        self._tensors[name] = _filled(self.schema.TensorT, settings)
        return Node(self, name, shape, dtype)

    def _index(self, node: Node) -> int:
        """The tensor's number in the file."""
        return list(self._tensors).index(node.name)

    def _number(self, kind: str) -> int:
        """The operator's number in the file's list of those that it has."""
        if kind not in self._kinds:
            self._kinds.append(kind)
        return self._kinds.index(kind)

    def _code(self, kind: str) -> Any:
        code = getattr(self.schema.BuiltinOperator, kind)
        settings = {
            "builtinCode": code,
            "deprecatedBuiltinCode": min(code, _LAST_IN_A_BYTE),
            "version": _VERSIONS.get(kind, 1),
        }
        return _filled(self.schema.OperatorCodeT, settings)

    def _mapped(self, nodes: Mapping[str, Node]) -> list[Any]:
        """The names of a signature."""
        return [
            _filled(
                self.schema.TensorMapT, {"name": name, "tensorIndex": self._index(node)}
            )
            for name, node in nodes.items()
        ]


def _filled(kind: type, settings: Mapping[str, Any]) -> Any:
    """An object of the schema with these fields."""
    made = kind()
    for name, value in settings.items():
        assert hasattr(made, name), f"{kind.__name__} has no {name}"
        setattr(made, name, value)
    return made
