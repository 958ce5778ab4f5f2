"""A run is a folder of plain files: reading and writing them.

``config.json`` (the settings), ``environment.json`` (versions and machine),
``metrics.jsonl`` (a line an epoch), ``result.json`` (written when the run ends) and
``model.keras``. Deleting the folder deletes the run. The files are JSON and are
read as data from strangers: nothing in them is ever executed.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimrnn.errors import InputError

CONFIG, ENVIRONMENT = "config.json", "environment.json"
METRICS, RESULT, MODEL = "metrics.jsonl", "result.json", "model.keras"


@dataclass(frozen=True)
class Run:
    """What the files of one run hold.

    Args:
        path: the run's folder.
        config: the settings, see :class:`slimrnn.experiments.settings.Settings`.
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
        """The run in this folder; of a file that is not there yet, an empty value.

        Raises:
            InputError: a file that is not what a run writes.
        """
        return cls(
            path,
            _mapping(path / CONFIG),
            _mapping(path / ENVIRONMENT),
            _lines(path / METRICS),
            _mapping(path / RESULT),
        )


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
        >>> record.start({"variant": "LSTM6"}, {"keras": "3.15.1"})
        >>> record.add({"epoch": 1, "loss": float("nan")})
        >>> record.finish({"status": "diverged"})
        >>> Run.read(record.path).metrics
        [{'epoch': 1, 'loss': None}]
    """

    def __init__(self, path: Path):
        self.path = path

    def start(self, config: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
        """Makes the folder and writes what is known before the first epoch."""
        make_folder(self.path)
        _write(self.path / CONFIG, config)
        _write(self.path / ENVIRONMENT, environment)

    def add(self, line: Mapping[str, Any]) -> None:
        """Appends an epoch, on the disk when this returns."""
        with open(self.path / METRICS, "a", encoding="utf-8") as file:
            file.write(json.dumps(_plain(line), allow_nan=False) + "\n")

    def finish(self, result: Mapping[str, Any]) -> None:
        """Writes how the run ended: all of it or nothing."""
        _write(self.path / RESULT, result)

    @property
    def model(self) -> Path:
        """Where the trained model belongs."""
        return self.path / MODEL


def check_free(path: Path) -> None:
    """Refuses an output folder in which something would be overwritten.

    Raises:
        InputError: it is a file, or it holds something already.
    """
    try:
        if path.exists() and not path.is_dir():
            raise InputError(
                f"The output folder {path} is a file; give --out a new or an empty "
                f"folder."
            )
        held = sorted(entry.name for entry in path.iterdir()) if path.exists() else []
    except OSError as error:
        raise _no_folder(path, error) from error
    if held:
        is_run = CONFIG in held or any(path.glob(f"*/{CONFIG}"))
        what = "already holds a run" if is_run else "is not empty"
        raise InputError(
            f"The output folder {path} {what} (it has {held[0]}); give --out a new or "
            f"an empty folder."
        )


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, and makes sure that it can be written to.

    Raises:
        InputError: the system does not allow it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError("permission denied")
    except OSError as error:
        raise _no_folder(path, error) from error


def _no_folder(path: Path, error: OSError) -> InputError:
    why = (error.strerror or str(error)).lower()
    return InputError(
        f"Cannot write to the output folder {path} ({why}); give --out a folder that "
        f"you may write to."
    )


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Replaces the file at once, so that no reader ever sees half of it."""
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(text + "\n", encoding="utf-8")
    unfinished.replace(path)


def _plain(value: Any) -> Any:
    """The value with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _mapping(path: Path) -> dict[str, Any]:
    text = _text(path)
    return _parsed(text, path) if text else {}


def _lines(path: Path) -> list[dict[str, Any]]:
    # A run that was killed may leave half a line; what has no end is not read.
    whole = _text(path).rpartition("\n")[0]
    return [_parsed(line, path) for line in whole.splitlines()]


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}).") from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path} must hold JSON objects, received {type(content).__name__}."
        )
    return content


def _text(path: Path) -> str:
    if not path.exists():
        return ""
    return path.read_text(encoding="utf-8", errors="replace")
