"""What the engines ask of a Keras backend: three functions, no more.

- ``scan(step, carry, xs, reverse, reuse)``: a loop over the leading (time) axis.
  ``step(carry, slices) -> carry, rows`` sees a slice of each of ``xs``; the rows of
  all steps come back stacked. Output k may be written over ``xs[reuse[k]]``, which
  nobody reads again. With ``reuse=None`` the backend differentiates the loop.
- ``with_gradient(forward, backward)``: ``forward(*inputs) -> outputs, saved`` as a
  function with the gradient ``backward(inputs, saved, grads)``, first order only.

- ``device(tensor)``: where it lies: ``"cpu"``, or the backend's word for another.

``unrolled`` is a ``scan`` without a loop, for those who ask for it.

Keras has both (``keras.ops.scan``, ``keras.ops.custom_gradient``); these are used
instead because theirs either restrict the outputs of a step (TensorFlow), or keep
a saved tensor alive in a reference cycle (torch), or convert each slice again in
each step (torch). Only the framework that Keras runs on is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

Tensor = Any
Tensors = Sequence[Tensor]
Forward = Callable[..., tuple[Tensors, Tensors]]
Backward = Callable[[Tensors, Tensors, Tensors], Sequence[Tensor | None]]


def _jax() -> tuple[Callable, ...]:
    import jax

    def scan(step, carry, xs, reverse=False, reuse=None):
        if reuse is None:  # to be differentiated by JAX
            return jax.lax.scan(step, carry, xs, reverse=reverse)
        length = xs[0].shape[0]
        shapes = jax.eval_shape(step, carry, tuple(x[0] for x in xs))[1]
        fresh = [jax.numpy.zeros((length, *y.shape), y.dtype) for y in shapes]

        def read(tensor, k):
            t = length - 1 - k if reverse else k
            return jax.lax.dynamic_index_in_dim(tensor, t, keepdims=False)

        def write(tensor, y, k):
            t = length - 1 - k if reverse else k
            return jax.lax.dynamic_update_index_in_dim(tensor, y, t, 0)

        def body(k, state):
            carry, ahead, ys = state
            slices = [ahead[i] if i in ahead else read(x, k) for i, x in enumerate(xs)]
            carry, new = step(carry, tuple(slices))
            ys = [write(y, row, k) for y, row in zip(ys, new, strict=True)]
            # The row of the next step is read out of the tensor that this step wrote.
            # Read in its own step, before the write, XLA copies the whole tensor.
            ahead = {i: read(ys[j], k + 1) for j, i in enumerate(reuse)}
            return tuple(carry), ahead, ys

        ahead = {i: read(xs[i], 0) for i in reuse}
        ys = [*(xs[i] for i in reuse), *fresh[len(reuse) :]]
        carry, _, ys = jax.lax.fori_loop(0, length, body, (tuple(carry), ahead, ys))
        return carry, tuple(ys)

    def with_gradient(forward: Forward, backward: Backward) -> Callable[..., Tensors]:
        def forward_saving(*inputs):
            outputs, saved = forward(*inputs)
            return outputs, (inputs, saved)

        def gradient(kept, grads):
            inputs, saved = kept
            return tuple(backward(inputs, saved, grads))

        @jax.custom_vjp
        def function(*inputs):
            return forward(*inputs)[0]

        function.defvjp(forward_saving, gradient)
        return function

    def device(tensor):
        if not all(isinstance(size, int) for size in tensor.shape):
            return "a device yet unknown, as are its sizes"  # a graph to be exported
        # A tracer lies nowhere yet: it will be where JAX computes by default.
        return jax.default_backend()

    return scan, with_gradient, device


def _tensorflow() -> tuple[Callable, ...]:
    import tensorflow as tf

    def scan(step, carry, xs, reverse=False, reuse=None):
        length = xs[0].shape[0]
        steps = tf.shape(xs[0])[0] if length is None else length
        read = [_array(x.dtype, steps, x.shape[1:]).unstack(x) for x in xs]
        slices = tuple(tf.zeros(tf.shape(x)[1:], x.dtype) for x in xs)
        # One step on zeros, never used (so the graph drops it), gives the shapes.
        like = step(carry, slices)[1]
        write = tuple(_array(y.dtype, steps, y.shape) for y in like)

        def body(k, carry, write):
            t = steps - 1 - k if reverse else k
            carry, ys = step(carry, tuple(array.read(t) for array in read))
            write = tuple(a.write(t, y) for a, y in zip(write, ys, strict=True))
            return k + 1, carry, write

        _, carry, write = tf.while_loop(
            lambda k, *_: k < steps, body, (0, carry, write), maximum_iterations=steps
        )
        return carry, tuple(array.stack() for array in write)

    def _array(dtype, steps, shape):
        return tf.TensorArray(dtype, size=steps, element_shape=shape)

    def with_gradient(forward: Forward, backward: Backward) -> Callable[..., Tensors]:
        def compiled(function, inputs):
            # A step is a dozen small operations, each of which costs TensorFlow's
            # executor more than its arithmetic: XLA makes them a few. It compiles for
            # each shape anew, so that a length known only at run time goes without,
            # and so does eager code.
            fixed = all(None not in x.shape[1:] for x in inputs)
            if tf.executing_eagerly() or not fixed:
                return function
            return tf.function(function, jit_compile=True, autograph=False)

        @tf.custom_gradient
        def function(*inputs):
            outputs, saved = compiled(forward, inputs)(*inputs)

            @tf.custom_gradient
            def gradient(*grads):
                found = compiled(backward, inputs)(inputs, saved, grads)
                pairs = zip(found, inputs, strict=True)
                found = [tf.zeros_like(x) if g is None else g for g, x in pairs]
                return found, no_second_order

            return outputs, gradient

        return function

    def no_second_order(*_):
        raise NotImplementedError(
            "A slim layer has first-order gradients only on TensorFlow and torch; the "
            "JAX backend has higher orders."
        )

    def device(tensor):
        return "gpu" if tf.config.list_logical_devices("GPU") else "cpu"

    return scan, with_gradient, device


def _torch() -> tuple[Callable, ...]:
    import torch

    def with_gradient(forward: Forward, backward: Backward) -> Callable[..., Tensors]:
        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *inputs):
                outputs, saved = forward(*inputs)
                ctx.save_for_backward(*inputs, *saved)
                ctx.count = len(inputs)
                return outputs

            @staticmethod
            @torch.autograd.function.once_differentiable
            def backward(ctx, *grads):
                saved = ctx.saved_tensors
                return tuple(backward(saved[: ctx.count], saved[ctx.count :], grads))

        return Function.apply

    return unrolled, with_gradient, lambda tensor: tensor.device.type


def unrolled(step, carry, xs, reverse=False, reuse=None):
    """``scan`` with each step written out: all that torch has.

    The slices are taken at once: ``x[t]`` in each step would make torch's own backward
    pass quadratic in the number of steps.
    """
    slices = list(zip(*map(ops.unstack, xs), strict=True))
    outputs = []
    for x in reversed(slices) if reverse else slices:
        carry, ys = step(carry, x)
        outputs.append(ys)
    if reverse:
        outputs.reverse()
    return carry, tuple(ops.stack(ys) for ys in zip(*outputs, strict=True))


_SEAMS = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}

scan, with_gradient, device = _SEAMS[keras.backend.backend()]()
