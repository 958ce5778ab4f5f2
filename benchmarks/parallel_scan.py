"""Would a parallel scan over time be faster? `python -m benchmarks.parallel_scan -h`.

minGRU's gates do not read h, and its candidate is linear: h = (1 - f) h_(t-1) + f c is
an associative scan, which needs log T steps and not T. Measured in turns on JAX,
forward and backward: the `ops` engine's loop, its `keras.ops.associative_scan`, and
the `native` engine, on one thread and on all.
"""

import numpy as np

from benchmarks import script
from slimrnn import backends
from slimrnn.cli import flags

#: the engine of each way
WAYS = {"loop": "ops", "scan": "ops", "one thread": "native", "native": "native"}


def works(features, units):
    """The layer's ways, each a function of (weights, x) to the outputs."""
    from slimrnn import SlimMGU
    from slimrnn.engines import ops

    layers = {
        name: SlimMGU(units, "minGRU", engine=engine, return_sequences=True)
        for name, engine in WAYS.items()
    }
    for layer in layers.values():
        layer.build((None, None, features))
        layer.set_weights(layers["loop"].get_weights())

    def of(name):
        layer = layers[name]
        other = [v.value for v in layer.non_trainable_variables]

        def call(weights, x):
            ops.at_once_pays = lambda *_: name == "scan"  # while JAX traces
            return layer.stateless_call(weights, other, x)[0]

        return call

    weights = [v.value for v in layers["loop"].trainable_variables]
    return {name: of(name) for name in layers}, weights


def measured(batch, steps, features, units, seconds):
    """Milliseconds (minimum, median) of forward and backward, by way."""
    import jax

    from slimrnn import native
    from slimrnn.timing import in_turns

    ways, weights = works(features, units)
    x = np.random.default_rng(1).normal(size=(batch, steps, features))
    x = x.astype("float32")
    calls, outputs = {}, {}
    for name, way in ways.items():
        slope = jax.jit(jax.grad(lambda w, x, way=way: (way(w, x) ** 2).mean()))
        outputs[name] = np.asarray(slope(weights, x)[0])

        def run(slope=slope, threads=int(name == "one thread")):
            native.set_num_threads(threads)
            jax.block_until_ready(slope(weights, x))

        calls[name] = run
    for name, found in outputs.items():
        np.testing.assert_allclose(found, outputs["loop"], 1e-3, 1e-6, err_msg=name)
    return in_turns(calls, seconds)


def parser():
    """The command line."""
    top = flags.Parser(
        prog="python -m benchmarks.parallel_scan",
        description=__doc__.partition("\n")[2],
    )
    for name, usual in (("--batch", 1), ("--features", 16), ("--units", 16)):
        flags.flag(top, name, "N", "of the layer", usual, applied=True)
    flags.flag(top, "--steps", "N", "of the sequence", 65536, applied=True)
    flags.flag(top, "--seconds", "N", "of measuring", 30, applied=True)
    return top


def main():
    """Print a line a way."""
    args = parser().parse_args()
    backends.start("jax")
    found = measured(args.batch, args.steps, args.features, args.units, args.seconds)
    print(f"B={args.batch} T={args.steps} m={args.features} n={args.units}")
    for name, time in found.items():
        low, middle = (1e3 * value for value in (time.minimum, time.median))
        print(f"{name:>16}  minimum {low:9.2f} ms  median {middle:9.2f} ms")


if __name__ == "__main__":
    script.run(main)
