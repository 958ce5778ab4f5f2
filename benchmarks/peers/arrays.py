"""The random numbers that the peers compute with."""

import math

import numpy as np


def normal(*shape):
    """Normal float32 numbers, the same each time."""
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def weights(case):
    """The packed weights of a case's variant, about as large as trained ones."""
    sizes = case.variant.shapes(case.shape.features, case.shape.units)
    return {
        # An initial bias is 0; a vector's fan-in is not its only dimension.
        k: normal(*s) / math.sqrt(s[0] if len(s) > 1 else case.shape.units)
        if k != "bias"
        else np.zeros(s, "float32")
        for k, s in sizes.items()
    }


def products(case):
    """Floating-point operations of the products of a training step, forward and back.

    The gradient of the input is not wanted. Only rows in which all matrices are those
    of the candidate are counted.
    """
    shape = case.shape
    sizes = case.variant.shapes(shape.features, shape.units)
    m, n = shape.features, shape.units
    if sizes["kernel"] != (m, n) or sizes.get("recurrent_kernel") != (n, n):
        raise ValueError(f"the products of {case.row} are not counted")
    forward, backward = m + n, n + m + n
    return 2 * shape.batch * shape.steps * n * (forward + backward)
