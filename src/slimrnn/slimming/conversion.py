"""The same model with slim layers, which start from the trained weights.

What starts from what follows from the terms of the two rows. A gate is *at rest* where
x and h are 0: there its value is s(b), near its mean over data of mean 0.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import keras_layers
from slimrnn.ir.keras_layers import RECURRENT, named
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.layers import LAYERS
from slimrnn.variants import CANDIDATE, FAMILIES, WEIGHTS, Gate, Variant, get
from slimrnn.variants.gates import TIE_SCALARS, TIE_START

Array = np.ndarray
#: where constant gates come from: the trained gates, the variant, or the user
GateConstants = Mapping[str, float] | Literal["trained", "variant"]
#: settings that layers take as further arguments of keras.layers.RNN and Layer
_INHERITED = ("zero_output_for_mask", "name", "trainable", "dtype")
DIGITS = 3  # of a constant that is read off a trained gate


def rebuild(
    model: keras.Model,
    variant: str | Variant,
    gate_constants: GateConstants = "trained",
) -> keras.Model:
    """The model with slim layers in place of its recurrent ones; not trained yet.

    Each gate's block of a weight is the trained one; a pointwise vector starts as the
    diagonal of the trained matrix. All other layers keep their weights. A row that
    leaves out nothing computes what the model computed. Where the trained GRU has
    ``reset_after``, as Keras's has without being asked, so has the slim layer.

    Args:
        model: ``keras.Sequential`` or a functional model, built; nested models and
            ``Bidirectional`` are opened. It is left as it was.
        variant: a row. An LSTM becomes a row of the LSTM family; a GRU one of the GRU
            or the MGU family.
        gate_constants: of gates that become constants: ``"trained"``, the mean over
            the units of the trained gate at rest; ``"variant"``, its own; or values
            by name, the others being the table's.

    Raises:
        InputError: no such model, no recurrent layer that the variant fits (the
            sentence says why not), constants of gates that are not constant.

    Example:
        >>> lstm = keras.layers.LSTM(4)
        >>> model = keras.Sequential([keras.Input((None, 3)), lstm])
        >>> slim = rebuild(model, "LSTM6").layers[0]
        >>> slim.gate_constants
        {'i': 0.5, 'f': 0.731, 'o': 0.5}
        >>> bool(np.all(slim.get_weights()[1] == lstm.get_weights()[1][:, 8:12]))
        True
    """
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise InputError(
            f"Only a built keras.Sequential or functional model can be slimmed; "
            f"received {type(model).__name__}."
        )
    rebuilding = _Rebuilder(get(variant), gate_constants)
    try:
        slimmed = keras.models.clone_model(
            model, clone_function=rebuilding.clone, recursive=True
        )
    except InputError:
        raise
    except (ValueError, TypeError, NotImplementedError) as error:
        first = str(error).strip().partition("\n")[0]
        raise InputError(
            f"The model {model.name} cannot be copied layer by layer ({first})."
        ) from error
    if not rebuilding.slimmed:
        reasons = "; ".join(rebuilding.reasons) or "it has no recurrent layer"
        raise InputError(
            f"The model {model.name} cannot be slimmed to {get(variant).name}: "
            f"{reasons}."
        )
    rebuilding.give_weights()
    return slimmed


class _Rebuilder:
    """What a clone's layers were made from, in pairs (old, new)."""

    def __init__(self, variant: Variant, gate_constants: GateConstants):
        self.variant = variant
        self.gate_constants = gate_constants
        self.slimmed: list[tuple[Any, Any]] = []
        self.kept: list[tuple[Any, Any]] = []
        self.reasons: list[str] = []

    def clone(self, old: Any) -> Any:
        """The layer, or other operation, for the place of one of the model's."""
        pair = isinstance(old, keras.layers.Bidirectional)
        inner = [old.forward_layer, old.backward_layer] if pair else [old]
        if not all(self._fits(layer) for layer in inner):
            new = type(old).from_config(old.get_config())
            if isinstance(old, keras.layers.Layer):
                self.kept.append((old, new))
            return new
        slim = [self._slim(layer) for layer in inner]
        if not pair:
            self.slimmed.append((old, slim[0]))
            return slim[0]
        new = keras.layers.Bidirectional(
            slim[0],
            merge_mode=old.merge_mode,
            backward_layer=slim[1],
            name=old.name,
            trainable=old.trainable,
            dtype=old.dtype_policy,
        )
        self.slimmed += zip(inner, (new.forward_layer, new.backward_layer), strict=True)
        return new

    def give_weights(self) -> None:
        """Start the new layers from the old ones; they are built by now."""
        for old, new in self.kept:
            new.set_weights(old.get_weights())
            if isinstance(new, keras.layers.Normalization):
                new.finalize_state()  # takes over what it was adapted to
        for old, new in self.slimmed:
            start = weights(keras_layers.recurrence(old), new.cell.spec.variant)
            for name, value in start.items():
                getattr(new.cell, name).assign(value)

    def _fits(self, layer: Any) -> bool:
        if type(layer) not in RECURRENT:
            return False
        try:
            source = keras_layers.recurrence(layer).variant
            reason = why_not(source, fitted(self.variant, source))
        except InputError as error:
            reason = str(error).rstrip(".")
        if reason:
            self.reasons.append(f"the layer {named(layer)} stays, since {reason}")
        return not reason

    def _slim(self, layer: Any) -> Any:
        """A slim layer with the settings of a recurrent one."""
        kind = LAYERS[self.variant.family]
        source = keras_layers.recurrence(layer).variant
        row = fitted(self.variant, source)
        after = {"reset_after": True} if FAMILIES[row.family].product else {}
        settings = {**layer.cell.get_config(), **layer.get_config()}
        settings["use_bias"] = _has_bias(source)
        known = {*inspect.signature(kind).parameters, *_INHERITED}
        ours = {"variant", "gate_constants", "time_scale", "reset_after", "use_cudnn"}
        return kind(
            variant=self.variant,
            **after,
            gate_constants=self._constants(layer),
            time_scale=None,  # the weights are trained
            **{k: v for k, v in settings.items() if k in known - ours},
        )

    def _constants(self, layer: Any) -> dict[str, float] | None:
        if isinstance(self.gate_constants, Mapping):
            self.variant.with_constants(self.gate_constants)  # says what is wrong
            return dict(self.gate_constants)
        if self.gate_constants == "variant":
            return None
        if self.gate_constants != "trained":
            raise InputError(
                f"gate_constants must be 'trained', 'variant' or a mapping of gate to "
                f"number; received {self.gate_constants!r}."
            )
        return trained_constants([keras_layers.recurrence(layer)], self.variant) or None


