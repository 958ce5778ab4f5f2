"""Callbacks that report a run's epochs to TensorBoard, MLflow or Weights & Biases.

Each is a few lines around a library that is imported only when it is asked for, and
each works in a `model.fit` of your own:

    model.fit(x, y, callbacks=[slimrnn.loggers.TensorBoard("logs", {"units": 64})])

A resumed run, in the same folder, continues there as well.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from slimrnn.errors import InputError
from slimrnn.utils.checks import known
from slimrnn.utils.optional import require


class Logger(keras.callbacks.Callback):
    """What the loggers share.

    Args:
        folder: of the run.
        settings: by name; they are logged once.

    Raises:
        InputError: the library is not installed.
    """

    package = ""

    def __init__(self, folder: str | Path, settings: Mapping[str, Any] | None = None):
        super().__init__()
        self.folder: Path = Path(folder)
        self.settings: dict[str, Any] = dict(settings or {})
        self.library = self.library_module()
        self._begun = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Keras: an epoch begins; the first of this process opens the log."""
        if not self._begun:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.begin(epoch + 1)
            self._begun = True

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Keras: an epoch has ended; its figures are logged."""
        figures = {k: float(v) for k, v in (logs or {}).items() if k != "epoch"}
        self.log(figures, epoch + 1)

    def on_train_end(self, logs: Any = None) -> None:
        """Keras: training has ended."""
        if self._begun:
            self.end()
            self._begun = False

    def begin(self, epoch: int) -> None:
        """Opens the log; the first epoch of all is 1."""
        raise NotImplementedError

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """Logs the figures of an epoch."""
        raise NotImplementedError

    def end(self) -> None:
        """Closes the log."""
        raise NotImplementedError

    @classmethod
    def library_module(cls, name: str = "") -> Any:
        """The library, or a module of it, such as ``".summary"``."""
        return require(cls.package + name, cls.package, cls.package)

    @property
    def _note(self) -> Path:
        """A file that keeps by which name the library knows the run."""
        return self.folder / f"{self.package}.txt"


class TensorBoard(Logger):
    """Scalars for TensorBoard, in the run's folder; needs no TensorFlow."""

    package = "tensorboardX"

    def begin(self, epoch: int) -> None:
        """Opens the log; what it has of this epoch and later ones no longer counts."""
        # Not its SummaryWriter, whose queue is lost with a run that is killed.
        writer = self.library_module(".event_file_writer")
        self._proto = self.library_module(".proto.event_pb2")
        self._file = writer.EventsWriter(str(self.folder / "events"), f".{epoch}")
        start = self._proto.SessionLog(status=self._proto.SessionLog.START)
        self._write(epoch, session_log=start)
        text = self.library.summary.text("settings", str(self.settings))
        self._write(0, summary=text)

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """Logs the figures of an epoch."""
        values = [{"tag": k, "simple_value": v} for k, v in figures.items()]
        self._write(epoch, summary={"value": values})

    def end(self) -> None:
        """Closes the log."""
        self._file.close()

    def _write(self, epoch: int, **content: Any) -> None:
        event = self._proto.Event(wall_time=time.time(), step=epoch, **content)
        self._file.write_event(event)
        self._file.flush()


class MLflow(Logger):
    """A run of MLflow; where to is MLflow's own setting, MLFLOW_TRACKING_URI.

    Raises:
        InputError: when training begins, that MLflow does not take the run.
    """

    package = "mlflow"

    def begin(self, epoch: int) -> None:
        """Opens the log: that of the folder, if MLflow has it still."""
        self._client = self.library.MlflowClient()
        if self._note.exists() and self._resumed(self._note.read_text()):
            return
        self._resumed(self._made())

    def _made(self) -> str:
        """The name of a new run."""
        # MLflow's own idea of the run that is active ends here: a fit that fails would
        # leave it to the next run.
        name = self.folder.name
        try:
            with self.library.start_run(run_name=name, nested=True) as run:
                self.library.log_params(self.settings)
        except self.library.MlflowException as error:
            raise InputError(
                f"MLflow does not take the run {name} ({str(error).splitlines()[0]}); "
                f"see where MLFLOW_TRACKING_URI leads."
            ) from error
        self._note.write_text(run.info.run_id)
        return run.info.run_id

    def _resumed(self, run_id: str) -> bool:
        self._run_id = run_id
        try:
            self._client.update_run(run_id, "RUNNING")
        except self.library.MlflowException:
            return False  # deleted, or on another server
        return True

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """Logs the figures of an epoch."""
        self.library.log_metrics(figures, step=epoch, run_id=self._run_id)

    def end(self) -> None:
        """Closes the log."""
        self._client.set_terminated(self._run_id)


class WandB(Logger):
    """A run of Weights & Biases; it has settings of its own, ``WANDB_...``."""

    package = "wandb"

    def begin(self, epoch: int) -> None:
        """Opens the log: that of the folder, if there is one."""
        if not self._note.exists():
            self._note.write_text(uuid.uuid4().hex)
        self.run = self.library.init(
            id=self._note.read_text(),
            resume="allow",
            name=self.folder.name,
            dir=str(self.folder),
            config=self.settings,
        )

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """Logs the figures of an epoch."""
        self.run.log(figures, step=epoch)

    def end(self) -> None:
        """Closes the log."""
        self.run.finish()


#: By the names that the command line knows.
LOGGERS: dict[str, type[Logger]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WandB,
}


def check(names: Sequence[str]) -> None:
    """Refuses, before anything is trained, what cannot log.

    Raises:
        InputError: an unknown name, or a library that is not installed.

    Example:
        >>> check(["paper"])
        Traceback (most recent call last):
        slimrnn.errors.InputError: Unknown logger 'paper'; the nearest is \
tensorboard. Allowed: mlflow, tensorboard, wandb.
    """
    for name in names:
        known("logger", name, LOGGERS)
        LOGGERS[name].library_module()


def callbacks(names: Sequence[str]) -> Callable[[Any, Path], list[Logger]]:
    """What makes these loggers for each run of a Trainer, of its settings and folder.

    Example:
        >>> callbacks([])(None, Path("run"))
        []
    """
    return lambda settings, path: [LOGGERS[n](path, settings.config()) for n in names]
