"""What each form of the sequence's loop costs, in turns.

The engine's form on a backend against the others that it could have there: Keras's
own loop over the same cell, differentiated by the framework; on JAX ``jax.lax.scan``
instead of buffers that are written over; on TensorFlow ``tf.while_loop`` without XLA.
"""

import contextlib
from unittest import mock

from benchmarks import fit, script
from benchmarks.works import S
from slimrnn import backends
from slimrnn.cli import flags


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
        return slimrnn.layer(S.units, row, engine="ops")

    nothing = contextlib.nullcontext
    plain = keras.layers.RNN(layer().cell)
    yield f"{row}, Keras's loop", S.steps, plain, nothing
    yield f"{row}, the engine", S.steps, layer(), nothing
    if backend == "jax":
        yield f"{row}, the engine by lax.scan", S.steps, layer(), plain_scan
    if backend == "tensorflow":
        yield f"{row}, the engine without XLA", None, layer(), nothing


def parser():
    """The command line."""
    top = flags.Parser(prog="python -m benchmarks.forms", description=__doc__)
    top.add_argument(
        "variants",
        nargs="*",
        metavar="VARIANT",
        default=["LSTM6", "LSTM4"],
        help="such as LSTM6 (default: %(default)s)",
    )
    flags.flag(top, "--seconds", "N", "of measuring each", 30, applied=True)
    flags.backend(top)
    return top


def main():
    """Print a line a form."""
    args = parser().parse_args()
    backend = backends.start(args.backend).backend
    for row in args.variants:
        ready = {}
        for name, steps, layer, context in forms(backend, row):
            with context():
                ready[name] = fit.model(layer, steps)
                ready[name].train_on_batch(*fit.batch())  # JAX traces it here
        fit.compare(ready, args.seconds)


if __name__ == "__main__":
    script.run(main)
