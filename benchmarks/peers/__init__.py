"""The peers: each of them is one process, and a module that says what it does there.

A peer's module has ``start(**options)``, which imports what it needs and returns the
versions (name -> version), and ``build(case)``, which returns the ways to run a case,
setting -> :class:`Call`; the worker keeps the fastest.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

LABELS = {"jax": "JAX", "torch": "torch", "tensorflow": "TensorFlow"}


@dataclass(frozen=True)
class Call:
    """What is timed.

    Attributes:
        function: one iteration, complete when it returns.
        calls: how many calls it makes; the time is that of one.
        tells: whether the function returns the seconds itself.
    """

    function: Callable[[], Any]
    calls: int = 1
    tells: bool = False


@dataclass(frozen=True)
class Peer:
    """A process of the benchmark.

    Attributes:
        title: of a row, with ``{row}`` in its place.
        module: its module, by its full name.
        needs: the modules that have to be installed.
        options: for the module's ``start``.
        environment: variables of its process.
    """

    title: str
    module: str
    needs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def missing(self) -> str:
        """What is not installed, as a sentence; empty if nothing."""
        gone = [name for name in self.needs if not importlib.util.find_spec(name)]
        return f"{' and '.join(gone)} not installed" if gone else ""


def _keras(kind: str, module: str, backend: str, **options: Any) -> Peer:
    return Peer(
        f"{kind}, {LABELS[backend]}",
        f"benchmarks.peers.{module}",
        (backend,),
        {"backend": backend, **options},
        {"KERAS_BACKEND": backend},
    )


PEERS: dict[str, Peer] = {
    "torch": Peer("torch.nn.{row}", "benchmarks.peers.torch_nn", ("torch",)),
    "onnx": Peer(
        "ONNX Runtime {row}", "benchmarks.peers.onnx_runtime", ("onnxruntime", "onnx")
    ),
    "scan-jax": _keras("{row} plain scan", "jax_scan", "jax"),
    "numpy": Peer("{row} native, NumPy", "benchmarks.peers.native_numpy"),
    "stream": Peer("{row}, Stream", "benchmarks.peers.stream"),
}
for _backend in LABELS:
    PEERS[f"keras-{_backend}"] = _keras("keras {row}", "keras_layers", _backend)
    for _engine in ("ops", "native"):
        PEERS[f"{_engine}-{_backend}"] = _keras(
            "{row} " + _engine, "slim_layers", _backend, engine=_engine
        )


def title(peer: str, row: str) -> str:
    """What the tables call a row of a peer.

    Example:
        >>> title("ops-jax", "LSTM6")
        'LSTM6 ops, JAX'
    """
    shown = {"RNN": "RNN(tanh)"}.get(row, row)
    found = PEERS.get(peer)
    return found.title.format(row=shown) if found else f"{peer} {shown}"
