"""What each form of the sequence's loop costs, paired in one run.

The engine's form on a backend against the others that it could have there: Keras's
own loop over the same cell, differentiated by the framework; on JAX ``jax.lax.scan``
instead of buffers that are written over; on TensorFlow ``tf.while_loop`` without XLA.

    python benchmarks/forms.py
    python benchmarks/forms.py --backend jax --rows LSTM6 LSTM4
"""

import argparse
import contextlib
import sys
from unittest import mock

import train


def plain_scan():
    """On JAX: the engine with a loop that cannot write over its inputs."""
    import jax

    from slimrnn.engines import scan as primitives

    def scan(step, carry, xs, reverse=False, reuse=None):
        return jax.lax.scan(step, tuple(carry), xs, reverse=reverse)

    return mock.patch.object(primitives, "scan", scan)


def forms(backend, row):
    """(name, number of steps of the input, layer, context to trace it in) of each."""
    import keras

    import slimrnn

    def layer():
        return slimrnn.layer(train.UNITS, row)

    nothing = contextlib.nullcontext
    plain = keras.layers.RNN(layer().cell)
    yield f"{row}, Keras's loop", train.STEPS, plain, nothing
    yield f"{row}, the engine", train.STEPS, layer(), nothing
    if backend == "jax":
        yield f"{row}, the engine by lax.scan", train.STEPS, layer(), plain_scan
    if backend == "tensorflow":
        yield f"{row}, the engine without XLA", None, layer(), nothing


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=train.BACKENDS, help="default: each")
    parser.add_argument("--rows", nargs="+", default=["LSTM6", "LSTM4"])
    parser.add_argument("--rounds", type=int, help="default: 30; torch 5")
    args = parser.parse_args()
    if not args.backend:
        return train.each_backend(sys.argv[1:], __file__)
    train.start(args.backend)
    train.introduce(args.backend)
    for row in args.rows:
        ready = {}
        for name, steps, layer, context in forms(args.backend, row):
            with context():
                ready[name] = train.warm(train.model(layer, steps))
        seconds = train.measure(ready, args.rounds or train.ROUNDS[args.backend])
        print("\n".join(train.table(seconds, {})))
    return None


if __name__ == "__main__":
    main()
