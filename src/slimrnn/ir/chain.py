"""Layers in Keras's words, one after the other, as layers of the IR.

This is the one table of what can be read: Keras's layers in memory, its files of all
versions, and formats that speak of layers as Keras does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.cells import CELLS, keras_cell
from slimrnn.ir.data import finite, one_of
from slimrnn.ir.described import LAST, Described, numbers
from slimrnn.ir.layers import (
    ACTIVATIONS,
    Activation,
    Affine,
    Bidirectional,
    Conv1D,
    Dense,
    Embedding,
    Layer,
    Masking,
    Pool,
    Recurrent,
    Skip,
)
from slimrnn.ir.model import Model

#: from here on, x / deviation - mean / deviation would lose digits
_CANCELS = 8

#: layers that hand on what they get, except in training
PASSIVE = (
    *("InputLayer", "Identity", "Dropout", "SpatialDropout1D", "AlphaDropout"),
    *("GaussianDropout", "GaussianNoise", "ActivityRegularization"),
)


def model_of(
    name: str, layers: Iterable[Described], steps: int | None = None, **others: Any
) -> Model:
    """The layers as a model.

    Args:
        name: the model's.
        layers: in order.
        steps: T, where the model fixes it.
        others: of the :class:`Model`.

    Raises:
        InputError: a layer, an activation or a setting that is not supported, weights
            that do not fit, a chain that :class:`Model` refuses.
    """
    chain = _Chain(steps)
    for layer in layers:
        chain.take(layer)
    return Model(name, tuple(chain.layers), steps, chain.flatten, **others)


class _Chain:
    """The layers so far, and what the next one gets."""

    def __init__(self, steps: int | None) -> None:
        self.layers: list[Layer] = []
        self.steps = steps  # that a layer gets, where that is known
        self.zeros = (0, 0)  # steps of them before and after what the next one gets
        self.sequence = True  # whether there is an output for each step
        self.mask = False  # whether a mask comes with it
        self.astray = ""  # the layer that handed the mask on in the wrong order
        self.flatten = False
        self.features: int | None = None

    def take(self, layer: Described) -> None:
        """Read one layer more."""
        if not self.layers and layer.features:
            self.features = layer.features
        if layer.kind in PASSIVE:
            return
        if self.flatten:
            raise InputError(
                f"The layer {layer} stands after Flatten; Flatten is allowed at the "
                f"end only."
            )
        read = _READERS.get(layer.kind)
        if read is None:
            raise InputError(
                f"The layer {layer} cannot be read; allowed: {', '.join(_READERS)}, "
                f"and layers that only act in training, such as Dropout."
            )
        if any(self.zeros) and layer.kind not in CONVOLUTIONS:
            raise InputError(
                f"The layer {layer} follows ZeroPadding1D; allowed is Conv1D."
            )
        self.mask = self.mask and layer.masks
        for array in layer.weights:
            finite(f"The layer {layer}", array)
        read(self, layer)

    def width(self, layer: Described) -> int:
        """How many numbers the layer gets at a step."""
        if self.layers:
            return self.layers[-1].outputs
        if self.features is None:
            raise InputError(
                f"How many features the model has is not known at its layer {layer}; "
                f"begin the model with keras.Input((None, features))."
            )
        return self.features

    def embedding(self, layer: Described) -> None:
        (table,) = layer.arrays("embeddings")
        _check_size(layer, "input_dim", len(table))
        _check_size(layer, "output_dim", table.shape[-1])
        mask_zero = bool(layer.get("mask_zero", False))
        self.layers.append(Embedding(layer.name, table, mask_zero))
        self.mask = mask_zero

    def masking(self, layer: Described) -> None:
        value = float(layer.get("mask_value", 0.0))
        self.layers.append(Masking(layer.name, self.width(layer), value))
        self.mask = True

    def rescaling(self, layer: Described) -> None:
        self.affine(layer, layer.get("scale"), layer.get("offset", 0.0))

    def normalization(self, layer: Described) -> None:
        mean, variance = layer.weights[:2]
        deviation = np.maximum(np.sqrt(variance), layer.get("epsilon", 1e-7))
        if layer.get("invert"):
            self.affine(layer, deviation, mean)
        elif abs(mean / deviation).max() < _CANCELS:
            self.affine(layer, 1 / deviation, -mean / deviation)
        else:
            self.affine(layer, 1, -mean)
            self.affine(layer, 1 / deviation, 0)

    def batch_normalization(self, layer: Described) -> None:
        """Once trained, ``gamma (x - mean) / sqrt(variance + epsilon) + beta``."""
        axis, rank = layer.get("axis", -1), 3 if self.sequence else 2
        axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
        if axis not in (-1, rank - 1) or layer.get("mode", 0):
            raise InputError(
                f"The layer {layer} has axis={axis}, mode={layer.get('mode', 0)}; "
                f"allowed is the axis of the features, -1, and mode 0."
            )
        scale, center = layer.get("scale", True), layer.get("center", True)
        names = ("gamma",) * bool(scale) + ("beta",) * bool(center)
        found = layer.arrays(*names, "moving_mean", "moving_variance")
        given = dict(zip((*names, "mean", "variance"), found, strict=True))
        deviation = np.sqrt(given["variance"] + np.float32(layer.get("epsilon", 1e-3)))
        scale = given.get("gamma", np.float32(1)) / deviation
        self.affine(layer, scale, given.get("beta", 0) - scale * given["mean"])

    def affine(self, layer: Described, scale: Any, offset: Any) -> None:
        width, arrays = self.width(layer), []
        for given in (scale, offset):
            array = numbers(layer, given)
            if array.size != 1 and (array.size != width or array.shape[-1] != width):
                raise InputError(
                    f"{layer} has numbers of the shape {array.shape}; allowed: one for "
                    f"all, or one for each of the {width} features (axis=-1)."
                )
            arrays.append(np.broadcast_to(array.reshape(-1), width).copy())
        scale, offset = arrays
        last = self.layers[-1] if self.layers else None
        if isinstance(last, (Dense, Conv1D)) and last.activation == "linear":
            bias = offset if last.bias is None else last.bias * scale + offset
            self.layers[-1] = replace(last, kernel=last.kernel * scale, bias=bias)
            return
        self.layers.append(Affine(layer.name, scale, offset))

    def dense(self, layer: Described) -> None:
        names = ("kernel", "bias") if layer.get("use_bias", True) else ("kernel",)
        kernel, *bias = layer.arrays(*names)
        _check_size(layer, "units", kernel.shape[-1])
        function = self._activation(layer)
        given = bias[0] if bias else None
        self.layers.append(Dense(layer.name, kernel, given, function))

    def pooling(self, layer: Described) -> None:
        if layer.get("keepdims") or layer.get("data_format") == "channels_first":
            raise InputError(
                f"The layer {layer} has keepdims={layer.get('keepdims')} and "
                f"data_format={layer.get('data_format')}; allowed are False and "
                f"channels_last, (B, T, m)."
            )
        masked = any(known.makes_mask for known in self.layers)
        if masked and (self.astray or not self.mask):
            raise InputError(
                f"The layer {layer} gets no mask, or one in another order than its "
                f"inputs; allowed is a mask that reaches it as it is made."
            )
        self.layers.append(Pool(layer.name, self.width(layer), _POOLS[layer.kind]))
        self.after(False)

    def last(self, layer: Described) -> None:
        """``x[:, -1]``, which a recurrent layer can give by itself."""
        before = self.layers[-1] if self.layers else None
        if isinstance(before, Recurrent) and self.sequence:
            self.layers[-1] = replace(before, return_sequences=False)
        else:
            self.layers.append(Pool(layer.name, self.width(layer), "last"))
        self.after(False)

    def zero_padding(self, layer: Described) -> None:
        given = layer.get("padding", 1)
        before, after = given if isinstance(given, (list, tuple)) else (given, given)
        self.zeros = int(before), int(after)

    def convolution(self, layer: Described) -> None:
        names = ("kernel", "bias") if layer.get("use_bias", True) else ("kernel",)
        kernel, *bias = layer.arrays(*names)
        if kernel.ndim == 4 and kernel.shape[1] == 1:  # of Keras 1
            kernel = kernel[:, 0]
        if layer.get("data_format") == "channels_first" or kernel.ndim != 3:
            raise InputError(
                f"The layer {layer} has data_format={layer.get('data_format')} and a "
                f"kernel of the shape {kernel.shape}; allowed is channels_last, (B, T, "
                f"m), and (taps, m, n)."
            )
        _check_size(layer, "filters", kernel.shape[-1])
        sizes = {"kernel_size": _one(layer, "kernel_size", kernel.shape[0])}
        _check_size(replace(layer, settings=sizes), "kernel_size", kernel.shape[0])
        counts = {
            "strides": _one(layer, "strides"),
            "dilation": _one(layer, "dilation_rate"),
            "groups": int(layer.get("groups", 1)),
        }
        found = Conv1D(
            layer.name,
            kernel,
            bias[0] if bias else None,
            self._activation(layer),
            **counts,
        )
        (before, after), self.zeros = self.zeros, (0, 0)
        own = self._padding(layer, found)
        found = replace(found, before=before + own[0], after=after + own[1])
        if self.steps is not None:
            self.steps = found.steps_of(self.steps)
        self.layers.append(found)

    def _padding(self, layer: Described, found: Conv1D) -> tuple[int, int]:
        """The steps of zeros that Keras puts before and after a sequence."""
        padding = layer.get("padding", "valid")
        if padding == "causal":
            return found.span - 1, 0
        if padding == "same":
            left = self._left_over(layer, found)
            both = max(0, found.span - left)
            return both // 2, both - both // 2
        if padding != "valid":
            raise InputError(
                f"The layer {layer} has padding={padding!r}; allowed: valid, causal, "
                f"same."
            )
        return 0, 0

    def _left_over(self, layer: Described, found: Conv1D) -> int:
        """How many steps the last one that comes out has, without zeros."""
        if found.strides == 1:
            return 1
        if self.steps is None:
            raise InputError(
                f"The layer {layer} has padding='same' and strides={found.strides}, so "
                f"that its zeros depend on the number of steps, which is not known; "
                f"begin the model with keras.Input((steps, features)), or train it "
                f"with padding='causal'."
            )
        return (self.steps - 1) % found.strides + 1

    def distributed(self, layer: Described) -> None:
        (inner,) = layer.inner
        if inner.kind != "Dense":
            raise InputError(
                f"{layer} is over {inner}; allowed is TimeDistributed(Dense)."
            )
        self.dense(inner)

    def activation(self, layer: Described) -> None:
        name = self._activation(layer)
        if name != "linear":
            self.layers.append(Activation(layer.name, self.width(layer), name))

    def softmax(self, layer: Described) -> None:
        if layer.get("axis", -1) not in (-1, (-1,), [-1]):
            raise InputError(
                f"{layer} has axis={layer.get('axis')}; allowed is -1, the features."
            )
        self.layers.append(Activation(layer.name, self.width(layer), "softmax"))

    def relu(self, layer: Described) -> None:
        others = ("max_value", "negative_slope", "threshold")
        changed = [f"{k}={layer.get(k)}" for k in others if layer.get(k)]
        if changed:
            raise InputError(
                f"The layer {layer} has {', '.join(changed)}; allowed is ReLU alone."
            )
        self.layers.append(Activation(layer.name, self.width(layer), "relu"))

    def _activation(self, layer: Described) -> str:
        name = layer.get("activation") or "linear"
        one_of(f"The layer {layer} has the activation", name, ACTIVATIONS)
        return name

    def flattened(self, layer: Described) -> None:
        self.flatten = self.sequence

    def skip(self, layer: Described) -> None:
        """``y = f(x) + scale * x[:n]``, x being the model's input."""
        given, width = layer.get("scale"), self.width(layer)
        columns = layer.get("columns") or self.layers[0].inputs
        scale = np.float32(1) if given is None else numbers(layer, given)
        if columns != width or np.size(scale) not in (1, width):
            raise InputError(
                f"The layer {layer} adds {columns} numbers of the model's input to "
                f"{width}; allowed are as many."
            )
        self.layers.append(Skip(layer.name, np.resize(scale, width)))

    def recurrent(self, layer: Described) -> None:
        found = self.direction(layer)
        if found.masked and found.turns and layer.kind not in _SLIM:
            self.astray = str(layer)
        self.layers.append(found)
        self.after(found.return_sequences)

    def bidirectional(self, layer: Described) -> None:
        for inner in layer.inner:
            if _READERS.get(inner.kind) is not _Chain.recurrent:
                raise InputError(
                    f"{layer} is over {inner}; allowed: {', '.join(RECURRENT)}."
                )
        forward, backward = (self.direction(inner) for inner in layer.inner)
        merge = layer.get("merge_mode", "concat")
        self.layers.append(Bidirectional(layer.name, forward, backward, merge))
        self.after(forward.return_sequences)

    def direction(self, layer: Described) -> Recurrent:
        if layer.get("time_major"):
            raise InputError(
                f"The layer {layer} has time_major=True; allowed is False, (B, T, m)."
            )
        if self.mask and self.astray:
            raise InputError(
                f"{layer} gets the mask of {self.astray}, which hands it on in the "
                f"order of its inputs, while its outputs are in the opposite one; "
                f"allowed there are slimrnn's layers, which turn the mask."
            )
        cell = layer.cell or keras_cell(layer)
        _check_size(layer, "units", cell.units)
        return Recurrent(
            layer.name,
            cell,
            bool(layer.get("return_sequences", False)),
            bool(layer.get("go_backwards", False)),
            self.mask,
            self.mask and bool(layer.get("zero_output_for_mask", False)),
            layer.get("initial"),
        )

    def after(self, return_sequences: bool) -> None:
        self.sequence = return_sequences
        self.mask = self.mask and return_sequences


