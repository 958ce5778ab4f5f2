"""The cells: one step of a slim layer, with Keras's arguments.

Arguments, their order and defaults are read off ``keras.layers.LSTMCell`` and
``keras.layers.GRUCell``; the variant stands behind the units.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import keras
from keras import activations, constraints, initializers, ops, regularizers

from slimrnn import variants
from slimrnn.activations import describe
from slimrnn.engines.step import Step
from slimrnn.errors import InputError
from slimrnn.layers.initializers import by_blocks
from slimrnn.utils.checks import whole
from slimrnn.variants import FAMILIES, WEIGHTS, CellSpec, Variant

Parameter = inspect.Parameter

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
CELL_OPTIONS = {
    "gate_constants": None,
    **{f"recurrent_vector_{role}": None for role in list(_ROLES)[:3]},
}


def signature(
    like: type,
    variant: str,
    options: dict[str, Any],
) -> inspect.Signature:
    """Keras's signature with the variant behind the units, and options of our own."""
    kind = Parameter.POSITIONAL_OR_KEYWORD
    theirs = list(inspect.signature(like).parameters.values())
    assert theirs[0].name == "units"
    return inspect.Signature(
        [
            theirs[0],
            Parameter("variant", kind, default=variant),
            *(
                p.replace(default=False) if p.name == "reset_after" else p
                for p in theirs[1:-1]
            ),
            *(
                Parameter(name, Parameter.KEYWORD_ONLY, default=default)
                for name, default in options.items()
            ),
            Parameter("kwargs", Parameter.VAR_KEYWORD),
        ]
    )


def bind(signature: inspect.Signature, args, kwargs) -> tuple[dict, dict]:
    """The arguments by name, and the further ones of ``keras.layers.Layer``."""
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    settings = dict(bound.arguments)
    return settings, settings.pop("kwargs")


class _SlimCell(keras.layers.Layer, _DropoutCell):
    """What the cells of the families share; see :class:`SlimLSTMCell`."""

    family: ClassVar[str]
    __signature__: ClassVar[inspect.Signature]

    def __init__(self, *args, **kwargs):
        settings, rest = bind(self.__signature__, args, kwargs)
        super().__init__(**rest)
        if settings.pop("reset_after", False):
            raise InputError(
                "reset_after=True is not a slim cell: the papers reset h before the "
                "product; received True, allowed is False."
            )
        units = settings["units"]
        if isinstance(units, float) and units.is_integer():  # such as a half of 10
            units = int(units)
        settings["units"] = whole("units", units, least=1)
        settings["variant"] = _of_family(settings["variant"], self.family)
        for rate in ("dropout", "recurrent_dropout"):
            settings[rate] = min(1.0, max(0.0, settings[rate]))  # as Keras does
        for name, value in settings.items():
            role = _ROLES.get(name.rpartition("_")[2])
            setattr(self, name, role.get(value) if role else value)
        self._settings = tuple(settings)
        self.seed_generator = keras.random.SeedGenerator(seed=self.seed)
        used = self.variant.with_constants(self.gate_constants)
        self.spec = CellSpec(
            used if self.use_bias else used.without_bias(),
            describe(self.activation),
            describe(self.recurrent_activation),
        )
        count = len(self.spec.family.states)
        self.state_size = [self.units] * count if count > 1 else self.units
        self.output_size = self.units

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
                regularizer=getattr(self, f"{word}_regularizer"),
                constraint=getattr(self, f"{word}_constraint"),
            )
            setattr(self, weight, created)
        self.built = True

    def _shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        """The shape of each weight, by name."""
        return self.spec.variant.shapes(features, self.units)

    def _initializer(self, weight: str) -> Callable:
        """What fills a weight: each gate's block by itself."""
        given = getattr(self, f"{_WORDS[weight]}_initializer")
        if given is None:
            given = initializers.RandomNormal(stddev=self.units**-0.5)
        forget = FAMILIES[self.family].forget
        ones = weight == "bias" and getattr(self, "unit_forget_bias", False)
        return by_blocks(
            [
                initializers.Ones() if ones and gate == forget else given
                for gate in self.spec.variant.blocks(weight)
            ]
        )

    def packed_weights(self) -> dict[str, Any]:
        """The weights as the engines take them: by name, in the compute dtype."""
        return {
            name: ops.cast(
                ops.convert_to_tensor(getattr(self, name)), self.compute_dtype
            )
            for name in self._shapes(1)
        }

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
        new, _ = Step(self.spec, given).forward(states, projected)
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
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="slimrnn")
class SlimLSTMCell(_SlimCell):
    """One step of a row of the LSTM family, for ``keras.layers.RNN``.

    ``cₜ = f ⊙ cₜ₋₁ + i ⊙ g(cell input)``, ``hₜ = o ⊙ g(cₜ)``, with the gates that
    the variant's row tells.

    Args:
        units: n, the number of units.
        variant: a name of the table or a :class:`slimrnn.Variant`.
        gate_constants: other values for constant gates, such as ``{"f": 0.59}``.
        recurrent_vector_initializer: of the pointwise recurrent vectors; by default
            normal with standard deviation 1/sqrt(n).
        recurrent_vector_regularizer: of the same.
        recurrent_vector_constraint: of the same.
        args: those of ``keras.layers.LSTMCell``, in its order.
        kwargs: likewise, and those of ``keras.layers.Layer``.

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
    __signature__ = signature(keras.layers.LSTMCell, "LSTM6", CELL_OPTIONS)


@keras.saving.register_keras_serializable(package="slimrnn")
class SlimGRUCell(_SlimCell):
    """One step of a row of the GRU family: ``hₜ = z ⊙ hₜ₋₁ + (1 - z) ⊙ candidate``.

    Arguments as :class:`SlimLSTMCell`'s, in the order of ``keras.layers.GRUCell``;
    ``reset_after`` must be False, as in the papers. One state, h.

    Example:
        >>> import numpy as np
        >>> tuple(keras.layers.RNN(SlimGRUCell(4, "GRU3"))(np.zeros((2, 5, 3))).shape)
        (2, 4)
    """

    family = "gru"
    __signature__ = signature(keras.layers.GRUCell, "GRU3", CELL_OPTIONS)


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
    __signature__ = signature(keras.layers.GRUCell, "MGU3", CELL_OPTIONS)


def _of_family(variant: Any, family: str) -> Variant:
    found = variants.get(variant)
    if found.family != family:
        names = ", ".join(v.name for v in variants.variants() if v.family == family)
        raise InputError(
            f"{found.name} is of the family {found.family}, and this layer computes "
            f"the family {family}; use Slim{found.family.upper()}, or one of {names}."
        )
    return found
