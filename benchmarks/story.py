"""Spoken digits on a Cortex-M4, from training to firmware in an emulator.

An LSTM and an LSTM6 are trained on spoken_digits, and the LSTM is slimmed to an LSTM6,
each for as many epochs. All three are exported as C, in float32 and int8, built into
one firmware, and run on the test recordings; what they answer there has to be what the
NumPy simulator said, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import script
from benchmarks.firmware import emulator
from benchmarks.firmware.emulator import Firmware, Model, Run
from benchmarks.firmware.report import Table
from benchmarks.slimming import TRAINED, Watcher
from slimrnn import backends
from slimrnn.cli import flags
from slimrnn.experiments.run.settings import Settings

if TYPE_CHECKING:  # the backend is chosen first
    import keras

    from slimrnn.data import Dataset

SLIM = "LSTM6"
DATASET, UNITS, EPOCHS = "spoken_digits", 32, 30
CORE = emulator.CORES["M4F"]
#: steps of a second: the data have a frame each 10 ms
FRAMES = 100
#: the training recordings that determine the scale of the input
CALIBRATION = 200
_SECONDS = 600  # for the emulator

Array = np.ndarray


@dataclass(frozen=True)
class Exported(Model):
    """A trained model for the device, and what is known of it before.

    Attributes:
        title: what it is called.
        dtype: of the arithmetic.
        keras: its accuracy in Keras.
        promised: the one that :func:`slimrnn.deploy.evaluate_int8` gives.
        expected: the simulator's outputs, (T, classes) for each recording.
    """

    title: str
    dtype: str
    keras: float
    promised: float
    expected: list[Array]


@dataclass(frozen=True)
class OnDevice:
    """A model, and what it did in the emulator.

    Attributes:
        model: as it was exported.
        run: its outputs there, and what they took.
        flash: bytes that it adds to a firmware.
        accuracy: by the outputs after the last step of each recording.
    """

    model: Exported
    run: Run
    flash: int
    accuracy: float

    @property
    def ram(self) -> int:
        """Bytes of state and stack."""
        return self.model.source.layout.state_bytes + self.run.stack

    @property
    def instructions(self) -> int:
        """For a second of audio."""
        return round(FRAMES * self.run.step)

    def wrong(self) -> list[int]:
        """The recordings with other bits than the simulator's."""
        pairs = zip(self.run.outputs, self.model.expected, strict=True)
        return [k for k, (y, want) in enumerate(pairs) if not np.array_equal(y, want)]


def settings_of(data_dir: str | None, **given: int) -> Settings:
    """Those of the LSTM's training; what is given goes before what is usual."""
    usual = {"dataset": DATASET, "data_dir": data_dir, "units": UNITS, "keep": "best"}
    usual["time_scale"] = "none"  # docs/story.md uses the published constants
    return Settings.of(TRAINED, **{**usual, **given})


def train(settings: Settings, data: Dataset, folder: Path) -> dict[str, keras.Model]:
    """The three models by their titles, trained for as many epochs each."""
    import keras

    import slimrnn
    from slimrnn.experiments.run.trainer import Trainer

    trainer, models = Trainer(data, Watcher()), {}
    for row in (TRAINED, SLIM):
        path = trainer.run(replace(settings, variant=row), folder / row).path
        models[row] = keras.models.load_model(path / "model.keras", safe_mode=True)
    names = ("epochs", "learning_rate", "batch_size", "validation", "seed")
    options = {name: getattr(settings, name) for name in names}
    script.say(f"{TRAINED}, slimmed to {SLIM}")
    models[f"{SLIM} slimmed"] = slimrnn.slim(models[TRAINED], SLIM, data, **options)
    return models


