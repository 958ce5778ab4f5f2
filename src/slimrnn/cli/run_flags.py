"""The grammar of the command line: subcommands, flags and their help.

What a flag's value may be is not said here but where it is used, so that Python and
the command line tell the same mistake in the same sentence.
"""

from __future__ import annotations

from typing import Any

import slimrnn
from slimrnn.cli import bench
from slimrnn.cli import export as deploy
from slimrnn.cli import slim as slimming
from slimrnn.cli import sweep as experiments
from slimrnn.cli.flags import (
    Parser,
    backend,
    data_dir,
    data_parallel,
    flag,
    log_to,
    number,
    out,
    resume,
)
from slimrnn.experiments.run.settings import CHOICES, DEFAULT_DATASET, RECIPES, Settings

COMPARED = ("LSTM", "LSTM4", "LSTM5a", "LSTM6", "LSTM10")
#: The three numbers of the original's command line, in its order.
POSITIONS = {
    "BATCH": "batch_size",
    "EPOCHS": "epochs",
    "LEARNING_RATE": "learning_rate",
}


def parser() -> Parser:
    """The parser of ``slimrnn``; ``command`` in its result names the subcommand."""
    top = Parser(
        prog="slimrnn",
        description="Train slim (parameter-reduced) recurrent layers and compare them "
        "with the LSTM.",
        epilog="Start with:  slimrnn compare",
    )
    top.add_argument(
        "--version", action="version", version=f"slimrnn {slimrnn.__version__}"
    )
    commands = top.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    for add in (
        _variants,
        _train,
        _compare,
        experiments.add_sweep,
        experiments.add_reproduce,
        slimming.add,
        deploy.add_export,
        deploy.add_size,
        _doctor,
        bench.add,
    ):
        add(commands)
    return top


def _variants(commands: Any) -> None:
    command = commands.add_parser(
        "variants",
        help="list the variants, or show one",
        description="List the variants of the LSTM, the GRU and the MGU with their "
        "parameters,\nor show one variant's equations, weights and source.",
        epilog="Example:  slimrnn variants LSTM6 --features 28 --units 50",
    )
    command.add_argument("name", metavar="NAME", nargs="?", help="such as LSTM6")
    what = "numbers in a step of the input"
    flag(command, "--features", "M", what, 32, applied=True)
    flag(command, "--units", "N", "units of the layer", 100, applied=True)
    command.add_argument(
        "--markdown", action="store_true", help="print the list as a Markdown table"
    )


def _train(commands: Any) -> None:
    command = commands.add_parser(
        "train",
        help="train one variant",
        description="Train a model with one recurrent layer and write the run into a "
        "folder: its\nsettings, the versions, a line an epoch, the result, the model.",
        epilog="Example:  slimrnn train LSTM6 32 20 0.01 --dataset digits --seed 2",
    )
    command.add_argument(
        "variant",
        metavar="VARIANT",
        nargs="?",
        help="such as LSTM6; `slimrnn variants` lists all",
    )
    for place, name in POSITIONS.items():
        command.add_argument(
            f"place_{name}",
            metavar=place,
            nargs="?",
            type=number,
            help=f"the same as --{name.replace('_', '-')}",
        )
    _data(command)
    _layer(command)
    training = _training(command)
    what = "of weights, split, batches and dropout; 0 or more"
    flag(training, "--seed", "N", what, Settings.seed)
    _run(command)


def _compare(commands: Any) -> None:
    command = commands.add_parser(
        "compare",
        help="train several variants and compare them: the main job",
        description="Train variants on the same data with the same seeds. Prints a "
        "table; writes all\nruns, a picture (comparison.png) and a page (report.html) "
        "into a folder.",
        epilog="Examples:\n  slimrnn compare\n  slimrnn compare LSTM LSTM3 LSTM6 "
        "--dataset mnist --epochs 3 --seeds 1",
    )
    command.add_argument(
        "variants",
        metavar="VARIANT",
        nargs="*",
        help="such as LSTM6; `slimrnn variants` lists all "
        f"(default: {' '.join(COMPARED)})",
    )
    _data(command)
    _layer(command)
    training = _training(command)
    what = "runs of each variant, with the seeds 1 to N"
    flag(training, "--seeds", "N", what, 3, applied=True)
    _run(command)


def _doctor(commands: Any) -> None:
    command = commands.add_parser(
        "doctor",
        help="show versions, backends, data, and what runs where",
        description="Show the versions, the backends and the data that are found, and "
        "which engine\ncomputes which variant, and why.",
        epilog="Example:  slimrnn doctor --data-dir ~/data",
    )
    data_dir(command)
    backend(command)


