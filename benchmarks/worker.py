"""The process of one peer: obeys, one JSON line after the other.

    python worker.py '{"module": "benchmarks.peers.torch_nn", "options": {}, "isa": ""}'

- ``{"do": "prepare", "case": {...}, "name": ...}``: build it, warm it up, and keep the
  fastest of the ways to run it.
- ``{"do": "turn", "name": ...}``: time it, and answer when this process sleeps again.
- ``{"do": "forget"}``: free all that was prepared.

Each answer is a line as well: what was found, or ``{"failed": reason}``. The end of
the input ends the process at once, whatever it is doing: nobody waits for the answer.
"""

import gc
import importlib
import json
import os
import queue
import re
import sys
import threading
import time

from benchmarks import machine
from benchmarks.works import Case
from slimrnn import native

#: An iteration faster than this is run once before it is timed (its data is in the
#: caches, its threads are awake) ...
FAST = 0.1
#: ... and is repeated within a turn for as long as this.
TURN = 0.02
#: Ways to run a case are compared by the best of so many iterations.
TRIALS = 3


class Worker:
    """A peer's module, and the cases that are prepared.

    Args:
        module: the peer's.
    """

    def __init__(self, module):
        self.module = module
        self.ready = {}  # name -> [call, seconds of the last iteration]

    def prepare(self, name, case, memory=False):
        """Build a case and choose how it is run; and see what memory that takes."""
        best, tried, errors = None, {}, []
        before = machine.resident() if memory else 0
        for setting, call in self.module.build(Case.of(case)).items():
            try:
                seconds, lasts = _try(call)
            except Exception as error:
                errors.append(error)
                continue
            tried[setting] = seconds
            if best is None or seconds < best[0]:
                best = seconds, setting, call, lasts
        if best is None:
            raise errors[0]
        seconds, setting, call, lasts = best
        self.ready[name] = [call, lasts]
        if memory:
            memory = max(0, machine.peak_of(call.function) - before)
        _settle()
        return {
            "setting": setting,
            "tried": tried,
            "lasts": lasts,
            "memory": int(memory),
        }

    def turn(self, name):
        """The seconds of this turn's iterations."""
        call, lasts = self.ready[name]
        seconds: list[float] = []
        gc.collect()
        gc.disable()
        try:
            if lasts < FAST:
                _once(call)
            end = time.perf_counter() + TURN
            while not seconds or time.perf_counter() < end:
                found, lasts = _once(call)
                seconds.append(found)
        finally:
            gc.enable()
        self.ready[name][1] = lasts
        _settle()
        return {"seconds": seconds}

    def forget(self):
        """Free what was prepared."""
        self.ready.clear()
        gc.collect()
        return {}


def _once(call):
    """One iteration: the seconds of a call, and of the whole iteration."""
    start = time.perf_counter()
    told = call.function()
    lasts = time.perf_counter() - start
    return (told if call.tells else lasts / call.calls), lasts


def _try(call):
    """The best seconds of a few iterations, and how long one lasts."""
    found, lasts = _once(call)  # compiles
    if lasts < 60 * FAST:
        found, lasts = _once(call)
        if lasts < FAST:
            trials = [_once(call) for _ in range(TRIALS)]
            return min(found for found, _ in trials), min(x for _, x in trials)
    return found, lasts


def _settle():
    """Wait until no thread of this process runs any more.

    A pool of OpenMP, or ONNX Runtime's, spins for a while after its work, in case that
    more comes: on a core that the next peer needs.
    """
    for _ in range(200):
        before = time.process_time()
        time.sleep(0.003)
        if time.process_time() - before < 0.0005:
            return


def reason(error):
    """Why something failed, in a line.

    Example:
        >>> reason(ModuleNotFoundError("No module named 'torch'", name="torch"))
        'torch is not installed'
        >>> reason(KeyError("LSTM7"))
        "KeyError: 'LSTM7'"
    """
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed"
    text = str(error).strip()
    inner = re.search(r"\x1b\[1m(.+?)\x1b", text)  # Keras's frame around a message
    if inner:
        return inner[1][:300]
    line = text.partition("\n")[0]
    plain = isinstance(error, (ValueError, OSError, ImportError)) and line
    return (line if plain else f"{type(error).__name__}: {line}")[:300]


def _listen():
    """The lines of the input, as they come; at its end, this process ends."""
    lines: queue.Queue[str] = queue.Queue()

    def read():
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return lines


def main():
    lines = _listen()
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(do):
        try:
            found = do()
        except Exception as error:
            found = {"failed": reason(error)}
        answers.write(json.dumps(found) + "\n")
        answers.flush()
        return found

    worker: Worker | None = None

    def begin():
        nonlocal worker
        peer = json.loads(sys.argv[1])
        module = importlib.import_module(peer["module"])
        worker = Worker(module)
        versions = module.start(**peer["options"])
        if peer["isa"]:
            native.use_isa(peer["isa"])
        gc.freeze()  # what was imported stays: no need to look at it again
        return {"versions": versions}

    if "failed" in answer(begin):
        return
    while True:
        message = json.loads(lines.get())
        do = getattr(worker, message.pop("do"))
        answer(lambda do=do, message=message: do(**message))


if __name__ == "__main__":
    main()
