"""What the native engine would bring on TensorFlow, and what it would cost.

TensorFlow can call it only as a Python function inside the graph
(``tf.numpy_function``). This measures that form against the engine that is used
there, paired in one run, and shows what it cannot do.
"""

from benchmarks import fit, script
from benchmarks.works import S
from slimrnn import backends
from slimrnn.cli import flags


def native_layer(row):
    """A layer whose sequence is computed by ``slimrnn.native`` in a Python function."""
    import keras
    import numpy as np
    import tensorflow as tf

    import slimrnn
    from slimrnn import native

    variant = slimrnn.get(row)
    shapes = variant.shapes(S.features, S.units)
    names = list(shapes)

    def forward(x, *weights):
        result = native.run(
            variant, x, dict(zip(names, weights, strict=True)), return_sequences=False
        )
        return result.states["h"]

    def backward(dh, x, *weights):
        zeros = {k: np.zeros_like(dh) for k in ("h", "c")}
        given = dict(zip(names, weights, strict=True))
        dstates = {**zeros, "h": dh}
        found = native.gradients(variant, x, given, zeros, None, dstates, of_x=False)
        return [found[k] for k in names]

    @tf.custom_gradient
    def run(x, *weights):
        h = tf.numpy_function(forward, [x, *weights], tf.float32)
        h = tf.ensure_shape(h, (None, S.units))

        def gradient(dh):
            kinds = [tf.float32] * len(names)
            found = tf.numpy_function(backward, [dh, x, *weights], kinds)
            return [tf.zeros_like(x), *found]

        return h, gradient

    class Native(keras.layers.Layer):
        def build(self, shape):
            glorot = "glorot_uniform"
            for k in names:
                kind = glorot if len(shapes[k]) > 1 else "zeros"
                self.add_weight(shape=shapes[k], initializer=kind, name=k)

        def call(self, x):
            return run(x, *map(tf.convert_to_tensor, self.weights))

    return Native()


def failures(model):
    """What does not work with a Python function in the graph: name -> its error."""
    import tensorflow as tf

    x, _ = fit.batch()
    tried = {
        "compiled by XLA": lambda: tf.function(model, jit_compile=True)(x),
        "exported as LiteRT": lambda: tf.lite.TFLiteConverter.from_keras_model(
            model
        ).convert(),
    }
    for name, attempt in tried.items():
        try:
            attempt()
            yield f"{name}: works"
        except Exception as error:
            yield f"{name}: {type(error).__name__}: {str(error).strip()[:120]}"


def parser():
    """The command line."""
    top = flags.Parser(
        prog="python -m benchmarks.tensorflow_native", description=__doc__
    )
    top.add_argument(
        "variants",
        nargs="*",
        metavar="VARIANT",
        default=["LSTM6", "LSTM4", "LSTM10"],
        help="such as LSTM6 (default: %(default)s)",
    )
    flags.flag(top, "--seconds", "N", "of measuring", 60, applied=True)
    return top


def main():
    """Print a line a layer, and what does not work."""
    args = parser().parse_args()
    backends.start("tensorflow")
    import keras

    import slimrnn

    layers = {"keras.layers.LSTM": keras.layers.LSTM(S.units)}
    for row in args.variants:
        layers[f"{row} ops"] = slimrnn.layer(S.units, row)
        layers[f"{row} native"] = native_layer(row)
    ready = {name: fit.model(layer) for name, layer in layers.items()}
    fit.compare(ready, args.seconds)
    print("\n".join(failures(ready[f"{args.variants[0]} native"])))


if __name__ == "__main__":
    script.run(main)
