"""The reader of PyTorch modules in memory.

What a ``forward`` does, ``torch.export`` finds out, with all the numbers that do not
depend on the input computed. The graph is gone through as one of ONNX is, whose
operators PyTorch's are told as.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

from slimrnn.errors import InputError
from slimrnn.ir import torch_layers, torch_shapes
from slimrnn.ir.described import LAST
from slimrnn.ir.flow import Flow
from slimrnn.ir.model import Model
from slimrnn.ir.torch_graph import Reading, RecurrentModule
from slimrnn.ir.traced import Final, first_that_is_read, model_of_graph
from slimrnn.utils.optional import require
from slimrnn.variants import CellSpec

#: kinds of layers whose numbers are all of weights; in those of others, which the graph
#: has, sizes of its input may stand
_OF_WEIGHTS = (
    *("Embedding", "RNN", "Bidirectional", LAST, "Dense"),
    *("Activation", "BatchNormalization", "LayerNormalization"),
)
Module = Any  # torch.nn.Module
Tensor = Any


def recurrent_modules(module: Module) -> Iterator[RecurrentModule]:
    """The recurrent modules in a module, which may be one."""
    for name, found in module.named_modules():
        kind = type(found)  # whose name a class of one's own may have
        own = kind.__module__.startswith("torch.nn.")
        name_of_kind = kind.__name__.removesuffix("Cell")
        if (own and name_of_kind in torch_layers.TORCH) or _is_slim(found):
            yield RecurrentModule(name, found)


def from_module(module: Module, **settings: Any) -> Model:
    """A PyTorch module as data.

    Args:
        module: whose forward takes one tensor, (B, T, m), (T, B, m), (B, m, T) in front
            of a convolution, (B, T) of indices or numbers, or one sequence; and puts it
            through LSTM, GRU, RNN or slim layers, Linear, Conv1d, pools, Embedding,
            BatchNorm1d, LayerNorm, activations, and what turns axes round, one after
            the other. The last step, the last states or a pool may be taken, and
            repeated as so many steps; constants added and multiplied, and the input
            added. A Linear may take all features of all steps, whose number it fixes
            then. It is called, in evaluation mode.
        settings: of :func:`slimrnn.ir.chain.model_of`.

    Raises:
        InputError: an operator that cannot be read, branches, several inputs, numbers
            that depend on how many steps or sequences there are.

    Example:
        >>> import torch
        >>> from_module(torch.nn.GRU(3, 4, batch_first=True)).outputs
        4
    """
    torch = require("torch", "PyTorch", "torch")
    module = getattr(module, "_orig_mod", module)  # of torch.compile
    name = type(module).__name__
    if not [*module.parameters()]:
        raise InputError(f"The module {name} has no layer that computes something.")
    found = {each.name: each for each in recurrent_modules(module)}
    traced = _with_torchs_own(torch, module, found).eval()

    def read_once(x: Tensor, given: Flow, fixed: bool) -> tuple[Model, bool]:
        """The model, and whether it has numbers that sizes may be."""
        exported = _exported(torch, name, traced, x)
        outputs = [*Reading(torch, exported, given, found).outputs()]
        flows = (value for value in outputs if isinstance(value, Flow))
        kinds = {layer.kind for flow in flows for layer in flow.layers}
        translated = ["its forward as torch.export finds it"]
        about = (name, given, outputs, "PyTorch module", translated)
        model = model_of_graph(*about, fixed=fixed, **settings)
        return model, not kinds <= {*_OF_WEIGHTS}

    def read(x: Tensor, given: Flow, fixed: bool) -> Model:
        model, of_numbers = read_once(x, given, fixed)
        if of_numbers and not fixed:
            other, _ = read_once(*torch_shapes.another(traced, x, given), fixed)
            if model != other:
                raise InputError(
                    f"The forward of {name} computes with how many steps or sequences "
                    f"it gets; allowed are numbers of its own, such as "
                    f"repeat(1, 30, 1)."
                )
        return model

    with torch.no_grad():
        each = torch_shapes.asked(torch, traced)
        return first_that_is_read(partial(read, *one) for one in each)


def _is_slim(module: Module) -> bool:
    return isinstance(getattr(module, "cell", None), CellSpec)


def _with_torchs_own(
    torch: Any, module: Module, found: dict[str, RecurrentModule]
) -> Module:
    """A copy in which a slim layer stands as PyTorch's own of its sizes.

    So it is one operator of the graph, whichever engine computes it.
    """
    try:
        made = copy.deepcopy(module)
    except RuntimeError as error:
        why = str(error).strip().partition("\n")[0]
        raise InputError(
            f"The module {type(module).__name__} cannot be copied ({why}); detach the "
            f"tensors that its forward keeps."
        ) from error
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


def _exported(torch: Any, name: str, module: Module, x: Tensor) -> Any:
    try:
        with warnings.catch_warnings():  # of what it thinks of the forward
            warnings.simplefilter("ignore")
            return torch.export.export(copy.deepcopy(module), (x,), strict=False)
    except Exception as error:  # whatever a stranger's forward does
        why = str(error).strip().partition("\n")[0]
        raise Final(
            f"torch.export cannot follow the forward of {name} ({why}); export it to "
            f"ONNX, or read its state_dict and say its layers."
        ) from error
