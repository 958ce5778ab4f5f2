"""The cells: one step of a slim layer, with Keras's arguments.

Arguments, their order and defaults are those of ``keras.layers.LSTMCell`` and
``keras.layers.GRUCell`` (a test holds them to that); the variant comes after the
units.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import keras
from keras import activations, constraints, initializers, ops, regularizers

from slimrnn import variants
from slimrnn.activations import describe
from slimrnn.engines.ops import bound, columns, join
from slimrnn.layers.initializers import by_blocks, exactly, paced_biases, times
from slimrnn.utils.checks import whole
from slimrnn.variants import FAMILIES, WEIGHTS, CellSpec
from slimrnn.variants.configured import configured, of_family
from slimrnn.variants.gates import TIE_SCALARS
from slimrnn.variants.time_scales import is_auto, tie_start

# What holds a cell's dropout masks for a whole sequence has no public name in Keras,
# but is a base of its public cells.
_DropoutCell: Any = next(
    base for base in keras.layers.LSTMCell.__mro__ if base.__name__ == "DropoutRNNCell"
)

_ROLES = {
    "initializer": initializers,
    "regularizer": regularizers,
    "constraint": constraints,
    "activation": activations,
}
#: Keras's word for each weight in its arguments: kernel_initializer, ...
_WORDS = {**{name: name for name in WEIGHTS}, "recurrent_kernel": "recurrent"}


#: what time scales start, and the initialiser that "auto" may replace: the default
_PACED: dict[str, tuple[type, ...]] = {
    "bias": (initializers.Zeros,),
    "recurrent_kernel": (initializers.Orthogonal,),
}
#: arguments that files from before they existed do not have, and their meaning there
BEFORE = {"time_scale": None}


def own(found: dict[str, Any]) -> dict[str, Any]:
    """A constructor's own arguments, out of its ``locals()``."""
    return {k: v for k, v in found.items() if k not in ("self", "kwargs", "__class__")}


class _SlimCell(keras.layers.Layer, _DropoutCell):
    """What the cells of the families share; see :class:`SlimLSTMCell`."""

    family: ClassVar[str]

    def __init__(self, settings: dict[str, Any], **kwargs):
        super().__init__(**kwargs)
        units = settings["units"]
        if isinstance(units, float) and units.is_integer():  # such as a half of 10
            units = int(units)
        settings["units"] = whole("units", units, least=1)
        settings["variant"] = of_family(settings["variant"], self.family)
        for rate in ("dropout", "recurrent_dropout"):
            settings[rate] = min(1.0, max(0.0, settings[rate]))  # as Keras does
        for name, value in settings.items():
            role = _ROLES.get(name.rpartition("_")[2])
            setattr(self, name, role.get(value) if role else value)
        self._settings = tuple(settings)
        self.seed_generator = keras.random.SeedGenerator(seed=self.seed)
        self.spread(None)
        count = len(self.spec.family.states)
        self.state_size = [self.units] * count if count > 1 else self.units
        self.output_size = self.units

    def spread(self, length: int | None) -> None:
        """Choose the time scales, and by them the constant gates, before building.

        Args:
            length: steps of a sequence, where they are known.
        """
        if self.built:
            return
        if self.time_scale == "auto":
            self._length = length
        cell = configured(
            self.variant,
            (describe(self.activation), describe(self.recurrent_activation)),
            use_bias=self.use_bias,
            reset_after=getattr(self, "reset_after", False),
            gate_constants=self.gate_constants,
            time_scale=self.time_scale,
            length=length,
        )
        self.time_scales, self.trained = cell.scales, cell.trained
        self.vectors: tuple[str, ...] = cell.vectors
        self.spec: CellSpec = cell.spec

    def build(self, input_shape):
        """Create the weights that the variant has, in the order of ``WEIGHTS``.

        The order is the format of saved files.
        """
        for weight, shape in self._shapes(input_shape[-1]).items():
            word = _WORDS[weight]
            created = self.add_weight(
                shape=shape,
                name=weight,
                initializer=self._initializer(weight),
                regularizer=getattr(self, f"{word}_regularizer", None),
                constraint=getattr(self, f"{word}_constraint", None),
            )
            setattr(self, weight, created)
        if self.vectors:
            fill = [exactly(self._paced[gate]) for gate in self.vectors]
            self.constant_vectors = self.add_weight(
                shape=(len(self.vectors) * self.units,),
                name="constant_vectors",
                initializer=by_blocks(fill),
                trainable=False,
            )
        self.built = True

    def _shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        """The shape of each weight, by name."""
        return self.trained.shapes(features, self.units)

    @functools.cached_property
    def _paced(self) -> dict[str, Any]:
        """What fills the biases of the gates that set the pace, by gate."""
        return paced_biases(self.spec, self.time_scales, self.units, self.seed)

    def _initializer(self, weight: str) -> Callable:
        """What fills a weight: each gate's block by itself."""
        if weight == TIE_SCALARS:
            return exactly(tie_start(self.time_scales))
        given = getattr(self, f"{_WORDS[weight]}_initializer")
        if given is None:
            given = initializers.RandomNormal(stddev=self.units**-0.5)
        blocks = dict.fromkeys(self.trained.blocks(weight), given)
        forget = FAMILIES[self.family].forget if weight == "bias" else ""
        if forget in blocks and getattr(self, "unit_forget_bias", False):
            blocks[forget] = initializers.Ones()
        usual = _PACED.get(weight, ())
        if usual and (not is_auto(self.time_scale) or isinstance(given, usual)):
            blocks |= self._by_time_scale(weight, blocks)
        return by_blocks(list(blocks.values()))

    def _by_time_scale(self, weight: str, blocks: dict[str, Any]) -> dict[str, Any]:
        """The blocks that time scales fill another way."""
        if weight == "bias":
            return {k: exactly(v) for k, v in self._paced.items() if k in blocks}
        if self.time_scales is None:
            return {}
        gains = self.time_scales.gains(self.spec, self._paced)
        return {k: times(blocks[k], gain) for k, gain in gains.items() if k in blocks}

    def packed_weights(self) -> dict[str, Any]:
        """The weights as the engines take them: by name, in the compute dtype.

        To them a vector of constants is the bias of a gate without other terms.
        """
        names = [*self._shapes(1), *(["constant_vectors"] if self.vectors else [])]
        given = {
            name: ops.cast(
                ops.convert_to_tensor(getattr(self, name)), self.compute_dtype
            )
            for name in names
        }
        if self.vectors:
            biases = [given[k] for k in ("bias", "constant_vectors") if k in given]
            del given["constant_vectors"]
            have = (*self.trained.blocks("bias"), *self.vectors)
            want = self.spec.variant.blocks("bias")
            given["bias"] = join([columns(join(biases), have, (k,)) for k in want])
        return given

    def call(self, inputs, states, training=False):
        """One step: (B, m) and the states (B, n) to h (B, n) and the next states."""
        nested = isinstance(states, (list, tuple))
        states = tuple(states) if nested else (states,)
        given = self.packed_weights()
        if training and self.dropout > 0:
            inputs = inputs * self.get_dropout_mask(inputs)
        if training and self.recurrent_dropout > 0:
            given["recurrent_mask"] = self.get_recurrent_dropout_mask(states[0])
        projected = ops.matmul(inputs, given["kernel"])
        new, _ = bound(self.spec, given).forward(states, projected)
        return new[0], list(new) if nested else new[0]

    def get_initial_state(self, batch_size=None):
        """Zeros, (B, n) for each state."""
        count = len(self.spec.family.states)
        zeros = [
            ops.zeros((batch_size, self.units), dtype=self.compute_dtype)
            for _ in range(count)
        ]
        return zeros if count > 1 else zeros[0]

    def get_config(self):
        """All arguments, as plain values."""
        config = {}
        for name in self._settings:
            value = getattr(self, name)
            role = _ROLES.get(name.rpartition("_")[2])
            config[name] = role.serialize(value) if role else value
        config["variant"] = variants.serialize(self.variant)
        if self.built and self.time_scale == "auto":  # however long the next are
            config["time_scale"] = {"length": self._length}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        """The cell that :meth:`get_config` described."""
        return cls(**{**BEFORE, **config})


