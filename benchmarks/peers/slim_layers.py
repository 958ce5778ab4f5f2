"""This library on a framework: an engine itself, and the layer in a Keras model."""

import functools
import importlib

import keras

import slimrnn
from benchmarks.peers import Call, arrays, driver, keras_model
from slimrnn.variants import CellSpec

_engine = ""


def start(backend, engine):
    global _engine
    _engine = engine
    return {"slimrnn": slimrnn.__version__, **keras_model.start(backend)}


def build(case):
    if case.task == "epoch":
        import slim22

        layer = functools.partial(slim22.LSTMs, engine=_engine, model=case.row)
        return driver.build(case.row, layer)
    if case.task in ("train", "forward"):
        return bare(case)
    layer = functools.partial(
        slimrnn.layer, case.shape.units, case.variant, engine=_engine
    )
    return keras_model.build(case, layer)


def bare(case):
    """The engine's function: the last h's sum, differentiated by the weights."""
    run = importlib.import_module(f"slimrnn.engines.{_engine}").run
    variant = case.variant
    batch, steps, m, n = case.shape
    cell = CellSpec(variant)
    x, weights = arrays.normal(batch, steps, m), arrays.weights(case)

    def last(weights, x):
        zeros = keras.ops.zeros((batch, n), "float32")
        states = (zeros,) * len(cell.family.states)
        _, new = run(
            cell,
            x,
            states,
            weights,
            mask=None,
            recurrent_mask=None,
            return_sequences=False,
            unroll=False,
        )
        return new[0]

    way = {"jax": _jax, "torch": _torch}[keras.config.backend()]
    return way(case.task, last, weights, x)


def _jax(task, last, weights, x):
    import jax

    x, weights = jax.numpy.asarray(x), jax.tree.map(jax.numpy.asarray, weights)
    loss = jax.value_and_grad(lambda weights, x: last(weights, x).sum())
    function = jax.jit(loss if task == "train" else last)
    return {"jit": Call(lambda: jax.block_until_ready(function(weights, x)))}


def _torch(task, last, weights, x):
    import torch

    from benchmarks.peers.torch_nn import with_threads

    x = torch.from_numpy(x)
    weights = {k: torch.tensor(v, requires_grad=True) for k, v in weights.items()}

    def train():
        for weight in weights.values():
            weight.grad = None
        last(weights, x).sum().backward()

    def forward():
        with torch.inference_mode():
            last(weights, x)

    return with_threads(train if task == "train" else forward)
