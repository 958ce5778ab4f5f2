"""torch's own layers: LSTM, GRU and RNN(tanh), which oneDNN computes."""

import torch

from benchmarks import machine
from benchmarks.peers import Call, arrays


def start():
    best_setting()
    return {"torch": torch.__version__.partition("+")[0]}


def best_setting():
    """What torch needs for its best: before its threads start, which inherit it.

    The gradient of the last output fades over the steps into numbers below float32's
    normal range, with which some processors are many times slower. JAX and TensorFlow
    take them for 0 by themselves.
    """
    torch.set_flush_denormal(True)


def build(case):
    """Forward and backward of the last output's sum; or forward alone."""
    _, steps, m, n = case.shape
    torch.manual_seed(0)
    kind = getattr(torch.nn, case.row)
    layer = kind(m, n, num_layers=case.layers, batch_first=True)
    x = torch.from_numpy(arrays.normal(case.shape.batch, steps, m))

    def train():
        layer.zero_grad(set_to_none=True)
        layer(x)[0][:, -1].sum().backward()

    def forward():
        with torch.inference_mode():
            layer(x)

    return with_threads({"train": train, "forward": forward}[case.task], case.threads)


def with_threads(function, threads=0):
    """A function on so many; 0: on all cores, and on one, as more may be slower."""

    def on(count):
        def run():
            torch.set_num_threads(count)  # nothing to do where it is so already
            function()

        return Call(run)

    return {
        f"{count} threads": on(count)
        for count in {threads or machine.cores(), threads or 1}
    }
