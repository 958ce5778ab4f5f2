"""What `slimrnn bench` does: measure, print, and write what was found."""

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from benchmarks import machine, report, side_by_side
from benchmarks.measure import measure
from benchmarks.peers import PEERS, driver
from benchmarks.processes import Processes
from benchmarks.results import Results, read
from benchmarks.verdicts import judge, name
from benchmarks.works import chosen, works
from slimrnn import backends, native
from slimrnn.cli.console import console
from slimrnn.errors import InputError
from slimrnn.experiments.run import store
from slimrnn.utils.checks import known, whole

ROUNDS, QUICK = 20, 3
PICTURES = (".png", ".pdf", ".svg")
STOPPED = 130  # as shells say it: ended by Ctrl-C


def run(args, folder):
    """Carry out the command and return its exit code.

    Args:
        args: of the command line.
        folder: new or empty, for the results that are given no file of their own.
    """
    _check(args)
    if args.results:
        return _again([read(Path(file)) for file in args.results], args)
    rounds = args.rounds or (QUICK if args.quick else ROUNDS)
    planned = chosen(works(_backends(args.backend), args.what), args.only)
    if not (args.json and args.plot):
        store.make_folder(folder)
    results, code = Results({"command": args.line, "rounds": rounds}), 0
    results.about |= machine.environment() | {"isa": args.isa or _best_isa()}
    _say("\n".join(report.introduction(results)[:1]))
    watch = machine.Watch()
    extra = {driver.DATA: str(Path(args.data_dir).resolve())} if args.data_dir else {}
    with Processes(PEERS, extra, args.isa) as processes, _Progress() as progress:
        try:
            measure(planned, rounds, processes, watch, results, progress)
        except KeyboardInterrupt:
            code = STOPPED
        results.about["versions"] = processes.versions
    if code:
        _say("slimrnn: stopped by Ctrl-C; this is what there is.")
    results.quiet = watch.report()
    written = Path(args.json) if args.json else folder / "bench.json"
    results.write(written)
    _show(results, args.markdown)
    _say(f"All numbers: {written}")
    _draw(results, Path(args.plot) if args.plot else folder / "bench.png")
    return code or _sane(results)


def _again(several, args):
    """Show what earlier runs wrote: a run as it was, or several side by side."""
    if len(several) == 1:
        _show(several[0], args.markdown)
        _draw(several[0], args.plot and Path(args.plot))
    elif args.plot:
        raise InputError("--plot draws one run: give --results one file.")
    elif args.markdown:
        print(side_by_side.markdown(several))
    else:
        console().print(side_by_side.table(several))
    return max(map(_sane, several))


def _best_isa():
    """The instruction set that the native engine chooses; empty where it is none."""
    return "" if native.reason() else native.isa()


def _sane(results):
    """0, or 1 and a sentence where more than the whole was reached."""
    wrong = [v for v in judge(results) if v.is_impossible]
    for verdict in wrong:
        _say(
            f"slimrnn: {name(verdict.ours)} reached {max(verdict.ratios):.0%} of "
            f"{name(verdict.peer)}: a share above 100 % means that the peak was not "
            f"measured at its best. Nothing is said by it; run the benchmark again on "
            f"a quiet machine."
        )
    return 1 if wrong else 0


def _check(args):
    """Refuse now what would only be noticed when all is measured."""
    if args.rounds is not None:
        whole("number of rounds", args.rounds, least=1)
    if args.isa is not None:
        known("instruction set", args.isa, native.isas())
    if args.data_dir is not None and not Path(args.data_dir).is_dir():
        raise InputError(
            f"The folder of data {args.data_dir!r} does not exist: --data-dir takes a "
            f"folder that holds imdb.npz."
        )
    for flag, path in (("--json", args.json), ("--plot", args.plot)):
        if path is not None and not Path(path).absolute().parent.is_dir():
            raise InputError(
                f"{flag} {path} cannot be written: its folder does not exist."
            )
        if path is not None and Path(path).is_dir():
            raise InputError(f"{flag} {path} is a folder; give it a file.")
    if args.plot is not None and Path(args.plot).suffix not in PICTURES:
        raise InputError(
            f"--plot {args.plot} is no picture's name; allowed endings: "
            f"{', '.join(PICTURES)}."
        )


def _backends(wanted):
    """The backends of Keras that take part, each of which is installed."""
    found = backends.installed()
    for one in wanted or ():
        if one not in backends.BACKENDS:
            raise InputError(
                f"Unknown backend {one!r}; allowed: {', '.join(backends.BACKENDS)}."
            )
        if one not in found:
            raise InputError(
                f"The backend {one} is not installed; installed: "
                f"{', '.join(found) or 'none'}; {backends.how_to_install(one)}"
            )
    return [one for one in found if not wanted or one in wanted]


def _show(results, markdown):
    if markdown:
        print(report.markdown(results))
        return
    screen = console()
    for line in report.introduction(results):
        screen.print(line, markup=False)
    for part in report.tables(results):
        screen.print(part)


def _draw(results, path):
    """Write the picture, if one is wanted and there is something to see."""
    if not path:
        return
    from benchmarks import picture  # matplotlib takes a second

    if picture.write(results, path):
        _say(f"Picture: {path}")


def _say(text):
    """Print what is no result: with --markdown, the output is the table alone."""
    print(text, file=sys.stderr)


class _Progress:
    """A bar on a terminal; elsewhere a line where a work begins."""

    def __init__(self):
        self.screen = Console(stderr=True, highlight=False)
        self.last = ""
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            console=self.screen,
            transient=True,
            disable=not self.screen.is_terminal,
        )

    def __enter__(self):
        self.bar.start()
        self.task = self.bar.add_task("", total=1)
        return self

    def __exit__(self, *error):
        self.bar.stop()

    def __call__(self, text, share):
        self.bar.update(self.task, description=text, completed=share)
        work = text.partition(":")[0]
        if not self.screen.is_terminal and work != self.last:
            _say(f"{work} ...")
        self.last = work