def export(title: str, model: keras.Model, data: Dataset) -> list[Exported]:
    """A model as C in each dtype, with the test recordings as that takes them."""
    from slimrnn.deploy import evaluate_int8
    from slimrnn.deploy.c.export import DTYPES, compile_model
    from slimrnn.deploy.c.project import source_of
    from slimrnn.deploy.program import inputs, simulator
    from slimrnn.ir import read

    scales = data.train.x.take(slice(CALIBRATION)).padded()
    x, y = data.test.x.padded(), data.test.y
    in_keras = accuracy(model.predict(x, verbose=0), y)
    promised = evaluate_int8(model, x, y, calibration=scales)
    found = []
    for dtype in DTYPES:
        program, _ = compile_model(read(model), dtype, scales)
        source = source_of(program, f"{title}_{dtype}".replace(" ", "_").lower())
        given = inputs.given(program, x)
        outputs = simulator.run(program, given, each=True)
        lengths = data.test.x.lengths
        made = Exported(
            source,
            unpadded(given, lengths),
            title,
            dtype,
            in_keras,
            getattr(promised, dtype),
            unpadded(outputs, lengths),
        )
        found.append(made)
    return found


def unpadded(x: Array, lengths: Array) -> list[Array]:
    """The sequences of (B, T, n), each as long as it was: (T, n)."""
    return [steps[:count] for steps, count in zip(x, lengths, strict=True)]


def accuracy(outputs: Iterable[Array], labels: Array) -> float:
    """The share of recordings whose largest output is that of their digit."""
    return float(np.mean([y.argmax() for y in outputs] == labels))


def run(models: list[Exported], labels: Array, folder: Path) -> list[OnDevice]:
    """All models on the device.

    Raises:
        RuntimeError: one does not build or run, or its bits are not the
            simulator's, or its accuracy is not the one promised.
    """
    firmware = Firmware(folder, CORE, models)
    found = []
    for model, done in zip(models, firmware.run(_SECONDS).values(), strict=True):
        flash = firmware.flash(model.source.name, "run")
        right = accuracy([outputs[-1] for outputs in done.outputs], labels)
        found.append(OnDevice(model, done, flash, right))
        if wrong := found[-1].wrong():
            name = model.source.name
            raise RuntimeError(f"{name} differs from its simulator on {wrong}")
        if right != model.promised:
            raise RuntimeError(
                f"{model.source.name}: {right} on the device, {model.promised} promised"
            )
    return found


def tell(settings: Settings, data: Dataset, folder: Path) -> list[OnDevice]:
    """The whole story.

    Args:
        settings: of the LSTM's training.
        data: to train on, and whose test recordings the device is given.
        folder: an empty one, for all files.
    """
    trained = train(settings, data, folder)
    script.say("Exporting ...")
    models = [made for item in trained.items() for made in export(*item, data)]
    script.say(f"Cortex-{CORE.name}, {len(data.test)} recordings ...")
    (folder / "firmware").mkdir()
    return run(models, data.test.y, folder / "firmware")


def table(found: Iterable[OnDevice]) -> Table:
    """A line for each model and dtype."""
    heads = ("model", "arithmetic", "accuracy in Keras", "on the device")
    sizes = ("flash, bytes", "RAM, bytes", "instructions a second of audio")
    rows = [
        (
            *(told.model.title, told.model.dtype),
            *(f"{right:.3f}" for right in (told.model.keras, told.accuracy)),
            *(f"{count:,}" for count in (told.flash, told.ram, told.instructions)),
        )
        for told in found
    ]
    return Table(f"{DATASET} on a Cortex-{CORE.name}", (*heads, *sizes), rows, texts=2)


def parser() -> flags.Parser:
    top = flags.Parser(prog="python -m benchmarks.story", description=__doc__)
    flags.data_dir(top)
    flags.flag(top, "--epochs", "N", "of each training", EPOCHS, applied=True)
    flags.flag(top, "--seed", "N", "of all trainings", 1, applied=True)
    flags.backend(top)
    return top


def main(arguments: list[str] | None = None) -> None:
    """Tell the story and print its table.

    Raises:
        InputError: an argument does not fit, or a tool is missing.
    """
    args = parser().parse_args(arguments)
    emulator.required()
    backends.start(args.backend)
    from slimrnn.experiments.run import build

    settings = settings_of(args.data_dir, epochs=args.epochs, seed=args.seed)
    data = build.load(settings)
    with TemporaryDirectory() as folder:
        found = tell(settings, data, Path(folder))
    versions = script.versions(**emulator.versions())
    print(f"{table(found).markdown()}\nSeed {settings.seed}; {versions}.")


if __name__ == "__main__":
    script.run(main)
