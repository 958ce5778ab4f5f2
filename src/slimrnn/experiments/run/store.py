"""A run is a folder of plain files: reading and writing them.

``config.json`` (the settings), ``environment.json`` (versions and machine),
``metrics.jsonl`` (a line an epoch), ``result.json`` (written when the run ends),
``model.keras``, ``test_scores.npy`` (what the test found of each sequence), and until
the run ends its last two checkpoints. Deleting the folder deletes the run. All are
read as data from strangers: nothing in them is ever executed.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimrnn.errors import InputError
from slimrnn.utils import files, foreign

if TYPE_CHECKING:
    import numpy as np

CONFIG, ENVIRONMENT = "config.json", "environment.json"
METRICS, RESULT, MODEL = "metrics.jsonl", "result.json", "model.keras"
SCORES = "test_scores.npy"
LABELS = "labels.json"  # what classes are called, for who predicts
STUDY = "study.json"  # what is to be trained in a folder, see `sweep.scheduler`
FINAL = ("done", "diverged")  # how a run ends that is not to be resumed
REFUSED = "int8_refused"  # in a result: why it has no scores in int8
BASELINE_OF = "always"  # in a result: what an answer without training is worth
LOCK_SECONDS = 5.0  # seconds for a process that was just killed to let go of its run
#: what is text in a result; all else is a number
_WORDS = ("status", "reason", "validation", REFUSED)


def _figure(value: Any) -> bool:
    return value is None or isinstance(value, (int, float))


@dataclass(frozen=True)
class Run:
    """What the files of one run hold.

    Args:
        path: the run's folder.
        config: the settings, see :class:`slimrnn.experiments.run.settings.Settings`.
        environment: versions and machine.
        metrics: a mapping for each epoch.
        result: how it ended; empty while it runs, or when it was killed.
    """

    path: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    metrics: list[dict[str, Any]]
    result: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Run:
        """The run in this folder; of a file that is not there yet, an empty value."""
        config, result = mapping(path / CONFIG), mapping(path / RESULT)
        if (path / CONFIG).exists() and not isinstance(
            config.get("variant"), (str, dict)
        ):
            raise InputError(f"{path / CONFIG} is not the settings of a run.")
        wrong = [k for k, v in result.items() if k not in _WORDS and not _figure(v)]
        if wrong:
            raise InputError(f"{path / RESULT} is damaged: {wrong[0]} is no number.")
        environment = mapping(path / ENVIRONMENT)
        return cls(path, config, environment, lines(path / METRICS), result)

    def test_scores(self) -> np.ndarray | None:
        """(N,) what the test found of each sequence; None where it is not known.

        1 or 0 for a class found rightly or not; the absolute error for a regression.
        """
        import numpy as np  # here: the quick commands do without it

        try:
            foreign.size_of(self.path / SCORES, foreign.PACKED_BYTES)
            found = np.load(self.path / SCORES, allow_pickle=False)
        except (OSError, ValueError, EOFError, MemoryError):
            return None
        return found if isinstance(found, np.ndarray) and found.ndim == 1 else None


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two runs' settings agree, as far as both know them.

    One that the other does not know is of a later version, and was at its default.
    Where the data lie may differ from machine to machine.

    Example:
        >>> alike({"units": 8, "data_dir": "a"}, {"units": 8, "dropout": 0.0})
        True
        >>> alike({"units": 8}, {"units": 9})
        False
    """
    both = one.keys() & other.keys() - {"data_dir"}
    return all(one[name] == other[name] for name in both)


def lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file of JSON lines; none where there is no file."""
    # A process that was killed may leave half a line; what has no end is not read.
    whole = _text(path).rpartition("\n")[0]
    return [_parsed(line, path) for line in whole.splitlines()]


def epochs(path: Path) -> list[dict[str, Any]]:
    """The epochs of a run that is under way; none of a file that it writes anew."""
    try:
        return lines(path / METRICS)
    except InputError:  # damaged
        return []


def read(paths: Iterable[Path]) -> list[Run]:
    """The runs in those of the folders in which one has begun."""
    return [Run.read(path) for path in paths if (path / CONFIG).exists()]


class Record:
    """The files of a run that is under way.

    Args:
        path: an empty folder, or one still to be made.

    Example:
        >>> import tempfile
        >>> record = Record(Path(tempfile.mkdtemp()))
        >>> with record.open({"variant": "LSTM6"}, {"keras": "3.15.1"}):
        ...     record.add({"epoch": 1, "loss": float("nan")})
        ...     record.finish({"status": "diverged"})
        >>> Run.read(record.path).metrics
        [{'epoch': 1, 'loss': None}]
    """

    def __init__(self, path: Path):
        self.path = path

    @contextlib.contextmanager
    def open(
        self, config: Mapping[str, Any], environment: Mapping[str, Any]
    ) -> Iterator[Record]:
        """Keeps the folder for this process, and writes what is known so far.

        Raises:
            InputError: the folder cannot be written to, another process has it, or it
                holds a run with other settings.
        """
        make_folder(self.path)
        with files.locked(self.path, LOCK_SECONDS):
            known, given = mapping(self.path / CONFIG), json.loads(text_of(config))
            if not alike(known, given):
                raise InputError(
                    f"The folder {self.path} holds a run with other settings; give a "
                    f"new or an empty folder."
                )
            if not self.ended:
                (self.path / RESULT).unlink(missing_ok=True)
                _write(self.path / CONFIG, config)
                if environment:
                    _write(self.path / ENVIRONMENT, environment)
            yield self

    @property
    def result(self) -> dict[str, Any]:
        """How the run ended; empty where it did not."""
        return mapping(self.path / RESULT)

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do."""
        return self.result.get("status") in FINAL

    def rewrite(self, epochs: Sequence[Mapping[str, Any]]) -> None:
        """Makes these the epochs so far; of none, there is no file."""
        if not epochs:
            (self.path / METRICS).unlink(missing_ok=True)
            return
        text = "".join(json.dumps(_plain(x), allow_nan=False) + "\n" for x in epochs)
        files.write(self.path / METRICS, text)

    def add(self, line: Mapping[str, Any]) -> None:
        """Appends an epoch, on the disk when this returns."""
        files.append_line(self.path / METRICS, _plain(line))

    def save(self, model: Any) -> None:
        """Writes the model: all of it or nothing."""
        with files.atomic_file(self.path / MODEL) as unfinished:
            model.save(unfinished)

    def save_labels(self, labels: Sequence[str]) -> None:
        """Writes what the classes are called, where they are more than numbers."""
        if labels:
            _write(self.path / LABELS, {"classes": list(labels)})

    def save_scores(self, scores: np.ndarray) -> None:
        """Writes what the test found of each sequence: all of it or nothing."""
        import numpy as np

        with files.atomic_file(self.path / SCORES) as unfinished:
            np.save(unfinished, scores, allow_pickle=False)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Writes how the run ended: all of it or nothing."""
        _write(self.path / RESULT, result)


def labels(path: Path) -> list[str]:
    """What a run calls its classes; empty where they are numbers."""
    found = mapping(path / LABELS).get("classes")
    return list(map(str, found)) if isinstance(found, list) else []


def check_free(path: Path) -> None:
    """Refuses an output folder in which something would be overwritten."""
    try:
        if path.exists() and not path.is_dir():
            raise InputError(
                f"The output folder {path} is a file; give --out a new or an empty "
                f"folder."
            )
        held = sorted(entry.name for entry in path.iterdir()) if path.exists() else []
    except (OSError, ValueError) as error:
        raise _no_folder(path, error) from error
    if held:
        is_run = CONFIG in held or any(path.glob(f"*/{CONFIG}"))
        what = "already holds a run" if is_run else "is not empty"
        raise InputError(
            f"The output folder {path} {what} (it has {held[0]}); give --out a new or "
            f"an empty folder."
        )


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, and makes sure that it can be written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError("permission denied")
    except (OSError, ValueError) as error:
        raise _no_folder(path, error) from error


def _no_folder(path: Path, error: OSError | ValueError) -> InputError:
    return InputError(
        f"Cannot write to the output folder {path} ({files.why(error)}); give "
        f"--out a folder that you may write to."
    )


def _write(path: Path, content: Mapping[str, Any]) -> None:
    # A file's name may be no UTF-8; JSON can hold it escaped.
    files.write(path, text_of(content).encode(errors="backslashreplace"))


def text_of(content: Mapping[str, Any]) -> str:
    """The content as JSON, with null for NaN and infinity."""
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n"


def _plain(value: Any) -> Any:
    """The value with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def mapping(path: Path) -> dict[str, Any]:
    """The content of a file of JSON; empty where there is no file."""
    text = _text(path)
    return _parsed(text, path) if text else {}


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}).") from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path} must hold JSON objects, received {type(content).__name__}."
        )
    return content


def _text(path: Path) -> str:
    try:
        return foreign.text(path, errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise InputError(f"{path} cannot be read ({files.why(error)}).") from error
