"""Files from strangers: what one says that it holds is asked before it is read.

Whoever opens a user's file asks here first: whether it is a regular file, and whether
what it declares, packed or not, is what a file of its size can hold.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from slimrnn.errors import InputError

#: bytes of a text that becomes objects, of which each takes many times as much
TEXT_BYTES = 1 << 25
#: declared bytes that are taken from a file however small it is
PACKED_BYTES = 1 << 28
#: of a larger one, for each of its bytes
_DENSEST = 20


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Makes a sentence of whatever strange bytes make a reader raise.

    Args:
        path: of the file, which the sentence names.
        what: it should be.

    Raises:
        InputError: instead of anything else.
    """
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from error
    except Exception as error:
        first = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise InputError(f"{path} cannot be read as {what} ({first}).") from error


def size_of(path: Path, most: int | None = None) -> int:
    """The bytes of a regular file.

    Args:
        path: of the file.
        most: bytes that it may have; None: any number.

    Raises:
        InputError: it is a folder, a device or a pipe, which may have no end, or it is
            too large.
        OSError: there is none, or it may not be looked at.
    """
    try:
        found = path.stat()
    except ValueError as error:  # a name with a NUL
        raise InputError(f"{str(path)!r} is no name of a file.") from error
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path} is a folder or a device, not a file.")
    if most is not None and found.st_size > most:
        raise InputError(
            f"{path} has {found.st_size} bytes; allowed are {most} in such a file."
        )
    return found.st_size


def text(path: Path, most: int = TEXT_BYTES, errors: str = "strict") -> str:
    """The text of a file in UTF-8.

    Raises:
        InputError: see :func:`size_of`.
        OSError: it cannot be read.
        UnicodeDecodeError: it is no text.
    """
    size_of(path, most)
    return path.read_text(encoding="utf-8", errors=errors)


def check_claim(what: str, claimed: int, size: int) -> None:
    """Refuse what says that it is larger than its file can hold.

    Args:
        what: it is, as a sentence begins.
        claimed: bytes that it says it has.
        size: bytes of the file.

    Raises:
        InputError: it would fill the memory with nothing.

    Example:
        >>> check_claim("An array", 10**12, 5000)
        Traceback (most recent call last):
        slimrnn.errors.InputError: An array says that it has 1000000000000 bytes, in \
a file of 5000; the file is damaged, or must be written uncompressed.
    """
    if not 0 <= claimed <= max(_DENSEST * size, PACKED_BYTES):
        raise InputError(
            f"{what} says that it has {claimed} bytes, in a file of {size}; the file "
            f"is damaged, or must be written uncompressed."
        )


def check_archive(path: Path) -> list[str]:
    """The names in a zip, none of which may unpack to more than it can hold.

    An array of NumPy counts as the float32 that it becomes.

    Raises:
        InputError: see :func:`check_claim`.
        OSError, zipfile.BadZipFile, ValueError: it is no zip that can be read.
    """
    import zipfile  # here: not all files are one

    size, claimed = size_of(path), 0
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for member in members:
            claimed += member.file_size
            if member.filename.endswith(".npy"):
                what = f"{member.filename} of {path}"
                try:
                    with archive.open(member) as file:
                        claimed += check_array(what, file, member.file_size)
                except InputError:
                    raise
                except Exception:  # what is no array is refused when it is read
                    continue
    check_claim(str(path), claimed, size)
    return [member.filename for member in members]


def check_array(what: str, file: IO[bytes], size: int) -> int:
    """What an array of NumPy takes in float32, beside its bytes in the file.

    Raises:
        InputError: its header declares more than follows it.
        ValueError: it is no such array.
    """
    from numpy.lib import format as npy  # here: the quick commands do without it

    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    count = 1
    for side in shape:
        count *= side
    if not (dtype.hasobject or 0 <= count * dtype.itemsize <= size):
        raise InputError(
            f"{what} says that it has {count * dtype.itemsize} bytes, of which {size} "
            f"are there; the file is damaged."
        )
    return max(0, 4 - dtype.itemsize) * count
