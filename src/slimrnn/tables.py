"""The tables that the command line prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from slimrnn.experiments.points import (
    VARIANT,
    by_problem,
    shared,
    shortened,
    text,
    title,
    variant_name,
)
from slimrnn.experiments.statistics import Difference, Spread, note
from slimrnn.experiments.store import Run
from slimrnn.experiments.summary import (
    BASELINE,
    Row,
    Summary,
    metric_of,
    status,
    summarize,
    validation_note,
)
from slimrnn.variants import TABLE, Gate, Variant, get

# Figures of the comparison and their heads.
_FIGURES = {
    "layer_parameters": "layer\nparameters",
    "model_parameters": "model\nparameters",
    "score": "test\n{metric}",
    "difference": "difference\nto {reference}",
    "seconds_per_epoch": "seconds\nan epoch",
    "prediction_seconds": "ms a\nprediction",
}


class _Form(NamedTuple):
    """Which figures there are, what parts them from their ratios, the longest name."""

    figures: tuple[str, ...]
    apart: str
    longest: int


_ALL = tuple(_FIGURES)
_FEW = tuple(name for name in _FIGURES if name != "model_parameters")
_FORMS = (_Form(_ALL, " ", 24), _Form(_ALL, "\n", 24), _Form(_FEW, "\n", 13))
WIDE = 100  # columns of a screen on which a source fits with its prefix


def variants_table(features: int, units: int, width: int) -> Table:
    """All rows of the table of variants, with their size.

    Args:
        features: m of the counts.
        units: n of the counts.
        width: of the screen; a narrow one shows the numbers of papers alone.
    """
    table = _table()
    table.add_column("variant", no_wrap=True)
    table.add_column("gates")
    table.add_column("parameters", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("source", overflow="fold")
    family = ""
    for row in TABLE:
        if family and row.family != family:
            table.add_section()
        family = row.family
        source = row.source.replace(", ", "\n")
        table.add_row(
            row.name,
            _brief(row),
            row.formula(),
            _count(row.parameters(features, units)),
            _share(row, features, units),
            source if width >= WIDE else source.replace("arXiv:", ""),
        )
    return table


def variants_markdown(features: int, units: int) -> str:
    """All rows of the table of variants as a Markdown table, as the README has it.

    Args:
        features: m of the counts.
        units: n of the counts.
    """
    heads = ("variant", "gates", "parameters", "count", "share", "source")
    lines = [heads, ["---", "---", "---", "---:", "---:", "---"]]
    lines += [
        [
            row.name,
            _brief(row),
            row.formula(),
            _count(row.parameters(features, units)),
            _share(row, features, units),
            ", ".join(map(_link, row.source.split(", "))),
        ]
        for row in TABLE
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _link(source: str) -> str:
    where, _, number = source.partition(":")
    base = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}[where]
    return f"[{number}]({base}{number})"


def variant_page(variant: Variant, features: int, units: int) -> Group:
    """All that the table knows of one variant."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    count = _count(variant.parameters(features, units))
    share = _share(variant, features, units)
    shapes = variant.shapes(features, units).items()
    constants = variant.constants.items()
    for name, words in (
        ("family", variant.family.upper()),
        ("equations", "\n".join(variant.equations())),
        ("constants", ", ".join(f"{k} = {v:g}" for k, v in constants) or "none"),
        ("weights", "\n".join(f"{name} {shape}" for name, shape in shapes)),
        ("parameters", f"{variant.formula()} = {count}, {share} of the {BASELINE}'s"),
        ("source", variant.source),
    ):
        table.add_row(name, Text(words))
    return Group(Text(variant.name, style="bold"), table)


def legend(features: int, units: int) -> str:
    """What the signs in the equations and the tables mean."""
    return (
        f"m = {features} features of the input x, n = {units} units of the state h. "
        "W: (m, n) matrix, U: (n, n) matrix, u and b: (n,) vectors; "
        "⊙: pointwise product; σ: recurrent activation, g: activation; "
        f"share: of the {BASELINE}'s parameters."
    )


def _brief(variant: Variant) -> str:
    """The gates in short, those of the same form together."""
    forms: dict[str, list[str]] = {}
    for name, gate in variant.items():
        forms.setdefault(_form(gate), []).append(name)
    return "  ".join(f"{','.join(names)}={form}" for form, names in forms.items())


def _form(gate: Gate) -> str:
    if gate.constant is not None:
        return f"{gate.constant:g}"
    signs = {
        "kernel": "Wx",
        "recurrent_kernel": "Uh",
        "recurrent_vector": "u⊙h",
        "bias": "b",
    }
    return "+".join(signs[term] for term in gate.terms)


def _share(variant: Variant, features: int, units: int) -> str:
    whole = get(BASELINE).parameters(features, units)
    return f"{variant.parameters(features, units) / whole:.1%}"


def comparison(runs: Sequence[Run], width: int) -> list[Table | str]:
    """The table of each variant's best point, and what must be known to read it.

    Args:
        runs: at least one; those on several data sets get a table each.
        width: of the screen; on a narrow one, the ratios go below the figures.
    """
    problems = by_problem(runs)
    parts: list[Table | str] = []
    for name, own in problems.items():
        if len(problems) > 1:
            parts.append(f"[bold]{escape(name)}[/]")
        parts += _problem(own, width)
    if max(len(run.metrics) for run in runs) == 1:
        parts.append(
            "The seconds are those of the first epoch, in which a variant's first run "
            "compiles; with two epochs or more, it is left out."
        )
    return parts


