"""`slimrnn evaluate`: what a model is worth on the test of any data."""

from __future__ import annotations

import argparse
from typing import Any

from slimrnn import backends
from slimrnn.cli import flags, inputs, run_flags
from slimrnn.cli.console import answered, console, say


def add(commands: Any) -> None:
    """Adds `evaluate`."""
    command = commands.add_parser(
        "evaluate",
        help="score a trained model on the test of any data",
        description="Score a trained model on the test of a data set, or of your "
        "own data.",
        epilog="Example:\n  slimrnn evaluate model.keras --dataset digits --int8",
    )
    inputs.model(command)
    command.add_argument(
        "--int8", action="store_true", help="also in integers, as a device computes"
    )
    run_flags.add(command, settings=run_flags.DATA)
    flags.backend(command)


def run(args: argparse.Namespace) -> int:
    """Carries out `slimrnn evaluate`."""
    options = run_flags.data(args)
    backends.start(args.backend)
    from slimrnn.data.adapter import Adapter
    from slimrnn.data.scoring import baselines, error_to_signal, per_sequence

    model = inputs.load(args)
    dataset = options.load()
    answers = Adapter.of(model, dataset).answers(model, dataset.test)
    scores = per_sequence(answers, dataset.test)
    found = {"float32": float(scores.mean())}
    esr: dict[str, float] = {}
    if dataset.test.each_number:
        esr = {"float32": float(error_to_signal(answers, dataset.test).mean())}
    if args.int8:
        from slimrnn.deploy.evaluate import evaluate_int8

        evaluation = evaluate_int8(model, dataset)
        found["int8"] = evaluation.int8
        esr.update(evaluation.esr)
    known = baselines(dataset)
    about: dict[str, Any] = {"data": dataset.name, "metric": dataset.metric}
    about |= {"esr": esr} if esr else {}
    if answered(lambda: {**about, **found, "baselines": known}):
        return 0
    lines = [str(dataset)]
    lines += [f"Test {dataset.metric} in {k}: {v:.4g}" for k, v in found.items()]
    lines += [f"Test error-to-signal ratio in {k}: {v:.4g}" for k, v in esr.items()]
    lines += [f"Always {name}: {score:.4g}" for name, score in known.items()]
    say(console(), *lines)
    return 0
