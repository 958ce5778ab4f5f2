"""The state of a run after an epoch: a resumed run equals one that never stopped.

A checkpoint is one file of arrays: the weights (seeds of dropout among them), the
optimizer's state, and the lines of the epochs so far as JSON. Batches are shuffled by
seed and epoch, so that nothing else is to be remembered. Two are kept, the last and
the one before; each has a digest over all it holds, and one that is damaged counts as
missing. Nothing in them is ever executed: they are read without pickle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.experiments.run.store import alike
from slimrnn.utils import files, foreign

PATTERN = "checkpoint-*.npz"
KEPT = 2
_META, _DIGEST, _STATE, _BEST = "meta", "digest", "state", "best"


@dataclass(frozen=True)
class Checkpoint:
    """A run after an epoch.

    Args:
        lines: of the epochs so far, as `metrics.jsonl` has them; at least one.
        state: each weight and each variable of the optimizer, in the model's order.
        best: the weights of the best epoch; empty where they are not asked for.
        owner: what the state belongs to: settings and backend; and the native library.
    """

    lines: Sequence[Mapping[str, Any]]
    state: Sequence[np.ndarray]
    best: Sequence[np.ndarray]
    owner: Mapping[str, Any]

    def write(self, folder: Path) -> None:
        """Writes the checkpoint of the last epoch; removes those before the last two.

        Raises:
            OSError: the disk is full or gone; what was there before still is.
        """
        meta = json.dumps({"lines": self.lines, "owner": self.owner})
        arrays: dict[str, Any] = {_META: np.frombuffer(meta.encode(), "uint8")}
        for name, group in ((_STATE, self.state), (_BEST, self.best)):
            arrays |= {f"{name}{k}": array for k, array in enumerate(group)}
        arrays[_DIGEST] = _digest(arrays)
        path = folder / PATTERN.replace("*", f"{len(self.lines):06}")
        with files.atomic_file(path) as unfinished:
            np.savez(unfinished, **arrays)
        for old in sorted(folder.glob(PATTERN))[:-KEPT]:
            old.unlink()


def last(
    folder: Path,
    owner: Mapping[str, Any],
    fits: Callable[[Checkpoint], bool] = lambda found: True,
) -> Checkpoint | None:
    """The last checkpoint that is whole and has this owner; None where there is none.

    Args:
        folder: of the run.
        owner: see :class:`Checkpoint`.
        fits: whether the run can go on from one.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> owner = {"settings": {"seed": 1}, "backend": "jax", "native": ""}
        >>> Checkpoint([{"epoch": 1}], [np.ones(2)], [], owner).write(folder)
        >>> last(folder, owner).lines
        [{'epoch': 1}]
        >>> last(folder, {"settings": {"seed": 2}, "backend": "jax"})
    """
    owner = json.loads(json.dumps(owner))  # as it is read: a tuple is a list
    for path in sorted(folder.glob(PATTERN), reverse=True):
        found = _read(path)
        if (
            found is not None
            and found.owner["backend"] == owner["backend"]
            and alike(found.owner["settings"], owner["settings"])
            and fits(found)
        ):
            return found
    return None


def remove(folder: Path) -> None:
    """Removes all checkpoints of a run that has ended."""
    for path in folder.glob(PATTERN):
        path.unlink()


def _read(path: Path) -> Checkpoint | None:
    try:
        foreign.check_archive(path)
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        if not np.array_equal(arrays.pop(_DIGEST), _digest(arrays)):
            return None
        meta = json.loads(arrays[_META].tobytes())
        lines = [dict(line) for line in meta["lines"]]
        owner = {
            name: meta["owner"][name] for name in ("settings", "backend", "native")
        }
        owner["settings"] = dict(owner["settings"])
    except Exception:  # whatever a damaged archive makes NumPy and zipfile raise
        return None
    state, best = (list(_group(arrays, name)) for name in (_STATE, _BEST))
    return Checkpoint(lines, state, best, owner)


def _group(arrays: Mapping[str, np.ndarray], name: str) -> Iterator[np.ndarray]:
    k = 0
    while f"{name}{k}" in arrays:
        yield arrays[f"{name}{k}"]
        k += 1


def _digest(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return np.frombuffer(digest.digest(), "uint8")