def _problem(runs: Sequence[Run], width: int) -> list[Table | str]:
    """The comparison on one data set."""
    summary = summarize(runs)
    seeds = max(len(row.runs) for row in summary.rows)
    spread = f"± the standard deviation over {seeds} seeds; " if seeds > 1 else ""
    better = "lower is better; " if summary.metric == "mae" else ""
    keeps_best = shared([run.config for run in runs]).get("keep") == "best"
    epoch = "best epoch on the validation data" if keeps_best else "last epoch"
    lines = [
        f"Test {summary.metric} after the {epoch}: {better}{spread}"
        f"× the ratio to {escape(summary.base)}.",
        escape(note([row.difference for row in summary.best], summary.base)),
        validation_note(runs),
    ]
    tables: list[Table | str] = [_fitting(summary, width)]
    if len(summary.rows) > len(summary.best):
        tables += [
            f"Of {len(summary.rows)} points, these are each variant's best by the mean "
            f"validation {summary.metric}:",
            _chosen(summary),
        ]
    return [*tables, *filter(None, lines)]


def _chosen(summary: Summary) -> Table:
    """Where on the axes the best points are."""
    table = _table()
    names = [name for name in summary.axes if name != VARIANT]
    for head in (VARIANT, *map(title, names), f"validation {summary.metric}"):
        table.add_column(escape(head))
    for row in summary.best:
        values = [escape(text(row.values[name])) for name in names]
        table.add_row(escape(row.variant), *values, _score(row.validation))
    return table


def outcome(run: Run) -> str:
    """How one run ended, in a sentence or two."""
    result, metric = run.result, metric_of([run])
    name = variant_name(run)
    if status(run) != "done":
        return f"{name}: {status(run)}. {result.get('reason') or ''}".strip()
    return (
        f"{name} reached a test {metric} of {result[f'test_{metric}']:.3f} in "
        f"{result['epochs']} epochs of {result['seconds_per_epoch']:.3g} s.\n"
        f"{_count(result['layer_parameters'])} parameters in the layer, "
        f"{_count(result['model_parameters'])} in the model; "
        f"{1000 * result['prediction_seconds']:.3g} ms a prediction.\n"
        f"{validation_note([run])}"
    )


def _fitting(summary: Summary, width: int) -> Table:
    """The fullest form of the table that fits the screen."""
    console = Console(width=10_000)
    forms = [_comparison(summary, form) for form in _FORMS]
    fits = (table for table in forms if console.measure(table).maximum <= width)
    return next(fits, forms[-1])


def _comparison(summary: Summary, form: _Form) -> Table:
    """The figures of the best points."""
    table = _table()
    table.add_column("variant", no_wrap=True)
    reference = escape(shortened(summary.reference, form.longest - 2))
    for name in form.figures:
        head = _FIGURES[name].format(metric=summary.metric, reference=reference)
        table.add_column(head, justify="right", no_wrap=True)
    for row in summary.best:
        cells = _figures(row, form.apart)
        table.add_row(_name(row, form), *(cells[name] for name in form.figures))
    return table


def _name(row: Row, form: _Form) -> str:
    ended = {"diverged": row.diverged, "interrupted": row.interrupted}
    ended["failed"] = row.failed
    notes = [f"\n[red]{count} {how}[/]" for how, count in ended.items() if count]
    return escape(shortened(row.variant, form.longest)) + "".join(notes)


def _figures(row: Row, apart: str) -> dict[str, str]:
    texts = {
        "layer_parameters": _count(row.layer_parameters),
        "model_parameters": _count(row.model_parameters),
        "score": _score(row.score),
        "seconds_per_epoch": _seconds(row.seconds_per_epoch, 1),
        "prediction_seconds": _seconds(row.prediction_seconds, 1000),
    }
    ratios = [getattr(row.ratios, name) for name in texts]
    cells = {
        name: shown + ("" if ratio is None else f"{apart}[dim]×{ratio:.2f}[/]")
        for (name, shown), ratio in zip(texts.items(), ratios, strict=True)
    }
    return {**cells, "difference": _difference(row.difference, apart)}


def _difference(difference: Difference | None, apart: str) -> str:
    if difference is None:
        return "-"
    mean = f"{difference.mean:+.3f}"
    if difference.low is None:
        return mean
    interval = f"{difference.low:+.3f}, {difference.high:+.3f}"
    interval = f"({interval})" if apart == " " else interval
    weight = "bold" if difference.is_clear else "none"
    return f"[{weight}]{mean}[/]{apart}[dim]{interval}[/]"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _score(spread: Spread) -> str:
    if spread.mean is None:
        return "-"
    mean = f"{spread.mean:.3f}"
    return mean if spread.std is None else f"{mean} ± {spread.std:.3f}"


def _seconds(spread: Spread, scale: float) -> str:
    return "-" if spread.mean is None else f"{spread.mean * scale:.3g}"


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
