"""A run is a folder of plain files: reading and writing them.

``config.json`` (the settings), ``environment.json`` (versions and machine),
``metrics.jsonl`` (a line an epoch), ``result.json`` (written when the run ends) and
``model.keras``. Deleting the folder deletes the run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Run:
    """What the files of one run hold."""

    path: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    metrics: list[dict[str, Any]]
    result: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Run:
        """The run in this folder; one that was interrupted has an empty result."""
        lines = _text(path / "metrics.jsonl").splitlines()
        return cls(
            path,
            json.loads(_text(path / "config.json") or "{}"),
            json.loads(_text(path / "environment.json") or "{}"),
            [json.loads(line) for line in lines],
            json.loads(_text(path / "result.json") or "{}"),
        )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
