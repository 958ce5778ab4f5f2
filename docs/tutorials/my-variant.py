# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A variant of my own
#
# An idea: of the LSTM's gates keep the forget gate alone, and give it a vector in place
# of its two matrices. Writing down which terms there are is all it takes.

# %%
import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # or "torch", "tensorflow"

import keras
import matplotlib.pyplot as plt

from slimrnn import Gate, SlimLSTM, Variant, data, timing

MINE = Variant(
    "OneVector",
    "lstm",
    {
        "i": Gate(complement="f"),
        "f": Gate(h="pointwise", bias=True),
        "c": Gate(x="full", h="full", bias=True),
        "o": Gate(constant=1.0),
    },
)
MINE

# %% [markdown]
# Its equations, for a paper:

# %%
print("\n".join(MINE.equations("latex")))

# %% [markdown]
# ## Its accuracy

# %%
digits = data.load("digits")
x, y = digits.train.x.padded(), digits.train.y
test = digits.test.x.padded(), digits.test.y


def train(variant, seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((8, 8)), SlimLSTM(32, variant), keras.layers.Dense(10, "softmax")]
    )
    optimizer = keras.optimizers.Adam(0.005)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    how = {"epochs": 10, "batch_size": 64, "validation_data": test, "verbose": 0}
    fit = model.fit(x, y, **how)
    return model, fit.history["val_accuracy"]


models = {}
for variant in ("LSTM", "LSTM6", MINE):
    runs = [train(variant, seed) for seed in (1, 2)]
    name = getattr(variant, "name", variant)
    models[name] = runs[0][0]
    color = plt.gca().plot(runs[0][1], label=name)[0].get_color()
    plt.plot(runs[1][1], color=color)
plt.xlabel("epoch")
plt.ylabel("test accuracy, two seeds")
plt.legend()
plt.show()
# %% [markdown]
# ## Its speed
#
# The engine is made of the same terms, so that it is fast without a line of C. The
# models take turns, so that whatever else the machine does meets all alike:

# %%
times = timing.measure(models, x[:1], (x[:32], y[:32]), seconds=6)
for work, taken in times.items():
    print(work)
    for name, time in taken.items():
        ratio = f", ×{time.ratio.median:.2f}" if time.ratio else ""
        print(f"  {name:10} {1e3 * time.median:.3f} ms{ratio}")

# %% [markdown]
# It works wherever a variant's name does: [on the command line](../own-variant.md), in
# sweeps, in saved models, in Stream, in C.
