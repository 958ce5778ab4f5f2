"""A sweep on a Ray cluster, one machine of which is killed in the middle."""

import socket
import sys
from collections import Counter

import keras
import pytest

from slimrnn.errors import InputError
from slimrnn.experiments.run import store
from slimrnn.experiments.run.store import LOCK_SECONDS, METRICS
from slimrnn.experiments.sweep import ray_pool
from slimrnn.experiments.sweep.process_pool import Processes
from slimrnn.experiments.sweep.ray_pool import Tasks
from slimrnn.experiments.sweep.scheduler import TRIALS, Grid, Sweep
from slimrnn.experiments.sweep.study import Study
from slimrnn.experiments.sweep.worker import Job
from slimrnn.utils import files
from sweeps import by_key

# Ray takes longer to install than its tests do to run.
pytestmark = [pytest.mark.backend_free, pytest.mark.exhaustive]

BACKEND = keras.backend.backend()
# Long enough for a machine to be killed while a trial runs.
STUDY = Study(
    settings={"variant": "LSTM6", "units": 4, "epochs": 150, "batch_size": 256},
    grid={"seed": [1, 2, 3]},
)
SETTINGS = next(STUDY.trials())
# The head notices within seconds that a machine is gone, and a trial does not wait for
# other tests that run at the same time.
QUICK = {
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": 5,
    "worker_niceness": 0,
}


@pytest.fixture(scope="module")
def machines():
    """A cluster with one machine of one CPU, to which a test may add others."""
    utilities = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": QUICK}
    made = utilities.Cluster(initialize_head=True, head_node_args=head)
    yield made
    made.shutdown()


@pytest.fixture
def tasks(machines):
    """Makes a pool on the cluster, and stops it in the end."""
    made = []

    def make(**options):
        made.append(Tasks(machines.address, **options))
        return made[-1]

    yield make
    for pool in made:
        pool.stop()


class Watcher:
    """Counts what a sweep tells, and does something once so many trials train."""

    def __init__(self, training=0, do=lambda: None):
        self.training = training
        self.do = do
        self.running = set()
        self.retries = []
        self.counts = Counter()

    def opens(self, total):
        pass

    def started(self, settings, path):
        self.running.add(path)

    def tick(self):
        trained = [path for path in self.running if store.lines(path / METRICS)]
        if self.training and len(trained) == self.training:
            self.training = 0
            self.do()

    def retried(self, settings, ended):
        self.retries.append(ended.outcome)

    def ended(self, settings, run):
        self.running.discard(run.path)
        self.counts[settings.key(), run.result["status"]] += 1


def swept(path, pool, **watched):
    """The watcher of the study's sweep in a folder."""
    path.mkdir()
    watcher = Watcher(**watched)
    Sweep(path, Grid(STUDY), pool, watcher, {"backend": BACKEND}).run()
    return watcher


def job(path):
    return Job(settings=SETTINGS.config(), path=str(path), backend=BACKEND, parent=0)


def ended(pool):
    while not (found := pool.wait(60)):
        pass
    return found[0]


def test_a_machine_dies_and_no_trial_is_lost(tmp_path, machines, tasks):
    other = machines.add_node(num_cpus=1)
    pool = tasks()
    assert pool.free == 2
    watcher = swept(
        tmp_path / "cluster",
        pool,
        training=2,
        do=lambda: machines.remove_node(other, allow_graceful=False),
    )
    assert watcher.retries == ["lost"]
    once = {(settings.key(), "done"): 1 for settings in STUDY.trials()}
    assert watcher.counts == once
    assert swept(tmp_path / "here", Processes(2, threads=1)).counts == once
    assert by_key(tmp_path / "cluster") == by_key(tmp_path / "here")


def test_a_trial_that_hangs_is_ended(tmp_path, tasks):
    pool = tasks(timeout=0.2)
    pool.start("a", job(tmp_path / "run"))
    found = ended(pool)
    assert (found.key, found.outcome) == ("a", "timeout")
    assert "0.2 s" in found.reason


def test_stopping_ends_what_runs(tmp_path, tasks):
    pool, path = tasks(workers=1), tmp_path / "run"
    pool.start("a", job(path))
    assert pool.free == 0
    while not (path / files.HOLDER).exists():
        assert pool.wait(0.1) == []
    pool.stop()
    with files.locked(path, LOCK_SECONDS):
        assert not store.mapping(path / store.RESULT)


def test_a_machine_that_does_not_share_the_folder(tmp_path, tasks, monkeypatch):
    monkeypatch.setattr(ray_pool, "_mark", lambda path, token: path.mkdir(parents=True))
    pool = tasks()
    pool.start("a", job(tmp_path / TRIALS / SETTINGS.key()))
    with pytest.raises(InputError, match="does not see the sweep's folder") as caught:
        ended(pool)
    assert str(tmp_path) in str(caught.value)
    assert socket.gethostname() in str(caught.value)


@pytest.mark.parametrize("asked", [{"cpus": 2}, {"gpus": 1}])
def test_more_than_any_machine_has(asked, tasks):
    with pytest.raises(InputError, match="No machine of the Ray cluster has"):
        tasks(**asked)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nowhere"])
def test_no_cluster_at_an_address(address):
    pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.raises(InputError, match=f"no Ray cluster at {address}"):
        Tasks(address)


def test_ray_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'slimrnn\[ray\]'"):
        Tasks("local")


def test_a_folder_still_in_use_is_not_the_trials_fault(tmp_path):
    """As after a cut network: the machine that was given up still trains."""
    pool = Processes()
    with files.locked(tmp_path):
        pool.start("a", job(tmp_path))
        found = ended(pool)
    assert found.outcome == "lost"
    assert "in use by process" in found.reason
