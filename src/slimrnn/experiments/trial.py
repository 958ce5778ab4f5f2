"""One run: a model trained, measured and written down."""

from __future__ import annotations

import contextlib
import math
import statistics
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from slimrnn import interrupts
from slimrnn.data import Batches, Dataset, Part
from slimrnn.experiments.environment import describe
from slimrnn.experiments.model import build, counts, parts
from slimrnn.experiments.settings import Settings
from slimrnn.experiments.store import Record, Run

EVALUATION_BATCH = 256  # larger than in training: there are no gradients to keep
CHECKPOINT_SECONDS = 60.0
MOST_PREDICTIONS, PREDICTION_SECONDS = 200, 1.0


class Watcher(Protocol):
    """Who is told how the runs go, such as a terminal."""

    def begins(self, settings: Settings, batches: int) -> None:
        """A run begins; each of its epochs has so many batches."""

    def batch(self) -> None:
        """A batch has been trained; called from another thread."""

    def epoch(self, settings: Settings, line: Mapping[str, Any]) -> None:
        """An epoch has ended; the line is what `metrics.jsonl` received."""

    def ends(self, settings: Settings, result: Mapping[str, Any]) -> None:
        """A run has ended; the result is what `result.json` received."""


class Trainer:
    """Trains runs, one after the other; runs that differ in the seed share a program.

    Args:
        dataset: what the runs' settings name.
        watcher: is told how it goes.
    """

    def __init__(self, dataset: Dataset, watcher: Watcher):
        self.dataset = dataset
        self.watcher = watcher
        self._program: tuple[Settings, keras.Model] | None = None

    def run(self, settings: Settings, path: Path) -> Run:
        """Trains a model as the settings say and writes the run's folder.

        A loss that is not a finite number ends the run as ``diverged``, which is a
        result and no error.

        Args:
            settings: of the run.
            path: its folder, new or empty.

        Raises:
            InputError: before anything is written.
            KeyboardInterrupt: after the run was written down as ``interrupted``.
        """
        part, held = parts(settings, self.dataset)
        batches = Batches(part, settings.batch_size, seed=settings.seed)
        model = self._model(settings)
        record = Record(path)
        record.start(settings.config(), describe())
        self.watcher.begins(settings, len(batches))
        diary = Diary(model, settings, record, self.watcher, held, self.dataset.test)
        result: dict[str, Any] = {"status": "failed", "reason": None}
        try:
            result = self._fit(model, settings, batches, diary)
        except BaseException as error:
            self._program = None  # nobody knows what state it is in
            if not isinstance(error, KeyboardInterrupt):
                result["reason"] = f"{type(error).__name__}: {error}"
                raise
            result = {"status": "interrupted", "reason": "Stopped by Ctrl-C."}
            # Stopped in the middle of a step, a backend may have no weights to save.
            with contextlib.suppress(Exception):
                model.save(record.model)
            raise
        finally:
            result |= {**counts(model), **diary.result()}
            record.finish({**result, "validation": settings.validated_on})
            self.watcher.ends(settings, result)
        return Run.read(path)

    def _fit(
        self, model: keras.Model, settings: Settings, batches: Batches, diary: Diary
    ) -> dict[str, Any]:
        """Trains, measures and saves the model; how it ended."""
        # The batches shuffle themselves, alike for all variants of a seed.
        with interrupts.noted() as diary.stop:
            model.fit(
                batches,
                epochs=settings.epochs,
                shuffle=False,
                verbose=0,
                callbacks=[batches.follow(), diary],
            )
        diary.interrupt()
        if diary.diverged:
            return {"status": "diverged", "reason": diary.diverged}
        seconds = prediction_seconds(model, self.dataset.test)
        model.save(diary.record.model)
        return {"status": "done", "prediction_seconds": seconds}

    def _model(self, settings: Settings) -> keras.Model:
        """The model in its first state: the last run's, if only the seed differs.

        Compiling takes longer than an epoch of a small data set.
        """
        fresh = build(settings, self.dataset)
        unseeded = replace(settings, seed=0)
        if self._program is None or self._program[0] != unseeded:
            self._program = unseeded, fresh
            return fresh
        compiled = self._program[1]
        fresh.optimizer.build(fresh.trainable_variables)
        for old, new in zip(_state(compiled), _state(fresh), strict=True):
            old.assign(new)
        return compiled


def _state(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]


class Diary(keras.callbacks.Callback):
    """Times each epoch, evaluates after it and writes it down; stops at NaN."""

    # Keras then calls `on_train_batch_end` from a thread: nothing waits for it.
    async_safe = True

    def __init__(
        self,
        model: keras.Model,
        settings: Settings,
        record: Record,
        watcher: Watcher,
        validation: Part | None,
        test: Part,
    ):
        super().__init__()
        self.trained = model
        self.settings = settings
        self.record = record
        self.watcher = watcher
        self.validation = None if validation is None else _in_order(validation)
        self.test = _in_order(test)
        self.lines: list[dict[str, Any]] = []
        self.diverged = ""  # what became of the loss, once it has
        self.stop = threading.Event()  # set by Ctrl-C
        self._saved = time.monotonic()

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
        if math.isfinite(line["loss"]):
            test = self.model.evaluate(self.test, verbose=0, return_dict=True)
            held = test
            if self.validation is not None:
                held = self.model.evaluate(self.validation, verbose=0, return_dict=True)
            line |= {f"val_{name}": value for name, value in held.items()}
            line |= {f"test_{name}": value for name, value in test.items()}
        line["seconds"] = seconds
        self._write(line)

    def _write(self, line: dict[str, Any]) -> None:
        losses = {name: value for name, value in line.items() if "loss" in name}
        wrong = [name for name, value in losses.items() if not math.isfinite(value)]
        if wrong:
            name, value = wrong[0].replace("_", " "), losses[wrong[0]]
            self.diverged = f"The {name} became {value} in epoch {line['epoch']}."
            self.model.stop_training = True
        self.lines.append(line)
        self.record.add(line)
        self.watcher.epoch(self.settings, line)
        if not wrong and time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self.model.save(self.record.model)
            self._saved = time.monotonic()

    def result(self) -> dict[str, Any]:
        """What the epochs amount to: the last one's test figures, the usual time."""
        last = self.lines[-1] if self.lines else {}
        seconds = [line["seconds"] for line in self.lines]
        # The first epoch compiles; it counts only where there is no other.
        usual = seconds[1:] or seconds
        return {
            "epochs": len(self.lines),
            **{name: value for name, value in last.items() if "test_" in name},
            "seconds_per_epoch": statistics.median(usual) if usual else None,
        }


def _in_order(part: Part) -> Batches:
    return Batches(part, EVALUATION_BATCH, shuffle=False, group=True)


def prediction_seconds(model: keras.Model, part: Part) -> float:
    """The median time of predicting one sequence of median length, compiled."""
    middle = np.argsort(part.x.lengths, kind="stable")[len(part) // 2]
    one = part.x.take([middle]).padded()
    for _ in range(3):
        model.predict_on_batch(one)
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < MOST_PREDICTIONS:
        before = time.perf_counter()
        model.predict_on_batch(one)
        times.append(time.perf_counter() - before)
        if time.perf_counter() - began > PREDICTION_SECONDS and len(times) >= 5:
            break
    return statistics.median(times)
