"""Variants side by side: the same data, seeds and batches for each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from slimrnn.data import Dataset
from slimrnn.errors import InputError
from slimrnn.experiments.analysis.grouping import by_problem
from slimrnn.experiments.report.csv_latex import write_csv, write_latex
from slimrnn.experiments.report.figure import write_comparison
from slimrnn.experiments.report.html import write_report
from slimrnn.experiments.run import build
from slimrnn.experiments.run.recorder import Watcher
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Run
from slimrnn.experiments.run.trainer import Callbacks, Trainer, no_callbacks
from slimrnn.utils.checks import whole


def plan(rows: Sequence[Settings], seeds: int, path: Path) -> dict[Path, Settings]:
    """Each run's folder and settings, the seeds of a variant together.

    Args:
        rows: settings that differ in the variant.
        seeds: how many seeds: 1, 2, ...
        path: the comparison's folder.

    Raises:
        InputError: too few seeds, or a variant twice.

    Example:
        >>> plan([Settings.of("LSTM"), Settings.of("LSTM6")], 2, Path("a")).keys()
        dict_keys([PosixPath('a/LSTM-seed1'), PosixPath('a/LSTM-seed2'), \
PosixPath('a/LSTM6-seed1'), PosixPath('a/LSTM6-seed2')])
    """
    whole("number of seeds", seeds, least=1)
    runs: dict[Path, Settings] = {}
    for row in rows:
        name = re.sub(r"[^\w.-]", "_", row.name)
        if path / f"{name}-seed1" in runs:
            raise InputError(
                f"The variant {row.name} was given twice; give each variant once."
            )
        for seed in range(1, seeds + 1):
            runs[path / f"{name}-seed{seed}"] = replace(row, seed=seed)
    return runs


def check(runs: Mapping[Path, Settings], dataset: Dataset) -> None:
    """Refuses, before anything is written, what a run would refuse when it begins.

    Raises:
        InputError: settings that a layer refuses, or too few data to split.
    """
    for settings in runs.values():
        build.check(settings, dataset)


def train(
    runs: Mapping[Path, Settings],
    dataset: Dataset,
    watcher: Watcher,
    callbacks: Callbacks = no_callbacks,
) -> None:
    """Trains what was planned; a run that diverges does not stop the others.

    Raises:
        KeyboardInterrupt: after the run under way was written down.
    """
    trainer = Trainer(dataset, watcher, callbacks)
    for path, settings in runs.items():
        trainer.run(settings, path)


def publish(
    runs: Sequence[Run], path: Path, command: str, title: str = ""
) -> dict[str, Path]:
    """Draws and writes what runs amount to; returns the files by their title.

    Args:
        runs: those that began, at least one.
        path: the comparison's folder.
        command: the command line that repeats the comparison.
        title: of the report; without one, it says which data there were.
    """
    files = {
        "Picture": path / "comparison.png",
        "Report": path / "report.html",
        "Table": path / "table.csv",
        "Table for LaTeX": path / "table.tex",
    }
    write_comparison(runs, files["Picture"])
    names = ", ".join(by_problem(runs))
    title = title or f"Slim recurrent layers on {names}"
    write_report(runs, files["Report"], title=title, command=command)
    write_csv(runs, files["Table"])
    write_latex(runs, files["Table for LaTeX"])
    return files
