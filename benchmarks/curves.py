"""Curves of trials that take days: a table of epochs that grows, and its picture.

Every ended trial of the sweeps' folders goes into the CSV, a line an epoch; those that
it has already, of the same variant, panel and seed, are replaced. The picture is drawn
from the whole CSV, with the study's published last values.
"""

import csv
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks import script
from slimrnn.cli import flags
from slimrnn.errors import InputError
from slimrnn.experiments.analysis.outcomes import status
from slimrnn.experiments.report.figure import GRID, INK, MUTED
from slimrnn.experiments.sweep import published, scheduler
from slimrnn.utils import files

METRIC = "test_accuracy"
FIGURES = ("loss", "accuracy", "test_loss", METRIC, "seconds")
COLORS = ("#2f3337", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")


def lines(folder, panel):
    """The epochs of a sweep's ended trials, each as texts by column."""
    for run in scheduler.runs(Path(folder)):
        if status(run) != "done":
            continue
        known = {key: str(run.config[key]) for key in ("variant", panel, "seed")}
        for line in run.metrics:
            figures = {name: f"{line[name]:.6g}" for name in FIGURES}
            yield {**known, "epoch": str(line["epoch"]), **figures}


def merged(path, new, panel):
    """The lines of a CSV, those of trials that are new replaced."""
    key = ("variant", panel, "seed")
    trials = {tuple(line[name] for name in key) for line in new}
    old = list(csv.DictReader(path.open(encoding="utf-8"))) if path.exists() else []
    kept = [line for line in old if tuple(line[name] for name in key) not in trials]
    order = (*key, "epoch")
    return sorted(
        [*kept, *new], key=lambda line: [(len(line[k]), line[k]) for k in order]
    )


def picture(table, panel, marks, path):
    """A panel for each value; a line a variant, with its published last value."""
    values = sorted({line[panel] for line in table})
    figure = Figure(figsize=(5.6 * len(values), 4.2), layout="constrained")
    axes = figure.subplots(1, len(values), sharey=True, squeeze=False)[0]
    last = max(int(line["epoch"]) for line in table)
    for ax, value in zip(axes, values, strict=True):
        for (name, mark), color in zip(marks.items(), COLORS, strict=False):
            own = [x for x in table if (x["variant"], x[panel]) == (name, value)]
            x, y = ([float(line[k]) for line in own] for k in ("epoch", METRIC))
            ax.plot(x, y, color=color, linewidth=1.8, label=name if own else None)
            ax.plot(1.02 * last, mark, "<", color=color, markersize=6)
        ax.set_title(f"{panel} = {value}", color=INK, fontsize=11)
        ax.set_xlabel("epoch (at the right edge: published)", color=MUTED)
        ax.set_xlim(0, 1.04 * last)
        ax.grid(color=GRID, linewidth=0.8)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, loc="center right")
    axes[0].set_ylabel(METRIC.replace("_", " "), color=MUTED)
    with files.atomic_file(path) as unfinished:
        figure.savefig(unfinished, dpi=160)


def parser():
    """The command line."""
    top = flags.Parser(prog="python -m benchmarks.curves", description=__doc__)
    top.add_argument("sweeps", nargs="*", metavar="SWEEP", help="a sweep's folder")
    top.add_argument("--study", metavar="NAME", required=True, help="what they repeat")
    top.add_argument("--csv", metavar="FILE.csv", required=True, help="grows")
    top.add_argument("--png", metavar="FILE.png", help="the picture of all of it")
    flags.flag(
        top,
        "--panel",
        "SETTING",
        "a panel for each of its values",
        "trainable_embedding",
        applied=True,
    )
    top.add_argument(
        "--only", metavar="VALUE", help="the one panel that is drawn (default: all)"
    )
    return top


def main():
    """Let the table grow, and draw it."""
    args = parser().parse_args()
    marks = {
        entry["where"]["variant"]: entry["result"][METRIC]
        for entry in published.read(args.study).published
    }
    new = [line for folder in args.sweeps for line in lines(folder, args.panel)]
    path = Path(args.csv)
    table = merged(path, new, args.panel)
    if not table:
        raise InputError("No trial of the sweeps has ended; resume them.")
    with (
        files.atomic_file(path) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, table[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    if args.png:
        drawn = [x for x in table if args.only in (None, x[args.panel])]
        picture(drawn, args.panel, marks, Path(args.png))


if __name__ == "__main__":
    script.run(main)
