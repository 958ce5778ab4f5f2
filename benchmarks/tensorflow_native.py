"""What the native engine would bring on TensorFlow, and what it would cost.

TensorFlow can call it only as a Python function inside the graph
(``tf.numpy_function``). This measures that form against the engine that is used
there, paired in one run, and shows what it cannot do.

    python benchmarks/tensorflow_native.py
"""

import argparse

import train

train.start("tensorflow")


def native_layer(row):
    """A layer whose sequence is computed by ``slimrnn.native`` in a Python function."""
    import keras
    import numpy as np
    import tensorflow as tf

    import slimrnn
    from slimrnn import native

    variant = slimrnn.get(row)
    shapes = variant.shapes(train.FEATURES, train.UNITS)
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
        h = tf.ensure_shape(h, (None, train.UNITS))

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

    x, _ = train.batch()
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=["LSTM6", "LSTM4", "LSTM10"])
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    import keras

    import slimrnn

    train.introduce("tensorflow")
    layers = {train.BASELINE: keras.layers.LSTM(train.UNITS)}
    for row in args.rows:
        layers[f"{row} ops"] = slimrnn.layer(train.UNITS, row)
        layers[f"{row} native"] = native_layer(row)
    ready = {name: train.warm(train.model(layer)) for name, layer in layers.items()}
    print("\n".join(train.table(train.measure(ready, args.rounds), {})))
    print("\n".join(failures(ready[f"{args.rows[0]} native"])))


if __name__ == "__main__":
    main()
