"""THE TABLE of exporters: what `deploy` offers, `--to`, `--mode` and the docs read it.

A new exporter is one module, with a function ``to_NAME``, and one row.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from slimrnn.utils import files
from slimrnn.utils.checks import known


@dataclass(frozen=True)
class Exporter:
    """A format, and what writes it.

    Attributes:
        name: of ``--to``; the function is ``to_NAME``.
        title: what people call it.
        module: within ``slimrnn.deploy``.
        ending: of its file; empty where it makes a folder of its own.
        modes: what a file can hold, the usual first, in words; empty where the model
            alone decides.
        dtypes: those that it has, the usual first.
        extra: of slimrnn, without which it does not work; empty for none.
        needs: the modules that the extra brings.
        also: another name of the format.
        programs: that it calls.
    """

    name: str
    title: str
    module: str
    ending: str = ""
    modes: Mapping[str, str] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ("float32",)
    extra: str = ""
    needs: tuple[str, ...] = ()
    also: str = ""
    programs: tuple[str, ...] = ()

    @property
    def function(self) -> str:
        """The name of the function that writes it."""
        return f"to_{self.name.replace('-', '_')}"

    @property
    def obstacle(self) -> str:
        """Why it cannot be used here; empty where it can."""
        missing = [name for name in self.needs if find_spec(name) is None]
        if missing:
            return f"{missing[0]} is not installed: pip install 'slimrnn[{self.extra}]'"
        missing = [name for name in self.programs if shutil.which(name) is None]
        return f"the program {missing[0]} is not there; install it" if missing else ""

    def load(self) -> Callable[..., Path]:
        """The function that writes it."""
        module = import_module(f"slimrnn.deploy.{self.module}")
        return getattr(module, self.function)

    def write(
        self, model: Any, folder: str | os.PathLike[str], name: str, **options: Any
    ) -> Path:
        """Write a model into a new folder, whatever the format.

        Args:
            model: as the function takes it.
            folder: a new one.
            name: what its files begin with: a C identifier.
            options: of the function.

        Returns:
            The folder, or the file in it.

        Raises:
            InputError: those of the function; then nothing is written.
        """
        if not self.ending:
            return self.load()(model, folder, name, **options)
        from slimrnn.deploy.program.c_expression import check_name  # needs NumPy

        check_name(name)
        folder = files.require_new(folder)
        with files.atomic_folder(folder) as unfinished:
            file = f"{name}{self.ending}"
            self.load()(model, unfinished / file, **options)
        return folder / file


_BOTH = ("float32", "int8")
_LSTM = "Whole sequences, by the operator LSTM,"
EXPORTERS: dict[str, Exporter] = {
    exporter.name: exporter
    for exporter in (
        Exporter("c", "C99", "c.export", dtypes=_BOTH),
        Exporter("arduino", "Arduino library", "c.arduino", dtypes=_BOTH),
        Exporter("esp-idf", "ESP-IDF component", "c.esp_idf", dtypes=_BOTH),
        Exporter(
            *("wasm", "WebAssembly", "c.wasm"),
            dtypes=_BOTH,
            programs=("clang", "wasm-ld"),
        ),
        Exporter(
            "onnx",
            "ONNX",
            "graph.onnx",
            ".onnx",
            {"scan": "Whole sequences", "lstm": _LSTM, "step": "One step"},
            extra="onnx",
            needs=("onnx",),
        ),
        Exporter(
            "litert",
            "LiteRT",
            "graph.litert",
            ".tflite",
            {"step": "One step", "lstm": _LSTM},
            extra="litert",
            needs=("ai_edge_litert", "flatbuffers"),
            also="tflite",
        ),
        Exporter("rtneural", "RTNeural", "rtneural", ".json"),
    )
}


def find(name: str) -> Exporter:
    """The exporter of a format, by either of its names.

    Example:
        >>> find("tflite").title
        'LiteRT'
    """
    by_other = {each.also: each for each in EXPORTERS.values() if each.also}
    if name not in by_other:
        known("format", name, EXPORTERS)
    return EXPORTERS.get(name) or by_other[name]
