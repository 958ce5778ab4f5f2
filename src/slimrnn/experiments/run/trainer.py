"""One run: a model trained, measured and written down."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from slimrnn.data import Batches, Dataset, Part
from slimrnn.data.scoring import baselines
from slimrnn.experiments.run import checkpoint, integers
from slimrnn.experiments.run.build import build, counts, head_of, parts, scores
from slimrnn.experiments.run.environment import describe
from slimrnn.experiments.run.recorder import RunRecorder, Watcher, state
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import BASELINE_OF, Record, Run
from slimrnn.timing import in_turns
from slimrnn.utils import interrupts

#: settings that no compiled program holds: a learning rate is a variable of it
NOT_COMPILED: dict[str, Any] = {
    "seed": 0,
    "learning_rate": 1.0,
    "schedule": "constant",
    "epochs": 1,
    "patience": None,
    "keep": "last",
}
EVALUATION_BATCH = 256  # larger than in training: there are no gradients to keep
PROGRAMS_KEPT = 5  # as many as `slimrnn compare` has variants

#: Makes further callbacks of a run, such as loggers, of its settings and folder.
Callbacks = Callable[[Settings, Path], Sequence[keras.callbacks.Callback]]


def no_callbacks(settings: Settings, path: Path) -> Sequence[keras.callbacks.Callback]:
    """None but those that write the run down."""
    return ()


class Trainer:
    """Trains runs, one after the other; runs that differ in the seed share a program.

    Args:
        dataset: what the runs' settings name.
        watcher: is notified of its progress.
        callbacks: of each run, after those that write it down.
    """

    def __init__(
        self, dataset: Dataset, watcher: Watcher, callbacks: Callbacks = no_callbacks
    ):
        self.dataset = dataset
        self.watcher = watcher
        self.callbacks = callbacks
        self._programs: dict[str, keras.Model] = {}  # the latest at the end

    def run(self, settings: Settings, path: Path) -> Run:
        """Trains a model as the settings say and writes the run's folder.

        A run that was stopped before resumes after its last whole checkpoint, and
        has the same losses as one that never stopped. A loss that is not a finite
        number ends the run as ``diverged``, which is a result and no error.

        Raises:
            InputError: before anything is written; the folder is in use.
            KeyboardInterrupt: after the run was written down as ``interrupted``.
            OSError: the disk is full; the last whole checkpoint is still there.
        """
        part, held = parts(settings, self.dataset)
        batches = Batching(settings, self.dataset)
        training = batches.shuffled(part)
        model = self._model(settings)
        with Record(path).open(settings.config(), describe()) as record:
            if record.ended:  # in another process, since somebody looked
                return Run.read(path)
            self.watcher.begins(settings, len(training))
            test = batches.grouped(self.dataset.test)
            validation = test if held is None else batches.grouped(held)
            recorder = RunRecorder(
                *(model, settings, record, self.watcher, validation, test),
                head_of(settings, self.dataset).metric,
            )
            try:
                self._carry_out(training, recorder)
            except BaseException:
                self._programs.clear()  # nobody knows what state they are in
                raise
        return Run.read(path)

    def _carry_out(self, batches: Batches, recorder: RunRecorder) -> None:
        """Trains, and writes down how it ended, whatever happens."""
        model, settings = recorder.trained, recorder.settings
        result: dict[str, Any] = {"status": "failed", "reason": None}
        try:
            recorder.restore()
            result = self._fit(batches, recorder)
            checkpoint.remove(recorder.record.path)
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt):
                result["reason"] = f"{type(error).__name__}: {error}"
                raise
            result = {"status": "interrupted", "reason": "Stopped by Ctrl-C."}
            # Stopped in the middle of a step, a backend may have no weights to save.
            with contextlib.suppress(Exception):
                recorder.record.save(model)
            raise
        finally:
            result |= {**counts(model), **recorder.result()}
            for name, score in baselines(self.dataset, recorder.metric).items():
                result[f"{BASELINE_OF} {name}"] = score
            recorder.record.finish({**result, "validation": settings.validated_on})
            self.watcher.ends(settings, result)

    def _fit(self, batches: Batches, recorder: RunRecorder) -> dict[str, Any]:
        """Trains, measures and saves the model; how it ended."""
        model, settings = recorder.trained, recorder.settings
        more = self.callbacks(settings, recorder.record.path)
        # The batches shuffle themselves, alike for all variants of a seed.
        with interrupts.noted() as recorder.stop:
            if not recorder.ended:
                model.fit(
                    batches,
                    initial_epoch=len(recorder.lines),
                    epochs=settings.epochs,
                    shuffle=False,
                    verbose=0,
                    callbacks=[batches.follow(), recorder, *more],
                )
        recorder.interrupt()
        if recorder.diverged:
            return {"status": "diverged", "reason": recorder.diverged}
        recorder.keep()
        wrong = [x.path for x in model.weights if not np.isfinite(x).all()]
        if wrong:
            reason = f"The weight {wrong[0]} has numbers that are not finite."
            return {"status": "diverged", "reason": reason}
        one = self.dataset.test.median().x.padded()
        calls = {"prediction": lambda: model.predict_on_batch(one)}
        seconds = in_turns(calls, seconds=0.5)["prediction"].median
        recorder.record.save(model)
        recorder.record.save_labels(self.dataset.labels)
        recorder.record.save_scores(scores(model, recorder.test))
        result = {"status": "done", "prediction_seconds": seconds}
        result |= integers.costs(model)
        if settings.int8:
            parts = (batches.part, recorder.validation.part)
            result |= integers.scores(model, self.dataset, *parts, recorder.metric)
        return result

    def _model(self, settings: Settings) -> keras.Model:
        """The model in its first state: that of a run before, if it has the program.

        Compiling takes longer than an epoch of a small data set.
        """
        fresh = build(settings, self.dataset)
        fresh.optimizer.build(fresh.trainable_variables)
        same = replace(settings, **NOT_COMPILED).key()
        compiled = self._programs.pop(same, fresh)
        self._programs[same] = compiled
        if len(self._programs) > PROGRAMS_KEPT:
            del self._programs[next(iter(self._programs))]
        if compiled is not fresh:
            for old, new in zip(state(compiled), state(fresh), strict=True):
                old.assign(new)
        return compiled


class Batching:
    """How the settings make batches of a part of the data."""

    def __init__(self, settings: Settings, dataset: Dataset):
        self.settings = settings
        self.front = settings.padding == "front"
        longest = max(int(x.lengths.max()) for x in (dataset.train.x, dataset.test.x))
        # Unmasked, a step of padding counts: all parts have as many of them.
        self.length = longest if self.front else None

    def shuffled(self, part: Part) -> Batches:
        """For training."""
        return Batches(
            part,
            self.settings.batch_size,
            seed=self.settings.seed,
            front=self.front,
            length=self.length,
        )

    def grouped(self, part: Part) -> Batches:
        """For an evaluation: like lengths together."""
        return Batches(
            part,
            EVALUATION_BATCH,
            shuffle=False,
            group=True,
            front=self.front,
            length=self.length,
        )