def _data(command: Any) -> None:
    group = command.add_argument_group("data")
    one = group.add_mutually_exclusive_group()
    names = ", ".join(RECIPES)
    one.add_argument(
        "--dataset",
        metavar="NAME",
        help=f"one of {names} (default: {DEFAULT_DATASET}, which needs no download)",
    )
    one.add_argument(
        "--data",
        metavar="FILE.npz",
        help="your own data instead: arrays x_train, y_train, x_test, y_test; whole "
        "numbers in y are classes, others are targets of a regression",
    )
    data_dir(group)
    flag(group, "--words", "N", "most frequent words kept of texts", "the data set's")
    flag(group, "--length", "N", "last steps kept of sequences", "the data set's")
    _choice(group, "padding", "of unequal lengths")


def _layer(command: Any) -> None:
    group = command.add_argument_group("layer")
    flag(group, "--units", "N", "units", _usual("units"))
    group.add_argument(
        "--gate-constants",
        metavar="GATE=X",
        action="extend",
        nargs="+",
        help="other values for constant gates, such as f=0.59 (default: the variant's)",
    )
    flag(
        group,
        "--activation",
        "NAME",
        "of the new state",
        Settings.activation,
        text=True,
    )
    flag(
        group,
        "--recurrent-activation",
        "NAME",
        "of the gates",
        Settings.recurrent_activation,
        text=True,
    )
    _choice(group, "init", "how weights start")
    what = "Keras's name, of the recurrent matrices"
    name = "--recurrent-initializer"
    flag(group, name, "NAME", what, Settings.recurrent_initializer, text=True)
    flag(group, "--dropout", "P", "fraction of inputs dropped", Settings.dropout)
    what = "fraction of the state dropped"
    flag(group, "--recurrent-dropout", "P", what, Settings.recurrent_dropout)
    what = "numbers that a word is turned into"
    flag(group, "--embedding", "N", what, Settings.embedding)
    group.add_argument(
        "--trainable-embedding",
        action="store_true",
        help="learn these numbers too (default: they stay as drawn)",
    )
    _choice(group, "embedding_init", "how these numbers start")
    _choice(group, "head", "what tells classes apart")


def _training(command: Any) -> Any:
    group = command.add_argument_group("training")
    what = "Keras's name, such as adam, rmsprop, sgd"
    flag(group, "--optimizer", "NAME", what, Settings.optimizer, text=True)
    group.add_argument(
        "--optimizer-options",
        metavar="NAME=X",
        action="extend",
        nargs="+",
        help="further numbers for the optimizer, such as epsilon=1e-8 (default: "
        "Keras's)",
    )
    what = "step size of the optimizer"
    flag(group, "--learning-rate", "X", what, _usual("learning_rate"))
    flag(group, "--batch-size", "N", "sequences in a batch", _usual("batch_size"))
    flag(group, "--epochs", "N", "passes over the training data", _usual("epochs"))
    _choice(group, "schedule", "of the learning rate")
    what = "end after so many epochs without a better validation score"
    flag(group, "--patience", "N", what, "never")
    _choice(group, "keep", "whose weights are the result")
    held = group.add_mutually_exclusive_group()
    what = "fraction of the training data kept for validation"
    flag(held, "--validation", "X", what, Settings.validation)
    held.add_argument(
        "--validate-on-test",
        action="store_true",
        help="validate on the test data, as the originals did: what is then chosen by "
        "validation makes test results look too good",
    )
    return group


def _run(command: Any) -> None:
    group = command.add_argument_group("run")
    backend(group)
    place = group.add_mutually_exclusive_group()
    out(place)
    resume(place)
    data_parallel(group)
    log_to(group)


def _choice(group: Any, name: str, what: str) -> None:
    """A flag for a setting that is one of a few words."""
    words = "; ".join(f"{word}: {meaning}" for word, meaning in CHOICES[name].items())
    usual = getattr(Settings, name)
    group.add_argument(
        f"--{name.replace('_', '-')}",
        metavar="|".join(CHOICES[name]),
        help=f"{what}. {words} (default: {usual})",
    )


def _usual(name: str) -> str:
    value = getattr(Settings, name)
    value = RECIPES[DEFAULT_DATASET].get(name, value)
    return f"the data set's; {value} for {DEFAULT_DATASET}"