def trained_constants(
    sources: Sequence[RecurrentWeights], target: Variant
) -> dict[str, float]:
    """The constants of a variant: the mean of the trained gates at rest."""
    return {
        gate: round(
            float(np.mean([_value(one, target, gate).mean() for one in sources])),
            DIGITS,
        )
        for gate in target.constants
    }


def fitted(variant: Variant, source: Variant) -> Variant:
    """A variant without biases, and with reset_after, where the trained one is so.

    Example:
        >>> fitted(get("LSTM6"), get("LSTM").without_bias())["c"].bias
        False
    """
    row = variant if _has_bias(source) else variant.without_bias()
    resets = row[CANDIDATE].h != "none" and FAMILIES[source.family].product
    return row.with_reset_after() if resets else row


def _has_bias(variant: Variant) -> bool:
    return any(gate.bias for _, gate in variant.items())


def why_not(source: Variant, target: Variant) -> str:
    """Why a trained variant cannot become another one; empty where it can.

    Example:
        >>> why_not(get("LSTM"), get("GRU3"))
        'LSTM is of the family lstm, and GRU3 of the family gru'
        >>> why_not(get("LSTM6"), get("LSTM4"))
        'slimming takes terms away, and LSTM4 has more in gate i than LSTM6'
    """
    families = FAMILIES[source.family], FAMILIES[target.family]
    if families[0].states != families[1].states:
        return (
            f"{source.name} is of the family {source.family}, and {target.name} of "
            f"the family {target.family}"
        )
    for name, gate in target.items():
        have = source[_counterpart(source, target, name)[0]]
        if gate.constant is None and not set(gate.terms) <= _offered(have):
            return (
                f"slimming takes terms away, and {target.name} has more in gate "
                f"{name} than {source.name}"
            )
    return ""


def _offered(gate: Gate) -> set[str]:
    """The weights that can start from a gate, or alone; a matrix has a diagonal."""
    diagonal = {"recurrent_vector"} if "recurrent_kernel" in gate.terms else set()
    return {*gate.terms, *diagonal, TIE_SCALARS}


def _counterpart(source: Variant, target: Variant, gate: str) -> tuple[str, bool]:
    """The trained gate that does a gate's work, and whether it does so as 1 - s."""
    have, want = FAMILIES[source.family], FAMILIES[target.family]
    if gate in (CANDIDATE, want.product) or not want.update:
        return gate, False
    if gate == want.update:
        return have.update, have.keeps != want.keeps
    return have.reset, False


def weights(source: RecurrentWeights, target: Variant) -> dict[str, Array]:
    """What the weights of a variant start from, by name, packed for its gates.

    Args:
        source: the trained layer.
        target: a row for which :func:`why_not` is empty.
    """
    return {
        weight: np.concatenate(
            [_block(source, target, weight, gate) for gate in blocks], axis=-1
        )
        for weight in WEIGHTS
        if (blocks := target.blocks(weight))
    }


def _block(source: RecurrentWeights, target: Variant, weight: str, gate: str) -> Array:
    own, negated = _counterpart(source.variant, target, gate)
    if weight in source.variant[own].terms:
        block = _trained(source, weight, own)
    elif weight == TIE_SCALARS:
        block = np.array(TIE_START, "float32")
    else:
        block = np.diag(_trained(source, "recurrent_kernel", own))
    return -block if negated else block  # 1 - s(a) = s(-a)


def _trained(source: RecurrentWeights, weight: str, gate: str) -> Array:
    """A gate's block of a trained weight."""
    return source.variant.split(source.weights)[gate][weight]


def _value(source: RecurrentWeights, target: Variant, gate: str) -> Array:
    """(n,) what a gate of the target is worth where x and h are 0."""
    own, negated = _counterpart(source.variant, target, gate)
    value = _at_rest(source, own)
    return 1 - value if negated else value


def _at_rest(source: RecurrentWeights, gate: str) -> Array:
    """(n,) the trained gate's value where x and h are 0: s(b), or its constant."""
    row = source.variant[gate]
    if row.constant is not None:
        return np.full(source.units, row.constant, "float32")
    if row.complement:
        return row.tied(_at_rest(source, row.complement), source.tie)
    bias = np.zeros(source.units, "float32")
    if row.bias:
        bias = _trained(source, "bias", gate)
    return source.spec.recurrent_activation.function(bias)
