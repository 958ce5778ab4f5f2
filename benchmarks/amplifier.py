"""A guitar amplifier in real time on a Cortex-M7: which variant sounds best there?

A made pair of sounds at 48 kHz, what goes into an amplifier and what comes out, and a
budget: 480 MHz / 48 kHz are 10,000 instructions a sample. Of each variant, the most
units within it are found by running the exported C on an emulated Cortex-M7; models of
that size are trained on the pair and compared by their error-to-signal ratio.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy import signal

from benchmarks import script
from benchmarks.firmware import emulator
from benchmarks.firmware.emulator import Firmware, Model
from benchmarks.firmware.report import Table
from benchmarks.slimming import Watcher
from slimrnn import backends
from slimrnn.cli import flags
from slimrnn.data import sound
from slimrnn.experiments.run.settings import Settings

RATE = 48_000
CLOCK = 480_000_000
BUDGET = CLOCK // RATE
CORE = emulator.CORES["M7"]
DTYPES = ("float32", "int8")
VARIANTS = ("LSTM", "GRU", "MGU", "LSTM4", "LSTM6", "LSTM10", "LSTM_C6", "minGRU")
SECONDS, EPOCHS = 20, 20
TRAINING: Mapping[str, Any] = {
    **{"window": 1280, "burn_in": 256, "loss": "esr", "standardize": "none"},
    **{"batch_size": 16, "learning_rate": 0.002, "keep": "best"},
}
#: units beside the estimate that are run: it is right within a tenth
_BESIDE = 3
_STEPS = 20  # of a measurement
_LIMIT_SECONDS = 600  # for the emulator

Array = np.ndarray


def guitar(seconds: float, seed: int) -> Array:
    """(T,) plucked chords: decaying harmonics of one to three strings at a time."""
    random = np.random.default_rng(seed)
    x = np.zeros(round(seconds * RATE))
    time = np.arange(RATE) / RATE
    turns = 2 * np.pi * time
    for start in range(0, len(x), RATE // 4):
        for _ in range(random.integers(1, 4)):
            pitch = 82.4 * 2 ** (random.integers(0, 37) / 12)
            harmonics = np.arange(1, 1 + min(20, int(8000 / pitch)))
            phases = random.uniform(0, 2 * np.pi, len(harmonics))
            note = sum(
                np.exp(-time * (2 + 0.7 * k)) / k * np.sin(k * pitch * turns + phase)
                for k, phase in zip(harmonics, phases, strict=True)
            )
            end = min(len(x), start + RATE)
            x[start:end] += random.uniform(0.05, 1) * note[: end - start]
    return 0.9 * x / abs(x).max()


def amplifier(x: Array) -> Array:
    """(T,) what comes out: filter, tanh with an offset, filter.

    A band-pass of 100 to 6,000 Hz, ``tanh(8 v + 0.3)`` without its rest, a low-pass of
    4,000 Hz and a high-pass of 30 Hz that takes the direct current away.
    """
    v = signal.lfilter(*signal.butter(1, [100, 6000], "band", fs=RATE), x)
    v = np.tanh(8 * v + 0.3) - np.tanh(0.3)
    v = signal.lfilter(*signal.butter(2, 4000, fs=RATE), v)
    return 0.8 * signal.lfilter(*signal.butter(1, 30, "high", fs=RATE), v)


def record(folder: Path, seconds: float, seed: int = 0) -> dict[str, str]:
    """The pair as files, and the settings that name them."""
    x = guitar(seconds, seed)
    pair = {"data": str(folder / "in.wav"), "target": str(folder / "out.wav")}
    for file, samples in zip(pair.values(), (x, amplifier(x)), strict=True):
        sound.write(file, RATE, samples)
    return pair


@dataclass(frozen=True)
class Fit:
    """The largest model of a variant within the budget.

    Attributes:
        variant: its name.
        dtype: of the arithmetic.
        units: the most.
        instructions: a sample on the emulated core, the output's included.
        ram: bytes of state and stack.
    """

    variant: str
    dtype: str
    units: int
    instructions: int
    ram: int


def settings_of(variant: str, pair: Mapping[str, str], **given: Any) -> Settings:
    """Those of a training."""
    return Settings.of(variant, **{**TRAINING, **pair, **given})


def fits(
    variants: Iterable[str], dtype: str, pair: Mapping[str, str], folder: Path
) -> list[Fit]:
    """Of each variant the most units within the budget, by running it.

    The estimate of ``--match`` says where to look.

    Raises:
        RuntimeError: the emulated core gives other bits than the simulator.
    """
    from slimrnn.experiments.run.budget import matched

    match = f"instructions:{dtype}={BUDGET}"
    models = []
    for variant in variants:
        middle = matched(settings_of(variant, pair, match=match)).units
        for units in range(max(1, middle - _BESIDE), middle + _BESIDE + 1):
            settings = settings_of(variant, pair, units=units)
            models.append(_exported(settings, dtype))
    firmware = Firmware(folder, CORE, models)
    best: dict[str, Fit] = {}
    for model, run in zip(models, firmware.run(_LIMIT_SECONDS).values(), strict=True):
        if not all(map(np.array_equal, run.outputs, model.expected)):
            raise RuntimeError(f"{model.source.name} differs from its simulator")
        took = round(run.step + run.output)
        ram = model.source.layout.state_bytes + run.stack
        if took <= BUDGET:  # they come in the order of their units
            best[model.variant] = Fit(model.variant, dtype, model.units, took, ram)
    return list(best.values())


@dataclass(frozen=True)
class _Exported(Model):
    variant: str
    units: int
    expected: list[Array]


def _exported(settings: Settings, dtype: str) -> _Exported:
    """An untrained model as C, with some input and what the simulator says to it."""
    from slimrnn.deploy.c.export import compile_model
    from slimrnn.deploy.c.project import source_of
    from slimrnn.deploy.program import inputs, simulator
    from slimrnn.experiments.run import build
    from slimrnn.ir import read

    data = build.load(settings)
    x = data.train.x.take(slice(1)).padded()[:, :_STEPS]
    program, _ = compile_model(read(build.build(settings, data)), dtype, x)
    source = source_of(program, f"{settings.name.lower()}_{settings.units}_{dtype}")
    given = inputs.given(program, x)
    outputs = simulator.run(program, given, each=True)
    return _Exported(source, list(given), settings.name, settings.units, list(outputs))


def trained(fit: Fit, settings: Settings, folder: Path) -> dict[str, Any]:
    """What the result of the training of that size says."""
    from slimrnn.experiments.run import build
    from slimrnn.experiments.run.trainer import Trainer

    settings = replace(settings, units=fit.units, int8=fit.dtype == "int8")
    trainer = Trainer(build.load(settings), Watcher())
    return trainer.run(settings, folder / f"{fit.variant}-{fit.dtype}").result


def table(fits: Iterable[Fit], scores: Mapping[Fit, float]) -> Table:
    """A line for each variant."""
    heads = ("variant", "arithmetic", "units", "instructions a sample", "RAM, bytes")
    rows = [
        (
            *(fit.variant, fit.dtype, str(fit.units)),
            *(f"{count:,}" for count in (fit.instructions, fit.ram)),
            f"{scores[fit]:.4f}" if fit in scores else "",
        )
        for fit in fits
    ]
    title = f"{BUDGET:,} instructions a sample on a Cortex-{CORE.name}"
    return Table(title, (*heads, "error-to-signal ratio"), rows, texts=2)


def parser() -> flags.Parser:
    top = flags.Parser(prog="python -m benchmarks.amplifier", description=__doc__)
    top.add_argument("variants", nargs="*", metavar="VARIANT", default=list(VARIANTS))
    flags.flag(top, "--epochs", "N", "of each training; 0: none", EPOCHS, applied=True)
    flags.flag(top, "--seed", "N", "of the trainings", 1, applied=True)
    flags.backend(top)
    return top


def main(arguments: list[str] | None = None) -> None:
    """Find what fits, train it, and print the table.

    Raises:
        InputError: an argument does not fit, or a tool is missing.
    """
    args = parser().parse_args(arguments)
    emulator.required()
    backends.start(args.backend)

    found: list[Fit] = []
    scores: dict[Fit, float] = {}
    with TemporaryDirectory() as folder:
        pair = record(Path(folder), SECONDS)
        for dtype in DTYPES:
            script.say(f"What fits in {dtype} ...")
            (place := Path(folder, dtype)).mkdir()
            found += fits(args.variants, dtype, pair, place)
        for fit in found if args.epochs else ():
            given = {"epochs": args.epochs, "seed": args.seed}
            settings = settings_of(fit.variant, pair, **given)
            result = trained(fit, settings, Path(folder))
            name = "test_int8_esr" if fit.dtype == "int8" else "test_esr"
            scores[fit] = result.get(name, float("nan"))
            script.say(f"{fit}: {scores[fit]:.4f}")
    versions = script.versions(**emulator.versions())
    print(f"{table(found, scores).markdown()}\nSeed {args.seed}; {versions}.")


if __name__ == "__main__":
    script.run(main)
