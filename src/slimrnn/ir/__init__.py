"""A trained model as data: layers as dataclasses, weights as NumPy arrays."""

from __future__ import annotations

import os
from typing import Any

from slimrnn.errors import InputError
from slimrnn.ir.model import Model

__all__ = ["Model", "read"]


def read(model: Any, *, recurrent: bool = True) -> Model:
    """A model as data, whatever it comes as.

    Args:
        model: a :class:`Model`, which is taken as it is; a Keras model or layer; the
            path of a ``.keras`` file, of which nothing is run.
        recurrent: whether the model must have a recurrent layer.

    Raises:
        InputError: a model that cannot be read, or without a recurrent layer.
    """
    if not isinstance(model, Model):
        from slimrnn.ir import from_keras  # here: a Model needs no Keras

        if isinstance(model, (str, os.PathLike)):
            model = from_keras.load(model)
        model = from_keras.from_keras(model)
    if recurrent and not any(model.recurrent()):
        raise InputError(
            f"The model {model.name} has no recurrent layer; there is nothing to run "
            f"step by step."
        )
    return model
