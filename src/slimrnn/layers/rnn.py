"""The layers: Keras's surface.

They take what ``keras.layers.LSTM`` and ``keras.layers.GRU`` take, in the same order
and with the same defaults (read off Keras's own signatures), and the variant besides.
They subclass ``keras.layers.RNN`` and not ``keras.layers.LSTM``: what is an LSTM to
``isinstance``, Keras may compute by the standard LSTM's formula (``Bidirectional``).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, ClassVar, Self

import keras
from keras import ops, regularizers

from slimrnn import engines, variants
from slimrnn.engines import scan
from slimrnn.errors import InputError
from slimrnn.layers.cells import BEFORE, SlimGRUCell, SlimLSTMCell, SlimMGUCell, own
from slimrnn.variants import FAMILIES, CellSpec, Variant, shapes


@keras.saving.register_keras_serializable(package="slimrnn")
class SlimRNN(keras.layers.RNN):
    """``keras.layers.RNN`` for a slim cell, computed as a whole sequence.

    Args:
        cell: a :class:`SlimLSTMCell`, :class:`SlimGRUCell` or :class:`SlimMGUCell`.
        engine: ``"auto"``, ``"ops"`` or ``"native"``; see ``slimrnn.engines``.
        kwargs: those of ``keras.layers.RNN``.

    Raises:
        InputError: another cell, no such engine; when called, an engine that cannot
            run.
    """

    def __init__(self, cell, engine="auto", **kwargs):
        if not isinstance(getattr(cell, "spec", None), CellSpec):
            raise InputError(
                f"SlimRNN takes one slim cell, such as SlimLSTMCell(8); received "
                f"{cell!r}. keras.layers.RNN takes any cell, or several."
            )
        super().__init__(cell, **kwargs)
        engines.check(engine)
        self.engine = engine
        self.supports_masking = True  # no longer the default from Keras 3.16 on
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, sequences_shape, initial_state_shape=None):
        """Create the weights; time scales fit the length, where it is known."""
        if sequences_shape[1] is not None:
            self.cell.spread(sequences_shape[1])
        super().build(sequences_shape, initial_state_shape)

    @property
    def variables(self):
        """Keras's, and the states that it leaves out, so that JAX would forget them."""
        return [*super().variables, *(self.states or [])]

    def call(self, sequences, initial_state=None, mask=None, training=False):
        """Compute the layer: what Keras does around :meth:`inner_loop`."""
        if sequences.shape[1] == 0:
            raise InputError(
                f"A sequence must have a step; received the shape "
                f"{tuple(sequences.shape)}."
            )
        if initial_state is not None:
            nested = isinstance(initial_state, (list, tuple))
            given = initial_state if nested else [initial_state]
            shapes.named_states(self.cell.spec.variant, given)
            initial_state = [_of_batch(state, sequences) for state in given]
        mask = _of_steps(mask)
        if mask is not None:
            mask = _of_batch(mask, sequences)
        return super().call(sequences, initial_state, mask, training)

    def compute_mask(self, inputs, mask=None):
        """The mask of the outputs, in their order: turned where they go backwards.

        Keras's own layers hand on the mask in the order of the inputs.
        """
        mask = _of_steps(mask)
        if mask is not None and self.go_backwards:
            mask = ops.flip(mask, axis=1)
        return super().compute_mask(inputs, mask)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Compute the sequence: called by ``keras.layers.RNN.call``."""
        if self.stateful:
            # Keras writes the new states over these, which torch's backward pass reads.
            initial_state = [ops.copy(state) for state in initial_state]
        cell = self.cell
        if self.go_backwards:
            sequences = ops.flip(sequences, axis=1)
            mask = None if mask is None else ops.flip(mask, axis=1)
        recurrent_mask = None
        if training and cell.dropout > 0:
            kept = cell.get_dropout_mask(sequences[:, 0, :])[:, None, :]
            sequences = sequences * kept  # torch's *= writes into the caller's tensor
        if training and cell.recurrent_dropout > 0:
            recurrent_mask = cell.get_recurrent_dropout_mask(initial_state[0])
        choice = engines.choose(
            self.engine,
            keras.backend.backend(),
            cell.spec,
            dtype=keras.backend.standardize_dtype(sequences.dtype),
            device=scan.device(sequences),
            unroll=self.unroll,
        )
        outputs, states = choice.engine.run(
            cell.spec,
            sequences,
            tuple(initial_state),
            cell.packed_weights(),
            mask=mask,
            recurrent_mask=recurrent_mask,
            return_sequences=self.return_sequences,
            unroll=self.unroll,
        )
        last = states[0]
        if mask is not None and self.zero_output_for_mask:
            last = ops.where(mask[:, -1:], last, ops.zeros_like(last))
            if outputs is not None:
                outputs = ops.where(mask[..., None], outputs, ops.zeros_like(outputs))
        return last, last[:, None] if outputs is None else outputs, list(states)

    def get_config(self):
        """All arguments, as plain values."""
        return {**super().get_config(), "engine": self.engine}


def _arguments(cls: type) -> set[str]:
    """The names of a constructor's arguments."""
    return {*inspect.signature(cls).parameters} - {"kwargs"}


