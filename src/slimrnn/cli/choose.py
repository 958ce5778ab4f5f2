"""`slimrnn choose`: the variant to take for one's own data and a device's budget."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from slimrnn.cli import flags, front, run_flags, sweep, trials
from slimrnn.cli.console import say
from slimrnn.errors import InputError
from slimrnn.experiments.run.environment import cores
from slimrnn.experiments.run.settings import SETTINGS
from slimrnn.utils.checks import check, number, whole
from slimrnn.variants import serialize
from slimrnn.variants.files import load

if TYPE_CHECKING:
    from slimrnn.experiments.sweep.study import Study

#: what a budget may limit, and how
BUDGETS = {
    "flash": "bytes of flash, such as 4KB",
    "ram": "bytes of RAM, such as 1KB",
    "instructions": "a step, such as 6000 or 6000@cortex-m0",
    "latency": "of a step, such as 5ms@cortex-m4:64MHz",
    "macs": "multiply-adds a step, such as 2k",
    "parameters": "of the layers, such as 5000 or LSTM",
}
#: settings that the budget, the search or the choice itself gives
GIVEN = ("units", "match", "learning_rate", "time_scale", "seed", "int8", "keep")
RATES = {"low": 0.001, "high": 0.03, "log": True}


def add(commands: Any) -> None:
    """Adds `choose`."""
    command = commands.add_parser(
        "choose",
        help="choose the variant that is best on your data within a device's budget",
        description="Train all variants, each with the units that the budget lets it "
        "have; search the\nlearning rate and the time scale, as often for each; train "
        "the best again over seeds.\nPrints the front and which to take; writes it, "
        "and the trained winner, into a folder.",
        epilog="Examples:\n  slimrnn choose --data mine.npz --flash 4KB --ram 1KB "
        "--export c\n  slimrnn choose --dataset digits --flash 3KB --minutes 5",
    )
    command.add_argument(
        "variants",
        metavar="VARIANT",
        nargs="*",
        help=f"{SETTINGS['variant'].help} (default: all of the table)",
    )
    group = command.add_argument_group("budget, of int8")
    for name, what in BUDGETS.items():
        text = f"{what} (default: no limit)"
        group.add_argument(flags.spelled(name), metavar="AMOUNT", help=text)
    group = command.add_argument_group("search")
    what = "about how long all may take; each variant gets one point at least"
    flags.flag(group, "--minutes", "N", what, 10, applied=True)
    flags.flag(group, "--tries", "N", "points of each variant at most", 4, applied=True)
    command.add_argument(
        "--export",
        metavar="FORMAT",
        help="also export the winner: a format of `slimrnn export` (default: none)",
    )
    free = {name: each for name, each in SETTINGS.items() if name not in GIVEN}
    run_flags.add(command, free)
    sweep.add_place(command)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn choose`."""
    limits = {name: getattr(args, name) for name in BUDGETS}
    budget = "+".join(f"{k}={v}" for k, v in limits.items() if v is not None)
    settings = run_flags.given(args)
    given = [*settings, *filter(limits.get, limits)]
    given += ["variants"] * bool(args.variants)
    if args.workers is None and args.ray is None:
        args.workers = cores()
    sweep.check(args)
    if not (budget or args.resume):
        raise InputError("Give a budget, such as --flash 4KB, or a folder to --resume.")
    whole("tries", args.tries, least=1)
    fits = number(args.minutes) and args.minutes > 0
    check("minutes", args.minutes, fits, "a number above 0")
    if args.export is not None:
        from slimrnn.deploy.exporters import find

        find(args.export)

    def begin() -> tuple[Study, str]:
        return _study(args, settings, budget), "choose"

    def finish(path: Path, study: Study, screen: Console) -> None:
        if args.export is not None and (path / front.WINNER).exists():
            _export(args.export, path, study, screen)

    return trials.carry_out(args, begin, given, sweep.place, finish)


def _study(args: argparse.Namespace, settings: Mapping[str, Any], budget: str) -> Study:
    """All variants that fit, and what is searched of each."""
    from slimrnn.experiments.run.budget import Unfit, matched, none_fits
    from slimrnn.experiments.run.build import load as load_data
    from slimrnn.experiments.run.build import typical_length
    from slimrnn.experiments.run.settings import Settings
    from slimrnn.experiments.sweep.study import Study
    from slimrnn.variants import TABLE

    common = {**settings, "match": budget, "keep": "best", "int8": True, "seed": 1}
    fitting, unfit = [], []
    for variant in map(load, args.variants) if args.variants else TABLE:
        wanted = Settings.of(variant, **common)
        try:
            matched(wanted)
            fitting.append(serialize(variant))
        except Unfit as reason:
            unfit.append(reason)
    if not fitting:
        raise none_fits(unfit)
    length = typical_length(load_data(wanted))
    return Study(
        settings=common,
        grid={"variant": fitting},
        search={
            "learning_rate": RATES,
            "time_scale": ["auto", "none", f"1:{max(2, length // 4)}"],
        },
        points=args.tries,
        minutes=args.minutes,
        title=f"A choice at {budget}",
        notes=list(map(str, unfit)),
    )


def _export(name: str, path: Path, study: Study, screen: Console) -> None:
    """Writes the winner in another format, in integers where that has them."""
    from slimrnn.deploy.exporters import find
    from slimrnn.experiments.run.build import load as load_data
    from slimrnn.ir import read

    exporter = find(name)
    options: dict[str, Any] = {}
    if "int8" in exporter.dtypes:
        dataset = load_data(next(study.trials()))
        options = {"dtype": "int8", "calibration": dataset}
    folder = path / f"winner-{exporter.name}"
    if folder.exists():
        return
    written = exporter.write(read(path / front.WINNER), folder, "model", **options)
    say(screen, f"{exporter.title}: {written}")
