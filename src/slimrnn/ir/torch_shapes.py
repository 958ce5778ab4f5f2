"""Inputs that a PyTorch module takes: what its forward may be asked with."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from slimrnn.errors import InputError
from slimrnn.ir.flow import FEATURES, Flow
from slimrnn.ir.traced import source

Module = Any  # torch.nn.Module
Tensor = Any
Shape = tuple[int, ...]

_BATCH = 3
#: steps of what is tried, in turn: more than a small window has, and a large one
_STEPS = (67, 1009)
#: the most steps that a module may be made for
_MOST_STEPS = 1 << 13


def asked(torch: Any, module: Module) -> Iterator[tuple[Tensor, Flow, bool]]:
    """Inputs that the module takes, whose sizes are none of its own where they can be.

    With each, whether it takes that many steps alone.

    Raises:
        InputError: none is found.
    """
    trial = _Trial(torch, module)
    for steps in (_unlike(size, trial.sizes) for size in _STEPS):
        yield from ((*found, False) for found in trial.taken(steps))
        if trial.found:  # of more steps it makes nothing else
            return
    for steps in trial.fixed():
        yield from ((*found, True) for found in trial.taken(steps))
    if not trial.found:
        raise InputError(
            f"The module {type(module).__name__} does not take "
            f"{trial.refused or 'sequences'}; allowed is one that takes any number of "
            f"steps, or as many as a Linear behind a flatten has weights for."
        )


def another(module: Module, x: Tensor, given: Flow) -> tuple[Tensor, Flow]:
    """An input that is like one that a module takes, of other sizes than it has."""
    taken = {size for tensor in module.parameters() for size in tensor.shape}
    taken |= {*x.shape}
    names = [axis.name for axis in given.axes]
    pairs = zip(x.shape, names, strict=True)
    sizes = [n if name == FEATURES else _unlike(n, taken) for n, name in pairs]
    features = names.index(FEATURES) if FEATURES in names else None
    return x.new_zeros(sizes), source(sizes, features)


class _Trial:
    """A module that is called with one input after the other.

    Attributes:
        sizes: all that its weights have.
        found: whether it took one.
        refused: the first that it did not take, and why.
    """

    def __init__(self, torch: Any, module: Module):
        self.torch, self.module = torch, module
        self.sizes = {size for tensor in module.parameters() for size in tensor.shape}
        self.found, self.refused = False, ""
        self._batch = _unlike(_BATCH, self.sizes)

    def taken(self, steps: int) -> Iterator[tuple[Tensor, Flow]]:
        """The inputs of so many steps that it takes, and what they are."""
        for x, features in self._inputs(steps):
            try:
                self._call(x)
            except _REFUSALS as error:
                why = str(error).strip().partition("\n")[0]
                self.refused = self.refused or f"{tuple(x.shape)} ({why})"
            else:
                self.found = True
                yield x, source([*x.shape], features)

    def _call(self, x: Tensor) -> None:
        copy.deepcopy(self.module)(x)  # which may keep a state

    def _inputs(self, steps: int) -> Iterator[tuple[Tensor, int | None]]:
        """Zeros of each shape, which may be indices where they have no features."""
        weight = next(self.module.parameters())
        for shape, features in self._shapes(steps):
            words = features is None and len(shape) == 2
            for dtype in (self.torch.long, weight.dtype)[0 if words else 1 :]:
                x = self.torch.zeros(shape, dtype=dtype, device=weight.device)
                yield x, features

    def _shapes(self, steps: int) -> Iterator[tuple[Shape, int | None]]:
        """Shapes of inputs, and where the features lie, the usual ones first."""
        batch, kinds = self._batch, [*self.module.modules()]
        widths = dict.fromkeys(filter(None, map(_features, kinds)))
        words = any(isinstance(each, self.torch.nn.Embedding) for each in kinds)
        if words:
            yield (batch, steps), None
        for m in widths:
            yield (batch, steps, m), -1
        for m in widths:
            yield (batch, m, steps), 1
            yield (steps, m), -1
        if not words:
            yield (batch, steps), None
        yield (steps,), None

    def fixed(self) -> Iterator[int]:
        """Numbers of steps that a Linear behind a flatten may be made for.

        It has a weight for each number of each step; and where layers in front of it
        make fewer steps of them, those are found of which as many numbers reach it.
        """
        linear = self.torch.nn.Linear
        rows = [each for each in self.module.modules() if isinstance(each, linear)]
        widths = {n for each in self.module.modules() if (n := _outputs(each))}
        pairs = [divmod(x.in_features, n) for x in rows for n in widths]
        yield from sorted({n for n, left in pairs if not left and 1 < n <= _MOST_STEPS})
        hooks = [each.register_forward_pre_hook(_compare) for each in rows]
        try:
            low, high = 1, _STEPS[-1]
            while low < high:
                middle = (low + high) // 2
                enough = self._is_enough(middle)
                low, high = (low, middle) if enough else (middle + 1, high)
        finally:
            for hook in hooks:
                hook.remove()
        yield low

    def _is_enough(self, steps: int) -> bool:
        """Whether each Linear gets as many numbers of so many steps as it takes."""
        for x, _ in self._inputs(steps):
            try:
                self._call(x)
            except _Compared as compared:
                return compared.is_more
            except _REFUSALS:
                continue
            return True
        return False


#: what a forward that does not take an input raises
_REFUSALS = (RuntimeError, TypeError, ValueError, LookupError)


class _Compared(Exception):
    """A Linear got another number of features than it takes."""

    def __init__(self, is_more: bool):
        super().__init__()
        self.is_more = is_more


def _compare(linear: Module, given: tuple[Tensor, ...]) -> None:
    found = given[0].shape[-1]
    if found != linear.in_features:
        raise _Compared(found > linear.in_features)


def _unlike(size: int, taken: set[int]) -> int:
    while size in taken:
        size += 2
    return size


def _features(module: Module) -> int | None:
    """How many features a module takes, if it has weights that say so."""
    for own in ("input_size", "in_features", "in_channels", "num_features"):
        if isinstance(found := getattr(module, own, None), int):
            return found
    shape = getattr(module, "normalized_shape", None)
    return shape[-1] if shape else None


def _outputs(module: Module) -> int | None:
    """How many features a module gives, if it has weights that say so."""
    for own in ("out_features", "out_channels", "embedding_dim"):
        if isinstance(found := getattr(module, own, None), int):
            return found
    units = getattr(module, "hidden_size", None)
    return units and units * (1 + bool(getattr(module, "bidirectional", False)))
