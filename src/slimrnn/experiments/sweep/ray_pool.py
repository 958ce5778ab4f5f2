"""Where the trials of a sweep run: on the machines of a Ray cluster.

A trial is a task of Ray, which starts the process that runs it on one machine too, so
that the results are the same. Its settings go with the task; what it writes goes into
the sweep's folder, which all machines must share. A machine that goes away takes only
attempts along: the sweep starts those trials again, from their last checkpoints.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import uuid
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from slimrnn.errors import InputError
from slimrnn.experiments.run.store import LOCK_SECONDS, make_folder
from slimrnn.experiments.sweep.process_pool import Ended, Processes
from slimrnn.experiments.sweep.worker import Job
from slimrnn.utils import files
from slimrnn.utils.optional import require

LOCAL = "local"
TOKEN = ".sweep"  # a file in a trial's folder that says whose it is
UNSEEN = "unseen"  # the outcome of a task that does not find that file
_ANSWER_SECONDS = 5.0  # seconds for a machine to answer


class Tasks:
    """Trials as tasks of a Ray cluster, a ``sweep.process_pool.Pool``.

    Args:
        address: of the cluster, such as ``"10.0.0.1:6379"``; ``"auto"``: the one that
            runs on this machine; ``"local"``: one of this machine's cores, for as long
            as the sweep runs.
        workers: the most trials at a time; None: as many as fit into the cluster.
        cpus: of each trial.
        gpus: of each trial.
        timeout: seconds after which an attempt counts as hanging; None: never.
    """

    def __init__(
        self,
        address: str,
        workers: int | None = None,
        cpus: float = 1,
        gpus: float = 0,
        timeout: float | None = None,
    ):
        self._ray = _connected(address)
        self._workers = workers
        self._need = {"CPU": cpus, "GPU": gpus}
        self._token = uuid.uuid4().hex
        self._running: dict[Any, tuple[str, Path]] = {}
        self._rest = (self._token, os.getcwd(), max(1, int(cpus)), timeout)
        # The sweep tries again by itself, and counts how often.
        options = {"max_retries": 0, "scheduling_strategy": "SPREAD"}
        self._task = self._ray.remote(num_cpus=cpus, num_gpus=gpus, **options)(attempt)
        if not self._places():
            self.stop()
            raise InputError(
                f"No machine of the Ray cluster has what a trial asks for ({cpus:g} "
                f"CPUs and {gpus:g} GPUs at once); ask for less with --cpus and --gpus."
            )

    @property
    def free(self) -> int:
        """How many more trials can be started now."""
        # Where all machines are lost, one task waits for the next that comes.
        return max(1, self._workers or self._places()) - len(self._running)

    def start(self, key: str, job: Job) -> None:
        """Starts a trial on a machine of Ray's choice, once there is place."""
        path = Path(job.path).absolute()
        _mark(path, self._token)
        task = self._task.remote(replace(job, path=str(path)).text(), *self._rest)
        self._running[task] = key, path

    def wait(self, seconds: float) -> list[Ended]:
        """The trials that ended; waits so long for the first of them.

        Raises:
            InputError: a machine does not share the sweep's folder, or cannot run
                slimrnn.
        """
        if not self._running:
            return []
        ended, _ = self._ray.wait(list(self._running), timeout=seconds)
        return [self._ended(task, *self._running.pop(task)) for task in ended]

    def stop(self) -> None:
        """Ends all that runs, and leaves the cluster."""
        tasks = list(self._running)
        self._running.clear()
        for task in tasks:
            self._ray.cancel(task, force=True)
        if tasks:
            self._ray.wait(tasks, num_returns=len(tasks), timeout=LOCK_SECONDS)
        self._ray.shutdown()

    def _places(self) -> int:
        """How many trials fit into the machines that are there."""
        return sum(
            min(
                int(node["Resources"].get(k, 0) / n) for k, n in self._need.items() if n
            )
            for node in self._ray.nodes()
            if node["Alive"]
        )

    def _ended(self, task: Any, key: str, path: Path) -> Ended:
        errors = self._ray.exceptions
        try:
            outcome, reason = self._ray.get(task)
        except errors.OutOfMemoryError:
            return Ended(key, "crashed", "Ray ended it: its machine's memory was full.")
        except (
            errors.NodeDiedError,
            errors.LocalRayletDiedError,
            errors.WorkerCrashedError,
            errors.ObjectLostError,
            errors.TaskCancelledError,
        ) as error:
            name = type(error).__name__
            return Ended(key, "lost", f"Its machine went away ({name} of Ray).")
        except errors.RayError as error:
            raise InputError(
                f"The Ray cluster cannot run a trial ({_last_line(error)}); every "
                f"machine needs this version of slimrnn, and Python and Ray as here."
            ) from error
        if outcome == UNSEEN:
            raise InputError(
                f"The machine {reason} of the Ray cluster does not see the sweep's "
                f"folder at {path}; give --out a folder that all machines "
                f"share, under the same name."
            )
        _look_again(path)
        return Ended(key, outcome, reason)


def _connected(address: str) -> Any:
    """Ray, connected to the cluster."""
    ray = require("ray", "Ray", "slimrnn[ray]")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == LOCAL:
        options["include_dashboard"] = False
    try:
        _check_reachable(address)
        with warnings.catch_warnings():
            # JAX's, of what Ray starts: they leave JAX behind at once.
            warnings.filterwarnings("ignore", r"os\.fork", RuntimeWarning)
            ray.init(address, **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"There is no Ray cluster at {address} ({_last_line(error)}); give --ray "
            f"the address of one, such as 10.0.0.1:6379, or auto for the one that runs "
            f"here, or {LOCAL} to start one."
        ) from error
    return ray


def _check_reachable(address: str) -> None:
    """Raises OSError at once, where Ray would try for minutes and end the process."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), _ANSWER_SECONDS).close()


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip().rstrip(".")


def _mark(path: Path, token: str) -> None:
    """Makes a trial's folder, and writes into it whose it is."""
    make_folder(path)
    files.write(path / TOKEN, token)


def _look_again(path: Path) -> None:
    """Makes a network file system forget what it remembers of a folder.

    NFS asks the server when a folder is opened, and may otherwise say for half a minute
    that a file is missing which another machine has just written.
    """
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDONLY))


def attempt(
    job: str, token: str, folder: str, threads: int, timeout: float | None
) -> tuple[str, str]:
    """Runs a trial on this machine: what a task of Ray does.

    Args:
        job: a :class:`slimrnn.experiments.sweep.worker.Job` as text.
        token: what the trial's folder must hold.
        folder: to which the names of data files are relative.
        threads: how many it may have.
        timeout: seconds after which it counts as hanging; None: never.

    Returns:
        the outcome and the reason of an ``sweep.process_pool.Ended``, or
        ``UNSEEN`` and this machine's name.
    """
    parsed = Job(**json.loads(job))
    if not _sees(Path(parsed.path), token):
        return UNSEEN, socket.gethostname()
    with contextlib.suppress(OSError):
        os.chdir(folder)
    here = Processes(1, threads, timeout)
    try:
        here.start("", parsed)
        while not (ended := here.wait(LOCK_SECONDS)):
            pass
    finally:
        here.stop()
    return ended[0].outcome, ended[0].reason


def _sees(path: Path, token: str) -> bool:
    """Whether the folder is the sweep's; a network file system may need a moment."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        with contextlib.suppress(OSError):
            if (path / TOKEN).read_text() == token:
                return True
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
