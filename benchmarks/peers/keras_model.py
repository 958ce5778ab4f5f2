"""A layer in a Keras model: trained by ``train_on_batch``, or run forward."""

import keras

from benchmarks import machine
from benchmarks.peers import Call, arrays


def start(backend):
    """Check the backend; what was started, by name."""
    if keras.config.backend() != backend:
        raise RuntimeError(f"Keras runs on {keras.config.backend()}, not on {backend}")
    if backend == "torch":
        from benchmarks.peers.torch_nn import best_setting

        best_setting()
    names = ["keras", "numpy", backend]
    return {k: v.partition("+")[0] for k, v in machine.versions(names).items()}


def build(case, layer):
    """The ways to train, or to run, a model with this layer (made by a function)."""
    way = {"fit": fit, "fit64": fit64, "predict": predict}[case.task]
    return way(case.shape, layer)


def model(shape, layer, **options):
    """The model that is timed: the layer, Dense(1), adam, mse."""
    built = keras.Sequential(
        [keras.Input((shape.steps, shape.features)), layer, keras.layers.Dense(1)]
    )
    built.compile("adam", "mse", **options)
    return built


def batch(shape):
    """One batch of random numbers."""
    x = arrays.normal(shape.batch, shape.steps, shape.features)
    return x, arrays.normal(shape.batch, 1)


def with_threads(function):
    """The ways to run a function on torch."""
    from benchmarks.peers import torch_nn

    return torch_nn.with_threads(function)


def fit(shape, layer):
    x, y = batch(shape)

    def way(**options):
        ready = model(shape, layer(), **options)
        # It returns the loss: the work is done.
        return Call(lambda: ready.train_on_batch(x, y))

    if keras.config.backend() == "tensorflow":
        # Keras leaves XLA off without a GPU, which is not always the best.
        return {"Keras's choice": way(), "XLA": way(jit_compile=True)}
    if keras.config.backend() == "torch":
        return with_threads(way().function)
    return {"Keras's choice": way()}


def fit64(shape, layer):
    """Keras's own loop over the batches, with what it does at each of them."""
    ready, (x, y) = model(shape, layer()), batch(shape._replace(batch=64 * shape.batch))

    def way():
        ready.fit(x, y, batch_size=shape.batch, verbose=0)

    return {"Keras's choice": Call(way, 64)}


def predict(shape, layer):
    ready, (x, _) = model(shape, layer()), batch(shape)
    return _FORWARD[keras.config.backend()](ready, x)


def _jax(ready, x):
    import jax

    fixed = (
        [v.value for v in ready.trainable_variables],
        [v.value for v in ready.non_trainable_variables],
    )
    compiled = jax.jit(lambda *given: ready.stateless_call(*given)[0])
    x = jax.numpy.asarray(x)
    return {"jit": Call(lambda: compiled(*fixed, x).block_until_ready())}


def _tensorflow(ready, x):
    import tensorflow as tf

    x = tf.constant(x)

    def way(xla):
        compiled = tf.function(ready, jit_compile=xla)
        return Call(lambda: compiled(x).numpy())

    return {"graph": way(False), "XLA": way(True)}


def _torch(ready, x):
    import torch

    x = torch.from_numpy(x)

    def run():
        with torch.inference_mode():
            ready(x)

    return with_threads(run)


_FORWARD = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}
