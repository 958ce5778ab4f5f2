"""`slimrnn compare`: several variants, each with several seeds."""

from __future__ import annotations

import argparse
from typing import Any

from slimrnn.cli import flags, run_flags, trials
from slimrnn.errors import InputError
from slimrnn.experiments.run.settings import SETTINGS, Settings
from slimrnn.utils.checks import whole
from slimrnn.variants import serialize
from slimrnn.variants.files import load

COMPARED = ("LSTM", "LSTM4", "LSTM5a", "LSTM6", "LSTM10")


def add(commands: Any) -> None:
    """Adds `compare`."""
    command = commands.add_parser(
        "compare",
        help="train several variants and compare them: the main job",
        description="Train variants on the same data with the same seeds. Prints a "
        "table; writes all\nruns, a picture (comparison.png) and a page (report.html) "
        "into a folder.",
        epilog="Examples:\n  slimrnn compare\n  slimrnn compare LSTM LSTM3 LSTM6 "
        "--dataset mnist --epochs 3 --seeds 1\n"
        "  slimrnn compare --dataset digits --match flash=3KB,flash=6KB",
    )
    command.add_argument(
        "variants",
        metavar="VARIANT",
        nargs="*",
        help=f"{SETTINGS['variant'].help} (default: {' '.join(COMPARED)})",
    )
    groups = run_flags.add(command, but=["seed"])
    what = "runs of each variant, with the seeds 1 to N"
    flags.flag(groups["training"], "--seeds", "N", what, 3, applied=True)
    flags.run(command.add_argument_group("run"), timing=20)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn compare`."""
    whole("number of seeds", args.seeds, least=1)
    settings = run_flags.given(args)
    chosen = [load(name) for name in args.variants or COMPARED]
    names = [variant.name for variant in chosen]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(
            f"The variant {twice} was given twice; give each variant once."
        )
    grid: dict[str, list[Any]] = {"variant": list(map(serialize, chosen))}
    given = [*settings, *(["variants"] if args.variants else [])]
    for name in [name for name in settings if SETTINGS[name].several]:
        values = [flags.value(word) for word in str(settings[name]).split(",")]
        if len(values) > 1:
            del settings[name]
            grid[name] = values
    grid["seed"] = list(range(1, args.seeds + 1))

    def begin() -> tuple[Any, str]:
        study = trials.study(settings, grid)
        return study, f"compare-{Settings.of(chosen[0], **settings).data_name}"

    return trials.carry_out(args, begin, given, trials.in_process)
