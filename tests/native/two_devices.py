"""Run by test_native_frameworks.py, with two CPU devices and rows; prints what holds.

Mapped, sharded and per-example: the native operation against the ops engine's.
"""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from problems import problem
from slimrnn import InputError
from slimrnn.engines import native, ops
from slimrnn.variants import CellSpec

MESH = Mesh(np.array(jax.devices()), ("batch",))
SPLIT, WHOLE = NamedSharding(MESH, P("batch")), NamedSharding(MESH, P())


def single(tree):
    return jax.tree.map(lambda a: jnp.array(a, "float32"), tree)


def assert_close(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.shape == b.shape
        assert abs(a - b).max() <= 1e-5 * max(abs(b).max(), 1e-3)


def loss(engine, cell, x, weights, states, recurrent_mask=None, mask=None):
    outputs, last = engine.run(
        cell,
        *(x, states, weights),
        mask=mask,
        recurrent_mask=recurrent_mask,
        return_sequences=True,
    )
    return (outputs**3).sum() + sum((a**2).sum() for a in last)


def sharded(name):
    """The batch on two devices: no device computes another's rows."""
    p = problem(name, "one feature", mask=True, dropout=True)
    inputs = single((p.x, p.weights, tuple(p.initial.values()), p.recurrent_mask))
    mask, cell = jnp.array(p.mask), CellSpec(p.variant)

    def gradients(engine):
        function = lambda *a: loss(engine, cell, *a)  # noqa: E731
        return jax.jit(jax.value_and_grad(function, argnums=(0, 1, 2)))

    x, weights, states, recurrent_mask = inputs
    placed = (
        jax.device_put(x, SPLIT),
        jax.device_put(weights, WHOLE),
        *jax.device_put((states, recurrent_mask, mask), SPLIT),
    )
    text = gradients(native).lower(*placed).compile().as_text()
    assert "slimrnn_backward" in text
    assert "all-gather" not in text
    found = gradients(native)(*placed)
    assert found[1][0].sharding.spec[0] == "batch"
    assert_close(found, gradients(ops)(*inputs, mask))


def mapped(name):
    """jax.vmap over x, states or weights; gradients of each example; both compiled.

    Without gradients the operation is another one, which one way shows.
    """
    p = problem(name, "one feature", scale=0.3)
    x, weights, states = single((p.x, p.weights, tuple(p.initial.values())))
    cell = CellSpec(p.variant)
    several = {k: jnp.stack([w, 0.5 * w, -w, w + 0.1]) for k, w in weights.items()}
    one_x, one_states = x[:, None], tuple(s[:, None] for s in states)
    batch = (x, weights, tuple(s[0][None] for s in states))
    ways = {
        "x and states": ((0, None, 0), (one_x, weights, one_states)),
        "x": ((0, None, None), (one_x, *batch[1:])),
        "states": ((None, None, 0), (x[:1], weights, one_states)),
        "weights": ((None, 0, None), (x, several, states)),
        "all": ((0, 0, 0), (one_x, several, one_states)),
    }
    differentiated = partial(jax.value_and_grad, argnums=(0, 1, 2))
    cases = [*((differentiated, way) for way in ways.values()), (partial, ways["all"])]
    for of, (axes, given) in cases:
        found, expected = (
            jax.jit(jax.vmap(of(partial(loss, engine, cell)), axes))(*given)
            for engine in (native, ops)
        )
        assert_close(found, expected)
    twice = jax.vmap(jax.vmap(lambda a: loss(native, cell, a, *batch[1:])))
    assert_close(
        twice(x[None, :, None])[0], jax.vmap(twice)(x[None, None, :, None])[0, 0]
    )
    placed = jax.device_put(one_x, SPLIT)
    each = jax.vmap(
        jax.grad(lambda a, w: loss(native, cell, a, w, batch[2]), argnums=1), (0, None)
    )
    assert_close(jax.jit(each)(placed, weights), each(one_x, weights))


def shard_mapped(name):
    """Inside shard_map each device has its rows, as arrays of their own."""
    shard_map = getattr(jax, "shard_map", None)
    if shard_map is None:
        return
    p = problem(name, "one feature")
    x, weights, states = single((p.x, p.weights, tuple(p.initial.values())))
    cell = CellSpec(p.variant)

    def run(engine):
        return lambda x, states: engine.run(cell, x, states, weights)[1][0]

    split = P("batch")
    both = shard_map(
        run(native),
        mesh=MESH,
        in_specs=(split, split),
        out_specs=split,
        check_vma=False,
    )
    assert_close(jax.jit(both)(x, states), run(ops)(x, states))


def refused(name):
    """A shape that does not fit is refused where it is traced, whatever is around."""
    p = problem(name, "plain")
    x, weights, states = single((p.x, p.weights, tuple(p.initial.values())))
    cell = CellSpec(p.variant)
    f = lambda a: loss(native, cell, a, weights, states)  # noqa: E731
    around = [f, jax.jit(f), jax.grad(f), jax.jit(jax.vmap(f))]
    for k, function in enumerate(around):
        bad = x[..., :-1]
        with pytest.raises(InputError) as error:
            function(jnp.stack([bad, bad]) if k == 3 else bad)
        wanted = f"must have the shape {x.shape}; received {bad.shape}"
        assert f"x {wanted}" in str(error.value)


CHECKS = {
    sharded: sys.argv[1:],
    mapped: ("LSTM5",),
    shard_mapped: ("LSTM6", "GRU1"),
    refused: ("LSTM6",),
}
if __name__ == "__main__":
    assert jax.device_count() == 2
    for check, names in CHECKS.items():
        for name in names:
            check(name)
        print(check.__name__, flush=True)
