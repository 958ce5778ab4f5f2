"""The machine that the numbers belong to, and whether it was quiet.

Nothing here imports a framework, or anything else that is not in Python itself.
"""

import contextlib
import ctypes
import gc
import hashlib
import importlib
import os
import platform
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

#: How much slower than the best a calibration may be in a quiet machine.
SLACK = 1.15
#: The load and the share of the cores taken by others that still count as quiet.
QUIET_LOAD, QUIET_SHARE = 0.5, 0.05


def processor():
    """The processor's name, where the system says it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line for line in lines if line.startswith("model name")]
        return names[0].partition(":")[2].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def cores():
    """The cores that this process may use, which can be fewer than there are."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def versions(modules):
    """The versions of modules, which are imported for it: name -> version."""
    return {name: importlib.import_module(name).__version__ for name in modules}


def environment():
    """What the numbers depend on, besides the versions of libraries."""
    return {
        "processor": processor(),
        "cores": cores(),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def short(about):
    """A machine in a few words, from what :func:`environment` and a run say of it.

    Example:
        >>> short({"processor": "AMD EPYC", "cores": 2, "isa": "avx2"})
        'AMD EPYC, 2 cores, avx2'
    """
    isa = f", {about['isa']}" if about.get("isa") else ""
    return f"{about['processor']}, {about['cores']} cores{isa}"


def load():
    """The mean number of running processes in the last minute; None if unknown."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def resident():
    """Bytes of memory that this process has, freed ones given back; 0 if unknown."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return _status("VmRSS")


def peak_of(function):
    """Bytes of memory that this process has at most while the function runs."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    function()
    return _status("VmHWM")


def _status(name):
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    kibibytes = next((ln.split()[1] for ln in lines if ln.startswith(f"{name}:")), 0)
    return 1024 * int(kibibytes)


class Watch:
    """Notices what else the machine does.

    Two ways, since neither sees everything: a fixed piece of work on all cores at
    once, which takes longer when they are shared or slowed down; and the system's
    account of how long its cores were busy, less what our own processes used.
    """

    def __init__(self):
        self.cores = cores()
        self.load_before = load()
        self.rounds = []  # what each round's check found
        self._data = bytes(1 << 22)
        self._together = threading.Barrier(self.cores)
        self._threads = ThreadPoolExecutor(self.cores)
        self.spin()  # the threads' start is not measured

    def spin(self):
        """Seconds of the fixed piece of work: hashing, which leaves Python's lock."""

        def work(_):
            self._together.wait()  # a piece for each thread
            start = time.perf_counter()
            hashlib.sha256(self._data).digest()
            return time.perf_counter() - start

        # The best of three: it may happen that both threads begin on one core.
        tries = (max(self._threads.map(work, range(self.cores))) for _ in range(3))
        return min(tries)

    def begin(self, pids):
        """A round begins, in which these processes are ours."""
        self._begun = time.perf_counter(), _ticks(), _used(pids), self.spin()

    def end(self, pids):
        """The round has ended: keep what was noticed."""
        start, ticks, used, before = self._begun
        found = {"before": before, "after": self.spin()}
        now = _ticks()
        # A clock tick is 10 ms: nothing can be said of a shorter time.
        if ticks and now and (lasted := time.perf_counter() - start) > 0.2:
            whole = lasted * self.cores
            others = (now[0] - ticks[0]) - (_used(pids) - used)
            found["others"] = max(0.0, others / whole)
            found["stolen"] = (now[1] - ticks[1]) / whole
        self.rounds.append(found)

    def report(self):
        """What was noticed, as JSON can hold it."""
        spins = [r[k] for r in self.rounds for k in ("before", "after")]
        best = min(spins, default=0)
        slow = [max(r["before"], r["after"]) > SLACK * best for r in self.rounds]
        shares = {
            key: sum(r.get(key, 0) for r in self.rounds) / max(len(self.rounds), 1)
            for key in ("others", "stolen")
        }
        return {
            "load_before": self.load_before,
            **shares,
            "calibration_best": best,
            "rounds": self.rounds,
            "disturbed": sum(slow),
        }


def is_quiet(report):
    """Whether the machine was quiet, as far as could be noticed."""
    return (
        (report["load_before"] or 0) <= QUIET_LOAD
        and report["others"] <= QUIET_SHARE
        and report["stolen"] <= QUIET_SHARE
        and report["disturbed"] <= len(report["rounds"]) / 5
    )


def noise(report):
    """What was noticed, in a sentence or two."""
    if not report["rounds"]:
        return "Nothing was measured."
    facts = [
        f"load before {report['load_before']}",
        f"other programs {report['others']:.0%} of the cores",
        f"stolen by the host {report['stolen']:.0%}",
        f"calibration over {SLACK - 1:.0%} slow in {report['disturbed']} of "
        f"{len(report['rounds'])} rounds",
    ]
    if is_quiet(report):
        return f"The machine was quiet: {', '.join(facts)}."
    return (
        f"The machine was NOT QUIET: {', '.join(facts)}. Take the ratios with care, "
        f"above all those by the median."
    )


def _ticks():
    """Seconds that all cores were busy, and those stolen; None if unknown."""
    try:
        line = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
        user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
    except (OSError, ValueError):
        return None
    second = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / second, steal / second


def _used(pids):
    """Seconds of processor time that these processes and this one have used."""
    second, total = os.sysconf("SC_CLK_TCK"), time.process_time()
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        except OSError:
            continue
        # Behind the name, which may hold anything: fields 14 and 15 of the line.
        user, system = stat.rpartition(")")[2].split()[11:13]
        total += (int(user) + int(system)) / second
    return total