def _of_steps(mask):
    """A mask, or the first of several, as booleans (B, T); None for None."""
    mask = mask[0] if isinstance(mask, (list, tuple)) else mask
    if mask is None:
        return None
    if keras.backend.standardize_dtype(mask.dtype) != "bool":
        mask = ops.cast(mask, "bool")
    # Of words in sentences, say: a sentence counts if it has a word.
    inner = tuple(range(2, len(mask.shape)))
    return ops.any(mask, axis=inner) if inner else mask


def _of_batch(tensor, sequences):
    """One row repeated for the whole batch, as Keras has it; others as they are."""
    tensor = ops.convert_to_tensor(tensor)
    if len(tensor.shape) != 2 or tensor.shape[0] != 1 or sequences.shape[0] == 1:
        return tensor
    return ops.repeat(tensor, ops.shape(sequences)[0], axis=0)


class _SlimLayer(SlimRNN):
    """What the layers of the families share; see :class:`SlimLSTM`."""

    cell_class: ClassVar[type[keras.layers.Layer]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let the cell's settings be read off the layer, as off Keras's layers."""
        super().__init_subclass__(**kwargs)
        for name in _arguments(cls.cell_class):
            setattr(cls, name, property(attrgetter(f"cell.{name}")))

    def __init__(self, settings: dict[str, Any], **kwargs: Any):
        if settings.pop("use_cudnn") is True:
            raise InputError(
                "use_cudnn=True cannot be: cuDNN has no slim cell; allowed: 'auto', "
                "False."
            )
        names = _arguments(self.cell_class)
        cell = self.cell_class(
            **{k: settings.pop(k) for k in list(settings) if k in names},
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name=f"{self.cell_class.family}_cell",
        )
        super().__init__(cell, **settings, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """All arguments, as plain values."""
        config = super().get_config()
        del config["cell"]
        settings = self.cell.get_config()
        for name in ("name", "dtype", "trainable"):
            del settings[name]
        regularizer = regularizers.serialize(self.activity_regularizer)
        return {**config, **settings, "activity_regularizer": regularizer}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The layer that :meth:`get_config` described."""
        return cls(**{**BEFORE, **config})


@keras.saving.register_keras_serializable(package="slimrnn")
class SlimLSTM(_SlimLayer):
    """A slim LSTM: ``keras.layers.LSTM`` with the gates of a variant.

    ``cₜ = f ⊙ cₜ₋₁ + i ⊙ g(cell input)``, ``hₜ = o ⊙ g(cₜ)``; which terms the gates
    i, f, o and the cell input have is the variant's row in the table
    (``slimrnn.get(variant).equations()``). ``SlimLSTM(n, "LSTM")`` is the full LSTM.

    Args:
        units: n, the number of units.
        variant: a name of the table or a :class:`slimrnn.Variant`.
        gate_constants: other values for constant gates, such as ``{"f": 0.59}``;
            they win over the time scale.
        time_scale: how long units remember at the start, in steps: a number, a pair
            (low, high), over which they are spread evenly, or ``"auto"``: from 1 to
            the length of the sequences, or to 100 where that is not known; sequences
            shorter than 16 steps have none. It starts the biases of the forget, input
            and update gates. Those of these gates that
            are constant get one value by the number or, with ``"auto"``, by the
            geometric middle, and one for each unit by a pair, stored and not trained.
            None leaves biases and constants as Keras and the variant have them.
        engine: how the sequence is computed: ``"auto"``, ``"ops"`` or ``"native"``.
        recurrent_vector_initializer: of the pointwise recurrent vectors; by default
            normal with standard deviation 1/sqrt(n).
        recurrent_vector_regularizer: of the same.
        recurrent_vector_constraint: of the same.
        kwargs: those of ``keras.layers.Layer``; all others are those of
            ``keras.layers.LSTM``, in its order.

    Matrices are initialised gate by gate and one dropout mask serves all gates, so
    that the rows of the table start alike and are compared fairly. Masked steps
    repeat the output before them, at the start the initial state's.

    Call arguments:
        sequences: (B, T, m).
        initial_state: h and c, (B, n) each.
        mask: (B, T) booleans; a False step is skipped.
        training: whether dropout is on.

    Returns:
        (B, n), or (B, T, n) with ``return_sequences``; with ``return_state`` also the
        last h and c.

    Raises:
        InputError: an unknown variant or one of another family, units below 1,
            gate_constants of a gate that is not constant, an unknown engine; when
            called, an engine that cannot run.

    Example:
        >>> import numpy as np
        >>> tuple(SlimLSTM(4, "LSTM6")(np.zeros((2, 5, 3), "float32")).shape)
        (2, 4)
    """

    cell_class = SlimLSTMCell

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
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        use_cudnn="auto",
        *,
        gate_constants=None,
        time_scale="auto",
        recurrent_vector_initializer=None,
        recurrent_vector_regularizer=None,
        recurrent_vector_constraint=None,
        engine="auto",
        **kwargs,
    ):
        super().__init__(own(locals()), **kwargs)


