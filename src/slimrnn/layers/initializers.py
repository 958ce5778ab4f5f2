"""Every row starts alike: a packed weight is initialised gate by gate.

One initialiser over a packed matrix would give each variant another scale, since
glorot's and the orthogonal matrix's depend on its shape, so that comparing variants
would compare initialisations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import initializers, ops, random

from slimrnn.variants import CellSpec
from slimrnn.variants.time_scales import TimeScales


def by_blocks(blocks: Sequence[Callable]) -> Callable[..., Any]:
    """An initialiser that fills equal blocks of the last axis, one by each of these.

    Args:
        blocks: an initialiser for each block; the same one may stand several times.

    Example:
        >>> fill = by_blocks([initializers.Ones(), initializers.Zeros()])
        >>> [float(x) for x in fill((4,))]
        [1.0, 1.0, 0.0, 0.0]
    """

    def fill(shape, dtype=None):
        shape = (*shape[:-1], shape[-1] // len(blocks))
        parts = [_apart(b, k)(shape, dtype=dtype) for k, b in enumerate(blocks)]
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

    return fill


def _apart(initializer: Callable, k: int) -> Callable:
    """The initialiser with a seed of its own for block k.

    A Keras initialiser gives the same values each time it is called, unless its seed
    is a generator.
    """
    if k == 0 or not isinstance(initializer, initializers.Initializer):
        return initializer
    if isinstance(getattr(initializer, "seed", None), random.SeedGenerator):
        return initializer
    config = initializer.get_config()
    if isinstance(config.get("seed"), int):
        config["seed"] += k
    return type(initializer).from_config(config)


def paced_biases(
    spec: CellSpec, scales: TimeScales | None, units: int, seed: Any
) -> dict[str, np.ndarray]:
    """What fills the biases of the gates that set the pace: gate -> (n,).

    The units take the time scales in a random order, all gates in the same.

    Args:
        spec: whose recurrent activation turns a bias into a gate's value; nothing is
            filled where its inverse is not known.
        scales: of the units; None: nothing is filled.
        units: n.
        seed: of the order; as for an initialiser.
    """
    inverse = spec.recurrent_activation.inverse
    if scales is None or inverse is None:
        return {}
    draws = initializers.RandomUniform(0, 1, seed=seed)((units,))
    order = np.argsort(ops.convert_to_numpy(draws))
    return scales.biases(spec.variant.family, inverse, order)


def exactly(values: np.ndarray) -> Callable[..., Any]:
    """An initialiser that gives these values."""
    return lambda shape, dtype=None: ops.convert_to_tensor(values, dtype=dtype)


def times(initializer: Callable, factors: np.ndarray) -> Callable[..., Any]:
    """An initialiser whose values are multiplied by these."""

    def fill(shape, dtype=None):
        # whose own may give a NumPy array, which a tensor of torch's is no factor of
        given = ops.convert_to_tensor(initializer(shape, dtype=dtype))
        return given * ops.convert_to_tensor(factors, dtype=given.dtype)

    return fill
