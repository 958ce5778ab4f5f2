"""What the loggers tell their libraries is what the run's own file holds."""

import importlib.util
import json
import struct
import sys
from types import ModuleType, SimpleNamespace

import keras
import numpy as np
import pytest
from test_experiments import EXPLODING, Quiet

from made_data import few_digits
from slimrnn import data, loggers
from slimrnn.errors import InputError
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import METRICS, lines
from slimrnn.experiments.run.trainer import Trainer
from slimrnn.loggers import LOGGERS

pytestmark = pytest.mark.backend_free

EPOCHS = 3
KINDS = {"stopped": "LSTM6", "diverged": EXPLODING}
INSTALLED = [name for name, x in LOGGERS.items() if importlib.util.find_spec(x.package)]
# MLflow's libraries take longer to install than its tests do to run.
large = pytest.mark.exhaustive
EACH = [
    pytest.param(name, marks=large) if name == "mlflow" else name for name in LOGGERS
]


class Stop(keras.callbacks.Callback):
    """Ctrl-C in an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch + 1 == self.epoch:
            raise KeyboardInterrupt


class StandIn(ModuleType):
    """For Weights & Biases, whose runs live on a server: keeps what it is told."""

    def __init__(self):
        super().__init__(LOGGERS["wandb"].package)
        self.runs = {}

    def init(self, *, id, resume, name, dir, config):
        assert resume == "allow"
        new = SimpleNamespace(told={}, name=name, dir=dir, config=config, finished=0)
        run = self.runs.setdefault(id, new)

        def log(figures, step):
            assert step not in run.told
            run.told[step] = figures

        def finish():
            run.finished += 1

        return SimpleNamespace(log=log, finish=finish)


@pytest.fixture(scope="module")
def wandb():
    return StandIn()


@pytest.fixture(scope="module", autouse=True)
def environment(tmp_path_factory, wandb):
    """The libraries write into a folder of the tests and tell nobody."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("mlflow") / "mlruns"
        patch.setenv("MLFLOW_TRACKING_URI", folder.as_uri())
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setitem(sys.modules, wandb.__name__, wandb)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory, environment):
    """The folder of a run of each kind, told to all loggers at once."""
    names = [*{*INSTALLED, "wandb"}]
    folder = tmp_path_factory.mktemp("runs")
    few = few_digits(folder)
    digits = data.load(file=few["data"])
    for kind, row in KINDS.items():
        activation = "linear" if kind == "diverged" else "tanh"
        settings = Settings.of(
            row, activation=activation, units=4, epochs=EPOCHS, **few
        )
        told = loggers.callbacks(names)

        def stopping(settings, path, told=told):
            return [*told(settings, path), Stop(2)]

        if kind == "stopped":
            with pytest.raises(KeyboardInterrupt):
                Trainer(digits, Quiet(), stopping).run(settings, folder / kind)
        Trainer(digits, Quiet(), told).run(settings, folder / kind)
    return folder


def of_tensorboard(path, _):
    """Each figure by name and step, as TensorBoard reads the files of events."""
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    found = {}
    for file in sorted(path.glob("events.out.*")):
        content = file.read_bytes()
        while content:
            (size,) = struct.unpack("<Q", content[:8])  # and two checksums of 4 bytes
            event = Event.FromString(content[12 : 12 + size])
            content = content[16 + size :]
            if event.session_log.status == SessionLog.START and event.step:
                found = {k: v for k, v in found.items() if k[1] < event.step}
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    assert (value.tag, event.step) not in found
                    found[value.tag, event.step] = value.simple_value
    return found


def of_mlflow(path, _):
    import mlflow

    client = mlflow.MlflowClient()
    (run,) = client.search_runs(["0"], f"tags.mlflow.runName = '{path.name}'")
    assert run.info.status == "FINISHED"
    assert run.data.params["units"] == "4"
    told = [
        m
        for name in run.data.metrics
        for m in client.get_metric_history(run.info.run_id, name)
    ]
    assert len({(m.key, m.step) for m in told}) == len(told)
    return {(m.key, m.step): m.value for m in told}


def of_wandb(path, wandb):
    (run,) = (run for run in wandb.runs.values() if run.name == path.name)
    assert run.dir == str(path)
    assert run.config["units"] == 4
    assert run.finished == 1
    return {
        (name, step): value
        for step, figures in run.told.items()
        for name, value in figures.items()
    }


READ = {"tensorboard": of_tensorboard, "mlflow": of_mlflow, "wandb": of_wandb}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", EACH)
def test_the_figures_are_those_of_the_run(name, kind, made, wandb):
    if name not in {*INSTALLED, "wandb"}:
        pytest.skip(f"{LOGGERS[name].package} is not installed")
    metrics = lines(made / kind / METRICS)
    assert len(metrics) == (EPOCHS if kind == "stopped" else 1)
    expected = {
        (key, line["epoch"]): np.nan if value is None else value
        for line in metrics
        for key, value in line.items()
        if key != "epoch"
    }
    assert np.isnan(list(expected.values())).any() == (kind == "diverged")
    found = READ[name](made / kind, wandb)
    assert found == pytest.approx(expected, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("name", [name for name in EACH if name != "wandb"])
def test_in_a_fit_of_ones_own(name, tmp_path):
    pytest.importorskip(LOGGERS[name].package)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((4, 3)), np.ones((4, 1))
    logger = LOGGERS[name](tmp_path / "new" / "own", {"units": 4})
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[logger]).history
    found = READ[name](tmp_path / "new" / "own", None)
    expected = {("loss", k + 1): value for k, value in enumerate(history["loss"])}
    assert found == pytest.approx(expected, rel=1e-6)


@large
def test_a_run_that_mlflow_no_longer_has(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "mlflow.txt").write_text("0" * 32)
    logger = LOGGERS["mlflow"](folder)
    logger.on_epoch_begin(4)
    logger.on_epoch_end(4, {"loss": 0.5})
    logger.on_train_end()
    run = mlflow.get_run((folder / "mlflow.txt").read_text())
    assert run.data.metrics == {"loss": 0.5}


@large
def test_mlflow_that_takes_no_run(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")

    def refuse(**options):
        raise mlflow.MlflowException("no such server\nand more")

    monkeypatch.setattr(mlflow, "start_run", refuse)
    with pytest.raises(InputError, match=r"run new \(no such server\); see where MLFL"):
        LOGGERS["mlflow"](tmp_path / "new").on_epoch_begin(0)
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize("name", LOGGERS)
def test_the_library_is_not_installed(name, monkeypatch):
    package = LOGGERS[name].package
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=f"pip install {package}"):
        loggers.check([name])
    with pytest.raises(InputError, match=f"pip install {package}"):
        LOGGERS[name]("run")


def test_settings_are_logged_as_they_are_written(made, wandb):
    config = json.loads((made / "stopped" / "config.json").read_text())
    (run,) = (run for run in wandb.runs.values() if run.name == "stopped")
    assert json.loads(json.dumps(run.config)) == config
