# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From training to a microcontroller
#
# A model that reads digits goes all the way: trained, turned into integers, exported as
# C, compiled and tested here, and run on an emulated Cortex-M4 where one is installed.

# %%
import os
import subprocess
import tempfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")  # or "torch", "tensorflow"

import keras

from slimrnn import SlimLSTM, data, deploy
from slimrnn.deploy.size import sizes

digits = data.load("digits")
x, y = digits.train.x.padded(), digits.train.y

keras.utils.set_random_seed(1)
model = keras.Sequential(
    [keras.Input((8, 8)), SlimLSTM(24, "LSTM6"), keras.layers.Dense(10, "softmax")]
)
optimizer = keras.optimizers.Adam(0.005)
model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=20, verbose=0)
sizes(model)["int8"]

# %% [markdown]
# ## What is lost in integers
#
# The accuracy that a device will have, bit for bit, before there is one. 200 training
# sequences give the scale of the input.

# %%
deploy.evaluate_int8(model, digits)

# %% [markdown]
# ## The C
#
# One folder, no library, no allocation:

# %%
place = tempfile.TemporaryDirectory()
folder = deploy.to_c(
    model, Path(place.name, "firmware"), "digit", "int8", calibration=x[:200]
)
for file in sorted(folder.iterdir()):
    print(f"{file.name:15} {file.stat().st_size:7,} bytes")

# %%
print((folder / "main.c").read_text())

# %% [markdown]
# It comes with its own test, which compares it with the simulator, bit for bit:

# %%
print(subprocess.check_output(["make", "-s", "test"], cwd=folder, text=True))

# %% [markdown]
# ## On a Cortex-M4
#
# In a clone, with `arm-none-eabi-gcc` and `qemu-system-arm`, the same C runs in an
# emulator on all test images; each output has to be the simulator's.

# %%
import sys

sys.path.insert(0, str(Path.cwd().parents[1]))  # the clone
from benchmarks import story
from benchmarks.firmware import emulator

if reason := emulator.missing():
    print(f"Left out: {reason}.")
else:
    with tempfile.TemporaryDirectory() as built:
        exported = story.export("digit", model, digits)
        for ran in story.run(exported, digits.test.y, Path(built)):
            print(
                f"{ran.model.dtype}: {ran.accuracy:.3f} right, {ran.flash:,} bytes of "
                f"flash, {ran.ram} of RAM, {ran.run.step:,.0f} instructions a step"
            )

# %% [markdown]
# [The story](../story.md) does so with speech, and compares a slim model with a full
# one.
