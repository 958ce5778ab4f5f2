"""The layers that a chain has so far, and what the next one gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.data import one_of
from slimrnn.ir.described import Described, numbers
from slimrnn.ir.layers import ACTIVATIONS, Affine, Conv1D, Dense, Layer


class SoFar:
    """What a reader of layers adds to, and asks."""

    def __init__(self, steps: int | None, folded: bool = True) -> None:
        self.folded = folded  # whether a sum takes a product behind it in
        self.layers: list[Layer] = []
        self.steps = steps  # that a layer gets, where that is known
        self.zeros = (0, 0)  # steps of them before and after what the next one gets
        self.sequence = True  # whether there is an output for each step
        self.mask = False  # whether a mask comes with it
        self.astray = ""  # the layer that handed the mask on in the wrong order
        self.flatten = False
        self.whole: int | None = None  # steps of the model, where a layer says so
        self.features: int | None = None

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

    def after(self, return_sequences: bool) -> None:
        """A recurrent layer or a pool has been read."""
        self.sequence = return_sequences
        self.mask = self.mask and return_sequences

    def affine(self, layer: Described, scale: Any, offset: Any) -> None:
        """Add ``scale * x + offset``, within the layer before where that is one."""
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
        last = last if self.folded else None
        if isinstance(last, (Dense, Conv1D)) and last.activation == "linear":
            bias = offset if last.bias is None else last.bias * scale + offset
            self.layers[-1] = replace(last, kernel=last.kernel * scale, bias=bias)
            return
        self.layers.append(Affine(layer.name, scale, offset))


def function_of(layer: Described) -> str:
    """The name of a layer's activation."""
    name = layer.get("activation") or "linear"
    one_of(f"The layer {layer} has the activation", name, ACTIVATIONS)
    return name


def check_size(layer: Described, setting: str, found: int) -> None:
    """Refuses a setting that says another size than the weights have."""
    said = layer.get(setting, found)
    if said != found:
        raise InputError(
            f"The layer {layer} has {setting}={said}, and weights for {found}."
        )
