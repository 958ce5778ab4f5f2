"""The machine and the versions that a run's numbers belong to."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import slimrnn


def describe() -> dict[str, Any]:
    """Versions, machine and device, as JSON can hold them.

    Example:
        >>> import keras
        >>> describe()["keras"] == keras.__version__
        True
    """
    import keras  # here: who only counts cores needs neither
    import numpy as np

    from slimrnn.native import library

    backend = keras.config.backend()
    return {
        "slimrnn": slimrnn.__version__,
        "keras": keras.__version__,
        "backend": backend,
        "backend_version": version(backend),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": cores(),
        "device": _device(),
        "native": library.build(),
    }


def _device() -> str:
    """Where Keras computes, such as cpu:0 or cuda:0."""
    import keras

    # TensorFlow's names begin with the job and the task.
    return str(keras.Variable(0.0).value.device).rpartition("device:")[2].lower()


@cache
def version(backend: str) -> str:
    """The version of a backend that is installed; imports nothing."""
    try:
        return metadata.version(backend)
    except metadata.PackageNotFoundError:
        # TensorFlow is also distributed under other names, such as tensorflow-cpu; to
        # look through all that is installed takes longer than a small trial.
        names = metadata.packages_distributions().get(backend, [backend])
        return metadata.version(names[0])


def _processor() -> str:
    """The processor's name; Python's own answer is empty on many Linux systems."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """The cores that this process may use, which can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
