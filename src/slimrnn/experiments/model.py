"""What a run trains: its data and its model, made from the settings."""

from __future__ import annotations

import keras

from slimrnn import backends, data, layers
from slimrnn.data import Dataset, Part
from slimrnn.experiments.settings import Settings, optimizers


def load(settings: Settings) -> Dataset:
    """The data that the settings name.

    Raises:
        InputError: an unknown name, no such file, or a file that cannot be used.
    """
    return data.load(
        settings.dataset,
        file=settings.data,
        data_dir=settings.data_dir,
        words=settings.words,
        length=settings.length,
    )


def parts(settings: Settings, dataset: Dataset) -> tuple[Part, Part | None]:
    """What is trained on, and what is validated on where that is not the test.

    Raises:
        InputError: too few data to split.
    """
    if settings.validate_on_test:
        return dataset.train, None
    return dataset.split(settings.validation, settings.seed)


def recurrent(settings: Settings) -> keras.layers.Layer:
    """The recurrent layer of the settings.

    Raises:
        InputError: a combination that the layer refuses.
    """
    return layers.layer(
        settings.units,
        settings.variant,
        activation=settings.activation,
        recurrent_activation=settings.recurrent_activation,
        dropout=settings.dropout,
        recurrent_dropout=settings.recurrent_dropout,
        # Without a seed of its own, torch would draw dropout from its global state.
        seed=settings.seed,
    )


def build(settings: Settings, dataset: Dataset) -> keras.Model:
    """The compiled model of the settings, its weights drawn from their seed.

    Tokens go through an Embedding, unequal lengths behind a mask; then the
    recurrent layer and a Dense layer: softmax for classes, linear for targets.
    """
    with backends.quietly():  # Keras imports TensorFlow here, if there is one
        keras.utils.set_random_seed(settings.seed)
    steps = None if dataset.ragged else dataset.train.x.values.shape[1]
    if dataset.tokens:
        inputs = x = keras.Input((steps,), dtype="int32")
        x = keras.layers.Embedding(
            dataset.vocabulary,
            settings.embedding,
            # Keras's default, uniform in +-0.05, starves the gates: on imdb, the LSTM
            # reaches a validation accuracy of 0.58 with it in 4 epochs, and with this
            # one of 0.78 in 3.
            embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0),
            mask_zero=dataset.ragged,
            trainable=settings.trainable_embedding,
        )(x)
    else:
        inputs = x = keras.Input((steps, dataset.features))
        if dataset.mask_value is not None:
            x = keras.layers.Masking(dataset.mask_value)(x)
    x = recurrent(settings)(x)
    classify = dataset.task == "classification"
    outputs = keras.layers.Dense(
        dataset.outputs, activation="softmax" if classify else None
    )(x)
    model = keras.Model(inputs, outputs, name="slimrnn")
    model.compile(
        optimizers()[settings.optimizer](learning_rate=settings.learning_rate),
        loss="sparse_categorical_crossentropy" if classify else "mse",
        metrics=["accuracy" if classify else "mae"],
    )
    return model


def counts(model: keras.Model) -> dict[str, int]:
    """The parameters of the recurrent layer and of the whole model."""
    (layer,) = (x for x in model.layers if isinstance(x, keras.layers.RNN))
    return {
        "layer_parameters": layer.count_params(),
        "model_parameters": model.count_params(),
    }
