"""HDF5 files from strangers, opened by another process first.

HDF5's library may crash, or go round for ever, in a damaged file, and nothing in this
process could stop it.
"""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.utils import foreign
from slimrnn.utils.optional import require

KERAS_MODEL = "a Keras model"
#: what another Python runs
_VISIT = "import sys; from slimrnn.ir import hdf5; print(hdf5.visited(*sys.argv[1:]))"
_PATIENCE = 20.0  # seconds
_MOST_SAID = 1000  # letters: less than a pipe holds


@contextmanager
def opened(
    path: Path, file: str | os.PathLike[str] | IO[bytes] | None = None
) -> Iterator:
    """A file of HDF5, after :func:`numbers_in`; what it raises becomes a sentence.

    Args:
        path: what the sentence names.
        file: what is opened; None: the path.

    Raises:
        InputError: it is damaged, or not what the reader wants.
    """
    h5py = require("h5py", "h5py", "h5py")
    with foreign.reading(path, KERAS_MODEL), h5py.File(file or path, "r") as found:
        yield found


def array(what: str, data: Any) -> np.ndarray:
    """The numbers of an array in a file as float32."""
    if data.dtype.kind not in "fiu":
        raise InputError(f"{what} is of {data.dtype}; expected numbers.")
    return np.asarray(data[()], "float32")


def numbers_in(path: Path, *members: str) -> int:
    """How many numbers the arrays of a file have, all of which can be opened.

    Args:
        path: of the file.
        members: of a zip, each of them a file of HDF5.

    Raises:
        InputError: opening did not end, or not well; or the arrays claim to be larger
            than the file can hold.
    """
    count_in = _count_by_fork if _may_fork() else _count_by_python
    try:
        said = count_in(str(path), *members)
    except TimeoutError as error:
        raise InputError(f"{path} is damaged: HDF5 finds no end in it.") from error
    with foreign.reading(path, KERAS_MODEL):
        if not said.isdecimal():
            raise ValueError(said)
    foreign.check_claim(str(path), 4 * int(said), foreign.size_of(path))
    return int(said)


def visited(path: str, *members: str) -> int:
    """Opens all that a file has; see :func:`numbers_in`."""
    h5py = require("h5py", "h5py", "h5py")
    count = 0
    given: list[Any] = [path]

    def visit(name: str, each: Any) -> None:
        nonlocal count
        dict(each.attrs)
        count += getattr(each, "size", None) or 0

    if members:
        with zipfile.ZipFile(path) as archive:
            given = [io.BytesIO(archive.read(member)) for member in members]
    for one in given:
        with h5py.File(one, "r") as file:
            visit("", file)
            file.visititems(visit)
    return count


def _may_fork() -> bool:
    """Whether this process can be doubled: others' threads might hold locks."""
    known = {"jax", "tensorflow", "torch"} & {*sys.modules}
    return hasattr(os, "fork") and not known and threading.active_count() == 1


def _count_by_python(*path: str) -> str:
    """What another Python says of a file; takes as long as its start."""
    command = [sys.executable, "-c", _VISIT, *path]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    return (done.stderr if done.returncode else done.stdout).strip().split("\n")[-1]


def _count_by_fork(*path: str) -> str:
    """What a copy of this process says of a file."""
    out, into = os.pipe()
    child = os.fork()
    if not child:  # which ends here, whatever comes
        try:
            said = str(visited(*path))
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(into, said[:_MOST_SAID].encode())
        os._exit(0)
    os.close(into)
    try:
        return _heard(out)
    finally:
        os.close(out)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _heard(out: int) -> str:
    """What comes out of a pipe before it is closed."""
    ready, _, _ = select.select([out], [], [], _PATIENCE)
    if not ready:
        raise TimeoutError
    return os.read(out, 4 * _MOST_SAID).decode() or "HDF5's library crashed"
