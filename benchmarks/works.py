"""What is measured: works, made of cases, each of which one peer runs."""

from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from benchmarks import machine
from slimrnn.errors import InputError
from slimrnn.variants.files import load


class Shape(NamedTuple):
    """B sequences of T steps of m features, n units."""

    batch: int
    steps: int
    features: int
    units: int

    def __str__(self):
        return "x".join(map(str, self))


S = Shape(32, 500, 32, 100)  # the shape of the targets
LONG = Shape(8, 8192, 32, 100)
SMALL = (Shape(32, 28, 28, 50), Shape(32, 28, 28, 100))  # rows of MNIST
FITTED = (Shape(32, 8, 8, 64), Shape(32, 28, 28, 64))  # rows of digits, of MNIST
STEP = Shape(1, 1, 32, 100)

MATRIX_ROWS = ("LSTM3", "LSTM4", "LSTM5", "LSTM4a", "LSTM5a", "LSTM6")
VECTOR_ROWS = ("LSTM10", "LSTM11", "LSTM_C6")
ROWS = ("LSTM", *MATRIX_ROWS, *VECTOR_ROWS, "GRU", "GRU3", "MGU", "MGU3")
SWEPT = ("LSTM6", "LSTM4", "LSTM10")
KERAS_ROWS = ("LSTM", "GRU", "SimpleRNN")

G = Shape(16, 256, 32, 64)  # around which growth is measured
#: What grows, from its least: a field of a shape, or the layers of a case.
GROWTH = {
    "steps": (64, 256, 1024, 4096, 16384, 65536),
    "units": (8, 16, 32, 64, 128, 256, 512, 1024),
    "batch": (1, 2, 4, 8, 16, 32, 64, 128, 256),
    "layers": (1, 2, 3, 4),
}
GROWING = (("torch", "LSTM"), *(("native-jax", row) for row in ("LSTM", *SWEPT[::2])))


@dataclass(frozen=True)
class Case:
    """One thing to time.

    Attributes:
        peer: the process that runs it, a key of ``peers.PEERS``.
        row: which layer.
        task: what an iteration is: ``"train"`` and ``"forward"`` of the bare
            function, ``"fit"`` (``train_on_batch``), ``"fit64"`` (``fit``, of 64
            batches) and ``"predict"`` of a Keras model, a ``"step"`` from Python or
            ``"inside"`` C, a part of an ``"epoch"`` of the driver, the ``"floor"`` of
            the products, the ``"reading"`` of the weights.
        shape: the sizes.
        layers: of them, one above the other.
        threads: at most; 0: as many as are fastest.
    """

    peer: str
    row: str
    task: str
    shape: Shape
    layers: int = 1
    threads: int = 0

    def __str__(self):
        name = f"{self.peer} {self.row} {self.task} {self.shape}"
        more = f" x{self.layers}" if self.layers > 1 else ""
        return name + more + (f" on {self.threads}" if self.threads else "")

    @property
    def size(self):
        """What the time of a layer with matrices grows with, at the most."""
        batch, steps, m, n = self.shape
        return batch * steps * n * (m + n) * self.layers

    @property
    def variant(self):
        """The variant of a row that is one, from the table or a file."""
        return load(self.row)

    def config(self):
        """The case as JSON can hold it."""
        return asdict(self) | {"shape": list(self.shape)}

    @classmethod
    def of(cls, config):
        """The case that :meth:`config` described."""
        return cls(**{**config, "shape": Shape(*config["shape"])})


@dataclass(frozen=True)
class Work:
    """Cases that belong together.

    Attributes:
        name: what ``--only`` calls it.
        title: what the tables call it.
        groups: the cases that take turns with each other.
        grows: whether the cases grow: their memory is measured too, and one that
            would take too long is left out.
    """

    name: str
    title: str
    groups: tuple[tuple[Case, ...], ...]
    grows: bool = False


def works(backends, variants=()):
    """All works, for these backends of Keras.

    Args:
        backends: of ``jax``, ``torch`` and ``tensorflow``.
        variants: names or files, to be measured instead of the usual ones.
    """
    engines = [f"{e}-{b}" for b in backends if b != "tensorflow" for e in OURS]
    if variants:
        return _some(engines, backends, ("LSTM", *variants))
    return [
        Work("train", "training at S", (_train(engines, backends),)),
        Work("forward", "forward at S", (_forward(engines, backends),)),
        Work("long", "training, T=8192", (_long(engines),)),
        Work("small", "small shapes", _small(engines, backends)),
        Work("keras", "in a Keras model", tuple(_keras(b) for b in backends)),
        Work("stream", "one step at B=1", (_stream(),)),
        Work("driver", "the driver on IMDB", tuple(_driver(b) for b in backends)),
        Work("growth", "how training grows", _growth(backends), grows=True),
    ]


OURS = ("native", "ops")


def _some(engines, backends, rows):
    """Works of the full LSTM and a user's choice of variants."""

    def bare(task):
        ours = [case for peer in engines for case in _cases(peer, rows, task, S)]
        return (tuple(_cases("torch", ("LSTM",), task, S) + ours),)

    def in_keras(backend):
        theirs = _cases(f"keras-{backend}", ("LSTM",), "fit", S)
        return tuple(theirs + _cases(f"native-{backend}", rows, "fit", S))

    steps = [
        case for t in ("step", "inside") for case in _cases("stream", rows, t, STEP)
    ]
    return [
        Work("train", "training at S", bare("train")),
        Work("forward", "forward at S", bare("forward")),
        Work("keras", "in a Keras model", tuple(map(in_keras, backends))),
        Work("stream", "one step at B=1", (tuple(steps),)),
    ]


