"""HDF5 files from strangers, opened by another process first.

HDF5's library may crash, or go round for ever, in a damaged file, and nothing in this
process could stop it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from slimrnn.errors import InputError
from slimrnn.utils import files, foreign

#: opens all that a file has, or what a zip's members have; prints how many numbers
_VISIT = """
import io, sys, zipfile, h5py
def visit(name, each):
    global count
    dict(each.attrs)
    count += getattr(each, "size", None) or 0
path, *members = sys.argv[1:]
count, opened = 0, [path]
if members:
    archive = zipfile.ZipFile(path)
    opened = [io.BytesIO(archive.read(member)) for member in members]
for each in opened:
    with h5py.File(each, "r") as file:
        visit("", file)
        file.visititems(visit)
print(count)
"""
_PATIENCE = 20.0  # seconds


def numbers_in(path: Path, *members: str) -> int:
    """How many numbers the arrays of a file have, all of which can be opened.

    Args:
        path: of the file.
        members: of a zip, each of them a file of HDF5.

    Raises:
        InputError: opening did not end, or not well; or the arrays claim to be larger
            than the file can hold.
    """
    command = [sys.executable, "-c", _VISIT, str(path), *members]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{path} is damaged: HDF5 finds no end in it.") from error
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise files.unreadable(path, "a Keras model", ValueError(last))
    count = int(done.stdout)
    foreign.check_claim(str(path), 4 * count, foreign.size_of(path))
    return count
