"""What data a command takes: the settings that all of them have alike."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from slimrnn.data.table import DATASETS
from slimrnn.errors import InputError
from slimrnn.utils.settings import (
    COUNT_OR_NONE,
    UP_TO_HALF,
    choice,
    integer,
    setting,
    text,
    truth,
)

if TYPE_CHECKING:
    from slimrnn.data.dataset import Dataset
    from slimrnn.data.sequences import Sequences

DEFAULT_DATASET = "digits"
SOUND = ".wav"
TASKS = {
    "auto": "whole numbers, texts and one-hot rows are classes, others a regression",
    "classification": "y is classes",
    "regression": "y is numbers",
}
SPLITS = {
    "auto": "windows by group, or else by time; all others by fraction",
    "group": "whole groups",
    "time": "the last windows, none of which overlaps training",
    "fraction": "a draw in which each class gives its share",
}


_setting, _choice = (partial(kind, group="data") for kind in (setting, choice))


def is_sound(file: object) -> bool:
    """Whether a file is sound, by its name."""
    return str(file).lower().endswith(SOUND)


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Which data, and how they are read; what each option is stands in its field."""

    dataset: str | None = _setting(
        DEFAULT_DATASET, f"one of {', '.join(DATASETS)}", text, "NAME", rival="data"
    )
    data: str | None = _setting(
        None,
        "your own data instead: .csv, .tsv, .parquet or .npy with columns; .npz "
        "with the arrays x_train, y_train, x_test, y_test, or x and y; or a .wav",
        text,
        "FILE",
        usual="none",
        rival="data",
    )
    data_dir: str | None = _setting(
        None,
        "folder of NAME.npz files, looked at before Keras's cache and the network",
        text,
        "DIR",
        usual="SLIMRNN_DATA_DIR, or none",
    )
    words: int | None = _setting(
        None,
        "most frequent words kept of texts",
        COUNT_OR_NONE,
        "N",
        usual="the data set's",
    )
    length: int | None = _setting(
        None, "last steps kept of sequences", COUNT_OR_NONE, "N", usual="the data set's"
    )
    task: str = _choice("auto", "what y is", TASKS)
    features: str | None = _setting(
        None,
        "columns that a step is made of, with commas between",
        text,
        "A,B",
        usual="all that hold numbers",
    )
    target: str | None = _setting(
        None,
        "column to be learned, or several columns of numbers; of a .wav, another",
        text,
        "Y",
        usual="none; a file of columns needs one",
    )
    group: str | None = _setting(
        None,
        "column that says which rows belong together, such as a person: without "
        "--window each group is a sequence",
        text,
        "ID",
        usual="none",
    )
    window: int | None = _setting(
        None, "rows of a sequence", COUNT_OR_NONE, "N", usual="a whole group"
    )
    stride: int | None = _setting(
        None, "rows from one window to the next", COUNT_OR_NONE, "N", usual="1"
    )
    horizon: int | None = _setting(
        None,
        "rows from a window's last to its target: a forecast",
        integer(0, optional=True),
        "N",
        usual="0, the last row itself",
    )
    each_step: bool = _setting(
        False,
        "y is a target for each step (each row) rather than for each sequence",
        truth,
        "",
        usual="where the shape of y says so",
    )
    burn_in: int = _setting(
        0,
        "first steps of a sequence whose targets do not count: the state settles; with "
        "--window, windows then overlap by as many",
        integer(0),
        "N",
    )
    split: str = _choice(
        "auto",
        "how test and validation are split off, where the file does not say",
        SPLITS,
    )
    test: float = _setting(
        0.2, "fraction for the test, where the file does not say", UP_TO_HALF, "X"
    )

    def load(self) -> Dataset:
        """The data."""
        from slimrnn.data.loading import load

        given = {entry.name: getattr(self, entry.name) for entry in fields(DataOptions)}
        return load(given.pop("dataset"), file=given.pop("data"), **given)

    def sequences(self, part: str) -> Sequences:
        """The sequences alone of a file, without targets.

        Args:
            part: "train" or "test": which, of a file or a data set that has both.
        """
        from slimrnn.data.loading import load_sequences

        if self.data is None:
            return getattr(self.load(), part).x
        columns = ("features", "target", "group", "window", "stride")
        known = {name: getattr(self, name) for name in columns}
        return load_sequences(file=self.data, part=part, **known)

    def check_source(self) -> None:
        """Refuse two sources of data, and none."""
        if (self.dataset is None) == (self.data is None):
            raise InputError(
                f"Received the data set {self.dataset!r} together with the file "
                f"{self.data!r}; give exactly one: --dataset NAME or --data FILE."
            )

    @property
    def data_name(self) -> str:
        """What the data are called: the data set's name, or the file's."""
        return self.dataset or Path(str(self.data)).stem
