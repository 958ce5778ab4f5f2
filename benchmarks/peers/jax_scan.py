"""Slim LSTM rows as a JAX user writes them: a plain scan over a step, and ``jax.grad``.

The control for what the engines add: the same equations, nothing of their work.
"""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers import Call, arrays, keras_model

start = keras_model.start


def build(case):
    """The last h's sum, differentiated by the weights; or the last h."""
    variant = case.variant
    batch, steps, m, n = case.shape
    blocks = variant.split(arrays.weights(case))
    x = jnp.asarray(arrays.normal(batch, steps, m))
    blocks = jax.tree.map(lambda a: jnp.asarray(np.ascontiguousarray(a)), blocks)

    def last(blocks, x):
        # The input's product of all steps at once, as everybody does.
        projected = jnp.swapaxes(x, 0, 1) @ blocks["c"]["kernel"]
        zeros = jnp.zeros((batch, n))

        def body(states, zx):
            return step(variant, blocks, states, zx), None

        return jax.lax.scan(body, (zeros, zeros), projected)[0][0]

    loss = jax.value_and_grad(lambda blocks, x: last(blocks, x).sum())
    function = jax.jit(loss if case.task == "train" else last)
    return {"jit": Call(lambda: jax.block_until_ready(function(blocks, x)))}


def step(variant, blocks, states, zx):
    """One step of a row whose only product with x is the candidate's."""
    h, c = states
    v = {}
    for name, gate in variant.items():
        if gate.constant is not None:
            v[name] = gate.constant
            continue
        w, terms = blocks[name], []
        if "kernel" in w:
            terms.append(zx)
        if "recurrent_kernel" in w:
            terms.append(h @ w["recurrent_kernel"])
        if "recurrent_vector" in w:
            terms.append(h * w["recurrent_vector"])
        if "bias" in w:
            terms.append(w["bias"])
        v[name] = (jnp.tanh if name == "c" else jax.nn.sigmoid)(sum(terms))
    c = v["f"] * c + v["i"] * v["c"]
    return v["o"] * jnp.tanh(c), c