def _check_size(layer: Described, setting: str, found: int) -> None:
    """Refuses a setting that says another size than the weights have."""
    said = layer.get(setting, found)
    if said != found:
        raise InputError(
            f"The layer {layer} has {setting}={said}, and weights for {found}."
        )


def _one(layer: Described, setting: str, usual: int = 1) -> int:
    """A setting that Keras holds as a number, or as a tuple of one."""
    given = layer.get(setting, usual)
    return int(given[0] if isinstance(given, (list, tuple)) else given)


_POOLS = {"GlobalAveragePooling1D": "average", "GlobalMaxPooling1D": "max"}
#: the names of a Conv1D: today's, and Keras 1's
CONVOLUTIONS = ("Conv1D", "Convolution1D")
#: slimrnn's layers, and the original's
_SLIM = ("SlimLSTM", "SlimGRU", "SlimMGU", "SlimRNN", "LSTMs")
#: the layers with a cell; RNN and slimrnn's bring theirs along
RECURRENT = (*CELLS, "RNN", *_SLIM)
_READERS: dict[str, Callable[[_Chain, Described], None]] = {
    "Embedding": _Chain.embedding,
    "Masking": _Chain.masking,
    "Rescaling": _Chain.rescaling,
    "Normalization": _Chain.normalization,
    "BatchNormalization": _Chain.batch_normalization,
    **dict.fromkeys(RECURRENT, _Chain.recurrent),
    "Bidirectional": _Chain.bidirectional,
    "TimeDistributed": _Chain.distributed,
    "Dense": _Chain.dense,
    **dict.fromkeys(CONVOLUTIONS, _Chain.convolution),
    "ZeroPadding1D": _Chain.zero_padding,
    **dict.fromkeys(_POOLS, _Chain.pooling),
    LAST: _Chain.last,
    "Activation": _Chain.activation,
    "ReLU": _Chain.relu,
    "Softmax": _Chain.softmax,
    "Flatten": _Chain.flattened,
    "Add": _Chain.skip,
}
