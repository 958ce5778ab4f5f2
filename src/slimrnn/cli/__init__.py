"""The command line: one module a command."""

from slimrnn.cli.main import main

__all__ = ["main"]