@keras.saving.register_keras_serializable(package="slimrnn")
class SlimLSTMCell(_SlimCell):
    """One step of a row of the LSTM family, for ``keras.layers.RNN``.

    ``cₜ = f ⊙ cₜ₋₁ + i ⊙ g(cell input)``, ``hₜ = o ⊙ g(cₜ)``, with the gates that
    the variant says. Arguments as :class:`slimrnn.SlimLSTM`'s, in the order of
    ``keras.layers.LSTMCell``.

    Call arguments:
        inputs: (B, m).
        states: h and c, (B, n) each.
        training: whether dropout is on.

    Raises:
        InputError: an unknown variant or one of another family, units below 1,
            gate_constants of a gate that is not constant.

    Example:
        >>> import numpy as np
        >>> cell = SlimLSTMCell(4, "LSTM6")
        >>> tuple(keras.layers.RNN(cell)(np.zeros((2, 5, 3), "float32")).shape)
        (2, 4)
    """

    family = "lstm"

    def __init__(
        self,
        units,
        variant="LSTM6",
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        *,
        gate_constants=None,
        time_scale="auto",
        recurrent_vector_initializer=None,
        recurrent_vector_regularizer=None,
        recurrent_vector_constraint=None,
        **kwargs,
    ):
        super().__init__(own(locals()), **kwargs)


@keras.saving.register_keras_serializable(package="slimrnn")
class SlimGRUCell(_SlimCell):
    """One step of a row of the GRU family: ``hₜ = z ⊙ hₜ₋₁ + (1 - z) ⊙ candidate``.

    Arguments as :class:`SlimLSTMCell`'s, in the order of ``keras.layers.GRUCell``;
    ``reset_after``: see :class:`slimrnn.SlimGRU`. One state, h.

    Example:
        >>> import numpy as np
        >>> tuple(keras.layers.RNN(SlimGRUCell(4, "GRU3"))(np.zeros((2, 5, 3))).shape)
        (2, 4)
    """

    family = "gru"

    def __init__(
        self,
        units,
        variant="GRU3",
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        reset_after=False,
        seed=None,
        *,
        gate_constants=None,
        time_scale="auto",
        recurrent_vector_initializer=None,
        recurrent_vector_regularizer=None,
        recurrent_vector_constraint=None,
        **kwargs,
    ):
        super().__init__(own(locals()), **kwargs)


@keras.saving.register_keras_serializable(package="slimrnn")
class SlimMGUCell(_SlimCell):
    """One step of a row of the MGU family: ``hₜ = (1 - f) ⊙ hₜ₋₁ + f ⊙ candidate``.

    Arguments as :class:`SlimGRUCell`'s. One state, h.

    Example:
        >>> import numpy as np
        >>> tuple(keras.layers.RNN(SlimMGUCell(4, "MGU3"))(np.zeros((2, 5, 3))).shape)
        (2, 4)
    """

    family = "mgu"

    def __init__(
        self,
        units,
        variant="MGU3",
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        reset_after=False,
        seed=None,
        *,
        gate_constants=None,
        time_scale="auto",
        recurrent_vector_initializer=None,
        recurrent_vector_regularizer=None,
        recurrent_vector_constraint=None,
        **kwargs,
    ):
        super().__init__(own(locals()), **kwargs)
