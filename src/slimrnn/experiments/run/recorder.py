"""What is done after each epoch: measure, write down, decide whether to go on."""

from __future__ import annotations

import math
import statistics
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from slimrnn.data import Batches
from slimrnn.data.metrics import rank
from slimrnn.experiments.run.checkpoint import Checkpoint, last
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import Record, mapping
from slimrnn.native import library
from slimrnn.utils.checks import number

FLOORS = "floors.json"  # beside the runs of a search
_MAX_EXPONENT = 700.0  # whose exponential a float still holds


class Watcher(Protocol):
    """Who is notified of the runs' progress, such as a terminal."""

    def begins(self, settings: Settings, batches: int) -> None:
        """A run begins; each of its epochs has so many batches."""

    def batch(self) -> None:
        """A batch has been trained; called from another thread."""

    def epoch(self, settings: Settings, line: Mapping[str, Any]) -> None:
        """An epoch has ended; the line is what `metrics.jsonl` received."""

    def ends(self, settings: Settings, result: Mapping[str, Any]) -> None:
        """A run has ended; the result is what `result.json` received."""


class RunRecorder(keras.callbacks.Callback):
    """Times each epoch, evaluates after it and writes it down; stops at NaN.

    Args:
        model: compiled, in its first state.
        settings: of the run.
        record: the run's files.
        watcher: is notified of its progress.
        validation: what is validated on; the same object as `test` if that is.
        test: the test data.
        metric: by which epochs are compared: ``"accuracy"``, ``"mae"`` or ``"esr"``.
    """

    # Keras then calls `on_train_batch_end` from a thread: nothing waits for it.
    async_safe = True

    def __init__(
        self,
        model: keras.Model,
        settings: Settings,
        record: Record,
        watcher: Watcher,
        validation: Batches,
        test: Batches,
        metric: str,
    ):
        super().__init__()
        self.trained = model
        self.settings = settings
        self.record = record
        self.watcher = watcher
        self.validation = validation
        self.test = test
        self.metric = metric
        self.lines: list[dict[str, Any]] = []
        self.best: list[np.ndarray] = []  # the weights of the best epoch, if kept
        self.diverged = ""  # what became of the loss, once it has
        self.stop = threading.Event()  # set by Ctrl-C
        self.floors = floors(record.path)
        config = {**settings.config(), "data_dir": None}
        self._owner = {
            "settings": config,
            "backend": keras.config.backend(),
            "native": library.build(),
        }

    def restore(self) -> None:
        """Puts the model and the recorder where the last checkpoint was, if any."""
        found = last(self.record.path, self._owner, self._fits)
        self.record.rewrite(found.lines if found else [])
        if found is None:
            return
        was, now = found.owner["native"], self._owner["native"]
        if was != now:
            warnings.warn(
                f"{self.record.path} goes on with another native library "
                f"({now or 'none'} after {was or 'none'}): its losses may differ in "
                f"the last digits.",
                stacklevel=2,
            )
        self.lines = [dict(line) for line in found.lines]
        self.best = list(found.best)
        for variable, value in zip(state(self.trained), found.state, strict=True):
            variable.assign(value)

    def _fits(self, found: Checkpoint) -> bool:
        """Whether what a checkpoint holds is what a run of this model would write."""
        names = {"loss", f"val_{self.metric}", f"test_{self.metric}", "seconds"}
        lines = 0 < len(found.lines) <= self.settings.epochs and all(
            line.get("epoch") == place
            and names <= line.keys()
            and all(map(number, line.values()))
            for place, line in enumerate(found.lines, start=1)
        )
        best = self.trained.variables if self.settings.keep == "best" else []
        return (
            lines
            and _alike(found.state, state(self.trained))
            and _alike(found.best, best)
        )

    @property
    def ended(self) -> bool:
        """Whether there is no epoch left to train."""
        epochs, patience = self.settings.epochs, self.settings.patience
        waited = len(self.lines) - self._best_epoch()
        return (
            len(self.lines) >= epochs
            or (patience is not None and waited >= patience)
            or self.hopeless
        )

    @property
    def hopeless(self) -> bool:
        """Whether the last epoch is worse than the search still lets it be."""
        if not self.lines:
            return False
        floor = self.floors.get(str(len(self.lines)))
        return floor is not None and rank(self.lines[-1], self.metric)[0] < floor

    def interrupt(self) -> None:
        """Raise the KeyboardInterrupt that was noted, if one was."""
        if self.stop.is_set():
            raise KeyboardInterrupt

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Keras: an epoch begins."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keras: a batch has been trained; its losses make a running mean."""
        self.watcher.batch()
        if self.stop.is_set() or (logs and not math.isfinite(logs["loss"])):
            # Not `self.model`: asking for it synchronises the state under JAX, which
            # the training thread has given away just now.
            self.trained.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keras: an epoch has been trained, or was stopped."""
        self.interrupt()
        seconds = time.perf_counter() - self._began
        line = {"epoch": epoch + 1, **logs}
        if self.settings.schedule != "constant":
            line["learning_rate"] = float(self.model.optimizer.learning_rate)
        if math.isfinite(line["loss"]):
            test = self.model.evaluate(self.test, verbose=0, return_dict=True)
            held = test
            if self.validation is not self.test:
                held = self.model.evaluate(self.validation, verbose=0, return_dict=True)
            line |= {f"val_{name}": value for name, value in held.items()}
            line |= {f"test_{name}": value for name, value in test.items()}
        line["seconds"] = seconds
        logs |= line  # for the callbacks after this one
        self._write(line)

    def _write(self, line: dict[str, Any]) -> None:
        losses = {name: value for name, value in line.items() if "loss" in name}
        wrong = [name for name, value in losses.items() if not math.isfinite(value)]
        self.lines.append(line)
        if wrong:
            name, value = wrong[0].replace("_", " "), losses[wrong[0]]
            self.diverged = f"The {name} became {value} in epoch {line['epoch']}."
        else:
            self._step(line)
        self.record.add(line)
        self.watcher.epoch(self.settings, line)
        if self.diverged or self.ended:
            self.model.stop_training = True

    def _step(self, line: Mapping[str, Any]) -> None:
        """The epoch's consequences, and the checkpoint that holds them."""
        if self.settings.schedule == "exp_loss":
            # Beyond, no float holds the rate, and the next loss says that it diverged.
            growth = math.exp(min(line["loss"], _MAX_EXPONENT))
            self.model.optimizer.learning_rate = self.settings.learning_rate * growth
        if self.settings.keep == "best" and self._best_epoch() == len(self.lines):
            self.best = arrays(self.model.variables)
        now = arrays(state(self.model))
        Checkpoint(self.lines, now, self.best, self._owner).write(self.record.path)

    def _best_epoch(self) -> int:
        """The epoch, from 1 on, that validates best; 0: no epoch."""
        ranks = [rank(line, self.metric) for line in self.lines]
        return ranks.index(max(ranks)) + 1 if ranks else 0

    def keep(self) -> None:
        """Gives the model the weights that the settings keep."""
        if self.best:
            for variable, value in zip(self.trained.variables, self.best, strict=True):
                variable.assign(value)

    def result(self) -> dict[str, Any]:
        """What the epochs amount to: the kept one's figures, the usual time."""
        whole = [line for line in self.lines if f"val_{self.metric}" in line]
        kept = whole[-1] if whole else {}
        if self.best and not self.diverged:
            kept = self.lines[self._best_epoch() - 1]
        seconds = [line["seconds"] for line in self.lines]
        # The first epoch compiles; it counts only where there is no other.
        usual = seconds[1:] or seconds
        figures = {k: v for k, v in kept.items() if k.startswith(("val_", "test_"))}
        return {
            "epochs": len(self.lines),
            "kept_epoch": kept.get("epoch"),
            **({"pruned": True} if self.hopeless else {}),
            **figures,
            "seconds_per_epoch": statistics.median(usual) if usual else None,
        }


def floors(path: Path) -> Mapping[str, float]:
    """By epoch, the least validation score with which a run of a search continues."""
    return mapping(path.parent / FLOORS)


def state(model: keras.Model) -> list[keras.Variable]:
    """All that training changes: weights, seeds of dropout, the optimizer's."""
    return [*model.variables, *model.optimizer.variables]


def _alike(found: Sequence[np.ndarray], variables: Sequence[keras.Variable]) -> bool:
    """Whether arrays are values that the variables can have."""
    return len(found) == len(variables) and all(
        array.shape == tuple(variable.shape)
        and array.dtype == variable.dtype
        and (array.dtype.kind != "f" or np.isfinite(array).all())
        for array, variable in zip(found, variables, strict=True)
    )


def arrays(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    """Copies of the values."""
    return [np.array(keras.ops.convert_to_numpy(x.value)) for x in variables]
