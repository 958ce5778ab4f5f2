"""The other end of the workers: one process for each peer, started when needed."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from benchmarks import machine

ROOT = Path(__file__).parents[1]
WORKER = Path(__file__).with_name("worker.py")
PATIENCE = 600  # seconds that a worker may take: some compile for minutes


class Failed(Exception):
    """A worker, or a case in it, could not run; the message says why."""


class Process:
    """A worker.

    Args:
        peer: what it runs.
        extra: variables of its environment, besides the peer's.
        isa: the instruction set that the native engine is to use; None: the best.

    Attributes:
        pid: the process.
        versions: of its libraries.

    Raises:
        Failed: it could not start.
    """

    def __init__(self, peer, extra=None, isa=None):
        missing = peer.missing()
        if missing:
            raise Failed(missing)
        self._ending = ""
        # Open as long as the process is; closed by close().
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        told = {"module": peer.module, "options": dict(peer.options), "isa": isa}
        self._process: Any = subprocess.Popen(
            # Without the script's folder in front of what it imports.
            [sys.executable, "-P", WORKER, json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            encoding="utf-8",
            env={**_environment(), **(extra or {}), **peer.environment},
            start_new_session=True,  # Ctrl-C is for the orchestrator
        )
        self.pid = self._process.pid
        self._answers: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.versions = self._answer()["versions"]
        except BaseException:
            self.close()
            raise

    def ask(self, do, **message):
        """The answer to a message.

        Raises:
            Failed: it could not be done, or the process has ended.
        """
        try:
            self._process.stdin.write(json.dumps({"do": do, **message}) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise Failed(self._end()) from None
        return self._answer()

    @property
    def is_alive(self):
        """Whether it can still be asked."""
        return self._process.poll() is None

    def close(self):
        """End the process; gently, for as long as a second."""
        with contextlib.suppress(OSError):  # it may have ended already
            self._process.stdin.close()
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._end()
        self._stderr.close()

    def _read(self):
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def _answer(self):
        try:
            line = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            self._process.kill()
            raise Failed(f"no answer within {PATIENCE} s") from None
        if line is None:
            raise Failed(self._end())
        found = json.loads(line)
        if "failed" in found:
            raise Failed(found["failed"])
        return found

    def _end(self):
        """How the process ended, and the last that it said."""
        if not self._ending:
            code = self._process.wait()
            self._stderr.seek(0)
            lines = self._stderr.read().decode(errors="replace").strip().splitlines()
            last = f": {lines[-1].strip()[:200]}" if lines else ""
            self._ending = f"its process ended with code {code}{last}"
        return self._ending


def _environment():
    """The variables of every worker."""
    found = [str(ROOT), os.environ.get("PYTHONPATH")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, found)),
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # A benchmark of processors: a GPU would be another one.
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
        "OMP_NUM_THREADS": str(machine.cores()),
    }


class Processes:
    """The workers of all peers, each started when it is first needed.

    Args:
        peers: what there is, by name.
        extra: variables for the environment of all.
        isa: as for a process.
    """

    def __init__(self, peers, extra=None, isa=None):
        self.peers = peers
        self.extra = extra
        self.isa = isa
        self.versions = {}
        self._found = {}  # a worker, or why there is none

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.running:
            process.close()

    @property
    def running(self):
        """The workers that live."""
        return [p for p in self._found.values() if isinstance(p, Process)]

    @property
    def pids(self):
        """Their process numbers."""
        return [process.pid for process in self.running]

    def get(self, name):
        """The worker of a peer.

        Raises:
            Failed: it cannot start.
        """
        found = self._found.get(name)
        if isinstance(found, Process) and not found.is_alive:
            found.close()
            found = None  # it is tried again: another row may run
        if found is None:
            try:
                found = Process(self.peers[name], self.extra, self.isa)
                self.versions |= found.versions
            except Failed as error:
                found = error
            self._found[name] = found
        if isinstance(found, Failed):
            raise found
        return found

    def forget(self):
        """Let all workers free what they have prepared."""
        for process in self.running:
            try:
                process.ask("forget")
            except Failed:
                continue  # it has ended: nothing is left of it
