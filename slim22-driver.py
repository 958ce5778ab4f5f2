"""Train a slim LSTM on IMDB's film reviews: the original project's command line.

    python slim22-driver.py
    python slim22-driver.py LSTM4 32 100 0.0001

The first takes everything from config.py; the second says the model, the batch size,
the number of epochs and the learning rate. As in the original, the words' vectors
stay random, each epoch is validated on the test reviews, and the history is pickled:
here after each epoch, to a file named after the model that ran, lstm4.p, and as plain
text beside it, lstm4.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import config

from slimrnn import backends
from slimrnn.cli.flags import Parser, number
from slimrnn.errors import InputError
from slimrnn.experiments.run.settings import Settings
from slimrnn.utils import interrupts

PROGRAM = "slim22-driver.py"
KEYS = ("val_loss", "val_acc", "loss", "acc")  # as Keras 2.2 called them
STOPPED = 130  # as shells say it: ended by Ctrl-C

History = dict[str, list[float]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: done; 1: a file could not be written; 2: a mistake in what was given, said in a
    sentence; 130: stopped by Ctrl-C, with the finished epochs on the disk.
    """
    try:
        args = _parser().parse_args(argv)
        choice = backends.start()
        settings, path = _settings(args)
        inputs = _reviews(settings)
        print(f"Keras runs on {choice.backend}: {choice.reason}.", flush=True)
        return _train(settings, inputs, path)
    except InputError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped by Ctrl-C before training.", file=sys.stderr)
        return STOPPED
    except OSError as error:  # such as a full disk
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1


def _parser() -> Parser:
    words = "MODEL BATCH EPOCHS LEARNING_RATE"
    parser = Parser(
        prog=PROGRAM,
        usage=f"python {PROGRAM} [--data-dir DIR] [{words}]",
        description="Train a slim LSTM on the film reviews of IMDB, as the original "
        "project did. Writes the\nhistory to MODEL.p (a pickle) and MODEL.json.",
        epilog=f"Examples:\n  python {PROGRAM}\n"
        f"  python {PROGRAM} LSTM4 32 100 0.0001 --data-dir ~/data",
    )
    parser.add_argument(
        "given",
        metavar=words,
        nargs="*",
        help="LSTM, LSTM1, 2, 3, 4, 4a, 5, 5a, 6, 10 or 11, and three numbers, such as "
        "LSTM4 32 100 0.0001; without them, config.py says all",
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder with imdb.npz, looked at before Keras's cache and the network",
    )
    return parser


def _settings(args: argparse.Namespace) -> tuple[Settings, Path]:
    """What is trained, and the path of the history without its suffix."""
    if len(args.given) not in (0, 4):
        raise InputError(
            f"Give no arguments or these four: MODEL BATCH EPOCHS LEARNING_RATE, such "
            f"as LSTM4 32 100 0.0001; received {len(args.given)}: "
            f"{' '.join(args.given)}."
        )
    given: list[Any] = [config.lstm, config.batch_size, config.nb_epochs, config.eta]
    if args.given:
        given = [args.given[0], *map(number, args.given[1:])]
    model, batch, epochs, rate = given
    with backends.quietly():
        import slim22
    name = slim22.variant(model).name
    settings = Settings(
        variant=name,
        dataset="imdb",
        data_dir=args.data_dir,
        words=config.top_words,
        length=config.max_review_length,
        units=config.hidden_units,
        activation=config.act,
        embedding=config.embedding_vector_length,
        learning_rate=rate,
        batch_size=batch,
        epochs=epochs,
        validate_on_test=True,
    )
    path = Path(name.lower() if args.given else config.name)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(
            f"The history cannot be written to {path}.p: the folder "
            f"{path.parent.resolve()} is missing or not writable; go to another one."
        )
    return settings, path


