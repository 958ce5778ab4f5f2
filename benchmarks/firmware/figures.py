"""What each model takes on each core: measured, kept in a file, and compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.firmware.emulator import Core, Firmware
from slimrnn.errors import InputError
from slimrnn.utils import files

if TYPE_CHECKING:
    from benchmarks.firmware.models import Measured

#: what `slimrnn bench firmware` found last: newer counts are compared with it
KEPT = Path(__file__).with_name("firmware.json")
#: the share by which a count may grow
SLACK = 0.02
_AT_A_TIME = 10  # the models of an image: 256 KB hold those of float32


@dataclass(frozen=True)
class Figure:
    """What a model takes on a core.

    Attributes:
        row: of the table of variants.
        dtype: of the arithmetic.
        core: the core's name.
        step: instructions of a time step.
        output: instructions of the head.
        flash: bytes of code, tables, and the compiler's own functions, for all but
            quantize.
        quantize: bytes of flash that a caller with floats needs besides.
        tables: bytes of the model's tables in it.
        state: bytes.
        stack: bytes.
    """

    row: str
    dtype: str
    core: str
    step: int
    output: int
    flash: int
    quantize: int
    tables: int
    state: int
    stack: int

    @property
    def code(self) -> int:
        """Bytes of flash that are no tables of the model."""
        return self.flash - self.tables

    @property
    def ram(self) -> int:
        """Bytes of state and stack."""
        return self.state + self.stack


@dataclass(frozen=True)
class Figures:
    """All figures of a run.

    Attributes:
        about: the versions that they depend on, and the command.
        figures: one for each row, dtype and core.
    """

    about: dict[str, str]
    figures: list[Figure]

    def find(self, **wanted: str) -> Iterator[Figure]:
        """Those with these attributes."""
        for figure in self.figures:
            if all(getattr(figure, key) == value for key, value in wanted.items()):
                yield figure

    def write(self, path: Path) -> None:
        """Write all as JSON, whole or not at all."""
        lines = ",\n".join(json.dumps(asdict(figure)) for figure in self.figures)
        about = json.dumps(self.about)
        text = f'{{"about": {about},\n"figures": [\n{lines}\n]}}\n'
        files.write(path, text)


def read(path: Path) -> Figures:
    """The figures in a file.

    Raises:
        InputError: it is missing, or holds something else.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        figures = [Figure(**figure) for figure in found["figures"]]
        return Figures(dict(found["about"]), figures)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        told = f"{path} holds no figures of `slimrnn bench firmware`."
        raise InputError(told) from None


def measure(core: Core, models: list[Measured]) -> list[Figure]:
    """Build, run and measure models on a core.

    Raises:
        RuntimeError: a model does not build or run, or its bits are not the
            simulator's.
    """
    found = []
    for first in range(0, len(models), _AT_A_TIME):
        with TemporaryDirectory() as folder:
            some = models[first : first + _AT_A_TIME]
            found += _measure(Firmware(Path(folder), core, some), some)
    return found


def _measure(firmware: Firmware, models: Iterable[Measured]) -> Iterator[Figure]:
    runs = firmware.run()
    for model in models:
        source = model.source
        run, flash = runs[source.name], firmware.flash(source.name, "run")
        more = ("run", "quantize") if model.dtype == "int8" else ("run",)
        for found, expected in zip(run.outputs, model.expected, strict=True):
            if not np.array_equal(found, expected):
                raise RuntimeError(f"{source.name} is wrong on {firmware.core.name}")
        yield Figure(
            model.row,
            model.dtype,
            firmware.core.name,
            round(run.step),
            round(run.output),
            flash,
            firmware.flash(source.name, *more) - flash,
            source.layout.table_bytes,
            source.layout.state_bytes,
            run.stack,
        )


def regressions(before: Figures, after: Iterable[Figure]) -> list[str]:
    """The counts that grew by more than the slack, in words."""
    known = {astuple(figure)[:3]: figure for figure in before.figures}
    found = []
    for figure in after:
        name = astuple(figure)[:3]
        for count in ("step", "output", "flash"):
            new = getattr(figure, count)
            old = getattr(known.get(name, figure), count)
            if new > old * (1 + SLACK):
                found.append(f"{' '.join(name)}: {count} {old:,} -> {new:,}")
    return found
