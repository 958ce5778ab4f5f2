"""Files that are whole or not there, and a folder that only one process writes to."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import filelock

from slimrnn.errors import InputError

LOCK, HOLDER = ".lock", ".holder.json"
_NO_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class InUse(InputError):
    """Another process has the folder."""


def write(path: Path, fill: Callable[[BinaryIO], Any]) -> None:
    """Replaces a file at once: a reader, or a crash, finds the old or the new one.

    Args:
        path: the file.
        fill: writes the content; if it fails, as on a full disk, nothing changes.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "a")
        >>> write(path, lambda file: file.write(b"whole"))
        >>> path.read_bytes()
        b'whole'
    """
    unfinished = path.with_name(f"{path.name}.tmp")
    try:
        with open(unfinished, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    """Makes a rename last through a power cut, where folders can be opened."""
    with contextlib.suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def cannot_write(error: OSError) -> bool:
    """Whether the disk is full or read-only, which trying again does not mend."""
    # HDF5 tells the system's message, and not always its number.
    return error.errno in _NO_PLACE or "no space left" in str(error).lower()


def append(path: Path, line: dict[str, Any]) -> None:
    """Appends a line of JSON; it is on the disk when this returns.

    Half a line at the end, which a crash or a full disk left there, is cut off first.
    """
    with open(path, "ab+") as file:
        file.truncate(_whole_lines(file))
        file.seek(0, os.SEEK_END)
        file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def cut_half_a_line(path: Path) -> None:
    """Cuts off what a crash or a full disk left behind the last whole line."""
    if path.exists():
        with open(path, "rb+") as file:
            file.truncate(_whole_lines(file))


def _whole_lines(file: BinaryIO) -> int:
    """How many bytes there are up to the end of the last whole line."""
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return 0
    file.seek(end - 1)
    if file.read(1) == b"\n":
        return end
    file.seek(0)
    return file.read().rfind(b"\n") + 1


@contextlib.contextmanager
def held(path: Path, patience: float = 0.0) -> Iterator[None]:
    """Keeps a folder for this process; the system frees it however the process ends.

    Args:
        path: the folder, which is there.
        patience: seconds to wait for another process to end.

    Raises:
        InUse: another process has the folder; the sentence says which.
    """
    lock = filelock.FileLock(path / LOCK)
    try:
        lock.acquire(timeout=patience)
    except filelock.Timeout as error:
        raise InUse(
            f"The folder {path} is in use by {_holder(path)}; wait until that ends, or "
            f"stop it."
        ) from error
    try:
        me = {"process": os.getpid(), "machine": socket.gethostname()}
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        text = json.dumps({**me, "since": since})
        write(path / HOLDER, lambda file: file.write(text.encode()))
        yield
        (path / HOLDER).unlink(missing_ok=True)
    finally:
        lock.release()


def _holder(path: Path) -> str:
    try:
        it = json.loads((path / HOLDER).read_text(encoding="utf-8"))
        return f"process {it['process']} on {it['machine']} since {it['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
