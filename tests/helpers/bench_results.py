"""Results of a benchmark that was never run, and what is printed of them."""

from benchmarks import machine, report, results
from benchmarks.works import Case, S
from rich.console import Console

from slimrnn import cli


def timing(name, milliseconds, work="train", shape=S, failed=""):
    peer, row, task = name.split()
    seconds = [1e-3 * ms for ms in milliseconds]
    case = Case(peer, row, task, shape)
    return results.Timing(work, case, "", {}, seconds, failed)


def made(*timings):
    about = {"processor": "abacus", "cores": 2, "python": "3", "versions": {}}
    quiet = machine.Watch().report()
    return results.Results(about, quiet, list(timings))


def printed(found):
    screen = Console(width=120, highlight=False)
    with screen.capture() as capture:
        for part in report.tables(found):
            screen.print(part)
    return capture.get()


def command(capsys, *words):
    code = cli.main(["bench", *map(str, words)])
    return code, *capsys.readouterr()
