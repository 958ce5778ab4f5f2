"""The original project's module: `LSTMs`, with its arguments, weights and results.

slim22 (2019, for Keras 2.2) had one class for ten slim LSTMs. This is that class on
top of `slimrnn`. It keeps what `slimrnn.SlimLSTM` does otherwise, so that old results
can be repeated and old weights read: weights packed gate by gate into three arrays,
one initialiser over each of them, forget biases that start at 0, and Keras 2's hard
sigmoid. `docs/original.md` says what is kept and what is mended.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import keras
from keras import activations, regularizers

from slimrnn import variants
from slimrnn.activations import hard_sigmoid_keras2
from slimrnn.layers import SlimRNN
from slimrnn.layers.cells import own
from slimrnn.layers.packed import PackedCell
from slimrnn.utils.checks import known
from slimrnn.variants import Variant

__all__ = ["MODELS", "LSTMs", "activation", "variant"]

#: What `model` may be: the original's ten, and Keras 2's own LSTM to compare with.
MODELS = (
    "LSTM",
    "LSTM1",
    "LSTM2",
    "LSTM3",
    "LSTM4",
    "LSTM4a",
    "LSTM5",
    "LSTM5a",
    "LSTM6",
    "LSTM10",
    "LSTM11",
)
_FULL = variants.get("LSTM")

_ACTIVATIONS = ("activation", "recurrent_activation")


def variant(model: str) -> Variant:
    """The row of the table that a name of the original means.

    Args:
        model: one of `MODELS` in any case, or "LSTM0", which is "LSTM".

    Raises:
        InputError: no such name; the sentence gives the nearest one.

    Example:
        >>> variant("lstm4A").name
        'LSTM4a'
    """
    names = {name.lower(): name for name in MODELS}
    names |= {a.lower(): name for a, name in variants.ALIASES.items() if name in MODELS}
    if str(model).lower() not in names:
        known("model", model, MODELS)
    return variants.get(names[model.lower()])


def activation(given: Any) -> Any:
    """What the name of an activation meant in Keras 2; all else is as in Keras 3.

    Example:
        >>> activation("hard_sigmoid").__name__
        'hard_sigmoid_keras2'
    """
    return hard_sigmoid_keras2 if given == "hard_sigmoid" else given


@keras.saving.register_keras_serializable(package="slim22")
class LSTMs(SlimRNN):
    """The original's layer: a slim LSTM chosen by `model`.

    ``cₜ = f ⊙ cₜ₋₁ + i ⊙ g(cell input)``, ``hₜ = o ⊙ g(cₜ)``; which terms the gates
    and the cell input have is in ``slim22.variant(model).equations()``.

    Weights, in the order of `get_weights`: `kernel` (m, n); `recurrent_kernel`, of n
    rows: (n, 4n) for LSTM1 and LSTM2, (n, n) for LSTM3 and LSTM6, (n, n + 3) for
    LSTM4 and LSTM5, (n, n + 1) for LSTM4a and LSTM5a, (n, 4) for LSTM10 and LSTM11;
    `bias` of n for each gate that has one. For "LSTM" they are Keras 2's: (m, 4n),
    (n, 4n), (4n,).

    Args:
        args: the original's, in its order and with its defaults. The name
            "hard_sigmoid" of an activation means Keras 2's ``clip(0.2x + 0.5, 0, 1)``.
            As in the original, `implementation` changes nothing, and `use_bias` and
            `unit_forget_bias` do so for "LSTM" only.
        kwargs: likewise; `model`: one of `MODELS`. Others are those of
            ``keras.layers.RNN`` and `engine` and `seed` of `slimrnn.SlimLSTM`.

    Call arguments:
        sequences: (B, T, m).
        initial_state: h and c, (B, n) each.
        mask: (B, T) booleans; a False step is skipped.
        training: whether dropout is on.

    Returns:
        (B, n), or (B, T, n) with ``return_sequences``; with ``return_state`` also the
        last h and c.

    Raises:
        InputError: an unknown model, units below 1, an unknown engine; when called,
            an engine that cannot run.

    Example:
        >>> import numpy as np
        >>> layer = LSTMs(4, model="LSTM4")
        >>> tuple(layer(np.zeros((2, 5, 3), "float32")).shape)
        (2, 4)
        >>> [weight.shape for weight in layer.get_weights()]
        [(3, 4), (4, 7), (4,)]
    """

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="hard_sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        implementation=1,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        model="LSTM1",
        **kwargs,
    ):
        settings = own(locals())
        row = variant(settings.pop("model"))
        if row != _FULL:
            if not settings["use_bias"]:
                warnings.warn(
                    f"use_bias=False is ignored, as in the original: {row.name} keeps "
                    f"its biases. slimrnn.SlimLSTM has variants without them.",
                    stacklevel=2,
                )
            settings |= {"use_bias": True, "unit_forget_bias": False}
        del settings["implementation"]
        settings |= _in_keras_2(settings)
        names = inspect.signature(PackedCell).parameters
        cell = PackedCell(
            **{k: settings.pop(k) for k in list(settings) if k in names},
            variant=row,
            time_scale=None,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            seed=kwargs.pop("seed", None),
            name="lstm_cell",
        )
        super().__init__(cell, **settings, **kwargs)
        self.implementation = implementation

    def get_config(self):
        """All arguments, as plain values; the original forgot `model`."""
        config = super().get_config()
        del config["cell"]
        found = self.cell.get_config()
        found |= {name: _described(getattr(self.cell, name)) for name in _ACTIVATIONS}
        found |= {
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "implementation": self.implementation,
            "model": self.cell.variant.name,
        }
        return {**config, **{name: found[name] for name in found if name in _OWN}}

    @classmethod
    def from_config(cls, config):
        """The layer that :meth:`get_config` described."""
        return cls(**config)


_OWN = {*inspect.signature(LSTMs).parameters} - {"kwargs"}


def _in_keras_2(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: activation(settings[name]) for name in _ACTIVATIONS}


def _described(function: Callable) -> str | dict[str, Any]:
    """The function, so that `activation` understands the same."""
    if function is hard_sigmoid_keras2:
        return "hard_sigmoid"
    if function is activations.hard_sigmoid:  # by its name it would be Keras 2's
        return keras.saving.serialize_keras_object(function)
    return activations.serialize(function)
