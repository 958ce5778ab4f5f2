"""A model as data, whatever it comes as."""

from __future__ import annotations

import os
from typing import Any

from slimrnn.errors import InputError
from slimrnn.ir.model import Model


def read(
    model: Any, *, recurrent: bool = True, torch: str = "", architecture: Any = None
) -> Model:
    """A model as data, whatever it comes as.

    Args:
        model: a :class:`Model`, which is taken as it is; a Keras model or layer; a
            PyTorch module; or the path of a file, of which nothing is run: of Keras
            (``.keras``, and ``.h5`` of its versions 1 to 3), PyTorch (``.pth``), ONNX,
            RTNeural, AIDA-X, GuitarML or Neural Amp Modeler. See ``docs/models.md``.
        recurrent: whether the model must have a recurrent layer.
        torch: the layers of a state_dict whose names and shapes do not say them, such
            as ``"lstm:3x64x2,last,linear"``; see :mod:`slimrnn.ir.from_torch`.
        architecture: of a file of Keras that holds weights alone; see
            :func:`slimrnn.ir.architecture.configuration`.

    Raises:
        InputError: a model that cannot be read, or without a recurrent layer.

    Example:
        >>> import numpy as np
        >>> from slimrnn.ir.layers import Dense
        >>> head = Dense("head", np.ones((3, 2), "float32"))
        >>> read(Model("small", (head,)), recurrent=False).outputs
        2
    """
    if isinstance(model, (str, os.PathLike)):
        from slimrnn.ir.formats import from_file  # here: a Model needs no reader

        model = from_file(model, torch=torch, architecture=architecture)
    elif not isinstance(model, Model):
        from slimrnn.ir.formats import from_object

        model = from_object(model)
    if recurrent and not any(model.recurrent()):
        raise InputError(
            f"The model {model.name} has no recurrent layer; there is nothing to run "
            f"step by step."
        )
    return model
