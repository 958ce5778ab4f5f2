"""A program of ``torch.export``, gone through as a graph of ONNX is.

Numbers that do not depend on the input are computed; PyTorch's operators are told as
ONNX's, but recurrent ones, whose module says what it is.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import torch_layers, traced
from slimrnn.ir.described import Described
from slimrnn.ir.directions import ends
from slimrnn.ir.flow import FEATURES, Axis, Flow, State
from slimrnn.ir.onnx_recurrent import check_steps, initial_states
from slimrnn.ir.torch_loop import CELLS, JOINING, Loop, same_step
from slimrnn.ir.torch_operators import OPERATORS
from slimrnn.variants import CellSpec

Module = Any  # torch.nn.Module
Tensor = Any

#: operators of recurrent modules, and what the arguments are
_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
#: operators that give zeros of a shape, whatever the tensor that they get
_ZEROS = ("new_zeros", "zeros_like")
#: settings of operators that change no number
_PASSIVE = ("dtype", "device", "layout", "pin_memory", "memory_format", "copy")


@dataclass(frozen=True)
class RecurrentModule:
    """A recurrent module of PyTorch, or a slim one.

    Attributes:
        name: of the module.
        module: it.
    """

    name: str
    module: Module

    @property
    def layer_names(self) -> list[str]:
        """What the layers that it is are called."""
        return torch_layers.names(self._called, self.module.num_layers)

    @property
    def _called(self) -> str:
        return layer_name(self.name) or type(self.module).__name__.lower()

    def layers(self) -> list[Described]:
        """What it is as data, with all steps."""
        tensors = {name: _array(t) for name, t in self.module.state_dict().items()}
        spec = getattr(self.module, "cell", None)
        if isinstance(spec, CellSpec):
            both = self.module.bidirectional
            return [*torch_layers.slim_layers(self.layer_names, spec, tensors, both)]
        activation = getattr(self.module, "nonlinearity", "tanh")
        kind = type(self.module).__name__.removesuffix("Cell")
        return [
            *torch_layers.layers(self._called, kind, tensors, activation=activation)
        ]


def layer_name(module: str) -> str:
    """What the layer of a module in a module is called."""
    return module.replace(".", "_")  # Keras on PyTorch takes no dots


def _array(tensor: Tensor) -> Any:
    """In NumPy, which has no bfloat16."""
    kept = tensor.detach().cpu()
    return (kept.float() if kept.is_floating_point() else kept).numpy()


class Reading:
    """An exported program, being gone through."""

    def __init__(
        self, torch: Any, program: Any, given: Flow, found: dict[str, RecurrentModule]
    ):
        self.torch, self.program, self.recurrent = torch, program, found
        about = program.graph_signature
        tensors = {**program.state_dict, **program.constants}
        known = {
            **about.inputs_to_parameters,
            **about.inputs_to_buffers,
            **about.inputs_to_lifted_tensor_constants,
        }
        self.values: dict[Any, Any] = {}
        self.loops: dict[str, Loop] = {}
        for node in program.graph.nodes:
            if node.op == "placeholder":
                own = known.get(node.name)
                self.values[node] = given if own is None else tensors[own].detach()

    def outputs(self) -> Any:
        """What its outputs have become."""
        for node in self.program.graph.nodes:
            if node.op == "call_function":
                kind = getattr(node.target, "__name__", str(node.target))
                with traced.reading(node.name, kind, self._value(node.args)):
                    self.values[node] = self._taken(node)
                self._check(node)
            elif node.op == "output":
                return self._value(node.args[0])
        raise InputError("The graph has no output.")

    def _value(self, argument: Any) -> Any:
        """An argument of a node, with what nodes have become."""
        if isinstance(argument, (list, tuple)):
            return [self._value(each) for each in argument]
        if isinstance(argument, self.torch.fx.Node):
            return self.values[argument]
        return argument

    def _taken(self, node: Any) -> Any:
        """What an operator's output is."""
        given = [self._value(argument) for argument in node.args]
        settings = {key: self._value(value) for key, value in node.kwargs.items()}
        unknown = [*_unknown([*given, *settings.values()])]
        if node.target is operator.getitem:
            whole, place = given
            return whole if isinstance(whole, State) else whole[place]
        if not unknown:
            return node.target(*given, **settings)
        kind = node.target._schema.name.rpartition("::")[2].rstrip("_")
        if kind in _ZEROS:
            return self.torch.zeros(node.meta["val"].shape)
        if not any(isinstance(value, Flow) for value in unknown):
            return State(node.name)
        name = self._module(node)
        if kind in CELLS:
            return self._cell(name, *given)
        if kind not in JOINING:
            same_step(node.name, [v for v in unknown if isinstance(v, Flow)])
        if kind in _RECURRENT:
            return self._recurrent(name, *given)
        if kind not in OPERATORS:
            raise traced.Final(
                f"The operator {node.name} ({kind}) cannot be read; allowed: "
                f"{', '.join([*_RECURRENT, *OPERATORS])}."
            )
        own = {key: v for key, v in settings.items() if key not in _PASSIVE}
        arrays = [self._in_numpy(value) for value in given]
        about = {"name": layer_name(name) or node.name}
        return OPERATORS[kind](about, *arrays, **own)

    def _in_numpy(self, value: Any) -> Any:
        if isinstance(value, self.torch.Tensor):
            return _array(value)
        if isinstance(value, list) and any(isinstance(v, Flow) for v in value):
            return [self._in_numpy(each) for each in value]
        return value

    def _module(self, node: Any) -> str:
        """The module that an operator is of; empty where that has modules in it."""
        stack = node.meta.get("nn_module_stack") or {}
        name, kind = [*stack.values()][-1] if stack else ("", "")
        kind = kind if isinstance(kind, str) else kind.__module__
        return name if kind.startswith("torch.nn.") else ""

    def _check(self, node: Any) -> None:
        """Holds what is known of an output against what PyTorch says."""
        found = self.values[node]
        if isinstance(found, Flow):
            sizes, wanted = tuple(found.shape), tuple(node.meta["val"].shape)
            if sizes != wanted:
                raise InputError(
                    f"The operator {node.name} gives {wanted}, and was read as {sizes}."
                )

    def _cell(self, name: str, x: Flow, states: Any, *parameters: Any) -> Any:
        """The states after a step of a cell: h, or h and c."""
        if name not in self.recurrent or not isinstance(x, Flow):
            raise InputError(
                "The forward computes a cell of no module, or without the model's "
                "input; allowed are LSTMCell, GRUCell and RNNCell over its steps."
            )
        several = isinstance(states, list)
        given = states if several else [states]
        if name not in self.loops:
            self.loops[name] = Loop(name, partial(self._layer_of_cell, name))
        found = self.loops[name].step(x, given)
        return found if several else found[0]

    def _layer_of_cell(self, name: str, states: list[Any]) -> Described:
        """The layer that a cell is, from its first states."""
        (layer,) = self.recurrent[name].layers()
        given = [
            _array(s)[None] if isinstance(s, self.torch.Tensor) else s for s in states
        ]
        initial = _initial(layer.name, ("h", "c")[: len(given)], given, 0)
        settings = {**layer.settings, "return_sequences": True, "initial": initial}
        return replace(layer, settings=settings)

    def _recurrent(
        self, name: str, x: Flow, states: Any, parameters: Any, *settings: Any
    ) -> tuple[Any, ...]:
        """The outputs, the last h, and the last c of a recurrent module."""
        if name not in self.recurrent:
            raise InputError(
                f"The forward computes a recurrent layer with tensors that are no "
                f"module's; allowed are those of {', '.join(torch_layers.TORCH)}."
            )
        if x.step:
            raise InputError(f"The layer {name} gets a step alone; allowed are all.")
        *_, batch_first = settings
        flow = _swapped(x) if batch_first else x
        check_steps(name, flow)
        each = self.recurrent[name]
        given = [
            _array(s) if isinstance(s, self.torch.Tensor) else s
            for s in (states if isinstance(states, list) else [states])
        ]
        parts: list[Flow] = []
        for layer in each.layers():
            flow = self._through(flow, layer, given, parts)
        outputs = _swapped(flow) if batch_first else flow
        return outputs, ends(each.layer_names[-1], parts), State(f"{name}'s last c")

    def _through(
        self, x: Flow, layer: Described, states: list[Any], parts: list[Flow]
    ) -> Flow:
        """All steps after one layer; adds the last ones of its directions."""
        time, batch, _ = x.axes
        directions, width = [], 0
        for way in layer.inner or (layer,):
            assert way.cell is not None
            names = ("h", "c")[: len(states)]
            initial = _initial(way.name, names, states, len(parts))
            settings = {**way.settings, "initial": initial}
            directions.append(replace(way, settings=settings))
            last = replace(way, settings={**settings, "return_sequences": False})
            end = batch, Axis(FEATURES, way.cell.units)
            parts.append(Flow(end, (*x.layers, last), time=time.name))
            width += way.cell.units
        inner = tuple(directions)
        found = replace(layer, inner=inner) if layer.inner else inner[0]
        axes = time, batch, Axis(FEATURES, width)
        return Flow(axes, (*x.layers, found), time=time.name)


def _initial(
    name: str, names: tuple[str, ...], states: list[Any], place: int
) -> dict[str, Any] | None:
    """The first states of a direction, the same for each sequence."""
    own = [s[place : place + 1] if isinstance(s, np.ndarray) else s for s in states]
    for state in own:
        if isinstance(state, np.ndarray) and (state != state[:, :1]).any():
            raise InputError(f"The layer {name} has first states by sequence.")
    return initial_states(
        name, names, tuple(s[:, :1] if isinstance(s, np.ndarray) else s for s in own)
    )


def _swapped(x: Flow) -> Flow:
    """(sequences, steps, features) as (steps, sequences, features), and back."""
    one, other, *rest = x.axes
    return x.with_axes((other, one, *rest))


def _unknown(values: Any) -> Iterator[Any]:
    """What depends on the input."""
    for value in values:
        if isinstance(value, (Flow, State)):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _unknown(value)
