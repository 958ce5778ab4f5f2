"""The command line: a loop over its commands.

A command is a module with ``add``, its grammar, and ``run``, which returns the exit
code. Keras is imported by those that need it, when they need it, and after its backend
is settled; the others, and every ``--help``, answer at once.
"""

from __future__ import annotations

import os
import shlex
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

import slimrnn
from slimrnn import backends
from slimrnn.cli import completion, flags
from slimrnn.cli.console import STOPPED, complain, settle, warn
from slimrnn.cli.flags import Parser
from slimrnn.errors import InputError

COMMANDS = (
    *("variants", "data", "train", "compare", "choose", "sweep", "reproduce"),
    *("report", "evaluate", "predict", "show", "slim", "export", "size", "doctor"),
    "bench",
)
#: whose results --json prints: they call `console.answered`
JSON = (
    *("variants", "data", "train", "compare", "choose", "sweep", "reproduce"),
    *("report", "evaluate", "show", "size", "doctor"),
)


def command(name: str) -> ModuleType:
    """The module of a command."""
    return import_module(f"slimrnn.cli.{name}")


def parser(names: Sequence[str] = COMMANDS) -> Parser:
    """The parser of ``slimrnn``; ``command`` in its result names the command."""
    top = Parser(
        prog="slimrnn",
        description="Train slim (parameter-reduced) recurrent layers and compare them "
        "with the LSTM.",
        epilog="Start with:  slimrnn compare",
    )
    top.add_argument(
        "--version", action="version", version=f"slimrnn {slimrnn.__version__}"
    )
    top.add_argument(
        "--print-completion",
        metavar="SHELL",
        action=completion.Print,
        help="print the script by which a shell completes commands, flags and names: "
        f"{', '.join(completion.SHELLS)}",
    )
    commands = top.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    for name in names:
        command(name).add(commands)
        flags.shown(commands.choices[name], name in JSON)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code.

    0: done; 1: nothing can be written, or trials failed; 2: a mistake in what was
    given, reported in a sentence; 130: stopped by Ctrl-C, with what was finished on
    the disk.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # an old terminal shows ? for a sign
            stream.reconfigure(errors="replace")
    argv = list(sys.argv[1:] if argv is None else argv)
    args = None
    try:
        # One that is named is all that is imported.
        top = parser(argv[:1] if set(argv[:1]) & set(COMMANDS) else COMMANDS)
        args = top.parse_args(argv)
        args.line = shlex.join(["slimrnn", *argv])
        if args.command is None:
            top.print_help()
            return 0
        settle(args)
        with warnings.catch_warnings():
            if args.verbose:
                backends.show_all()
            else:
                warnings.showwarning = warn
            return command(args.command).run(args)
    except InputError as error:
        if getattr(args, "verbose", False):
            traceback.print_exc()
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        complain("stopped by Ctrl-C.")
        return STOPPED
    except BrokenPipeError:
        # The reader, such as `head`, has enough; nothing may be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        from slimrnn.utils import files

        reason = str(error)
        if files.no_space(error):
            reason = f"Nothing can be written any more ({error}); make room, and "
            reason += (
                "go on with --resume and the folder: what was finished is not lost."
                if hasattr(args, "resume")
                else "give the command again."
            )
        complain(reason)
        return 1
