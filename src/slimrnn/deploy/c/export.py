"""A trained model as C99: a folder that compiles, tests itself and has an example."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.deploy.c.project import project
from slimrnn.deploy.program import inputs, quantize, trial
from slimrnn.deploy.program import program as programs
from slimrnn.deploy.program.arithmetic import ARITHMETICS
from slimrnn.deploy.program.c_expression import check_name
from slimrnn.deploy.program.program import Program
from slimrnn.errors import InputError
from slimrnn.ir import read
from slimrnn.ir.model import Model
from slimrnn.utils import files
from slimrnn.utils.checks import known

Array = np.ndarray

DTYPES = tuple(ARITHMETICS)
_LOWER: dict[str, Callable[[Model, Array], Program]] = {
    "float32": lambda model, x: programs.float32(model),
    "int8": quantize.int8,
}


def to_c(
    model: Any,
    out: str | os.PathLike[str],
    name: str = "model",
    dtype: str = "float32",
    calibration: Any = None,
) -> Path:
    """Write a trained model as C99.

    The folder has ``NAME.h`` and ``NAME.c`` (``NAME_reset``, ``NAME_step``,
    ``NAME_output``, ``NAME_run``), a self test ``NAME_test.c`` with its vectors,
    ``main.c`` and a ``Makefile``. float32 gives the same bits on every machine, within
    2e-6 of Keras a step; int8 those of :mod:`slimrnn.deploy.program.simulator`.

    Args:
        model: a built recurrent layer, ``keras.Sequential``, or functional model that
            is a chain; see :func:`slimrnn.ir.read`.
        out: the folder, a new one.
        name: what the public names begin with: a C identifier.
        dtype: ``"float32"`` or ``"int8"``.
        calibration: for int8, sequences like those that the model will get:
            (B, T, m), or (B, T) indices.

    Returns:
        The folder.

    Raises:
        InputError: a model that is not supported, int8 without calibration data or with
            a bound that cannot be proved, a name that is none in C, or a folder that
            is there already. Then nothing is written.

    Example:
        >>> import tempfile, keras, slimrnn
        >>> model = keras.Sequential(
        ...     [keras.Input((None, 3)), slimrnn.SlimLSTM(4), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = to_c(model, Path(folder, "new"), name="tiny")
        ...     sorted(file.name for file in path.iterdir())
        ['Makefile', 'main.c', 'tiny.c', 'tiny.h', 'tiny_test.c']
    """
    return written(project, model, out, name, dtype, calibration)


def written(
    arranged: Callable[[Program, str, tuple[Array, Array]], Mapping[str, str | bytes]],
    model: Any,
    out: str | os.PathLike[str],
    name: str,
    dtype: str,
    calibration: Any,
) -> Path:
    """Write the files that ``arranged`` makes of a program, its name and vectors."""
    check_name(name)
    folder = files.require_new(out)
    program, x = compile_model(read(model), dtype, calibration)
    sources = arranged(program, name, trial.vectors(program, x))
    with files.atomic_folder(folder) as unfinished:
        for path, text in sources.items():
            file = unfinished / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def compile_model(
    model: Model, dtype: str, calibration: Any = None
) -> tuple[Program, Array]:
    """The program of a model, and some data for it.

    Raises:
        InputError: an unknown dtype, int8 without calibration data, data of another
            shape, or what :func:`slimrnn.deploy.program.quantize.int8` refuses.
    """
    known("dtype", dtype, DTYPES)
    *_, last = model.recurrent()
    if last.zero_masked and not model.why_no_stream():
        raise InputError(
            f"{last.name} has zero_output_for_mask=True, which the C does not have; "
            f"allowed is False, with which a masked step leaves the output as it was."
        )
    if calibration is not None:
        x = inputs.check(model, calibration)
    elif ARITHMETICS[dtype].scaled:
        raise InputError(
            f"{dtype} needs calibration data, sequences like those that the model will "
            "get; give calibration=x_train[:200], a Dataset, or --calibrate FILE."
        )
    else:
        x = trial.invented(model)
    return _LOWER[dtype](model, x), x
