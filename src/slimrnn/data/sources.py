"""Where a data set by name is found: here, in Keras's cache, on the network."""

import contextlib
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from slimrnn.data.preparation import BUILTIN
from slimrnn.data.reading import Arrays, read_npz
from slimrnn.data.sequences import Part
from slimrnn.data.table import DATASETS, Source
from slimrnn.data.targets import INT32
from slimrnn.errors import InputError

DOWNLOAD_SECONDS = 20.0
DATA_DIR = "SLIMRNN_DATA_DIR"


def available(data_dir: str | os.PathLike[str] | None = None) -> list[tuple[str, str]]:
    """Say of each name where it is found, or why not; touches no network.

    >>> dict(available())["digits"]
    'in scikit-learn'
    """
    folder = data_dir or os.environ.get(DATA_DIR)
    return [(name, _where(source, folder)) for name, source in DATASETS.items()]


def _where(source: Source, data_dir: str | os.PathLike[str] | None) -> str:
    if source.builtin is not None:
        return "in scikit-learn"
    places = _places(source, data_dir)
    for place in places:
        if os.path.exists(place):
            return str(place)
    looked = f"not found (looked at {', '.join(map(str, places)) or 'no folder'})"
    if source.keras is None:
        return f"{looked}: give a folder with {source.file}.npz by --data-dir"
    return f"{looked}: Keras downloads it where there is a network"


def _places(source: Source, data_dir: str | os.PathLike[str] | None) -> list[Path]:
    """Return the files that may hold a data set: the user's, then Keras's."""
    places = [] if data_dir is None else [Path(data_dir, f"{source.file}.npz")]
    if source.keras is not None:
        home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
        places.append(home / "datasets" / source.cached)
    return places


def arrays_of(
    name: str, source: Source, data_dir: str | os.PathLike[str] | None
) -> tuple[Arrays, str]:
    """Return a data set's arrays and what to call their origin."""
    if source.builtin is not None:
        return BUILTIN[source.builtin](), name
    places = _places(source, data_dir)
    if data_dir is not None and os.path.exists(places[0]):
        return read_npz(places[0]), str(places[0])
    reason = "no package and no network has it"
    if source.keras is not None:
        try:
            return _download(source), f"keras.datasets.{source.keras}"
        except Exception as error:  # get_file raises plain Exception, among others
            reason = f"Keras's download failed: {str(error) or type(error).__name__}"
    looked = ", ".join(map(str, places)) or "no folder, since none was given"
    raise InputError(
        f"the data set {name!r} is not at hand: looked at {looked} ({reason}); give a "
        f"folder that holds {source.file}.npz by --data-dir."
    )


def _download(source: Source) -> Arrays:
    """Return the arrays that `keras.datasets` has in its cache or downloads.

    Keras's files of texts hold pickled lists, which this project never loads
    itself. Keras's own loader does: it checks the file's SHA-256, cached or new,
    and (seen in 3.15.1) lets the pickle make nothing but arrays.
    """
    import keras

    module = getattr(keras.datasets, str(source.keras))
    options = {"num_words": INT32} if source.features is None else {}
    with _no_hanging():
        (x_train, y_train), (x_test, y_test) = module.load_data(**options)
    arrays = {"x_train": x_train, "y_train": y_train}
    arrays |= {"x_test": x_test, "y_test": y_test}
    if source.features is None:
        for name in ("x_train", "x_test"):
            lengths = [len(text) for text in arrays[name]]
            arrays[f"{name}_offsets"] = np.concatenate([[0], np.cumsum(lengths)])
            ids = itertools.chain.from_iterable(arrays[name])
            arrays[name] = np.fromiter(ids, np.int32, sum(lengths))
    return arrays


@contextlib.contextmanager
def _no_hanging() -> Iterator[None]:
    """Give up on a silent network: Keras sets no limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def check_expected(train: Part, test: Part, source: Source, where: str) -> None:
    """Refuse a file that bears a known name but holds something else."""
    ragged = train.x.offsets is not None or test.x.offsets is not None
    if train.x.features != source.features or (source.prepare and ragged):
        what = "tokens" if train.x.tokens else f"frames of {train.x.features} features"
        wanted = "tokens" if source.features is None else f"{source.features} features"
        raise InputError(
            f"{where} holds {'unequal sequences of ' * ragged}{what}: a file of this "
            f"name must hold {wanted}{', in images' * (source.prepare is not None)}; "
            "load it by its path instead, as a file of your own."
        )
