"""The native engine from NumPy, without a framework; and what the machine can do."""

import numpy as np

from benchmarks import machine, roofline
from benchmarks.peers import Call, arrays


def start():
    import slimrnn

    return {"slimrnn": slimrnn.__version__, "numpy": np.__version__}


def build(case):
    ways = {"train": train, "forward": forward, "reading": reading}
    return ways.get(case.task, limit)(case)


def forward(case):
    from slimrnn.native import run

    batch, steps, m, _ = case.shape
    x, weights = arrays.normal(batch, steps, m), arrays.weights(case)
    return {
        "all cores": Call(lambda: run(case.variant, x, weights, return_sequences=False))
    }


def train(case):
    """Forward and backward in one call, of the last h's sum."""
    from slimrnn.native import gradients
    from slimrnn.variants import FAMILIES

    batch, steps, m, n = case.shape
    x, weights = arrays.normal(batch, steps, m), arrays.weights(case)
    names = FAMILIES[case.variant.family].states
    initial = {k: np.zeros((batch, n), "float32") for k in names}
    last = {k: np.full((batch, n), float(k == "h"), "float32") for k in names}

    def run():
        gradients(case.variant, x, weights, initial, None, last, of_x=False)

    return {"all cores": Call(run)}


def limit(case):
    """The time of a row's products at the processor's peak, or at the engine's."""
    from slimrnn.native import isa

    rates = {"floor": roofline.peak_flops, "product": roofline.product_flops}
    count, cores = arrays.products(case), machine.cores()

    def seconds():
        return count / rates[case.task](isa(), cores)

    seconds()  # builds the library
    return {f"{cores} threads": Call(seconds, tells=True)}


def reading(case):
    """The time in which one core reads a row's weights once, as a step has to."""
    from slimrnn.native import isa

    _, _, m, n = case.shape
    floats = case.variant.parameters(m, n)

    def seconds():
        return 4 * floats / roofline.reading_rate(isa(), floats)

    seconds()
    return {"1 thread": Call(seconds, tells=True)}