def _reviews(settings: Settings) -> list[tuple[Any, Any]]:
    """The reviews (N, T) and labels (N,) for training, and those for the test."""
    from slimrnn import data

    dataset = data.load(
        "imdb", data_dir=settings.data_dir, words=settings.words, length=settings.length
    )
    if dataset.classes != 2:
        raise InputError(
            f"The reviews have {dataset.classes or 'no'} classes, and this model has "
            f"two, 0 and 1; give a folder with another imdb.npz by --data-dir."
        )
    return [
        (part.x.padded(settings.length, front=True), part.y)
        for part in (dataset.train, dataset.test)
    ]


def _model(settings: Settings) -> Any:
    """The original's network: (B, T) words to (B, 1)."""
    import keras

    import slim22

    act = settings.activation
    model = keras.Sequential(
        [
            keras.Input((settings.length,), dtype="int32"),
            keras.layers.Embedding(
                settings.words,
                settings.embedding,
                embeddings_initializer=keras.initializers.RandomUniform(-0.05, 0.05),
                trainable=False,
            ),
            slim22.LSTMs(settings.units, activation=act, model=settings.name),
            keras.layers.Dense(1, activation=slim22.activation(act)),
        ]
    )
    model.compile(
        keras.optimizers.Adam(settings.learning_rate, epsilon=1e-8),
        loss="binary_crossentropy",
        metrics=[keras.metrics.BinaryAccuracy(name="acc")],
    )
    return model


def _train(settings: Settings, inputs: list[tuple[Any, Any]], path: Path) -> int:
    """Train, keep the history on the disk, and return the exit code."""
    history: History = {key: [] for key in KEYS}
    model = _model(settings)
    model.summary()
    files = f"{path}.p and {path}.json"
    try:
        diverged = _fit(model, settings, inputs, history, path)
    except KeyboardInterrupt:
        why, code = "stopped by Ctrl-C", STOPPED
    else:
        if not diverged:
            print(f"The history is in {files}.")
            return 0
        why, code = "diverged: the loss is no longer a number", 0
    count = len(history["loss"])
    kept = f"the history of the first {count} epochs is in {files}"
    none = "no epoch was finished, so that no history was written"
    print(f"\n{PROGRAM}: {why}; {kept if count else none}.", file=sys.stderr)
    return code


def _fit(
    model: Any,
    settings: Settings,
    inputs: list[tuple[Any, Any]],
    history: History,
    path: Path,
) -> bool:
    """Train, fill in and save the history after each epoch; whether it diverged."""
    import keras

    def epoch_ended(epoch, logs):
        for key in KEYS:
            history[key].append(float(logs[key]))
        _save(history, path)
        if not bar:
            shown = "  ".join(f"{key} {history[key][-1]:.4f}" for key in KEYS)
            print(f"Epoch {epoch + 1}/{settings.epochs}  {shown}", flush=True)
        if not math.isfinite(history["loss"][-1]):
            model.stop_training = True

    def batch_ended(batch, logs=None):
        if stop.is_set():
            raise KeyboardInterrupt

    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=epoch_ended,
        on_train_batch_end=batch_ended,
        on_test_batch_end=batch_ended,
    )
    (x, y), test = inputs
    bar = sys.stdout.isatty()  # of control characters, which spoil a file
    size = settings.batch_size
    options = {"batch_size": size, "epochs": settings.epochs, "callbacks": [watch]}
    options["verbose"] = int(bar)
    try:
        with interrupts.noted() as stop:
            model.fit(x, y, validation_data=test, **options)
    except RuntimeError:  # torch takes no loss of a prediction that is no number
        if all(math.isfinite(p) for p in model.predict_on_batch(x[:size]).flat):
            raise
        return True
    return not math.isfinite(history["loss"][-1])


def _save(history: History, path: Path) -> None:
    """Write the history as a pickle and as JSON, each whole or not at all."""
    # JSON has no NaN.
    plain = {
        key: [value if math.isfinite(value) else None for value in values]
        for key, values in history.items()
    }
    contents = {"p": pickle.dumps(history), "json": (json.dumps(plain) + "\n").encode()}
    for suffix, content in contents.items():
        unfinished = Path(f"{path}.{suffix}.tmp")
        unfinished.write_bytes(content)
        unfinished.replace(f"{path}.{suffix}")


if __name__ == "__main__":
    sys.exit(main())
