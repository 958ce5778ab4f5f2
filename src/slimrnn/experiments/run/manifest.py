"""What `train` and `compare` were to train: a file from which they go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimrnn.errors import InputError
from slimrnn.experiments.run import store
from slimrnn.experiments.run.settings import Settings
from slimrnn.utils import files

PLAN = "plan.json"


@dataclass(frozen=True)
class Plan:
    """What was to be trained.

    Args:
        runs: the settings of each run, by its folder in that of the plan.
        command: the command line.
        backend: of Keras.
    """

    runs: Mapping[str, Any]
    command: str
    backend: str


def write(
    folder: Path, runs: Mapping[Path, Settings], command: str, backend: str
) -> None:
    """Writes the plan into its folder, which is made where it is missing.

    Raises:
        InputError: the folder cannot be written to.
    """
    store.make_folder(folder)
    content = {
        "command": command,
        "backend": backend,
        "runs": {
            str(path.relative_to(folder)): settings.config()
            for path, settings in runs.items()
        },
    }
    text = json.dumps(content, indent=2)
    files.write(folder / PLAN, f"{text}\n")


def read(folder: Path) -> Plan:
    """The plan in a folder.

    Raises:
        InputError: there is none, or a damaged one.
    """
    content = store.mapping(folder / PLAN)
    if not content:
        raise InputError(
            f"{folder} holds nothing to go on with: it has no {PLAN}; give the folder "
            f"of a run or a comparison (of a sweep: slimrnn sweep --resume)."
        )
    try:
        plan = Plan(**content)
        inside = [(folder / name).resolve() for name in plan.runs]
        if not inside or not all(isinstance(x, dict) for x in plan.runs.values()):
            raise TypeError("it has no settings of runs")
    except (TypeError, AttributeError) as error:
        raise InputError(f"{folder / PLAN} is not a plan ({error}).") from error
    if not all(path.is_relative_to(folder.resolve()) for path in inside):
        raise InputError(f"{folder / PLAN} names a folder outside of its own.")
    return plan
