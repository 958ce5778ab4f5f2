"""What runs amount to, as files: a picture, a page, tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slimrnn.experiments.analysis.grouping import by_dataset
from slimrnn.experiments.report.csv_latex import write_csv, write_latex
from slimrnn.experiments.report.figure import SCREEN, write_comparison
from slimrnn.experiments.report.html import write_report
from slimrnn.experiments.report.style import FigureStyle
from slimrnn.experiments.run import times
from slimrnn.experiments.run.store import Run


def publish(
    runs: Sequence[Run],
    path: Path,
    command: str,
    title: str = "",
    style: FigureStyle = SCREEN,
) -> dict[str, Path]:
    """Draws and writes what runs amount to; returns the files by their title.

    Args:
        runs: those that began, at least one.
        path: the folder of all.
        command: the command line that repeats them.
        title: of the report; without one, it says which data there were.
        style: of the picture.
    """
    pictures = {
        f"Picture ({file.suffix[1:]})": file
        for file in style.files(path / "comparison")
    }
    files = {
        **pictures,
        "Report": path / "report.html",
        "Table": path / "table.csv",
        "Table for LaTeX": path / "table.tex",
    }
    for picture in pictures.values():
        write_comparison(runs, picture, style)
    names = ", ".join(by_dataset(runs))
    title = title or f"Slim recurrent layers on {names}"
    measured = times.read(path)
    write_report(runs, files["Report"], measured, title=title, command=command)
    write_csv(runs, files["Table"])
    write_latex(runs, files["Table for LaTeX"])
    return files
