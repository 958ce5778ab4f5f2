"""`slimrnn train`: one variant, which is a sweep of one trial."""

from __future__ import annotations

import argparse
from typing import Any

from slimrnn.cli import flags, run_flags, trials
from slimrnn.errors import InputError
from slimrnn.experiments.run.settings import SETTINGS
from slimrnn.variants.files import described

#: The three numbers of the original's command line, in its order.
POSITIONS = {
    "BATCH": "batch_size",
    "EPOCHS": "epochs",
    "LEARNING_RATE": "learning_rate",
}


def add(commands: Any) -> None:
    """Adds `train`."""
    command = commands.add_parser(
        "train",
        help="train one variant",
        description="Train a model with one recurrent layer and write the run into a "
        "folder: its\nsettings, the versions, a line an epoch, the result, the model.",
        epilog="Examples:\n  slimrnn train LSTM6 32 20 0.01 --dataset digits --seed 2\n"
        "  slimrnn train LSTM6 --learning-rate .01,.001 --seeds 3",
    )
    command.add_argument(
        "variant", metavar="VARIANT", nargs="?", help=SETTINGS["variant"].help
    )
    for place, name in POSITIONS.items():
        command.add_argument(
            f"place_{name}",
            metavar=place,
            nargs="?",
            type=flags.values,
            help=f"the same as {flags.spelled(name)}",
        )
    run_flags.add(command)
    flags.run(command.add_argument_group("run"), timing=5)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn train`."""
    for name in POSITIONS.values():
        place, flag = getattr(args, f"place_{name}"), getattr(args, name)
        if None not in (place, flag):
            raise InputError(
                f"The {name.replace('_', ' ')} was given twice, {place} and {flag}; "
                f"give it once."
            )
        setattr(args, name, flag if place is None else place)
    settings = run_flags.given(args)
    if args.variant is not None:
        settings["variant"] = described(args.variant)
    if args.resume is None and args.variant is None:
        raise InputError("Give a VARIANT, such as LSTM6, or a run to --resume.")

    def begin() -> tuple[Any, str]:
        study = trials.study(settings)
        trial = next(study.trials())
        return study, f"{trial.name}-{trial.data_name}"

    return trials.carry_out(args, begin, settings, trials.in_process)
