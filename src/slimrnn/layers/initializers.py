"""Every row starts alike: a packed weight is initialised gate by gate.

One initialiser over a packed matrix would give each variant another scale, since
glorot's and the orthogonal matrix's depend on its shape, so that comparing variants
would compare initialisations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keras import initializers, ops, random


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
