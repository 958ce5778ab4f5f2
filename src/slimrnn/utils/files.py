"""Files and folders that are whole or not there, and a folder locked by one process."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from slimrnn.errors import InputError

LOCK, HOLDER = ".lock", ".holder.json"
#: what the names of files begin with while they are written
_UNFINISHED = "unfinished-"
_NO_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class InUse(InputError):
    """Another process has the folder."""


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A file to write, which takes the place of the one given once it is whole.

    A reader, or a crash, finds the old or the new one; if the writing fails, as on a
    full disk, nothing changes. The file to write has the same ending.

    Example:
        >>> path = Path(tempfile.mkdtemp(), "a.txt")
        >>> with atomic_file(path) as unfinished:
        ...     _ = unfinished.write_text("whole")
        >>> path.read_text()
        'whole'
    """
    unfinished = path.with_name(f"{_UNFINISHED}{path.name}")
    try:
        yield unfinished
        _sync(unfinished)
        unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    with suppress(OSError):  # some systems do not open folders
        _sync(path.parent)


def clear_unfinished(folder: Path) -> None:
    """Removes what a process that was killed had begun to write in a folder."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        path.unlink(missing_ok=True)


def write(path: Path, content: bytes | str) -> None:
    """Replaces a file's content as :func:`atomic_file` does; a text becomes UTF-8."""
    with atomic_file(path) as unfinished:
        unfinished.write_bytes(
            content.encode() if isinstance(content, str) else content
        )


def _sync(path: Path) -> None:
    """Makes a file, or the renames in a folder, last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_new(path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """The path, if there is nothing yet and a folder to be in.

    Args:
        path: of a file or a folder to be made.
        overwrite: whether a file that is there may be replaced.

    Raises:
        InputError: it is there already, or has no folder to be in.
    """
    path = Path(path)
    try:
        path.exists()
    except (OSError, ValueError) as error:  # a name too long, or with a NUL
        raise InputError(
            f"Nothing can be called {str(path)[:60]!r}... ({why(error)}); give "
            f"another path."
        ) from error
    if overwrite and path.is_dir():
        raise InputError(f"{path} is a folder; give the path of a file.")
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} exists already and is not replaced; give another path, or remove "
            f"it."
        )
    if not path.absolute().parent.is_dir():
        raise InputError(
            f"There is no folder {path.parent} to make {path.name} in; make it first."
        )
    return path


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Makes a sentence of what the system has against writing a path.

    Raises:
        InputError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be written ({why(error)}).") from error


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A folder to write to, which becomes the one given once all is in it.

    Raises:
        InputError: the system does not let it be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as temporary:
        ...     with atomic_folder(Path(temporary, "new")) as unfinished:
        ...         _ = (unfinished / "a").write_text("all of it")
        ...     Path(temporary, "new", "a").read_text()
        'all of it'
    """
    with reported(folder):
        made = tempfile.mkdtemp(prefix=".slimrnn-", dir=folder.absolute().parent)
        unfinished = Path(made)
        try:
            yield unfinished
            unfinished.chmod(0o777 & ~_umask())
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def why(error: OSError | ValueError) -> str:
    """What the system has against a path."""
    return (getattr(error, "strerror", None) or str(error)).lower()


def no_space(error: OSError) -> bool:
    """Whether the disk is full or read-only, which trying again does not mend."""
    # HDF5 reports the system's message, and not always its number.
    return error.errno in _NO_PLACE or "no space left" in str(error).lower()


def append_line(path: Path, line: dict[str, Any]) -> None:
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
    """Cuts off what a crash or a full disk left after the last whole line."""
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


@contextmanager
def locked(path: Path, patience: float = 0.0, name: str = "") -> Iterator[None]:
    """Keeps a folder for this process; the system frees it however the process ends.

    Args:
        path: the folder, which is there.
        patience: seconds to wait for another process to end.
        name: of the lock, where the folder has several.

    Raises:
        InUse: another process has the folder; the sentence says which.
    """
    import filelock  # a quick command that locks nothing does not wait for it

    lock, holder = filelock.FileLock(path / f"{name}{LOCK}"), path / f"{name}{HOLDER}"
    try:
        lock.acquire(timeout=patience)
    except filelock.Timeout as error:
        raise InUse(
            f"The folder {path} is in use by {_process(holder)}; wait until that ends, "
            f"or stop it."
        ) from error
    try:
        me = {"process": os.getpid(), "machine": socket.gethostname()}
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        write(holder, json.dumps({**me, "since": since}))
        yield
        holder.unlink(missing_ok=True)
    finally:
        lock.release()


def _process(holder: Path) -> str:
    try:
        it = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {it['process']} on {it['machine']} since {it['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
