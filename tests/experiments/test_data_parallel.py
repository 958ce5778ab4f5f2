"""Two devices train as one does, whatever the batches, and say what they cannot do.

JAX counts its devices when it starts: each test is a process with two.
"""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import keras
import numpy as np
import pytest
from test_experiments import Quiet

from made_data import few_digits
from processes import two_devices
from slimrnn import native
from slimrnn.data import Batches
from slimrnn.errors import InputError
from slimrnn.experiments.run import build, data_parallel
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.run.store import MODEL
from slimrnn.experiments.run.trainer import Trainer

BACKEND = keras.backend.backend()
HERE = Path(__file__).parent
BATCH_SIZE = 30
QUICKLY = "from slimrnn import backends; backends.start()"
PAIRS = list(product(("LSTM", "LSTM6", "GRU1"), ("ops", "native")))
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="of JAX alone")


def settings_of(row, folder):
    # The part that is left for training ends with a batch of an odd size.
    options = {"dropout": 0.1, "recurrent_dropout": 0.1, "validation": 0.11}
    return Settings.of(row, units=4, epochs=2, **few_digits(Path(folder)), **options)


def on_two_devices(code):
    """What the process printed, which must end well."""
    environment = {
        **two_devices(),
        "PYTHONPATH": os.pathsep.join(map(str, (HERE, HERE.parent / "helpers"))),
    }
    ran = subprocess.run(
        [sys.executable, "-c", f"{QUICKLY}; from test_data_parallel import *; {code}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout.split()


def losses(settings, digits):
    """Of two epochs."""
    part, _ = build.parts(settings, digits)
    assert len(part) % BATCH_SIZE % 2 == 1
    made = build.build(settings, digits)
    batches = Batches(part, BATCH_SIZE, seed=1)
    return made.fit(batches, epochs=2, shuffle=False, verbose=0).history["loss"]


def compare_engines(folder):
    """In the process with two devices: one of them, then both."""
    made = build.recurrent

    def everything():
        found = []
        for row, engine in PAIRS:
            if engine == "native" and native.reason():
                continue

            def recurrent(*given, engine=engine):
                layer = made(*given)
                layer.engine = engine
                return layer

            build.recurrent = recurrent
            settings = settings_of(row, folder)
            found.append(losses(settings, build.load(settings)))
        return found

    single = everything()
    print(data_parallel.share([BATCH_SIZE]))
    np.testing.assert_allclose(everything(), single, rtol=0, atol=1e-5)


def collectives(made, part):
    """What the devices tell each other in a step of training."""
    import jax

    made.optimizer.build(made.trainable_variables)
    groups = (
        made.trainable_variables,
        made.non_trainable_variables,
        made.optimizer.variables,
        made.metrics_variables,
    )
    state = [[variable.value for variable in group] for group in groups]
    text = jax.jit(made.train_step).lower(state, Batches(part, BATCH_SIZE)[0]).compile()
    names = ("all-gather", "all-reduce", "all-to-all", "collective-permute")
    return [name for name in names if f" {name}(" in text.as_text()]


@on_jax
@pytest.mark.exhaustive
def test_the_losses_are_those_of_one_device(tmp_path):
    assert on_two_devices(f"compare_engines({str(tmp_path)!r})") == ["2"]


def compare_runs(folder):
    """In the process with two devices: whole runs, one of them stopped on the way."""
    settings, folder = settings_of("LSTM6", folder), Path(folder)
    digits = build.load(settings)
    single = Trainer(digits, Quiet()).run(settings, folder / "single")
    data_parallel.share([BATCH_SIZE])
    trainer = Trainer(digits, Quiet(stop_at=(1, 1)))
    with pytest.raises(KeyboardInterrupt):
        trainer.run(settings, folder / "shared")
    trainer.watcher = Quiet()
    shared = trainer.run(settings, folder / "shared")
    for expected, found in zip(single.metrics, shared.metrics, strict=True):
        for name in ("loss", "val_loss", "test_loss"):
            assert abs(expected[name] - found[name]) < 1e-5
    answers = [
        keras.saving.load_model(run.path / MODEL).predict_on_batch(
            digits.test.x.padded()
        )
        for run in (single, shared)
    ]
    np.testing.assert_allclose(*answers, atol=1e-4)
    print(shared.result["status"])
    print(*collectives(build.build(settings, digits), digits.train))


@on_jax
def test_a_run_that_was_stopped_goes_on(tmp_path):
    status, *told = on_two_devices(f"compare_runs({str(tmp_path)!r})")
    assert status == "done"
    # Each device computes its samples, and they add up their gradients. (Of `ops`, XLA
    # gathers something besides.)
    assert "all-reduce" in told


@on_jax
def test_batches_that_have_no_equal_parts(monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0", "cpu:1"])
    with pytest.raises(InputError, match="batch of 33 cannot be shared out over 2"):
        data_parallel.share([32, 33])


@pytest.mark.skipif(BACKEND == "jax", reason="of other backends than JAX")
def test_another_backend():
    with pytest.raises(InputError, match="--data-parallel needs JAX"):
        data_parallel.share([32])
