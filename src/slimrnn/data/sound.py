"""Sound files: `.wav` to numbers and back, and a pair of them to learn from."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from slimrnn.data.options import SOUND, is_sound
from slimrnn.data.reading import opened
from slimrnn.data.windows import Choice
from slimrnn.errors import InputError
from slimrnn.utils.optional import require

Array = np.ndarray

COUNTED = 2048  # samples of a window that count, where nobody says
TARGET = "target"


def read(path: str | Path) -> tuple[int, Array]:
    """The samples a second and the samples, (T, channels) float32, full scale 1."""
    wavfile = require("scipy.io.wavfile", "scipy", "scipy")

    def load() -> tuple[int, Array]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # chunks of titles, pictures, loops
            warnings.filterwarnings("error", message="Reached EOF")
            return wavfile.read(path)

    rate, samples = opened(Path(path), load, SOUND)
    if not samples.size:
        raise InputError(f"{path} has no samples: give a sound of one or more.")
    if samples.dtype.kind in "iu":
        half = 2.0 ** (8 * samples.dtype.itemsize - 1)
        samples = (samples - half * (samples.dtype.kind == "u")) / half
    return rate, samples.astype(np.float32).reshape(len(samples), -1)


def write(path: str | Path, rate: int, samples: Array) -> None:
    """Writes samples, (T,) or (T, channels), as 32-bit floats.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "a.wav")
        >>> write(file, 48000, np.array([0.5, -2.0]))
        >>> rate, samples = read(file)
        >>> rate, samples.ravel().tolist()
        (48000, [0.5, -2.0])
    """
    wavfile = require("scipy.io.wavfile", "scipy", "scipy")
    wavfile.write(path, rate, np.asarray(samples, np.float32))


def table(
    file: str | Path, choice: Choice, labels: bool = True
) -> tuple[dict[str, Array], Choice]:
    """The channels of a sound as columns, with those of the one to be learned.

    Args:
        file: what goes in.
        choice: of windows; its target is the file of what comes out.
        labels: whether that is needed.

    Returns:
        The columns, and the choice among them: windows, of which each sample counts
        once, and a target for each.
    """
    rate, x = read(file)
    columns = {f"channel {k}": channel for k, channel in enumerate(x.T)}
    window = choice.window or choice.burn_in + COUNTED
    stride = choice.stride or max(1, window - choice.burn_in)
    choice = replace(choice, window=window, stride=stride, each_step=True)
    if not labels:
        return columns, replace(choice, target=None)
    if not is_sound(choice.target):
        raise InputError(
            f"{file} is learned from together with the sound that it is to become; "
            f"give --target FILE.wav; received {choice.target!r}."
        )
    other, y = read(str(choice.target))
    if (other, len(y)) != (rate, len(x)):
        raise InputError(
            f"{file} has {len(x):,} samples, {rate:,} a second, and {choice.target} "
            f"{len(y):,}, {other:,} a second: they must be alike, sample for sample."
        )
    names = [f"{TARGET} {k}" for k in range(y.shape[1])]
    choice = replace(choice, target=names, features=tuple(columns))
    return columns | dict(zip(names, y.T, strict=True)), choice
