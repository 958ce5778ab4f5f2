"""Sweeps without processes, and what tests ask of them."""

from pathlib import Path

from slimrnn.errors import InputError
from slimrnn.experiments.run.store import Record
from slimrnn.experiments.run.trainer import no_callbacks
from slimrnn.experiments.sweep import scheduler
from slimrnn.experiments.sweep.in_process import InProcess
from slimrnn.experiments.sweep.process_pool import Ended
from slimrnn.experiments.sweep.scheduler import Grid, Sweep
from slimrnn.experiments.sweep.study import Study

TRIALS = {"variant": ["LSTM6", "GRU3"], "seed": [1, 2]}
EPOCHS = 10
SETTINGS = {"units": 32, "epochs": EPOCHS, "batch_size": 64, "dropout": 0.2}


def trained(folder, watcher, settings, **grid):
    """The runs of a study that was trained in this process."""
    study = Study(settings=settings, grid=grid)
    folder.mkdir(exist_ok=True)
    pool = InProcess(watcher, no_callbacks)
    Sweep(folder, Grid(study), pool, Quiet(), {"backend": "jax"}).run()
    return scheduler.runs(folder, study.trials())


def study_of(**given):
    return Study(**{"settings": SETTINGS, "grid": TRIALS, **given})


def figures(run):
    """All that a trial found, without its times."""
    lines = [{k: v for k, v in x.items() if k != "seconds"} for x in run.metrics]
    times = ("seconds_per_epoch", "prediction_seconds")
    return lines, {k: v for k, v in run.result.items() if k not in times}


def by_key(folder):
    return {run.path.name: figures(run) for run in scheduler.runs(folder)}


def saved(folder):
    """A folder of a sweep in which nobody trained, as the command leaves it."""
    study = study_of()
    pretend(folder, study)
    scheduler.save(folder, study, {"backend": "jax", "command": "sweep"})


class Pretending:
    """A pool in which trials end as a script says, with no process at all."""

    def __init__(self, script=(), places=2):
        self.script = {key: list(ends) for key, ends in dict(script).items()}
        self.places = places
        self.running = {}
        self.started = []

    @property
    def free(self):
        return self.places - len(self.running)

    def start(self, key, job):
        assert key not in self.running
        self.started.append(key)
        self.running[key] = job

    def wait(self, seconds):
        if not self.running:
            return []
        key = next(iter(self.running))
        job = self.running.pop(key)
        seed = str(job.settings["seed"])
        outcome = self.script[seed].pop(0) if self.script.get(seed) else "ended"
        if outcome == "ended":
            try:
                self.train(job)
            except InputError as error:
                return [Ended(key, "refused", str(error))]
        return [Ended(key, outcome, "" if outcome == "ended" else "For a reason.")]

    def train(self, job):
        with Record(Path(job.path)).open(job.settings, {}) as record:
            record.add({"epoch": 1, "loss": 1.0})
            record.finish({"status": "done", "val_accuracy": _score(job.settings)})

    def stop(self):
        self.running.clear()


def _score(settings):
    """The best learning rate is 0.01."""
    return 1 / (1 + abs(settings["learning_rate"] - 0.01))


class Quiet:
    """A watcher that keeps what it is told."""

    def __init__(self):
        self.told = []

    def opens(self, total):
        self.total = total

    def started(self, settings, path):
        self.told.append(("started", settings.seed))

    def tick(self):
        pass

    def retried(self, settings, ended):
        self.told.append(("again", settings.seed))

    def ended(self, settings, run):
        self.told.append((run.result["status"], settings.seed))


def pretend(folder, study, script=(), **given):
    """A sweep without processes; what was started, and what the watcher was told."""
    folder.mkdir(exist_ok=True)
    pool, watcher = Pretending(script), Quiet()
    source = given.pop("source", None) or Grid(study)
    Sweep(folder, source, pool, watcher, {"backend": "jax"}, **given).run()
    return pool, watcher
