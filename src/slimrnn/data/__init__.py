"""Name or file -> `Dataset`, and batches of it for `model.fit`.

    >>> from slimrnn import data
    >>> digits = data.load("digits")
    >>> digits.features, digits.classes, len(digits.train), len(digits.test)
    (8, 10, 1437, 360)
    >>> x, y = data.Batches(digits.train, batch_size=32)[0]
    >>> x.shape, y.shape
    ((32, 8, 8), (32,))

`sequences` knows what sequences are, `reading` turns a file into checked ones,
`table` knows the names, `sources` finds them, `batches` serves them to Keras.
"""

from slimrnn.data.batches import Batches
from slimrnn.data.sequences import Dataset, Part, Sequences
from slimrnn.data.sources import available, load
from slimrnn.data.table import DATASETS, Source

__all__ = [
    "DATASETS",
    "Batches",
    "Dataset",
    "Part",
    "Sequences",
    "Source",
    "available",
    "load",
]
