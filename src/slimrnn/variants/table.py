"""THE TABLE: the variants, data only.

A slim recurrent layer leaves terms out of the gates of a full one. A row says which:
for each gate, whether the product with the input, the recurrent product (a matrix,
or a vector multiplied pointwise) and the bias are there, or which constant stands in
the gate's place. Parameter counts, weight shapes and equations are derived from it;
the reference, the engines and the exporters read the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slimrnn.errors import InputError
from slimrnn.utils.checks import nearest
from slimrnn.variants.gates import Gate
from slimrnn.variants.variant import Variant

BASELINE = "LSTM"  # what the others are compared with

FULL = Gate(x="full", h="full", bias=True)
SLIM1 = Gate(h="full", bias=True)
SLIM2 = Gate(h="full")
SLIM3 = Gate(bias=True)
SLIM4 = Gate(h="pointwise")
SLIM5 = Gate(h="pointwise", bias=True)
VECTOR_CELL = Gate(x="full", h="pointwise", bias=True)
INPUT = Gate(x="full", bias=True)
TIED = Gate(complement="f")
SHARED = Gate(shared=True, bias=True)


def _lstm(
    name: str, source: str, i: Gate, f: Gate, c: Gate, o: Gate, **own: str
) -> Variant:
    return Variant(name, "lstm", (i, f, c, o), source, **own)


def _one(value: float) -> Gate:
    return Gate(constant=value)


_PART1 = "arXiv:1707.04619"
_PART2 = "arXiv:1707.04623"
_PART3 = "arXiv:1707.04626"
_LU = "arXiv:1701.03441, arXiv:1707.04619"
_GRU = "arXiv:1701.05923"
_MGU = "arXiv:1701.03452"
_ODYSSEY = "arXiv:1503.04069"
_FASTGRNN = "arXiv:1901.02358"

TABLE: tuple[Variant, ...] = (
    _lstm("LSTM", "doi:10.1162/neco.1997.9.8.1735", FULL, FULL, FULL, FULL),
    _lstm("LSTM1", _LU, SLIM1, SLIM1, FULL, SLIM1),
    _lstm("LSTM2", _LU, SLIM2, SLIM2, FULL, SLIM2),
    _lstm("LSTM3", _LU, SLIM3, SLIM3, FULL, SLIM3),
    _lstm("LSTM4", _PART1, SLIM4, SLIM4, FULL, SLIM4),
    _lstm("LSTM5", _PART1, SLIM5, SLIM5, FULL, SLIM5),
    # The constants are those of the code published in 2019.
    _lstm("LSTM4a", _PART2, SLIM4, _one(0.96), FULL, _one(1.0)),
    _lstm("LSTM5a", _PART2, SLIM5, _one(0.96), FULL, _one(1.0)),
    _lstm("LSTM6", _PART2, _one(1.0), _one(0.4), FULL, _one(1.0)),
    _lstm("LSTM10", _PART3, SLIM4, SLIM4, VECTOR_CELL, SLIM4),
    _lstm("LSTM11", _PART3, SLIM5, SLIM5, VECTOR_CELL, SLIM5),
    # Inferred from the paper's abstract and from LSTM10.
    _lstm("LSTM_C6", "arXiv:1901.06401", _one(1.0), _one(0.4), VECTOR_CELL, _one(1.0)),
    # The LSTM without one gate, or with one for two; there it has peepholes.
    _lstm("NIG", _ODYSSEY, _one(1.0), FULL, FULL, FULL),
    _lstm("NFG", _ODYSSEY, FULL, _one(1.0), FULL, FULL),
    _lstm("NOG", _ODYSSEY, FULL, FULL, FULL, _one(1.0)),
    _lstm("CIFG", _ODYSSEY, TIED, FULL, FULL, FULL),
    # The paper's beta is 1.
    _lstm(
        *("JANET", "arXiv:1804.04849", Gate(complement="f", shift=1.0)),
        *(FULL, FULL, _one(1.0)),
        state_activation="linear",
    ),
    _lstm(
        *("Leaky", "doi:10.1016/j.neunet.2007.04.016", TIED, SLIM3, FULL, _one(1.0)),
        state_activation="linear",
    ),
    _lstm(
        *("FastGRNN", _FASTGRNN, Gate(complement="f", scaled=True), SHARED),
        *(FULL, _one(1.0)),
        state_activation="linear",
    ),
    # Without its two trained numbers: zeta = 1, nu = 0.
    _lstm(
        *("FastGRNN_tied", _FASTGRNN, TIED, SHARED, FULL, _one(1.0)),
        state_activation="linear",
    ),
    _lstm(
        *("RAN", "arXiv:1705.07393", FULL, FULL, Gate(x="full"), _one(1.0)),
        candidate_activation="linear",
    ),
    Variant("GRU", "gru", (FULL, FULL, FULL), "arXiv:1406.1078"),
    Variant("GRU1", "gru", (SLIM1, SLIM1, FULL), _GRU),
    Variant("GRU2", "gru", (SLIM2, SLIM2, FULL), _GRU),
    Variant("GRU3", "gru", (SLIM3, SLIM3, FULL), _GRU),
    Variant("UGRNN", "gru", (FULL, _one(1.0), FULL), "arXiv:1611.09913"),
    Variant("MGU", "mgu", (FULL, FULL), "arXiv:1603.09420"),
    Variant("MGU1", "mgu", (SLIM1, FULL), _MGU),
    Variant("MGU2", "mgu", (SLIM2, FULL), _MGU),
    Variant("MGU3", "mgu", (SLIM3, FULL), _MGU),
    Variant(
        *("minGRU", "mgu", (INPUT, INPUT), "arXiv:2410.01201"),
        candidate_activation="linear",
    ),
    # The update is the candidate alone; the paper takes activation="relu".
    Variant("IndRNN", "mgu", (_one(1.0), VECTOR_CELL), "arXiv:1803.04831"),
)
ALIASES = {"LSTM0": "LSTM"}


def variants() -> tuple[Variant, ...]:
    """All variants, in the table's order.

    Example:
        >>> [row.name for row in variants() if row.tied]
        ['CIFG', 'JANET', 'Leaky', 'FastGRNN', 'FastGRNN_tied']
    """
    return TABLE


def get(variant: str | Variant | Mapping[str, Any]) -> Variant:
    """The variant of a name; a Variant, or its configuration, is taken as it is.

    Args:
        variant: a name of the table in any case (``"LSTM6"``, ``"lstm_c6"``), an
            alias (``"LSTM0"``), a :class:`Variant`, or what
            :meth:`Variant.get_config` returned.

    Raises:
        InputError: no such name; the sentence gives the nearest one.

    Example:
        >>> get("lstm6").constants
        {'i': 1.0, 'f': 0.4, 'o': 1.0}
    """
    if isinstance(variant, Variant):
        return variant
    if isinstance(variant, Mapping):
        return Variant.from_config(variant)
    names = {row.name.lower(): row for row in TABLE}
    names |= {alias.lower(): names[name.lower()] for alias, name in ALIASES.items()}
    key = str(variant).lower()
    if key in names:
        return names[key]
    near = nearest(key, [row.name for row in TABLE], 0)
    raise InputError(
        f"Unknown variant {variant!r}; the nearest is {near}. Allowed: "
        f"{', '.join(row.name for row in TABLE)}, a slimrnn.Variant, or on the command "
        f"line FILE.toml or FILE.py:NAME."
    )


def serialize(variant: Variant) -> str | dict[str, Any]:
    """The name of a variant of the table, or else the variant's configuration."""
    return variant.name if variant in TABLE else variant.get_config()
