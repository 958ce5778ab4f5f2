"""What subcommands share: the parser, and flags that several of them have."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from slimrnn.backends import BACKENDS
from slimrnn.errors import InputError
from slimrnn.experiments.report import style
from slimrnn.utils.checks import nearest


class Parser(argparse.ArgumentParser):
    """A parser that raises mistakes as all others are raised."""

    def __init__(self, **options: Any):
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **options,
        )

    def error(self, message: str) -> NoReturn:
        """Raises what argparse found wrong as an InputError."""
        sentence = message[0].upper() + message[1:]
        wrong = re.search(r"(?:arguments: |invalid choice: ')([\w-]+)", message)
        near = nearest(wrong[1], _names(self)) if wrong else ""
        if near:
            raise InputError(f"{sentence}; the nearest is {near}.")
        raise InputError(f"{sentence}; `{self.prog} --help` shows what is allowed.")


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """All of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from actions(command)


def _names(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The commands and flags that there are."""
    for action in actions(parser):
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices


def number(text: str) -> int | float | str:
    """The number in the text; what is none stays as it is, to be refused later.

    Example:
        >>> number("32"), number("1e-3"), number("many")
        (32, 0.001, 'many')
    """
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def values(text: str) -> Any:
    """The number in the text, or several, with commas between.

    Example:
        >>> values("32"), values(".01,.001"), values("adam,sgd")
        (32, [0.01, 0.001], ['adam', 'sgd'])
    """
    found = [number(word) for word in text.split(",")]
    return found if len(found) > 1 else found[0]


def flag(
    group: Any, flag: str, metavar: str, what: str, default: Any, applied: bool = False
) -> None:
    """A flag with a value.

    Its default is only shown here, and applied by the settings, where a data set may
    have another one; unless `applied` says that it is applied here.
    """
    group.add_argument(
        flag,
        metavar=metavar,
        type=number,
        default=default if applied else None,
        help=f"{what} (default: {default})",
    )


def spelled(name: str) -> str:
    """The flag of a setting.

    Example:
        >>> spelled("batch_size")
        '--batch-size'
    """
    return f"--{name.replace('_', '-')}"


def run(group: Any, timing: float) -> None:
    """Adds the flags of all that trains: the backend, the folder, the loggers."""
    backend(group)
    place = group.add_mutually_exclusive_group()
    out(place)
    place.add_argument(
        "--resume",
        metavar="DIR",
        help="continue what was stopped in this folder, with the same result; it "
        "knows all its settings (default: begin anew)",
    )
    group.add_argument(
        "--data-parallel",
        action="store_true",
        help="share each batch out over all devices (JAX)",
    )
    group.add_argument(
        "--timing",
        metavar="SECONDS",
        type=number,
        default=timing,
        help="when all are trained, measure for so long what each variant's layer, "
        "training, prediction and Stream take, in turns; 0: do not (default: "
        "%(default)s)",
    )
    figure(group)
    group.add_argument(
        "--log-to",
        metavar="LOGGER",
        action="extend",
        nargs="+",
        default=[],
        help="tensorboard, mlflow, wandb: report each epoch to them too (default: "
        "none)",
    )


def shown(command: Any, json: bool) -> None:
    """Adds what each command has: --quiet, --verbose, and --json where it can."""
    group = command.add_argument_group("output")
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "--quiet",
        action="store_true",
        help="results and mistakes alone, without progress (default: both)",
    )
    either.add_argument(
        "--verbose",
        action="store_true",
        help="also what libraries write, and where in the code a mistake was found",
    )
    if json:
        group.add_argument(
            "--json",
            action="store_true",
            help="print the results as JSON, and all else to stderr",
        )


def figure(group: Any) -> None:
    """Adds --figure-format, --figure-width and --figure-legend."""
    group.add_argument(
        "--figure-format",
        metavar="FORMAT[,FORMAT]",
        default=style.FORMATS[0],
        help=f"of the picture: {', '.join(style.FORMATS)} (default: %(default)s)",
    )
    group.add_argument(
        "--figure-width",
        metavar="|".join(style.WIDTHS),
        default=next(iter(style.WIDTHS)),
        help="for a screen, with a title; or for a paper, without one: 88 mm, a column "
        "of two, or 181 mm, the page (default: %(default)s)",
    )
    group.add_argument(
        "--figure-legend",
        metavar="|".join(style.LEGENDS),
        help="where the legend is (default: beside; inside in a column)",
    )


def figure_style(args: argparse.Namespace) -> style.FigureStyle:
    """How pictures are drawn."""
    formats = tuple(args.figure_format.split(","))
    return style.FigureStyle(formats, args.figure_width, args.figure_legend)


def data_dir(group: Any) -> None:
    """Adds --data-dir."""
    group.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder of NAME.npz files, looked at before Keras's cache and the network "
        "(default: SLIMRNN_DATA_DIR, or none)",
    )


def out(group: Any) -> None:
    """Adds --out."""
    group.add_argument(
        "--out",
        metavar="DIR",
        help="new or empty folder for the results (default: runs/DATE-TIME-WHAT)",
    )


def backend(group: Any) -> None:
    """Adds --backend."""
    group.add_argument(
        "--backend",
        metavar="NAME",
        help=f"{', '.join(BACKENDS)} (default: KERAS_BACKEND, or the first installed)",
    )


def assignments(flag: str, words: Sequence[str]) -> dict[str, str]:
    """The texts by name that words such as NAME=TEXT give.

    Example:
        >>> assignments("--set", ["seed=1,2", "units=8"])
        {'seed': '1,2', 'units': '8'}
    """
    found: dict[str, str] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not (name and sign and text) or name in found:
            raise InputError(
                f"{flag} takes NAME=VALUE, each name once; received {word!r}."
            )
        found[name] = text
    return found


def value(text: str) -> int | float | bool | str:
    """The number or the truth in the text, or the text itself.

    Example:
        >>> value("0.5"), value("true"), value("relu")
        (0.5, True, 'relu')
    """
    return {"true": True, "false": False}.get(text, number(text))
