"""Who is best at equal flash, or instructions: `python -m benchmarks.equal_cost -h`.

Reads the folders of finished sweeps whose units were matched to budgets, one for each
data set; prints the tables, and writes every run, the differences and the picture.
A variant's learning rate, and which variant is taken, are chosen by the validation
accuracy of the integers alone; what is shown is the test's. Of each pair, the slim
one's instructions a step (Cortex-M4, int8) and its time of a step of a Stream (float32,
here, both in turns) stand beside the full one's.
"""

import csv
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks import script
from slimrnn import Stream
from slimrnn.cli import flags
from slimrnn.errors import InputError
from slimrnn.experiments.analysis.bootstrap import paired_differences
from slimrnn.experiments.analysis.choice import Candidate, candidates
from slimrnn.experiments.analysis.grouping import data_name, variant_name
from slimrnn.experiments.analysis.outcomes import metric_of, scores_of
from slimrnn.experiments.analysis.statistics import Difference
from slimrnn.experiments.report.figure import GRID, INK, MUTED, SCREEN
from slimrnn.experiments.run import build, store
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Run
from slimrnn.timing import Ratio, in_turns
from slimrnn.utils import files

#: that leave nothing out: what a slim variant is held against
FULL = ("LSTM", "GRU", "MGU")
COLUMNS = (
    *("data", "budget", "variant", "units", "learning_rate", "seed", "parameters"),
    *("flash", "ram", "instructions", "int8_validation", "float32_test", "int8_test"),
)
SLIM = "#0b6e4f"  # of the picture; full variants are dark


@dataclass(frozen=True)
class Cell:
    """A data set at a budget: each variant at its best learning rate."""

    data: str
    budget: str
    found: tuple[Candidate, ...]

    def best(self, full: bool) -> Candidate:
        """The best full or slim one, by validation."""
        return max(
            (each for each in self.found if (each.variant in FULL) == full),
            key=lambda each: each.score,
        )

    def accuracy(self, variant: str) -> float | None:
        """A variant's test accuracy in int8; None where it is not there."""
        found = [each.int8.mean for each in self.found if each.variant == variant]
        return found[0] if found else None

    def difference(self) -> Difference | None:
        """The best slim one minus the best full one, in the test in float32."""
        pair = [self.best(full) for full in (True, False)]
        full, slim = (scores_of(each.runs, metric_of(each.runs)) for each in pair)
        return paired_differences(full, [slim])[0]


def cells(runs: Iterable[Run]) -> list[Cell]:
    """The cells with a full and a slim variant, by data set and by rising budget."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        name = Path(data_name(run)).stem, budget_of(run)
        groups.setdefault(name, []).append(run)
    places = {data: place for place, (data, _) in enumerate(groups)}
    order = sorted(groups, key=lambda key: (places[key[0]], _most(key[1])))
    found = [Cell(*key, tuple(candidates(groups[key]))) for key in order]
    return [c for c in found if len({each.variant in FULL for each in c.found}) == 2]


def budget_of(run: Run) -> str:
    """What a run's units were matched to, such as "4KB flash"."""
    measure, _, most = run.config["match"].partition("=")
    return f"{most} {measure}"


def _most(budget: str) -> int:
    return int(re.match(r"\d+", budget).group())


def record(run: Run) -> tuple:
    """A run's line of runs.csv."""
    result, config = run.result, run.config
    figures = (result.get(f"{k}_accuracy") for k in ("val_int8", "test", "test_int8"))
    return (
        Path(data_name(run)).stem,
        budget_of(run),
        variant_name(run),
        *(config[name] for name in ("units", "learning_rate", "seed")),
        *(result.get(k) for k in ("layer_parameters", "flash", "ram", "instructions")),
        *("" if figure is None else round(figure, 4) for figure in figures),
    )


