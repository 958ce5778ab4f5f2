"""Keras's own layers: LSTM, GRU and SimpleRNN."""

import keras

from benchmarks.peers import driver, keras_model

start = keras_model.start


def build(case):
    def layer(units=case.shape.units, **options):
        return getattr(keras.layers, case.row)(units, **options)

    if case.task == "epoch":
        return driver.build(case.row, layer)
    return keras_model.build(case, layer)
