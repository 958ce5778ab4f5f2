"""The reader of PyTorch modules in memory.

A module says which modules it has, and not what its ``forward`` does with them. So what
forwards usually do is tried on some numbers, and read is what answers as the module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import torch_layers
from slimrnn.ir.chain import model_of
from slimrnn.ir.described import Described
from slimrnn.ir.model import Model
from slimrnn.ir.torch_settings import OF_WINDOW, SETTINGS, steps
from slimrnn.utils.optional import require

Module = Any  # torch.nn.Module
Tensor = Any

#: activations by their classes; Hardsigmoid is Keras 3's
_FUNCTIONS = {
    **{"Tanh": "tanh", "Sigmoid": "sigmoid", "ReLU": "relu", "Softmax": "softmax"},
    "Hardsigmoid": "hard_sigmoid",
}
_PASSIVE = ("Dropout", "Identity")
#: what a forward may call where no module of an activation stands
_BETWEEN = ("linear", "relu", "tanh", "sigmoid", "softmax")
_MOST_TRIED = 5000
_BATCH, _TIME = 2, 6  # of what is tried
_CLOSE = 1e-5
#: (time, batch, m) with the axis of time as the last one, and back
_TIME_FIRST = ((1, 2, 0), (2, 0, 1))


@dataclass(frozen=True)
class Leaf:
    """A module without modules in it."""

    name: str
    module: Module
    kind: str

    @property
    def is_recurrent(self) -> bool:
        """Whether it goes over steps."""
        return self.kind in torch_layers.TORCH

    @property
    def layer_names(self) -> list[str]:
        """What the layers that it is are called."""
        depth = self.module.num_layers if self.is_recurrent else 1
        return torch_layers.names(self.name, depth)

    def layers(self, last: bool) -> Iterator[Described]:
        """What it is as data; ``last``: whether the last step alone is passed on."""
        tensors = {k: v.detach().cpu().numpy() for k, v in self._tensors()}
        about = SETTINGS.get(self.kind)
        settings = about(self.name, self.module) if about else {}
        if self.is_recurrent:
            settings["last"] = last
        yield from torch_layers.layers(self.name, self.kind, tensors, **settings)

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        for name, tensor in self.module.state_dict().items():
            if name != "num_batches_tracked":
                yield name, tensor.float()


def from_module(module: Module) -> Model:
    """A PyTorch module as data.

    Args:
        module: a layer, ``nn.Sequential``, or a module of LSTM, GRU, RNN, Linear,
            Conv1d, MaxPool1d, AvgPool1d (which its forward gives the axis of time as
            the last one), Embedding, BatchNorm1d, LayerNorm and activations, which its
            forward calls in the order in which they were made: with all steps or the
            last one, tanh, relu, sigmoid or softmax between them, its input added to
            the output or not.
            Its forward is called, in evaluation mode.

    Example:
        >>> import torch
        >>> from_module(torch.nn.GRU(3, 4, batch_first=True)).outputs
        4
    """
    torch = require("torch", "PyTorch", "torch")
    name, was_training = type(module).__name__, module.training
    found = list(leaves(module))
    computing = [leaf for leaf in found if leaf.kind not in _FUNCTIONS]
    if not computing:
        raise InputError(f"The module {name} has no layer that computes something.")
    guess = _Guesses(torch, found)
    try:
        module.eval()
        with torch.no_grad():
            asked = guess.input(computing[0])
            expected = _first(_called(name, module, asked))
            read = guess.like(asked, expected)
    finally:
        module.train(was_training)
    if read is None:
        raise InputError(
            f"The forward of {name} does something else than its modules in the order "
            f"in which they were made; build it as an nn.Sequential, or read its "
            f"state_dict and say its layers."
        )
    front, *others = read
    front = replace(front, features=front.features or asked.shape[-1])
    return model_of(name, [front, *others], origin="PyTorch module")


def leaves(module: Module, name: str = "") -> Iterator[Leaf]:
    """The modules without modules in them, in the order in which they were made."""
    kind = type(module).__name__
    if not type(module).__module__.startswith("torch.nn."):
        kind = f"{kind}, a class of your own"
    children = list(module.named_children())
    if kind in (*torch_layers.KINDS, *_FUNCTIONS):
        yield Leaf(name or kind.lower(), module, kind)
    elif not children and not list(module.parameters()) and kind in _PASSIVE:
        return
    elif not children:
        allowed = (*torch_layers.KINDS, *_FUNCTIONS, *_PASSIVE)
        raise InputError(
            f"The module {name or 'given'} ({kind}) cannot be read; allowed: "
            f"{', '.join(allowed)}."
        )
    for inner, child in children:
        yield from leaves(child, f"{name}.{inner}" if name else inner)


def _called(name: str, module: Module, x: Tensor) -> Any:
    try:
        return module(x)
    except (RuntimeError, TypeError, ValueError, LookupError) as error:
        first = str(error).strip().partition("\n")[0]
        raise InputError(
            f"The module {name} does not take {tuple(x.shape)} ({first})."
        ) from error


def _first(outputs: Any) -> Tensor:
    """The output, of a module that hands out states too."""
    while isinstance(outputs, (tuple, list)) and outputs:
        outputs = outputs[0]
    return outputs


class _Guesses:
    """What a forward may do with its modules."""

    def __init__(self, torch: Any, leaves: list[Leaf]):
        self.torch, self.leaves = torch, leaves
        recurrent = [leaf.module for leaf in leaves if leaf.is_recurrent]
        first = {module.batch_first for module in recurrent} or {True}
        if len(first) > 1:
            raise InputError(
                "Its modules have batch_first=True and False; allowed is one of them."
            )
        self.batch_first = first == {True}
        # What a module gives after these functions, which many guesses have in common.
        self._computed: dict[tuple[bool, tuple[str, ...]], Tensor] = {}

    def input(self, first: Leaf) -> Tensor:
        """Some numbers, or indices, for the first module."""
        time = _TIME * math.prod(steps(leaf.kind, leaf.module) for leaf in self.leaves)
        shape = (_BATCH, time) if self.batch_first else (time, _BATCH)
        rng = np.random.default_rng(0)
        if first.kind == "Embedding":
            indices = rng.integers(0, first.module.num_embeddings, shape)
            return self.torch.as_tensor(indices)
        weighed = [leaf.module for leaf in self.leaves if [*leaf.module.parameters()]]
        if not weighed:
            raise InputError(
                f"The module {first.name} has no weights that say how many features "
                f"it gets; allowed is one in front of a module that has."
            )
        weight = next(weighed[0].parameters())
        wide = getattr(weighed[0], "in_channels", weight.shape[-1])
        x = rng.normal(size=(*shape, wide)).astype("float32")
        return self.torch.as_tensor(x).to(weight)

    def like(self, x: Tensor, expected: Tensor) -> list[Described] | None:
        """The layers of the first guess that answers as expected."""
        for functions, last, skips in self._all():
            try:
                y = self._run(x, functions, last)
                y = y + x[..., : y.shape[-1]] if skips else y
            except (RuntimeError, IndexError):  # shapes that do not fit
                continue
            if y.shape == expected.shape and (y - expected).abs().max() < _CLOSE:
                return list(self._layers(functions, last, skips))
        return None

    def _all(self) -> Iterator[tuple[tuple[str, ...], bool, bool]]:
        """Functions after each module, whether the last step is kept, and a skip."""
        options = []
        for leaf, behind in zip(self.leaves, [*self.leaves[1:], None], strict=True):
            follows = behind is not None and behind.kind in _FUNCTIONS
            given = leaf.kind in _FUNCTIONS or leaf.kind == "Embedding"
            options.append(("linear",) if follows or given else _BETWEEN)
        tried = product(product((False, True), repeat=2), product(*options))
        for (last, skips), functions in islice(tried, _MOST_TRIED):
            yield functions, last, skips

    @property
    def _last(self) -> Leaf | None:
        """The module whose last step may be taken."""
        return next((leaf for leaf in self.leaves[::-1] if leaf.is_recurrent), None)

    def _run(self, x: Tensor, functions: tuple[str, ...], last: bool) -> Tensor:
        for k, (leaf, function) in enumerate(zip(self.leaves, functions, strict=True)):
            done = last, functions[:k]
            if done not in self._computed:
                own = _FUNCTIONS.get(leaf.kind)
                x = self._function(own, x) if own else self._called(leaf, x)
                if last and leaf is self._last:
                    x = x[:, -1] if self.batch_first else x[-1]
                self._computed[done] = x
            x = self._function(function, self._computed[done])
        return x

    def _called(self, leaf: Leaf, x: Tensor) -> Tensor:
        """A module's output; one of a window gets the axis of time as the last one."""
        if leaf.kind not in OF_WINDOW:
            return _first(leaf.module(x))
        there, back = ((0, 2, 1), (0, 2, 1)) if self.batch_first else _TIME_FIRST
        return leaf.module(x.permute(there)).permute(back)

    def _function(self, name: str, x: Tensor) -> Tensor:
        known: dict[str, Callable[[Tensor], Tensor]] = {
            "linear": lambda x: x,
            "softmax": lambda x: self.torch.softmax(x, -1),
            "hard_sigmoid": self.torch.nn.functional.hardsigmoid,
        }
        return (known.get(name) or getattr(self.torch, name))(x)

    def _layers(
        self, functions: tuple[str, ...], last: bool, skips: bool
    ) -> Iterator[Described]:
        for leaf, function in zip(self.leaves, functions, strict=True):
            own = _FUNCTIONS.get(leaf.kind, function)
            if leaf.kind not in _FUNCTIONS:
                yield from leaf.layers(last and leaf is self._last)
            if own != "linear":
                name = leaf.name if own != function else f"{leaf.name}_{own}"
                yield Described("Activation", name, {"activation": own})
        if skips:
            columns = self.leaves[-1]
            yield Described("Add", "skip", {"columns": _outputs(columns)})


def _outputs(leaf: Leaf) -> int | None:
    """How many numbers a module gives; None where it gives what it gets."""
    return getattr(leaf.module, "out_features", None) or getattr(
        leaf.module, "hidden_size", None
    )
