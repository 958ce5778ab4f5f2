"""Completion by the shell: a script that knows all commands, flags and names.

It is made once, from the parser itself, so that a shell completes at once and without
Python::

    slimrnn --print-completion bash > /etc/bash_completion.d/slimrnn
"""

from __future__ import annotations

import argparse
from typing import Any

from slimrnn.cli.flags import actions
from slimrnn.utils.optional import require

SHELLS = ("bash", "zsh", "tcsh")
FILES = ("FILE", "MODEL", "STUDY.toml", "SLIMMED.keras", "FILE.json", "FILE.png")
FOLDERS = ("DIR", "FOLDER")


class Print(argparse.Action):
    """``--print-completion SHELL``."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: Any) -> None:
        """Prints the script, and ends."""
        from slimrnn.cli.main import parser as whole
        from slimrnn.errors import InputError

        _, shell, *_ = rest
        if shell not in SHELLS:
            raise InputError(
                f"--print-completion takes {', '.join(SHELLS)}; received {shell}."
            )
        shtab = require("shtab", "shtab", "slimrnn[completion]")
        top = whole()
        for action in actions(top):
            complete(action, shtab)
        print(shtab.complete(top, shell))
        parser.exit()


def complete(action: Any, shtab: Any) -> None:
    """Says what an argument takes, which its metavar names."""
    from slimrnn.deploy.exporters import EXPORTERS
    from slimrnn.variants import TABLE

    names = {"VARIANT": [row.name for row in TABLE], "FORMAT": list(EXPORTERS)}
    if action.metavar in FILES:
        action.complete = shtab.FILE
    elif action.metavar in FOLDERS:
        action.complete = shtab.DIRECTORY
    elif action.metavar in names and action.choices is None:
        action.choices = names[action.metavar]
