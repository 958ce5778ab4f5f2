"""A graph of ONNX's operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from slimrnn.deploy.graph.builder import Array, Graph, Node, Shape, steps_out
from slimrnn.deploy.graph.functions import composed
from slimrnn.ir.layers import Conv1D, LayerNormalization, LocalPool, PReLU
from slimrnn.ir.over_time import OfWindow
from slimrnn.utils.optional import require
from slimrnn.variants.activations import HARD_SIGMOIDS

#: name -> the operator and its attributes
ACTIVATIONS: dict[str, tuple[str, dict[str, float]]] = {
    "tanh": ("Tanh", {}),
    "sigmoid": ("Sigmoid", {}),
    "relu": ("Relu", {}),
    "softmax": ("Softmax", {}),
    "softsign": ("Softsign", {}),
    "elu": ("Elu", {}),
    "selu": ("Selu", {}),
    "softplus": ("Softplus", {}),
    "hard_silu": ("HardSwish", {}),
    **{
        name: ("HardSigmoid", {"alpha": slope, "beta": 0.5})
        for name, slope in HARD_SIGMOIDS.items()
    },
}


class OnnxGraph(Graph):
    """A graph of ONNX under construction: a model's, or the body of a Scan."""

    elementwise_operators: ClassVar[Mapping[str, str]] = {
        "add": "Add",
        "subtract": "Sub",
        "multiply": "Mul",
        "divide": "Div",
        "minimum": "Min",
        "maximum": "Max",
        "equal": "Equal",
        "where": "Where",
        "erf": "Erf",
    }

    def __init__(self, scope: str = "") -> None:
        super().__init__(scope)
        self.onnx = require("onnx", "onnx", "slimrnn[onnx]")
        self._nodes: list[Any] = []
        self._initializers: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, shape: Shape, dtype: str = "float32") -> Node:
        node = Node(self, self.unique(name), shape, dtype)
        self._inputs.append(self._declared(node))
        return node

    def output(self, name: str, node: Node) -> None:
        named = Node(self, self.unique(name), node.shape, node.dtype)
        make_node = self.onnx.helper.make_node
        self._nodes.append(make_node("Identity", [node.name], [named.name]))
        self._outputs.append(self._declared(named))

    def operators(
        self,
        kind: str,
        inputs: Sequence[Node | None],
        shapes: Sequence[Shape],
        dtype: str = "float32",
        **attributes: Any,
    ) -> list[Node]:
        names = [self.unique(f"{self.scope}/{kind}") for _ in shapes]
        given = ["" if x is None else x.name for x in inputs]
        node = self.onnx.helper.make_node(
            kind, given, names, name=names[0], **attributes
        )
        self._nodes.append(node)
        return [Node(self, *pair, dtype) for pair in zip(names, shapes, strict=True)]

    def activation(self, name: str, x: Node) -> Node:
        if name == "linear":
            return x
        if name not in ACTIVATIONS:
            return composed(name, x)
        kind, attributes = ACTIVATIONS[name]
        return self.operator(kind, [x], x.shape, **attributes)

    def product(self, x: Node, matrix: Array, bias: Array | None, name: str) -> Node:
        shape = (*x.shape[:-1], matrix.shape[-1])
        product = self.operator("MatMul", [x, self.constant(matrix, name)], shape)
        return product if bias is None else product + self.constant(bias, "bias")

    def convolution(self, x: Node, layer: Conv1D) -> Node:
        """The operator Conv."""
        weights = [self.constant(layer.kernel.T, "kernel")]
        if layer.bias is not None:
            weights.append(self.constant(layer.bias, "bias"))
        about = {"group": layer.groups, "dilations": [layer.dilation]}
        return self._windows("Conv", x, layer, *weights, **about)

    def pooling(self, x: Node, layer: LocalPool) -> Node:
        """The operator AveragePool or MaxPool."""
        kind = {"average": "AveragePool", "max": "MaxPool"}[layer.how]
        return self._windows(kind, x, layer, kernel_shape=[layer.taps])

    def _windows(
        self, kind: str, x: Node, layer: OfWindow, *weights: Node, **about: Any
    ) -> Node:
        """An operator whose axis of time is the last one."""
        batch, time, _ = x.shape
        steps = steps_out(x, layer)
        turned = (batch, x.width, time)
        y = self.operator(
            kind,
            [self.operator("Transpose", [x], turned, perm=[0, 2, 1]), *weights],
            (batch, layer.outputs, steps),
            strides=[layer.strides],
            pads=[layer.before, layer.after],
            **about,
        )
        shape = (batch, steps, layer.outputs)
        return self.operator("Transpose", [y], shape, perm=[0, 2, 1])

    def normalized(self, x: Node, layer: LayerNormalization) -> Node:
        """The operator LayerNormalization."""
        weights = [self.constant(layer.scale, "scale")]
        weights.append(self.constant(layer.offset, "offset"))
        about = {"axis": -1, "epsilon": layer.epsilon}
        return self.operator("LayerNormalization", [x, *weights], x.shape, **about)

    def prelu(self, x: Node, layer: PReLU) -> Node:
        """The operator PRelu."""
        slope = self.constant(layer.slope, "slope")
        return self.operator("PRelu", [x, slope], x.shape)

    def over_time(self, how: str, x: Node) -> Node:
        shape = (x.shape[0], x.width)
        if how == "last":
            return self.operator("Gather", [x, self.constant(-1)], shape, axis=1)
        if how == "sum":
            axis = self.vector(1)
            return self.operator("ReduceSum", [x, axis], shape, keepdims=0)
        kind = {"average": "ReduceMean", "max": "ReduceMax"}[how]
        return self.operator(kind, [x], shape, axes=[1], keepdims=0)

    def repeated(self, x: Node, times: int) -> Node:
        batch, n = x.shape
        one = self.operator("Unsqueeze", [x, self.vector(1)], (batch, 1, n))
        return self.operator(
            "Expand", [one, self.vector(1, times, 1)], (batch, times, n)
        )

    def split(self, x: Node, parts: int) -> list[Node]:
        shape = (*x.shape[:-1], x.width // parts)
        return self.operators("Split", [x], [shape] * parts, axis=-1)

    def concatenate(self, nodes: Sequence[Node]) -> Node:
        shape = (*nodes[0].shape[:-1], sum(node.width for node in nodes))
        return self.operator("Concat", nodes, shape, axis=-1)

    def look_up(self, table: Array, index: Node) -> Node:
        shape = (*index.shape, table.shape[-1])
        return self.operator("Gather", [self.constant(table, "table"), index], shape)

    def all(self, x: Node) -> Node:
        number = self.onnx.TensorProto.INT32
        numbers = self.operator("Cast", [x], x.shape, dtype="int32", to=number)
        shape = (*x.shape[:-1], 1)
        least = self.operator("ReduceMin", [numbers], shape, dtype="int32", axes=[-1])
        return self.elementwise("equal", least, 1)

    def with_last_axis(self, x: Node) -> Node:
        axis = self.vector(-1)
        return self.operator("Unsqueeze", [x, axis], (*x.shape, 1), dtype=x.dtype)

    def turned(self, x: Node) -> Node:
        ends = [self.vector(k) for k in (-1, np.iinfo("int64").min, 1, -1)]
        return self.operator("Slice", [x, *ends], x.shape, dtype=x.dtype)

    def vector(self, *numbers: int) -> Node:
        """Whole numbers, as ONNX wants shapes and axes."""
        array = np.array(numbers, "int64")
        return self._store(array, self.unique(f"{self.scope}/{numbers}"))

    def arrays(self) -> dict[str, Array]:
        """The constants, by name."""
        to_array = self.onnx.numpy_helper.to_array
        return {each.name: to_array(each) for each in self._initializers}

    def finish(self, name: str) -> Any:
        """The GraphProto."""
        return self.onnx.helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, self._initializers
        )

    def _store(self, array: Array, name: str) -> Node:
        self._initializers.append(self.onnx.numpy_helper.from_array(array, name))
        return Node(self, name, array.shape, array.dtype.name)

    def _declared(self, node: Node) -> Any:
        """The node with its type and its sizes."""
        helper = self.onnx.helper
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(node.dtype))
        return helper.make_tensor_value_info(node.name, kind, node.shape)
