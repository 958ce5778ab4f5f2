"""A model of the IR as a Keras model, on any backend: to train it further, to slim it.

``from_keras(to_keras(model)) == model`` where the names of its layers differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from slimrnn import layers as slim
from slimrnn.errors import InputError
from slimrnn.ir import layers as ir
from slimrnn.ir.keras_layers import ACTIVATIONS
from slimrnn.ir.model import Model

Array = np.ndarray
#: a layer, and what it takes for weights once it is built
Made = tuple[keras.layers.Layer, list[Array]]

_FUNCTIONS = {name: function for function, name in ACTIVATIONS.items()}
#: no matrix is made orthogonal only to be overwritten
_ZEROS = dict.fromkeys(("kernel_initializer", "recurrent_initializer"), "zeros")


def to_keras(model: Model) -> keras.Model:
    """The model in Keras, with the same weights; recurrent layers are slim layers.

    Raises:
        InputError: a layer has initial states, or steps around it as Keras has not.
    """
    _check_pools(model)
    model = replace(model, layers=tuple(_with_own_names(model.layers)))
    shape = (model.steps,) if model.takes_indices else (model.steps, model.inputs)
    made = [_LAYERS[type(layer)](layer) for layer in model.layers]
    made = [*_with_axes(model, made)]
    last = [keras.layers.Flatten()] if model.flatten else []
    inside = [keras.Input(shape), *(layer for layer, _ in made), *last]
    if any(isinstance(layer, ir.Skip) or _is_last(layer) for layer in model.layers):
        built = _around(model, inside)
    else:
        built = keras.Sequential(inside, name=model.name)
    for layer, weights in made:
        layer.set_weights(weights)
    return built


def _with_own_names(layers: Iterable[ir.Layer]) -> Iterator[ir.Layer]:
    """The layers, of which one that stands in several places has several names."""
    taken: set[str] = set()
    for layer in layers:
        name, k = layer.name, 1
        while name in taken:
            k += 1
            name = f"{layer.name}_{k}"
        taken.add(name)
        yield layer if k == 1 else replace(layer, name=name)


def _with_axes(model: Model, made: Iterable[Made]) -> Iterator[Made]:
    """The layers, of which a PReLU shares its slopes among the steps.

    One slope for all features stays one when it is trained.
    """
    steps = True
    for layer, (found, weights) in zip(model.layers, made, strict=True):
        steps = layer.gives_steps(steps)
        if isinstance(found, keras.layers.PReLU):
            (slope,), alike = weights, (weights[0] == weights[0][0]).all()
            slope = slope[:1] if alike else slope
            weights = [slope[None] if steps else slope]
            found.shared_axes = [1] * steps + [1 + steps] * bool(alike)
        yield found, weights


def _check_pools(model: Model) -> None:
    """Refuse local pools whose steps around a sequence are not those of "same"."""
    steps = model.steps
    for layer in model.layers:
        if isinstance(layer, ir.LocalPool) and (layer.before or layer.after):
            known = steps or (1 if layer.strides == 1 else None)
            if known is None or layer.same(known) != (layer.before, layer.after):
                raise InputError(
                    f"The layer {layer} has {layer.before} steps of nothing before a "
                    f"sequence and {layer.after} after it; Keras has those of "
                    f"padding='same' for a known number of steps."
                )
        steps = steps and layer.steps_of(steps)


def _is_last(layer: ir.Layer | None) -> bool:
    """Whether it is ``x[:, -1]``, which no layer of Keras is."""
    return isinstance(layer, ir.Pool) and layer.how == "last"


def _around(model: Model, inside: list[Any]) -> keras.Model:
    """A functional model, which may add its input, or take the last step."""
    x = given = inside[0]
    for made, layer in zip(inside[1:], [*model.layers, None], strict=False):
        if isinstance(layer, ir.Skip):
            n = layer.outputs
            side = given if n == model.inputs else given[..., :n]
            if (layer.scale != 1).any():
                side = keras.layers.Rescaling(layer.scale.tolist())(side)
            x = made([side, x])
        elif _is_last(layer):
            x = x[:, -1]
        else:
            x = made(x)
    return keras.Model(given, x, name=model.name)


_POOLS: dict[str, Callable[..., keras.layers.Layer]] = {
    "average": keras.layers.GlobalAveragePooling1D,
    "max": keras.layers.GlobalMaxPooling1D,
    "last": keras.layers.Identity,  # in its place stands x[:, -1]
}


def _embedding(layer: ir.Embedding) -> Made:
    made = keras.layers.Embedding(
        *layer.table.shape,
        embeddings_initializer="zeros",
        mask_zero=layer.mask_zero,
        name=layer.name,
    )
    return made, [layer.table]


def _prelu(layer: ir.PReLU) -> Made:
    slope = float(layer.slope[0])
    if slope >= 0 and (layer.slope == slope).all():
        return keras.layers.LeakyReLU(slope, name=layer.name), []
    return keras.layers.PReLU("zeros", name=layer.name), [layer.slope]


def _affine(layer: ir.Affine) -> Made:
    scale, offset = layer.scale.tolist(), layer.offset.tolist()
    return keras.layers.Rescaling(scale, offset, name=layer.name), []


def _normalization(layer: ir.LayerNormalization) -> Made:
    made = keras.layers.LayerNormalization(epsilon=layer.epsilon, name=layer.name)
    return made, [layer.scale, layer.offset]


def _local_pool(layer: ir.LocalPool) -> Made:
    padding = "same" if layer.before or layer.after else "valid"
    made = _LOCAL_POOLS[layer.how](
        layer.taps, layer.strides, padding=padding, name=layer.name
    )
    return made, []


_LOCAL_POOLS: dict[str, Callable[..., keras.layers.Layer]] = {
    "average": keras.layers.AveragePooling1D,
    "max": keras.layers.MaxPooling1D,
}


def _dense(layer: ir.Dense) -> Made:
    made = keras.layers.Dense(
        layer.outputs,
        _FUNCTIONS[layer.activation],
        use_bias=layer.bias is not None,
        kernel_initializer="zeros",
        name=layer.name,
    )
    return made, [layer.kernel, *([] if layer.bias is None else [layer.bias])]


def _convolution(layer: ir.Conv1D) -> Made:
    if layer.strides > 1 and layer.dilation > 1:
        raise InputError(
            f"The layer {layer} has strides={layer.strides} and "
            f"dilation={layer.dilation}; a Conv1D of Keras has one of them alone."
        )
    causal = (layer.before, layer.after) == (layer.span - 1, 0)
    made = keras.layers.Conv1D(
        layer.outputs,
        layer.taps,
        strides=layer.strides,
        dilation_rate=layer.dilation,
        groups=layer.groups,
        padding="causal" if causal else "valid",
        activation=_FUNCTIONS[layer.activation],
        use_bias=layer.bias is not None,
        kernel_initializer="zeros",
        name=layer.name,
    )
    if not causal and layer.before + layer.after:
        zeros = keras.layers.ZeroPadding1D((layer.before, layer.after))
        made = keras.Sequential([zeros, made], name=f"{layer.name}_padded")
    return made, [layer.kernel, *([] if layer.bias is None else [layer.bias])]


def _recurrent(layer: ir.Recurrent) -> Made:
    cell = layer.cell
    if layer.initial is not None:
        raise InputError(
            f"The layer {layer} has initial states of its own, which a layer of Keras "
            f"does not hold; replace them by None."
        )
    settings: dict[str, Any] = {
        "units": cell.units,
        "activation": _FUNCTIONS[cell.spec.activation.name],
        "recurrent_activation": _FUNCTIONS[cell.spec.recurrent_activation.name],
        "return_sequences": layer.return_sequences,
        "go_backwards": layer.go_backwards,
        "zero_output_for_mask": layer.zero_masked,
        "name": layer.name,
        **_ZEROS,
    }
    # Trained: nothing of it starts anew.
    made = slim.layer(variant=cell.variant, time_scale=None, **settings)
    return made, list(cell.weights.values())


def _bidirectional(layer: ir.Bidirectional) -> Made:
    widths = [direction.outputs for direction in layer.recurrent()]
    if widths[0] != widths[1]:
        raise InputError(
            f"The layer {layer} has directions of {widths[0]} and {widths[1]} units; "
            f"Keras takes them for as many."
        )
    pair = [_recurrent(direction) for direction in layer.recurrent()]
    (forward, weights), (backward, others) = pair
    made = keras.layers.Bidirectional(
        forward, layer.merge, backward_layer=backward, name=layer.name
    )
    for inner, direction in zip(
        (made.forward_layer, made.backward_layer), layer.recurrent(), strict=True
    ):
        inner.name = direction.name  # Keras gives them its own
        inner.zero_output_for_mask = direction.zero_masked
    return made, weights + others


_LAYERS: dict[type, Callable[[Any], Made]] = {
    ir.Embedding: _embedding,
    ir.Masking: lambda layer: (keras.layers.Masking(layer.value, name=layer.name), []),
    ir.Affine: _affine,
    ir.Activation: lambda layer: (
        keras.layers.Activation(_FUNCTIONS[layer.activation], name=layer.name),
        [],
    ),
    ir.PReLU: _prelu,
    ir.Skip: lambda layer: (keras.layers.Add(name=layer.name), []),
    ir.Pool: lambda layer: (_POOLS[layer.how](name=layer.name), []),
    ir.Repeat: lambda layer: (
        keras.layers.RepeatVector(layer.times, name=layer.name),
        [],
    ),
    ir.LocalPool: _local_pool,
    ir.LayerNormalization: _normalization,
    ir.Dense: _dense,
    ir.Conv1D: _convolution,
    ir.Recurrent: _recurrent,
    ir.Bidirectional: _bidirectional,
}
