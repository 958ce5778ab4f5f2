# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # My trained LSTM, slimmed and streamed
#
# You have a trained model with an LSTM, of Keras or of PyTorch. Here it becomes a
# quarter as large, answers alike, and then takes one step at a time.

# %%
import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # or "torch", "tensorflow"

import keras
import matplotlib.pyplot as plt
import numpy as np

import slimrnn
from slimrnn import Stream, data, ir

digits = data.load("digits")
x_test, y_test = digits.test.x.padded(), digits.test.y

# %% [markdown]
# ## The model that there is
#
# ### In Keras

# %%
keras.utils.set_random_seed(1)
mine = keras.Sequential(
    [keras.Input((8, 8)), keras.layers.LSTM(32), keras.layers.Dense(10, "softmax")]
)
optimizer = keras.optimizers.Adam(0.005)
mine.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
mine.fit(digits.train.x.padded(), digits.train.y, epochs=15, verbose=0)
ir.read(mine)

# %% [markdown]
# ### In PyTorch
#
# A module is read as it is; what its `forward` does is found out by asking it.

# %%
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(8, 32, batch_first=True)
        self.head = torch.nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1]).softmax(-1)


ir.read(Net())

# %% [markdown]
# From here on the two are alike: `slimrnn.slim` gives a module back for a module.
#
# ## Slim it
#
# The slim layer starts from the trained weights, and learns to answer as the trained
# model does; with `verbose=1` a bar shows how far it is.

# %%
slim = slimrnn.slim(mine, "LSTM6", digits, epochs=25, learning_rate=0.005)
mine.count_params(), slim.count_params()

# %%
for name, model in {"mine": mine, "slim": slim}.items():
    print(f"{name}: {model.evaluate(x_test, y_test, verbose=0)[1]:.3f} right")

# %% [markdown]
# ## Stream it
#
# A step takes about a microsecond, in C, without Keras. After each row of pixels there
# is an answer:

# %%
stream = Stream(slim)
answers = np.array([stream.step(row) for row in x_test[0]])
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.6), width_ratios=[1, 3])
left.imshow(x_test[0], cmap="gray_r")
left.axis("off")
right.imshow(answers.T, cmap="viridis", aspect="auto", vmin=0, vmax=1)
right.set(xlabel="rows seen", ylabel="digit", yticks=range(10))
right.set_title(f"a {y_test[0]}: what the stream thinks after each row")
figure.tight_layout()

# %%
f"{1e6 * stream.measure():.2f} µs a step"

# %% [markdown]
# The last answer is that of Keras for the whole image:

# %%
np.abs(answers[-1] - slim.predict(x_test[:1], verbose=0)[0]).max()
