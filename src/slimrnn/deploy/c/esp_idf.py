"""A trained model as a component of ESP-IDF."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import slimrnn
from slimrnn.deploy.c.export import Array, written
from slimrnn.deploy.c.project import project
from slimrnn.deploy.program.program import Program


def to_esp_idf(
    model: Any,
    out: str | os.PathLike[str],
    name: str = "model",
    dtype: str = "float32",
    calibration: Any = None,
) -> Path:
    """Write a trained model as a component of ESP-IDF.

    The folder, put into a project's ``components``, has ``CMakeLists.txt``,
    ``idf_component.yml``, the C of :func:`slimrnn.deploy.to_c`, its header in
    ``include``, and the self test in ``test``.

    Arguments, result and errors are those of :func:`slimrnn.deploy.to_c`.

    Example:
        >>> import tempfile, keras
        >>> model = keras.Sequential(
        ...     [keras.Input((None, 3)), slimrnn.SlimLSTM(4), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = to_esp_idf(model, Path(folder, "new"), name="tiny")
        ...     sorted(file.name for file in path.iterdir())
        ['CMakeLists.txt', 'idf_component.yml', 'include', 'test', 'tiny.c']
    """
    return written(_component, model, out, name, dtype, calibration)


def _component(
    program: Program, name: str, vectors: tuple[Array, Array]
) -> dict[str, str]:
    made = project(program, name, vectors)
    version = slimrnn.__version__.split("+")[0]
    return {
        "CMakeLists.txt": f"""\
idf_component_register(SRCS "{name}.c" INCLUDE_DIRS "include")
target_compile_options(${{COMPONENT_LIB}} PRIVATE -ffp-contract=off)
""",
        "idf_component.yml": f"""\
version: "{version}"
description: A trained recurrent network in {program.dtype}, written by slimrnn
dependencies:
  idf: ">=4.4"
""",
        f"include/{name}.h": made[f"{name}.h"],
        f"{name}.c": made[f"{name}.c"],
        f"test/{name}_test.c": made[f"{name}_test.c"],
    }