def stream_steps(pair: Sequence[Candidate], seconds: float = 0.5) -> Ratio:
    """The time of the second one's step of a Stream, of the first one's."""
    calls = {}
    for each in pair:
        settings = Settings.from_config(each.settings)
        model = build.build(settings, build.load(settings))
        sample = np.zeros(model.input_shape[-1], np.float32)
        calls[each.variant] = partial(Stream(model).step, sample)
    return in_turns(calls, seconds)[pair[1].variant].ratio


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; the columns after the second are numbers."""
    lines = [heads, ["---" if i < 2 else "---:" for i in range(len(heads))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def accuracies(found: Sequence[Cell]) -> str:
    """Of each variant, the test accuracy of its integers; below, the mean."""
    names = list(dict.fromkeys(c.variant for cell in found for c in cell.found))
    names.sort(key=lambda name: name not in FULL)
    rows, means = [], []
    for cell in found:
        known = [cell.accuracy(name) for name in names]
        rows.append([cell.budget, cell.data, *(_text(v) for v in known)])
    for budget in dict.fromkeys(cell.budget for cell in found):
        known = [mean_accuracy(found, budget, name) for name in names]
        means.append([budget, "**mean**", *(_text(value) for value in known)])
    rows = sorted([*rows, *means], key=lambda row: (_most(row[0]), row[1][0] == "*"))
    return table(["budget", "data", *names], rows)


def mean_accuracy(found: Sequence[Cell], budget: str, variant: str) -> float | None:
    """Over data sets, the test accuracy in int8; None where it lacks in one."""
    values = [cell.accuracy(variant) for cell in found if cell.budget == budget]
    return None if None in values else statistics.mean(values)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}".lstrip("0")


@dataclass(frozen=True)
class Duel:
    """The best full one of a cell, the best slim one, and what lies between them.

    Attributes:
        instructions: a step of the slim one, of the full one's (Cortex-M4, int8).
        stream: the same of the time of a step of a Stream.
    """

    cell: Cell
    full: Candidate
    slim: Candidate
    between: Difference | None
    instructions: float
    stream: float

    @classmethod
    def of(cls, cell: Cell) -> "Duel":
        """That of a cell; times both."""
        pair = full, slim = cell.best(True), cell.best(False)
        instructions = slim.costs["instructions"] / full.costs["instructions"]
        between, stream = cell.difference(), stream_steps(pair).median
        return cls(cell, full, slim, between, instructions, stream)

    def line(self) -> tuple[str, ...]:
        """Of the table."""
        names = (f"{x.variant} {_text(x.int8.mean)}" for x in (self.full, self.slim))
        known = self.between
        between = known and f"{known.mean:+.3f} ({known.low:+.3f} to {known.high:+.3f})"
        costs = f"{self.instructions:.2f}", f"{self.stream:.2f}"
        return self.cell.budget, self.cell.data, *names, between or "-", *costs


def duel_table(found: Sequence[Cell]) -> str:
    """Best full against best slim; the last line of a budget is the mean."""
    lines = []
    duels = [Duel.of(cell) for cell in found]
    for budget in dict.fromkeys(cell.budget for cell in found):
        own = [duel for duel in duels if duel.cell.budget == budget]
        lines += [duel.line() for duel in own]
        known = [duel.between.mean for duel in own if duel.between]
        if known:
            mean = f"{statistics.mean(known):+.3f}"
            costs = ([getattr(d, k) for d in own] for k in ("instructions", "stream"))
            means = (f"{statistics.geometric_mean(values):.2f}" for values in costs)
            lines.append((budget, "**mean**", "", "", mean, *means))
    heads = ["budget", "data", "best full", "best slim", "difference, 95 % interval"]
    return table([*heads, "instructions", "Stream"], lines)


def sizes(found: Sequence[Cell], runs: Sequence[Run]) -> str:
    """Of each variant, its units at each budget, and what its integers lose."""
    budgets = list(dict.fromkeys(cell.budget for cell in found))
    units: dict[str, dict[str, set[int]]] = {}
    lost: dict[str, list[float]] = {}
    for run in runs:
        name, budget = variant_name(run), budget_of(run)
        known = units.setdefault(name, {}).setdefault(budget, set())
        known.add(run.config["units"])
        float32, int8 = (run.result[f"test_{k}accuracy"] for k in ("", "int8_"))
        lost.setdefault(name, []).append(float32 - int8)
    rows = [
        (
            name,
            ", ".join("/".join(_ends(own[budget])) for budget in budgets),
            f"{100 * statistics.mean(lost[name]):+.2f}",
        )
        for name, own in units.items()
    ]
    heads = ["variant", f"units at {', '.join(budgets)}", "points lost in int8"]
    return table(heads, rows)


def _ends(units: set[int]) -> list[str]:
    """The least and the most, which depend on the data's features and classes."""
    return [str(each) for each in sorted({min(units), max(units)})]


