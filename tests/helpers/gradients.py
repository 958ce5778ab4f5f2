"""A loss's gradients on whichever backend Keras runs."""

import keras
import numpy as np


def value_and_gradients(function, arrays, compiled=True):
    """The outputs of a function and the gradients of its loss, as NumPy arrays.

    Args:
        function: maps tensors to a scalar loss and a list of outputs.
        arrays: the inputs, NumPy arrays.
        compiled: whether JAX and TensorFlow compile it, which takes longer than to
            compute one step after the other as torch does.

    Returns:
        The list of outputs, and the loss's gradient of each input.
    """
    differentiate = _BY_BACKEND[keras.backend.backend()]
    outputs, gradients = differentiate(function, arrays, compiled)
    to_numpy = keras.ops.convert_to_numpy
    return [to_numpy(o) for o in outputs], [to_numpy(g) for g in gradients]


def _jax(function, arrays, compiled):
    import jax

    every = tuple(range(len(arrays)))
    differentiated = jax.value_and_grad(function, argnums=every, has_aux=True)
    with jax.disable_jit(not compiled):
        (_, outputs), gradients = jax.jit(differentiated)(*arrays)
    return outputs, gradients


def _tensorflow(function, arrays, compiled):
    import tensorflow as tf

    def differentiated(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            loss, outputs = function(*tensors)
        zero = tf.UnconnectedGradients.ZERO
        return outputs, tape.gradient(loss, tensors, unconnected_gradients=zero)

    if compiled:
        differentiated = tf.function(differentiated)
    return differentiated(*map(tf.constant, arrays))


def _torch(function, arrays, compiled):
    import torch

    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    loss, outputs = function(*tensors)
    loss.backward()
    zeros = [np.zeros(a.shape, a.dtype) for a in arrays]
    pairs = zip(tensors, zeros, strict=True)
    return outputs, [zero if t.grad is None else t.grad for t, zero in pairs]


_BY_BACKEND = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}
