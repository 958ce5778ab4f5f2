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

SEEDS = [1, 2, 3]
#: sequences so long that the layer takes most of the time
DATASET = "digits_pixels"
COMPARED = ("LSTM", "JANET", "LSTM4", "LSTM6", "LSTM10")


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
    run_flags.add(command, seeds=str(len(SEEDS)), dataset=DATASET)
    group = command.add_argument_group("run")
    flags.flag(
        group,
        "--workers",
        "K",
        "trials at a time, each in a process of its own; 1: in this process",
        f"{trials.WORKERS} where there are as many cores",
    )
    flags.run(group, timing=8)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn compare`."""
    if args.workers is not None:
        whole("workers", args.workers, least=1)
    settings = run_flags.given(args)
    chosen = [load(name) for name in args.variants or COMPARED]
    names = [variant.name for variant in chosen]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(
            f"The variant {twice} was given twice; give each variant once."
        )
    given = [*settings, *(["variants"] if args.variants else [])]
    if not settings.keys() & {"dataset", "data"}:
        settings["dataset"] = DATASET

    def begin() -> tuple[Any, str]:
        study = trials.study(
            {"variant": list(map(serialize, chosen)), "seed": SEEDS, **settings}
        )
        data = {name: settings.get(name) for name in ("dataset", "data")}
        return study, f"compare-{Settings.of(chosen[0], **data).data_name}"

    return trials.carry_out(args, begin, given, trials.side_by_side)
