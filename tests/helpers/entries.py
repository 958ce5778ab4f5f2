"""Every way into the computation of a sequence: what takes x, states and a mask.

An entry is a function of NumPy arrays, x (B, T, m), states (B, n) each, and a mask
(B, T) or None, that returns all h, (B, T, n), with the weights that `weights_of` draws.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

import slimrnn
from layer_problems import BATCH, FEATURES, UNITS, built
from problems import ROWS
from slimrnn import engines, native
from slimrnn.variants import FAMILIES, CellSpec

BACKEND = keras.backend.backend()
ENGINES = {
    engine.name: engine.run
    for engine in engines.ENGINES
    if engine.name != "native" or (BACKEND in native.BACKENDS and not native.reason())
}


def layer(engine, way):
    """A layer for Keras, transformed by the framework."""

    def call(row, x, states, mask):
        made = built(row, engine=engine, return_sequences=True)
        return way(lambda x, states, mask: made(x, initial_state=states, mask=mask))(
            x, states, mask
        )

    return call


def engine(name, way):
    """An engine, called with tensors as a layer calls it."""

    def call(row, x, states, mask):
        weights = {k: tensor(w) for k, w in weights_of(row).items()}

        def run(x, states, mask):
            return ENGINES[name](
                CellSpec(ROWS[row]),
                *(x, states, weights),
                mask=mask,
                return_sequences=True,
            )[0]

        return way(run)(single(x), [single(s) for s in states], tensor(mask))

    return call


def by_name(row, states):
    """The states by name; those that are too many by names that there are not."""
    names = [*FAMILIES[ROWS[row].family].states, "third", "fourth"]
    return dict(zip(names, states, strict=False))


def from_numpy(row, x, states, mask):
    """`native.run`."""
    given = ROWS[row], x, weights_of(row), by_name(row, states)
    return native.run(*given, mask=mask).outputs


def differentiated(row, x, states, mask):
    """`native.gradients`: the outputs are those of `native.run`, if both take them."""
    given = ROWS[row], x, weights_of(row), by_name(row, states)
    outputs = np.ones((*np.shape(x)[:2], UNITS))
    native.gradients(*given, outputs, {}, mask=mask)
    return native.run(*given, mask=mask).outputs


def module(dtype, way):
    """A module of `slimrnn.torch`, float32 in C and float64 by torch."""

    def call(row, x, states, mask):
        import torch

        import slimrnn.torch as ours

        dtype_of = getattr(torch, dtype)
        variant = ROWS[row]
        names = {"lstm": ours.SlimLSTM, "gru": ours.SlimGRU, "mgu": ours.SlimMGU}
        made = names[variant.family](
            *(FEATURES, UNITS),
            batch_first=True,
            variant=variant,
            time_scale=None,
            dtype=dtype_of,
        )
        weights = {f"{k}_l0": torch.tensor(w) for k, w in weights_of(row).items()}
        made.load_state_dict(weights)

        def run(x, states, mask):
            # (layers, B, n) each, alone where there is one
            hx = [state[None] for state in states]
            return made(x, hx if variant.family == "lstm" else hx[0])[0]

        given = [torch.as_tensor(a) for a in (x, *states)]
        given = [t.to(dtype_of) if t.dtype == torch.float32 else t for t in given]
        return way(run)(given[0], given[1:], None)

    return call


def stream(block):
    """A `Stream`, by blocks or step by step."""

    def call(row, x, states, mask):
        made = built(row)
        found = slimrnn.Stream(made, batch_size=BATCH)
        found.state = [by_name(row, states)]
        steps = x.swapaxes(0, 1)
        if block or not len(steps):
            return found.run(steps).swapaxes(0, 1)
        return np.stack([found.step(a) for a in steps], 1)

    return call


def weights_of(row):
    """The weights of the layer that `built` makes, by name."""
    layer = built(row)
    return dict(zip(layer.cell.packed_weights(), layer.get_weights(), strict=True))


def single(array):
    """A tensor, whose dtype a layer has made its own."""
    return tensor(np.asarray(array, "float32"))


def tensor(array):
    return None if array is None else keras.ops.convert_to_tensor(array)


def eager(function):
    """One operation after the other, where JAX would compile a loop for seconds."""
    if BACKEND != "jax":
        return function
    import jax

    return jax.disable_jit()(function)


def jitted(function):
    import jax

    return jax.jit(function)


def differentiated_by_jax(function):
    import jax

    def call(x, states, mask):
        def scaled(one):
            y = function(x, [one * state for state in states], mask)
            return (y**2).sum(), y

        return jax.value_and_grad(scaled, has_aux=True)(1.0)[0][1]

    return call


def mapped(function):
    import jax

    def call(x, states, mask):
        both = [x, -x]
        return jax.vmap(lambda x: function(x, states, mask))(np.stack(both))[0]

    return call


def sharded(function):
    import jax
    from jax.sharding import Mesh
    from jax.sharding import PartitionSpec as P

    mesh = Mesh(np.array(jax.devices()[:1]), ("batch",))
    specs = {"in_specs": P(), "out_specs": P(), "check_vma": False}
    return jax.jit(jax.shard_map(function, mesh=mesh, **specs))


def compiled_by_torch(function):
    import torch

    torch.compiler.reset()  # what other tests compiled counts against a limit
    return torch.compile(function, backend="aot_eager")


def differentiated_by_torch(function):
    import torch

    def call(x, states, mask):
        one = torch.tensor(1.0, requires_grad=True)
        y = function(
            torch.as_tensor(x), [one * torch.as_tensor(s) for s in states], mask
        )
        (y**2).sum().backward()
        assert one.grad is not None
        return y.detach()

    return call


def compiled_by_tensorflow(function):
    import tensorflow as tf

    return tf.function(function)


def differentiated_by_tensorflow(function):
    import tensorflow as tf

    def call(x, states, mask):
        one = tf.Variable(1.0)
        with tf.GradientTape() as tape:
            y = function(x, [one * tf.convert_to_tensor(s) for s in states], mask)
            loss = tf.reduce_sum(y**2)
        assert tape.gradient(loss, one) is not None
        return y

    return call


WAYS = {
    "jax": {
        "eager": eager,
        "jit": jitted,
        "grad": differentiated_by_jax,
        "vmap": mapped,
        "shard_map": sharded,
    },
    "torch": {
        "eager": eager,
        "compile": compiled_by_torch,
        "grad": differentiated_by_torch,
    },
    "tensorflow": {
        "eager": eager,
        "compile": compiled_by_tensorflow,
        "grad": differentiated_by_tensorflow,
    },
}

#: of two states and of one; by default the first, with matrices, vectors and biases
PROBLEMS = ("LSTM5", "GRU1")


class Entry(NamedTuple):
    """One way in, and what it is.

    Attributes:
        call: of a row's name, x, states and mask.
        has_mask: whether it takes one.
        fills_up: whether states that are not given are zeros.
        is_layer: whether Keras's way of taking arguments is expected of it.
        is_quick: whether it computes without seconds of a compiler.
    """

    call: Callable
    has_mask: bool = True
    fills_up: bool = False
    is_layer: bool = False
    is_quick: bool = True


ENTRIES = {
    f"{make.__name__} {name} {way}": Entry(
        make(name, transform),
        is_layer=make is layer,
        is_quick=way == "eager" or (name == "native" and way != "compile"),
    )
    for make in (layer, engine)
    for name in ENGINES
    for way, transform in WAYS[BACKEND].items()
    # torch looks through all of Keras, for 15 seconds a call
    if (make, BACKEND, way) != (layer, "torch", "compile")
}
if not native.reason():
    ENTRIES |= {
        "native.run": Entry(from_numpy, fills_up=True),
        "native.gradients": Entry(differentiated, fills_up=True),
        "Stream.run": Entry(stream(True), has_mask=False),
        "Stream.step": Entry(stream(False), has_mask=False),
    }
if BACKEND == "torch":
    ENTRIES |= {
        f"torch module {dtype} {way}": Entry(
            module(dtype, transform), has_mask=False, is_quick=way != "compile"
        )
        for dtype in ("float32", "float64")
        for way, transform in WAYS["torch"].items()
    }
