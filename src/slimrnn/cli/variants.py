"""`slimrnn variants`: the table of variants, or one of them."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from slimrnn.cli.console import answered, console, plain
from slimrnn.cli.flags import flag
from slimrnn.errors import InputError
from slimrnn.utils.checks import whole
from slimrnn.variants import BASELINE, TABLE, Variant, get
from slimrnn.variants.drawing import svg
from slimrnn.variants.equations import brief
from slimrnn.variants.files import NAMES, load

WIDE = 100  # columns of a screen on which a source fits with its prefix


def add(commands: Any) -> None:
    """Adds `variants`."""
    command = commands.add_parser(
        "variants",
        help="list the variants, or show one",
        description="List the variants of the LSTM, the GRU and the MGU with their "
        "parameters,\nor show one variant's equations, weights and source.",
        epilog="Example:  slimrnn variants LSTM6 --features 28 --units 50",
    )
    command.add_argument("name", metavar="NAME", nargs="?", help=NAMES)
    what = "numbers in a step of the input"
    flag(command, "--features", "M", what, 32, applied=True)
    flag(command, "--units", "N", "units of the layer", 100, applied=True)
    command.add_argument(
        "--markdown", action="store_true", help="print the list as a Markdown table"
    )
    command.add_argument(
        "--svg", action="store_true", help="print NAME's data flow as a drawing, an SVG"
    )


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn variants`."""
    sizes = {"features": args.features, "units": args.units}
    for name, value in sizes.items():
        whole(name, value, least=1)
    if args.markdown:
        if args.name is not None:
            raise InputError(
                f"--markdown prints the whole list; received it with {args.name}; "
                f"leave one of them out."
            )
        print(variants_markdown(**sizes))
        return 0
    if args.svg:
        if args.name is None:
            raise InputError("--svg draws one variant; received no name.")
        print(svg(load(args.name)))
        return 0
    chosen = TABLE if args.name is None else [load(args.name)]
    if answered(lambda: {each.name: facts(each, **sizes) for each in chosen}):
        return 0
    screen = console()
    if args.name is None:
        shown: Any = variants_table(**sizes, width=screen.width)
    else:
        shown = variant_page(load(args.name), **sizes)
    screen.print(shown)
    screen.print(legend(**sizes), style="dim")
    return 0


def facts(variant: Variant, features: int, units: int) -> dict[str, Any]:
    """All that the table knows of one variant, as JSON holds it."""
    return {
        "family": variant.family,
        "equations": variant.equations(),
        "constants": variant.constants,
        "weights": variant.shapes(features, units),
        "formula": variant.formula(),
        "parameters": variant.parameters(features, units),
        "source": variant.source,
    }


def variants_table(features: int, units: int, width: int) -> Table:
    """All variants of the table, with their size; a narrow screen cuts the sources."""
    table = plain()
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
        shown = source if width >= WIDE else source.replace("arXiv:", "")
        table.add_row(*_cells(row, features, units), shown)
    return table


def _cells(row: Variant, features: int, units: int) -> tuple[str, ...]:
    """What both tables say of a variant before its source."""
    count, share = row.parameters(features, units), _share(row, features, units)
    return row.name, brief(row), row.formula(), f"{count:,}", share


def variants_markdown(features: int, units: int) -> str:
    """All variants as a Markdown table, as docs/variants.md has it."""
    heads = ("variant", "gates", "parameters", "count", "share", "source")
    lines = [heads, ["---", "---", "---", "---:", "---:", "---"]]
    lines += [
        [*_cells(row, features, units), ", ".join(map(_link, row.source.split(", ")))]
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
    count = f"{variant.parameters(features, units):,}"
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
        "c's: the candidate's Wx+Uh; "
        f"share: of the {BASELINE}'s parameters."
    )


def _share(variant: Variant, features: int, units: int) -> str:
    whole = get(BASELINE).parameters(features, units)
    return f"{variant.parameters(features, units) / whole:.1%}"
