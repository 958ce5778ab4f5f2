"""This library on a framework: an engine itself, and the layer in a Keras model."""

import dataclasses
import functools
import importlib

import keras

import slimrnn
from benchmarks.peers import Call, arrays, driver, keras_model
from slimrnn import native
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
    batch, _, m, n = case.shape
    cell = CellSpec(case.variant)
    above = dataclasses.replace(case, shape=case.shape._replace(features=n))
    weights = [arrays.weights(above if k else case) for k in range(case.layers)]

    def last(weights, x):
        zeros = keras.ops.zeros((batch, n), "float32")
        for k, of_layer in enumerate(weights):
            x, states = run(
                cell,
                x,
                (zeros,) * len(cell.family.states),
                of_layer,
                mask=None,
                recurrent_mask=None,
                return_sequences=k < len(weights) - 1,
                unroll=False,
            )
        return states[0]

    way = {"jax": _jax, "torch": _torch}[keras.config.backend()]
    x = arrays.normal(batch, case.shape.steps, m)
    return {
        setting: _limited(call, case.threads)
        for setting, call in way(case.task, last, weights, x).items()
    }


def _limited(call, threads):
    """The call on so many threads of the native engine; 0: as many as it takes."""
    if not threads:
        return call

    def run():
        native.set_num_threads(threads)
        call.function()

    return dataclasses.replace(call, function=run)


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
    weights = [
        {k: torch.tensor(v, requires_grad=True) for k, v in of_layer.items()}
        for of_layer in weights
    ]

    def train():
        for of_layer in weights:
            for weight in of_layer.values():
                weight.grad = None
        last(weights, x).sum().backward()

    def forward():
        with torch.inference_mode():
            last(weights, x)

    return with_threads(train if task == "train" else forward)
