"""``slimrnn.Stream``: one step at a time, timed from Python and inside C."""

import os

from benchmarks import machine
from benchmarks.peers import Call, arrays

STEPS = 10_000  # of a timed iteration


def start():
    # Which framework made the layer does not matter: none is in the loop.
    from slimrnn import backends

    backend = backends.start(os.environ.get("KERAS_BACKEND")).backend
    return machine.versions(["slimrnn", "keras", "numpy", backend])


def build(case):
    import slimrnn

    batch, _, m, n = case.shape
    layer = slimrnn.layer(n, case.variant)
    layer.build((batch, None, m))
    stream = slimrnn.Stream(layer)
    if case.task == "inside":
        return {"in C": Call(lambda: stream.measure(STEPS), tells=True)}
    x = arrays.normal(batch, m)

    def steps(step=stream.step):
        for _ in range(STEPS):
            step(x)

    return {"from Python": Call(steps, STEPS)}
