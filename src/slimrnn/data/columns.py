"""Columns by name, from a file or a frame: read, never run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.data.reading import npy, opened
from slimrnn.errors import InputError
from slimrnn.utils import foreign
from slimrnn.utils.optional import require

Array = np.ndarray

_TEXTS = ("string", "large_string", "binary", "large_binary")  # as pyarrow has them
#: letters of a text, where NumPy's array of all of them would be large
LONGEST = 256
SEPARATORS = ",;\t|"
HEAD_BYTES = 1 << 16


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a table.

    Args:
        values: (rows,) float64, or texts.
        missing: (rows,) where there is no value.
    """

    values: Array
    missing: Array

    @property
    def is_numbers(self) -> bool:
        """Whether it holds numbers rather than texts."""
        return self.values.dtype.kind == "f"

    @classmethod
    def of(cls, values: Any, missing: Array | None = None) -> Column:
        """The column of any sequence of values.

        Args:
            values: numbers, texts or dates.
            missing: where there is none, if somebody knows.

        Example:
            >>> Column.of([1, None, 3]).missing.tolist()
            [False, True, False]
        """
        array = np.asarray(values)
        if missing is None:
            lost = [x is None or x != x for x in array] if array.ndim == 1 else []
            missing = np.array(lost, bool)
        if array.dtype.kind == "O":
            there = array[~missing]
            if not all(isinstance(x, (int, float, np.number)) for x in there):
                _check_texts(there)
                array = np.where(missing, "", array).astype(str)
            else:
                array = np.where(missing, np.nan, array).astype(np.float64)
        elif array.dtype.kind in "biuf":
            array = array.astype(np.float64)
        else:
            array = array.astype(str)
        return cls(array, missing)


def _check_texts(texts: Array) -> None:
    """Refuse what is no text, and texts that take too much: each, as the longest."""
    odd = next((x for x in texts if isinstance(x, (list, dict, Array))), None)
    if odd is not None:
        raise InputError(
            f"A column has {type(odd).__name__} in its rows: a table is of numbers, "
            "texts and dates; write sequences as .npz, with x and y."
        )
    longest = max(len(str(text)) for text in texts)
    if longest > LONGEST and 4 * longest * len(texts) > foreign.PACKED_BYTES:
        raise InputError(
            f"A column has {len(texts)} texts, one of them of {longest} letters; names "
            f"of classes and groups may have {LONGEST}."
        )


Table = dict[str, Column]


def table(source: Any, where: str) -> Table:
    """The columns of a frame of pandas, or of arrays by name.

    Example:
        >>> list(table({"a": [1, 2], "b": ["x", "y"]}, "mine"))
        ['a', 'b']
    """
    if hasattr(source, "to_pandas"):
        source = source.to_pandas()
    pairs: list[tuple[str, Any]]
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        pairs = [(str(k), source.iloc[:, i]) for i, k in enumerate(source.columns)]
        # A column without a name is the numbers of the rows, as pandas writes them.
        pairs = [
            (name, (_values(column), column.isna().to_numpy()))
            for name, column in pairs
            if not name.startswith("Unnamed:")
        ]
    elif isinstance(source, Mapping):
        pairs = [(str(name), (values,)) for name, values in source.items()]
    else:
        raise InputError(
            f"{where} is {type(source).__name__}, not a table: give a frame of pandas, "
            "or arrays by name."
        )
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"{where} has the column {twice[0]!r} more than once: a column is chosen "
            "by its name; rename one."
        )
    found = {name: Column.of(*values) for name, values in pairs}
    lengths = {column.values.shape for column in found.values()}
    if len(lengths) != 1 or len(next(iter(lengths))) != 1 or (0,) in lengths:
        raise InputError(
            f"{where} has {len(found)} columns, of the shapes "
            f"{', '.join(map(str, sorted(lengths))) or 'none'}: all must be (rows,), "
            "one row or more; correct it."
        )
    return found


def _values(column: Any) -> Array:
    """Of a column of pandas; a text of several rows is one object."""
    if hasattr(column, "cat"):
        return np.asarray(column.cat.categories, object)[column.cat.codes]
    return column.to_numpy()


def read(path: Path) -> Table:
    """The columns of a file, by its ending: see :data:`READERS`."""
    ending = path.suffix.lower()
    return table(opened(path, lambda: READERS[ending](path), ending), str(path))


def _csv(path: Path) -> Any:
    pandas = require("pandas", "pandas", "slimrnn[data]")
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        head = file.readline(HEAD_BYTES)
    if not head.strip():
        raise InputError(
            f"{path} is empty: its first line must name the columns; write it again."
        )
    separator = max(SEPARATORS, key=head.count)
    names = [name.strip().strip('"') for name in head.split(separator)]
    if all(map(_is_number, names)) and not all(name.isdigit() for name in names):
        raise InputError(
            f"{path} begins with numbers ({head.strip()[:40]}): its first line must "
            "name the columns; add a line of names."
        )
    with warnings.catch_warnings():
        # Rows longer than the header would be cut, with no more than a warning.
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        return pandas.read_csv(
            path,
            sep=separator,
            index_col=False,
            skipinitialspace=True,
            low_memory=False,
            compression=None,
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parquet(path: Path) -> Any:
    pandas = require("pandas", "pandas", "slimrnn[data]")
    parquet = require("pyarrow.parquet", "pyarrow", "slimrnn[data]")
    about = parquet.read_metadata(path)
    chunks = (
        about.row_group(k).column(j)
        for k in range(about.num_row_groups)
        for j in range(about.num_columns)
    )
    claimed = sum(max(8 * x.num_values, x.total_uncompressed_size) for x in chunks)
    foreign.check_claim(str(path), claimed, foreign.size_of(path))
    # A text that many rows have is read once.
    texts = [x.name for x in about.schema.to_arrow_schema() if x.type in _TEXTS]
    return pandas.read_parquet(path, engine="pyarrow", read_dictionary=texts)


def _npy(path: Path) -> Any:
    array = npy(path)
    if array.dtype.names:
        return {name: array[name] for name in array.dtype.names}
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise InputError(
            f"{path} is {array.dtype} of shape {array.shape}: a table is (rows, "
            "columns) of numbers; write sequences as .npz, with x and y."
        )
    return {str(k): column for k, column in enumerate(array.T)}


#: What reads a file as a table, by its ending; the others are .npz.
READERS: dict[str, Callable[[Path], Any]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".npy": _npy,
}
