"""The reader of PyTorch modules in memory.

What a ``forward`` does, ``torch.export`` finds out, with all the numbers that do not
depend on the input computed. The graph is gone through as one of ONNX is, whose
operators PyTorch's are told as.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import torch_layers
from slimrnn.ir.described import Described
from slimrnn.ir.flow import FEATURES, Axis, Flow, State, ends
from slimrnn.ir.model import Model
from slimrnn.ir.onnx_recurrent import check_steps, initial_states
from slimrnn.ir.torch_operators import OPERATORS
from slimrnn.ir.traced import first_that_is_read, model_of_graph, source
from slimrnn.utils.optional import require
from slimrnn.variants import CellSpec

Module = Any  # torch.nn.Module
Tensor = Any

#: operators of recurrent modules, and what the arguments are
_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
#: operators that give zeros of a shape, whatever the tensor that they get
_ZEROS = ("new_zeros", "zeros_like")
#: settings of operators that change no number
_PASSIVE = ("dtype", "device", "layout", "pin_memory", "memory_format", "copy")
_BATCH = 3
#: steps of what is tried, in turn: more than a small window has, and a large one
_STEPS = (67, 1009)


@dataclass(frozen=True)
class Recurrent:
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
        kind = type(self.module).__name__
        return [
            *torch_layers.layers(self._called, kind, tensors, activation=activation)
        ]


def layer_name(module: str) -> str:
    """What the layer of a module in a module is called."""
    return module.replace(".", "_")  # Keras on PyTorch takes no dots


def recurrent_modules(module: Module) -> Iterator[Recurrent]:
    """The recurrent modules in a module, which may be one."""
    for name, found in module.named_modules():
        if type(found).__name__ in torch_layers.TORCH or _is_slim(found):
            yield Recurrent(name, found)


def from_module(module: Module, **settings: Any) -> Model:
    """A PyTorch module as data.

    Args:
        module: whose forward takes one tensor, (B, T, m), (T, B, m), (B, m, T) in front
            of a convolution, or indices; and puts it through LSTM, GRU, RNN or slim
            layers, Linear, Conv1d, pools, Embedding, BatchNorm1d, LayerNorm,
            activations, and what turns axes round, one after the other. The last step,
            the last states or a pool may be taken, constants added and multiplied, and
            the input added. It is called, in evaluation mode.
        settings: of :func:`slimrnn.ir.chain.model_of`.

    Raises:
        InputError: an operator that cannot be read, branches, several inputs.

    Example:
        >>> import torch
        >>> from_module(torch.nn.GRU(3, 4, batch_first=True)).outputs
        4
    """
    torch = require("torch", "PyTorch", "torch")
    name = type(module).__name__
    tensors = [*module.parameters()]
    if not tensors:
        raise InputError(f"The module {name} has no layer that computes something.")
    found = {each.name: each for each in recurrent_modules(module)}
    traced = _with_torchs_own(torch, module, found).eval()
    sizes = {size for tensor in tensors for size in tensor.shape}

    def read(place: int) -> Model:
        x = _asked(torch, traced, sizes, place)
        program = _exported(torch, name, traced, x)
        words = not x.is_floating_point()
        given = source(tuple(x.shape), None if words else place)
        reading = _Reading(torch, program, given, found)
        translated = ["its forward as torch.export finds it"]
        return model_of_graph(
            *(name, given, reading.outputs(), "PyTorch module", translated),
            fixed=False,
            **settings,
        )

    with torch.no_grad():
        return first_that_is_read(read)


def _is_slim(module: Module) -> bool:
    return isinstance(getattr(module, "cell", None), CellSpec)


def _array(tensor: Tensor) -> Any:
    """In NumPy, which has no bfloat16."""
    kept = tensor.detach().cpu()
    return (kept.float() if kept.is_floating_point() else kept).numpy()


def _with_torchs_own(torch: Any, module: Module, found: dict[str, Recurrent]) -> Module:
    """A copy in which a slim layer stands as PyTorch's own of its sizes.

    So it is one operator of the graph, whichever engine computes it.
    """
    made = copy.deepcopy(module)
    for name, each in found.items():
        old = each.module
        if not _is_slim(old):
            continue
        kind = torch.nn.LSTM if len(old.cell.family.states) > 1 else torch.nn.GRU
        first = next(old.parameters())
        new = kind(
            *(old.input_size, old.hidden_size, old.num_layers, True, old.batch_first),
            bidirectional=old.bidirectional,
            device=first.device,
            dtype=first.dtype,
        )
        if not name:
            return new
        parent, _, own = name.rpartition(".")
        setattr(made.get_submodule(parent), own, new)
    return made


def _asked(torch: Any, module: Module, taken: set[int], place: int) -> Tensor:
    """Some input that the module takes, whose sizes are none of its own.

    Raises:
        InputError: none is found.
    """
    weight = next(module.parameters())
    words = any(isinstance(each, torch.nn.Embedding) for each in module.modules())
    widths = dict.fromkeys(filter(None, map(_features, module.modules())))
    refused: list[str] = []
    for steps, width in product(_STEPS, [*([None] * words), *widths]):
        shape = tuple(_unlike(size, taken) for size in (_BATCH, steps))
        kind = torch.long
        if width is not None:
            shape = (*shape, width) if place == -1 else (shape[0], width, shape[1])
            kind = weight.dtype
        x = torch.zeros(shape, dtype=kind, device=weight.device)
        try:
            module(x)
        except (RuntimeError, TypeError, ValueError, LookupError) as error:
            refused.append(f"{shape} ({str(error).strip().partition(chr(10))[0]})")
        else:
            return x
    what = refused[0] if refused else "sequences"
    raise InputError(
        f"The module {type(module).__name__} does not take {what}; allowed is one "
        f"that takes any number of steps."
    )


def _unlike(size: int, taken: set[int]) -> int:
    while size in taken:
        size += 2
    return size


def _features(module: Module) -> int | None:
    """How many features a module takes, if it has weights that say so."""
    for own in ("input_size", "in_features", "in_channels", "num_features"):
        if isinstance(found := getattr(module, own, None), int):
            return found
    shape = getattr(module, "normalized_shape", None)
    return shape[-1] if shape else None


def _exported(torch: Any, name: str, module: Module, x: Tensor) -> Any:
    try:
        return torch.export.export(module, (x,), strict=False)
    except Exception as error:  # whatever a stranger's forward does
        why = str(error).strip().partition("\n")[0]
        raise InputError(
            f"torch.export cannot follow the forward of {name} ({why}); export it to "
            f"ONNX, or read its state_dict and say its layers."
        ) from error


class _Reading:
    """An exported program, being gone through."""

    def __init__(
        self, torch: Any, program: Any, given: Flow, found: dict[str, Recurrent]
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
        for node in program.graph.nodes:
            if node.op == "placeholder":
                own = known.get(node.name)
                self.values[node] = given if own is None else tensors[own].detach()

    def outputs(self) -> Any:
        """What its outputs have become."""
        for node in self.program.graph.nodes:
            if node.op == "call_function":
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
            return given[0][given[1]]
        if not unknown:
            return node.target(*given, **settings)
        kind = node.target._schema.name.rpartition("::")[2].rstrip("_")
        if kind in _ZEROS:
            return self.torch.zeros(node.meta["val"].shape)
        if not any(isinstance(value, Flow) for value in unknown):
            return State(node.name)
        name = self._module(node)
        if kind in _RECURRENT:
            return self._recurrent(name, *given)
        if kind not in OPERATORS:
            raise InputError(
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

    def _recurrent(
        self, name: str, x: Flow, states: Any, parameters: Any, *settings: Any
    ) -> tuple[Any, ...]:
        """The outputs, the last h, and the last c of a recurrent module."""
        if name not in self.recurrent:
            raise InputError(
                f"The forward computes a recurrent layer with tensors that are no "
                f"module's; allowed are those of {', '.join(torch_layers.TORCH)}."
            )
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
