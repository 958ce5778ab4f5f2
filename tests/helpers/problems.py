"""Random weights and inputs for a variant, shared by the engine's tests."""

from dataclasses import dataclass, replace

import numpy as np

from slimrnn.variants import FAMILIES, CellSpec, Gate, Variant, get, variants

#: batch, time, features, units: every odd size that an engine could trip over
SIZES = {
    "plain": (4, 5, 2, 3),  # as many rows as there are kinds of masks
    "one step": (2, 1, 3, 5),
    "one unit": (2, 6, 3, 1),
    "seven units": (1, 63, 2, 7),
    "one feature": (4, 9, 1, 8),
    "no rows": (0, 5, 2, 3),
}


def masks(length):
    """One row for each kind of mask, (kinds, T)."""
    t = np.arange(length)
    return np.stack(
        [
            t < length - 2,  # right
            t >= 2,  # left
            t % 3 != 1,  # scattered
            t < 0,  # a fully masked row
        ]
    )


#: rows that nobody has published, to prove that only the algebra counts
_OWN = (
    Variant(
        "OwnLSTM",
        "lstm",
        {
            "i": Gate(x="full"),
            "f": Gate(h="full", bias=True),
            "c": Gate(x="full", h="pointwise"),
            "o": Gate(constant=0.7),
        },
    ),
    Variant(
        "OwnGRU",
        "gru",
        {
            "z": Gate(x="full", h="pointwise", bias=True),
            "r": Gate(constant=0.5),
            "c": Gate(x="full", h="pointwise"),
        },
    ),
    Variant("OwnMGU", "mgu", {"f": Gate(h="pointwise"), "c": Gate(x="full")}),
    Variant(
        "Feedforward",
        "lstm",
        {
            "i": Gate(bias=True),
            "f": Gate(x="full", bias=True),
            "c": Gate(x="full"),
            "o": Gate(x="full"),
        },
    ),
)
_AFTER = (get("GRU"), get("GRU3"), get("MGU2"), _OWN[1])
OWN = (*_OWN, *(replace(v.with_reset_after(), name=f"{v.name}_after") for v in _AFTER))
ROWS = {row.name: row for row in (*variants(), *OWN)}

_INPUT = Gate(x="full", bias=True)
#: rows whose gates do not read h, so that steps need not wait for each other
WITHOUT_H = {row.name: row for row in ROWS.values() if not CellSpec(row).reads_h} | {
    "inputs": Variant("inputs", "lstm", [_INPUT] * 4),
    "a tie": Variant(
        "a tie", "lstm", (Gate(complement="f"), _INPUT, _INPUT, Gate(constant=1.0))
    ),
    "a pace": Variant("a pace", "mgu", (Gate(bias=True), _INPUT)),
    "a constant": Variant("a constant", "mgu", (Gate(constant=0.2), _INPUT)),
}


@dataclass
class Problem:
    """Inputs, and the gradients that reach the outputs; all float64."""

    variant: Variant
    x: np.ndarray
    weights: dict
    initial: dict
    doutputs: np.ndarray
    dstates: dict
    mask: np.ndarray | None
    recurrent_mask: np.ndarray | None


def problem(name, size="plain", mask=False, dropout=False, seed=0, scale=0.5):
    """A random problem for the row of this name.

    Large weights make a chaotic map of some rows, in which the rounding of float32
    grows from step to step: the scale keeps tests from measuring that.
    """
    variant = ROWS.get(name) or get(name)
    batch, length, features, units = SIZES[size]
    rng = np.random.default_rng(seed)
    # Numbers that float32 holds, so that only the arithmetic differs.
    normal = lambda *shape: rng.normal(size=shape).astype("float32").astype(float)  # noqa: E731
    states = FAMILIES[variant.family].states
    return Problem(
        variant,
        normal(batch, length, features),
        {k: scale * normal(*s) for k, s in variant.shapes(features, units).items()},
        {name: 0.5 * normal(batch, units) for name in states},
        normal(batch, length, units),
        {name: normal(batch, units) for name in states},
        masks(length) if mask else None,
        2.0 * (rng.random((batch, units)) < 0.5) if dropout else None,
    )
