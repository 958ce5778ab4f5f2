"""Many command lines in one process: what each said, its exit code, its peak of memory.

``python commands.py`` takes a command line of JSON a line, and answers with one.
"""

import contextlib
import io
import json
import os
import re
import select
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

CRASHED, HUNG = "crashed", "hung"


@dataclass(frozen=True)
class Outcome:
    """What a command line led to; code: an exit code, or how its process ended."""

    code: int | str
    said: str
    megabytes: float


class Commands:
    """A process that carries out one command line after the other."""

    def __init__(self, folder, seconds=60.0):
        self.folder, self.seconds = folder, seconds
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.renew()

    def renew(self):
        """Ends the process, which keeps what JAX compiled; the next is a new one."""
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def run(self, *words):
        """The outcome of `slimrnn` with these words."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self.folder,
                text=True,
            )
        self.process.stdin.write(json.dumps(list(map(str, words))) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], self.seconds)[0]:
            self.process.kill()
            self.process.communicate()
            return Outcome(HUNG, f"It ran for more than {self.seconds:g} s.", 0)
        answer = self.process.stdout.readline()
        if not answer:
            return Outcome(CRASHED, f"exit {self.process.wait()}", 0)
        return Outcome(*json.loads(answer))


def _megabytes():
    """The peak of this process alone: getrusage counts its parent's as well."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1000


def _carry_out(words):
    from slimrnn.cli import main

    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = main(words)
        except SystemExit as error:
            code = error.code
        except BaseException:
            code = "traceback"
            traceback.print_exc()
    return code, said.getvalue(), _megabytes()


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        print(json.dumps(_carry_out(json.loads(line))), file=answers, flush=True)