def _cases(peer, rows, task, shape):
    return [Case(peer, row, task, shape) for row in rows]


def _train(engines, backends):
    cases = _cases("torch", ("LSTM", "RNN", "GRU"), "train", S)
    for peer in (*engines, "numpy"):
        cases += _cases(peer, ROWS, "train", S)
    if "jax" in backends:
        cases += _cases("scan-jax", ("LSTM4", "LSTM5", "LSTM4a", "LSTM5a"), "train", S)
        cases += _cases("scan-jax", ("LSTM6", "LSTM10"), "train", S)
    cases += _cases("numpy", ("LSTM6",), "floor", S)
    cases += _cases("numpy", ("LSTM6",), "product", S)
    return tuple(cases)


def _forward(engines, backends):
    cases = _cases("torch", ("LSTM", "RNN", "GRU"), "forward", S)
    cases += _cases("onnx", ("LSTM",), "forward", S)
    for peer in (*engines, "numpy"):
        cases += _cases(peer, ROWS, "forward", S)
    if "jax" in backends:
        cases += _cases("scan-jax", SWEPT, "forward", S)
    return tuple(cases)


def _long(engines):
    cases = _cases("torch", ("LSTM",), "train", LONG)
    # A Python loop over 8192 steps, as `ops` is on torch, says nothing new.
    for peer in [e for e in engines if e != "ops-torch"] + ["numpy"]:
        cases += _cases(peer, VECTOR_ROWS, "train", LONG)
    return tuple(cases)


def _small(engines, backends):
    fits = tuple(
        tuple(
            _cases("keras-jax", ("LSTM",), "fit64", shape)
            + _cases("native-jax", SWEPT, "fit64", shape)
        )
        for shape in FITTED
        if "jax" in backends
    )
    return fits + tuple(
        tuple(case for peer in engines for case in _cases(peer, ROWS, task, shape))
        for shape in SMALL
        for task in ("train", "forward")
    )


def _keras(backend):
    cases = []
    for task in ("fit", "predict"):
        cases += _cases(f"keras-{backend}", KERAS_ROWS, task, S)
        rows = SWEPT if backend == "tensorflow" or task == "predict" else ROWS
        for engine in OURS:
            cases += _cases(f"{engine}-{backend}", rows, task, S)
    return tuple(cases)


def _stream():
    cases = _cases("onnx", ("LSTM",), "step", STEP)
    for task in ("step", "inside"):
        cases += _cases("stream", ("LSTM", *MATRIX_ROWS, *VECTOR_ROWS), task, STEP)
    cases += _cases("numpy", ("LSTM", *MATRIX_ROWS, *VECTOR_ROWS), "reading", STEP)
    return tuple(cases)


def _driver(backend):
    cases = _cases(f"keras-{backend}", ("LSTM",), "epoch", S)
    for engine in OURS:
        cases += _cases(f"{engine}-{backend}", ("LSTM6",), "epoch", S)
    return tuple(cases)


def _growth(backends):
    """A group for each size, so that lines are compared point by point."""
    points = {
        (shape(name, value), value if name == "layers" else 1): None
        for name, values in GROWTH.items()
        for value in values
    }
    return tuple(tuple(_growing(backends, *point)) for point in points)


def shape(name, value):
    """The shape at a point of an axis of ``GROWTH``."""
    return G if name == "layers" else G._replace(**{name: value})


def _growing(backends, shape, layers):
    for threads in dict.fromkeys((1, machine.cores())):
        for peer, row in GROWING:
            if peer == "torch" or "jax" in backends:
                yield Case(peer, row, "train", shape, layers, threads)
    if "jax" in backends and layers == 1:
        yield Case("keras-jax", "LSTM", "fit", shape)


def chosen(every, patterns):
    """The works with the cases that any of the patterns names.

    Args:
        every: the works.
        patterns: a work's name for all its cases; ``WORK/TEXT`` for those with the
            text in their name, where * stands for anything; None for all works.

    Raises:
        InputError: a pattern names nothing.

    Example:
        >>> (work,) = chosen(works(["jax"]), ["train/torch *"])
        >>> print(*work.groups[0], sep=", ")  # doctest: +ELLIPSIS
        torch LSTM train 32x500x32x100, torch RNN train ..., torch GRU train ...
    """
    if not patterns:
        return list(every)
    names = ", ".join(work.name for work in every)
    for pattern in patterns:
        if not any(_matches(w, c, pattern) for w in every for g in w.groups for c in g):
            raise InputError(
                f"--only {pattern} names nothing to measure; allowed: {names}, or a "
                f"part of one, such as 'train/*LSTM6*'."
            )
    kept = []
    for work in every:
        groups = (
            tuple(c for c in g if any(_matches(work, c, p) for p in patterns))
            for g in work.groups
        )
        kept.append(replace(work, groups=tuple(g for g in groups if g)))
    return [work for work in kept if work.groups]


def _matches(work, case, pattern):
    name, _, part = pattern.partition("/")
    return fnmatchcase(work.name, name) and fnmatchcase(str(case), part or "*")
