"""Commands in processes of their own."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

_HOLDS = """
import pathlib, sys
from slimrnn.utils import files

with files.locked(pathlib.Path(sys.argv[1]), name=sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


def start(command, **environment):
    """The running command, its output in pipes; None takes a variable away."""
    variables = {**os.environ, **environment}
    return subprocess.Popen(
        list(map(str, command)),
        env={name: value for name, value in variables.items() if value is not None},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_ctrl_c,
    )


@contextlib.contextmanager
def held(folder, name=""):
    """The process that has a folder locked, until it is killed or this ends."""
    command = [sys.executable, "-c", _HOLDS, str(folder), name]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process


def children(pid):
    """The processes that a process has started, by Linux's /proc."""
    places = map(int, (path.name for path in Path("/proc").glob("[0-9]*")))
    return [each for each in places if _stat(each)[1:2] == [str(pid)]]


def is_alive(pid):
    return _stat(pid)[:1] not in ([], ["Z"])


def _stat(pid):
    """A process's state, its parent, and more; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def two_devices():
    """A process's environment in which JAX has two, and what else XLA was told."""
    flags = [os.environ.get("XLA_FLAGS"), "--xla_force_host_platform_device_count=2"]
    return {**os.environ, "XLA_FLAGS": " ".join(filter(None, flags))}


def _heed_ctrl_c():
    """Undo what a shell does to a command in its background: SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
