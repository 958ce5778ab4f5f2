# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Slim against full, on real digits
#
# Three cells of 32 units read the handwritten digits of scikit-learn, a row of eight
# pixels a step: the LSTM, JANET with one gate, LSTM6 with none.

# %%
import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # or "torch", "tensorflow"

import keras
import matplotlib.pyplot as plt
import numpy as np

from slimrnn import SlimLSTM, data, get

digits = data.load("digits")
x, y = digits.train.x.padded(), digits.train.y
x_test, y_test = digits.test.x.padded(), digits.test.y
NAMES = ("LSTM", "JANET", "LSTM6")

figure, axes = plt.subplots(1, 6, figsize=(7, 1.3))
for axis, image, label in zip(axes, x_test, y_test, strict=False):
    axis.imshow(image, cmap="gray_r")
    axis.set_title(label)
    axis.axis("off")

# %% [markdown]
# What the two leave out is dashed in their drawings:

# %%
get("JANET")

# %%
get("LSTM6")

# %% [markdown]
# ## Train
#
# Each has the same data, the same seed, and as many epochs.


# %%
def train(name, seed=1):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((8, 8)), SlimLSTM(32, name), keras.layers.Dense(10, "softmax")]
    )
    optimizer = keras.optimizers.Adam(0.005)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    fit = model.fit(x, y, epochs=15, validation_data=(x_test, y_test), verbose=0)
    return model, fit.history["val_accuracy"]


trained = {name: train(name) for name in NAMES}

# %%
for name, (model, curve) in trained.items():
    parameters = model.layers[0].count_params()
    plt.plot(range(1, 16), curve, label=f"{name}, {parameters:,} parameters")
plt.xlabel("epoch")
plt.ylabel("test accuracy")
plt.legend()
plt.show()
# %% [markdown]
# LSTM6 has a quarter of the parameters, and ends within a point or two of the LSTM. One
# seed proves little: `slimrnn compare` trains three, and gives the difference with an
# interval.
#
# ## What they take
#
# The size in integers on a microcontroller is known without any compiler:

# %%
from slimrnn.deploy.size import sizes

sizes(trained["LSTM"][0])["int8"]

# %%
sizes(trained["LSTM6"][0])["int8"]

# %% [markdown]
# And what a device would answer, in integers, is known before there is a device:

# %%
from slimrnn import deploy

deploy.evaluate_int8(trained["LSTM6"][0], digits)

# %% [markdown]
# ## What does it get wrong?

# %%
answers = trained["LSTM6"][0].predict(x_test, verbose=0).argmax(-1)
wrong = np.flatnonzero(answers != y_test)[:6]
figure, axes = plt.subplots(1, len(wrong), figsize=(7, 1.4))
for axis, k in zip(axes, wrong, strict=True):
    axis.imshow(x_test[k], cmap="gray_r")
    axis.set_title(f"{y_test[k]}, read {answers[k]}", fontsize=8)
    axis.axis("off")