@keras.saving.register_keras_serializable(package="slimrnn")
class SlimGRU(_SlimLayer):
    """A slim GRU: ``hₜ = z ⊙ hₜ₋₁ + (1 - z) ⊙ g(W x + U (r ⊙ hₜ₋₁) + b)``.

    This is Keras's convention, so that ``SlimGRU(n, "GRU")`` equals
    ``keras.layers.GRU(n, reset_after=False)`` with the same weights. The papers let z
    weigh the candidate; the functions are the same, since s(-a) = 1 - s(a).

    Arguments as :class:`SlimLSTM`'s, in the order of ``keras.layers.GRU``. One state.

    With ``reset_after=True`` the candidate is ``g(W x + r ⊙ (U hₜ₋₁ + b_n) + b)``, as
    in ``keras.layers.GRU`` by default, and in torch. The bias then has four blocks, for
    z, r, the candidate and n; Keras's second biases of z and r, which add to the first
    ones, are left out.

    Example:
        >>> import numpy as np
        >>> tuple(SlimGRU(4, "GRU3")(np.zeros((2, 5, 3), "float32")).shape)
        (2, 4)
    """

    cell_class = SlimGRUCell

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
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        reset_after=False,
        use_cudnn="auto",
        *,
        gate_constants=None,
        time_scale="auto",
        recurrent_vector_initializer=None,
        recurrent_vector_regularizer=None,
        recurrent_vector_constraint=None,
        engine="auto",
        **kwargs,
    ):
        super().__init__(own(locals()), **kwargs)


@keras.saving.register_keras_serializable(package="slimrnn")
class SlimMGU(_SlimLayer):
    """A slim MGU: ``hₜ = (1 - f) ⊙ hₜ₋₁ + f ⊙ g(W x + U (f ⊙ hₜ₋₁) + b)``.

    Arguments as :class:`SlimGRU`'s. One state, h.

    Example:
        >>> import numpy as np
        >>> tuple(SlimMGU(4, "MGU3")(np.zeros((2, 5, 3), "float32")).shape)
        (2, 4)
    """

    cell_class = SlimMGUCell

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
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        reset_after=False,
        use_cudnn="auto",
        *,
        gate_constants=None,
        time_scale="auto",
        recurrent_vector_initializer=None,
        recurrent_vector_regularizer=None,
        recurrent_vector_constraint=None,
        engine="auto",
        **kwargs,
    ):
        super().__init__(own(locals()), **kwargs)


_OF_BASE = {cls.cell_class.family: cls for cls in (SlimLSTM, SlimGRU, SlimMGU)}
#: by family
LAYERS: dict[str, type[SlimLSTM | SlimGRU | SlimMGU]] = {
    name: _OF_BASE[family.base or name] for name, family in FAMILIES.items()
}


def layer(units: int, variant: str | Variant, **kwargs: Any) -> _SlimLayer:
    """The layer of a variant of any family.

    Args:
        units: n.
        variant: a name of the table or a :class:`slimrnn.Variant`.
        kwargs: those of :class:`SlimLSTM`, :class:`SlimGRU` or :class:`SlimMGU`.

    Raises:
        InputError: an unknown variant.

    Example:
        >>> type(layer(8, "GRU3")).__name__
        'SlimGRU'
    """
    variant = variants.get(variant)
    return LAYERS[variant.family](units, variant, **kwargs)