def picture(found: Sequence[Cell]) -> Figure:
    """A panel a budget, a line a variant: each data set faint, their mean strong."""
    budgets = list(dict.fromkeys(cell.budget for cell in found))
    means = {
        (budget, name): mean_accuracy(found, budget, name)
        for budget in budgets
        for name in {c.variant for cell in found for c in cell.found}
    }
    order = sorted(
        {name for _, name in means},
        key=lambda name: sum(means[budget, name] or 0 for budget in budgets),
    )
    figure = Figure(figsize=(8.4, 0.34 * len(order) + 1.1), layout="constrained")
    panels = figure.subplots(1, len(budgets), sharex=True, sharey=True, squeeze=False)
    for ax, budget in zip(panels[0], budgets, strict=True):
        best = max(means[budget, name] or 0 for name in order)
        for place, name in enumerate(order):
            color, mean = INK if name in FULL else SLIM, means[budget, name]
            known = [c.accuracy(name) for c in found if c.budget == budget]
            each = [value for value in known if value is not None]
            ax.scatter(each, [place] * len(each), s=14, color=color, alpha=0.25, lw=0)
            if mean is not None:
                weight = "bold" if mean == best else "normal"
                ax.scatter(mean, place, s=42, color=color, zorder=3)
                label = {"xytext": (0, 5), "textcoords": "offset points"}
                look = {"ha": "center", "fontsize": 7.5, "fontweight": weight}
                ax.annotate(_text(mean), (mean, place), color=color, **look, **label)
        ax.set_title(budget, fontsize=10)
        ax.set_yticks(range(len(order)), order)
        ax.set_ylim(-0.6, len(order) - 0.2)
        ax.grid(axis="y", color=GRID)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(colors=MUTED, length=0)
    for label, name in zip(panels[0][0].get_yticklabels(), order, strict=True):
        label.set_color(INK if name in FULL else SLIM)
    sets = len({cell.data for cell in found})
    figure.supxlabel(
        f"test accuracy in int8: {sets} data sets, and their mean", fontsize=9
    )
    return figure


def parser():
    """The command line."""
    top = flags.Parser(
        prog="python -m benchmarks.equal_cost", description=__doc__.partition("\n")[2]
    )
    top.add_argument("folders", nargs="+", type=Path, metavar="SWEEP")
    top.add_argument("--out", type=Path, required=True, metavar="DIR")
    return top


def main():
    """Print the tables, write what a page shows."""
    args = parser().parse_args()
    runs = store.read(p for f in args.folders for p in sorted(f.glob("trials/*")))
    runs = [run for run in runs if run.result.get("status") == "done"]
    if not runs:
        raise InputError(f"No run has ended in {', '.join(map(str, args.folders))}.")
    found = cells(runs)
    args.out.mkdir(parents=True, exist_ok=True)
    with (args.out / "runs.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *sorted(map(record, runs))])
    with (
        rc_context(SCREEN.settings),
        files.atomic_file(args.out / "equal-cost.png") as unfinished,
    ):
        picture(found).savefig(unfinished, dpi=160)
    print(accuracies(found), duel_table(found), sizes(found, runs), sep="\n\n")
    spent = sum(r.result["seconds_per_epoch"] * r.result["epochs"] for r in runs)
    print(f"\n{len(runs)} runs; training took {spent / 60:.0f} minutes in sum.")


if __name__ == "__main__":
    script.run(main)
