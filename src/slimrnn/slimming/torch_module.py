"""A PyTorch module slimmed: trained as a Keras model, returned as the same module."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from slimrnn import torch as slim_torch
from slimrnn.errors import InputError
from slimrnn.ir import layers as ir
from slimrnn.ir.from_keras import from_keras
from slimrnn.ir.to_keras import to_keras
from slimrnn.ir.torch_graph import layer_name
from slimrnn.ir.torch_module import from_module, recurrent_modules
from slimrnn.slimming.conversion import fitted, trained_constants, why_not
from slimrnn.variants import FAMILIES, Variant

Module = torch.nn.Module
Array = np.ndarray
_LAYERS = {
    layer.family: layer
    for layer in (slim_torch.SlimLSTM, slim_torch.SlimGRU, slim_torch.SlimMGU)
}


def slim_module(
    module: Module, variant: Variant, gate_constants: Any, train: Callable[..., Any]
) -> Module:
    """A copy of a module with slim layers in place of its recurrent ones.

    Args:
        module: that ``slimrnn.ir.from_module`` reads; it is left as it was.
        variant: that fits all its recurrent layers.
        gate_constants: as of ``rebuild``; ``"trained"``: the mean over all layers, for
            a layer of PyTorch has the same constants at any depth.
        train: a Keras model and constants -> the slimmed Keras model.
    """
    for each in recurrent_modules(module):
        if isinstance(each.module, torch.nn.RNNCellBase):
            raise InputError(
                f"The module has a loop over the cell {each.name}, which no slim layer "
                f"can take the place of; slim slimrnn.ir.to_keras(slimrnn.ir.read("
                f"module)), or train it with a layer of all steps."
            )
    model = from_module(module, folded=False)  # its modules have weights of their own
    sources = [layer.cell for layer in model.recurrent()]
    trained = [source.variant for source in sources]
    reasons = [why_not(source, fitted(variant, source)) for source in trained]
    if not sources or any(reasons):
        reason = next(filter(None, reasons), "it has no recurrent layer")
        raise InputError(
            f"The module {model.name} cannot be slimmed to {variant.name}: {reason}."
        )
    if gate_constants == "trained":
        gate_constants = trained_constants(sources, variant)
    slimmed = from_keras(train(to_keras(model), gate_constants))
    known, made = {layer.name: layer for layer in slimmed.layers}, copy.deepcopy(module)
    before = {layer.name: layer for layer in model.layers}
    for name, own in made.named_modules():
        if (layer := known.get(layer_name(name))) is not None:
            _give(own, layer, before.get(layer.name))
    for old in list(recurrent_modules(made)):
        slim = _recurrent(old.module, [known[name] for name in old.layer_names])
        if old.module is made:
            return slim
        parent, _, name = old.name.rpartition(".")
        setattr(made.get_submodule(parent), name, slim)
    return made


def _recurrent(old: Any, own: Sequence[ir.Layer]) -> Module:
    """The slim layer of these weights in place of nn.LSTM or nn.GRU."""
    found = [layer.cell for one in own for layer in one.recurrent()]
    variant = found[0].variant
    family = FAMILIES[variant.family].base or variant.family
    first = next(old.parameters())
    layer = _LAYERS[family](
        *(old.input_size, old.hidden_size, old.num_layers, old.bias, old.batch_first),
        *(old.dropout, old.bidirectional),
        device=first.device,
        dtype=first.dtype,
        variant=variant,
        time_scale=None,  # the weights are trained
    )
    weights = [w for cell in found for w in cell.weights.values()]
    for parameter, array in zip(layer.parameters(), weights, strict=True):
        _copy(parameter, array)
    return layer.train(old.training)


def _give(module: Module, layer: ir.Layer, before: ir.Layer | None) -> None:
    """A module the weights of its layer, which was another one before."""
    if isinstance(module, torch.nn.Linear) and isinstance(before, ir.Conv1D):
        layer = _of_all_steps(module, layer, before)
    tensors = _TENSORS.get(type(layer))
    for name, array in (tensors(layer) if tensors else {}).items():
        parameter = getattr(module, name)
        if array is not None and parameter is not None:
            _copy(parameter, array[: len(parameter)])  # one slope may be for all


def _of_all_steps(module: Any, layer: Any, before: ir.Conv1D) -> ir.Dense:
    """The Linear behind a flatten that was read as a convolution with one window.

    Its numbers lie step by step, or feature by feature, as they did before.
    """
    taps, m, n = before.kernel.shape
    by_step = np.array_equal(
        before.kernel.reshape(taps * m, n).T, module.weight.detach().cpu().numpy()
    )
    kernel = layer.kernel if by_step else layer.kernel.swapaxes(0, 1)
    return ir.Dense(layer.name, kernel.reshape(taps * m, n), layer.bias)


@torch.no_grad()
def _copy(parameter: torch.Tensor, array: Array) -> None:
    parameter.copy_(torch.as_tensor(np.array(array)))


#: a layer's weights by the names that its module has for them
_TENSORS: dict[type[ir.Layer], Callable[[Any], dict[str, Array | None]]] = {
    ir.Dense: lambda own: {"weight": own.kernel.T, "bias": own.bias},
    ir.Conv1D: lambda own: {"weight": own.kernel.transpose(2, 1, 0), "bias": own.bias},
    ir.Embedding: lambda own: {"weight": own.table},
    ir.LayerNormalization: lambda own: {"weight": own.scale, "bias": own.offset},
    ir.PReLU: lambda own: {"weight": own.slope},
}
