"""A folder that is written whole, or is not there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slimrnn.errors import InputError


def free(out: str | os.PathLike) -> Path:
    """The folder, if it is a new one.

    Raises:
        InputError: it is there already, or has no folder to be in.
    """
    folder = Path(out)
    if folder.exists():
        raise InputError(
            f"{folder} exists already and is not replaced; give a new folder, or "
            f"remove it."
        )
    if not folder.absolute().parent.is_dir():
        raise InputError(
            f"There is no folder {folder.parent} to make {folder.name} in; make it "
            f"first."
        )
    return folder


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A folder to write to, which becomes the one given once all is in it.

    Args:
        folder: as :func:`free` gives it.

    Raises:
        InputError: the system does not let it be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as temporary:
        ...     with whole(free(Path(temporary, "new"))) as unfinished:
        ...         _ = (unfinished / "a").write_text("all of it")
        ...     Path(temporary, "new", "a").read_text()
        'all of it'
    """
    unfinished = None
    try:
        unfinished = Path(
            tempfile.mkdtemp(prefix=".slimrnn-", dir=folder.absolute().parent)
        )
        yield unfinished
        unfinished.chmod(0o777 & ~_umask())
        unfinished.rename(folder)
    except BaseException as error:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise InputError(f"{folder} cannot be written: {error.strerror}.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
