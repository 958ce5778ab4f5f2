"""Name or file -> `Dataset`, and batches of it for `model.fit`.

    >>> from slimrnn import data
    >>> digits = data.load("digits")
    >>> digits.features, digits.classes, len(digits.train), len(digits.test)
    (8, 10, 1437, 360)
    >>> x, y = data.Batches(digits.train, batch_size=32)[0]
    >>> x.shape, y.shape
    ((32, 8, 8), (32,))

`sequences` knows what sequences are, `dataset` is what is learned from, `reading` turns
a file of arrays into checked ones, `columns` reads tables and `windows` makes sequences
of them, `targets` says what y is, `division` what is held out, `table` knows the names,
`sources` finds them, `preparation` makes them from what is there, `loading` puts all of
it together, `batches` serves them to Keras, `adapter` fits them to a given model,
`scoring` says what a prediction is worth.
"""

from typing import TYPE_CHECKING

from slimrnn.data.table import DATASETS, Source
from slimrnn.utils.optional import lazy

if TYPE_CHECKING:
    from slimrnn.data.batches import Batches
    from slimrnn.data.dataset import Dataset
    from slimrnn.data.loading import load, load_sequences
    from slimrnn.data.sequences import Part, Sequences
    from slimrnn.data.sources import available

# Imported when first asked for: who only wants the names needs no NumPy and no Keras.
__getattr__, __dir__ = lazy(
    __name__,
    {
        "batches": ("Batches",),
        "dataset": ("Dataset",),
        "sequences": ("Part", "Sequences"),
        "loading": ("load", "load_sequences"),
        "sources": ("available",),
    },
)

__all__ = [
    "DATASETS",
    "Batches",
    "Dataset",
    "Part",
    "Sequences",
    "Source",
    "available",
    "load",
    "load_sequences",
]
