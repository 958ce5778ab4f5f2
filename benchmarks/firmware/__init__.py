"""The firmware benchmark: `slimrnn bench firmware`, run from a clone of the project.

Each row of the table, in float32 and int8, on emulated Cortex-M cores: instructions a
step, flash, RAM and stack. The same compiler gives the same numbers again.

- ``models.py``: what is measured; ``targets.toml``: what has to be reached.
- ``emulator.py``: builds and runs firmware; its C is in ``tests/deploy/firmware``.
- ``figures.py``: the numbers; ``firmware.json``: those of the last run that was kept,
  with which the tests compare.
- ``report.py``: how they are shown.
"""

import sys
from pathlib import Path

import slimrnn
from benchmarks.firmware import emulator, figures, report
from slimrnn import backends
from slimrnn.cli.console import console
from slimrnn.deploy.c.export import DTYPES
from slimrnn.errors import InputError
from slimrnn.experiments.run import store
from slimrnn.variants import TABLE

#: flags of the other benchmarks
_OTHERS = ("only", "rounds", "quick", "backend", "data_dir", "plot")


def run(args, folder):
    """Carry out the command and return its exit code: 1 if a count has grown.

    Args:
        args: of the command line: ``results``, ``json``, ``markdown`` and ``line``.
        folder: new or empty, for the figures that are given no file of their own.

    Raises:
        InputError: the compiler or the emulator is missing, or an argument does not
            fit.
    """
    _check(args)
    found = figures.read(Path(args.results)) if args.results else _measure(args.line)
    _show(found, args.markdown)
    grown = _grown(found)
    if not args.results:
        if not args.json:
            store.make_folder(folder)
        written = Path(args.json) if args.json else folder / "firmware.json"
        found.write(written)
        _say(f"All figures: {written}")
    return 1 if grown else 0


def _check(args):
    """Refuse now what would only be noticed when all is measured."""
    given = [name for name in _OTHERS if vars(args).get(name)]
    if given:
        raise InputError(
            f"The firmware benchmark always measures everything; received "
            f"--{given[0].replace('_', '-')}: leave it out."
        )
    if args.results:
        return
    emulator.required()
    if args.json and not Path(args.json).absolute().parent.is_dir():
        raise InputError(
            f"--json {args.json} cannot be written: its folder does not exist."
        )


def _measure(line):
    """All rows and dtypes on all cores."""
    backends.start()
    from benchmarks.firmware.models import measured  # imports Keras

    _say("Making the models ...")
    models = [measured(row.name, dtype) for dtype in DTYPES for row in TABLE]
    found = []
    for core in emulator.CORES.values():
        _say(f"Cortex-{core.name} ...")
        found += figures.measure(core, models)
    about = {"command": line, "slimrnn": slimrnn.__version__, **emulator.versions()}
    return figures.Figures(about, found)


def _show(found, markdown):
    """The tables."""
    if markdown:
        print("\n".join(table.markdown() for table in report.tables(found)))
        return
    screen = console()
    about = ", ".join(f"{key} {value}" for key, value in found.about.items())
    screen.print(about, markup=False)
    for table in report.tables(found):
        screen.print(table.screen())


def _grown(found):
    """What has grown since figures were kept, which is reported."""
    kept = figures.read(figures.KEPT)
    if kept.about["gcc"] != found.about["gcc"]:
        _say(f"Not compared: figures are kept of gcc {kept.about['gcc']} only.")
        return []
    grown = figures.regressions(kept, found.figures)
    for line in grown:
        _say(f"Grown by more than {figures.SLACK:.0%}: {line}")
    return grown


def _say(text):
    """Print what is no result: with --markdown, the output is the tables alone."""
    print(text, file=sys.stderr)
