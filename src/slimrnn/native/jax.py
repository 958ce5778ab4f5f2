"""The native engine in JAX: a custom call of XLA with its own gradient.

With more than one device, the batch may be sharded: each device then runs its rows,
and the gradients of the weights are added up.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from slimrnn.errors import InputError
from slimrnn.native import library
from slimrnn.variants.gates import WEIGHTS

Tensor = Any
_FORWARD, _BACKWARD = "slimrnn_forward", "slimrnn_backward"


@functools.cache
def _register() -> None:
    native = library.get()
    for name, function in {
        _FORWARD: native.slim_xla_forward,
        _BACKWARD: native.slim_xla_backward,
    }.items():
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(function), platform="cpu")


def run(cell, x, states, weights, mask, recurrent_mask, return_sequences):
    """See ``slimrnn.engines.native.run``."""
    _register()
    numbers = library.describe(cell, x.shape[-1], states[0].shape[-1])
    return _function(numbers, return_sequences)(
        x, states, weights, mask, recurrent_mask
    )


@functools.lru_cache(maxsize=256)
def _function(cell: tuple[int, ...], sequences: bool) -> Callable:
    """The operation for a cell.

    It maps ``(x, states, weights, mask, recurrent_mask)`` to the outputs, or None, and
    the last states.
    """

    def primal(*inputs):
        return forward(inputs, tape=False)[0]

    def forward(inputs, tape):
        x, states, *_ = inputs
        shapes = {"outputs": (*x.shape[:2], states[0].shape[1]) if sequences else None}
        shapes |= _shapes("last", states)
        shapes["tape"] = (x.shape[0], tape_size(x.shape[1])) if tape else None
        call = _Call(_FORWARD, cell, _present(inputs), _results(shapes))
        found = call(_flat(inputs))
        last = tuple(found[f"last {k}"] for k in range(len(states)))
        return (found.get("outputs"), last), found.get("tape")

    def tape_size(time):
        return library.get().slim_tape_size(library.from_numbers(cell), 1, time)

    def forward_saving(*primals):
        inputs = jax.tree.map(
            lambda p: p.value, primals, is_leaf=lambda p: hasattr(p, "perturbed")
        )
        outputs, tape = forward(inputs, tape=True)
        # Whether x's gradient is wanted is known now; a dict's keys carry it along.
        return outputs, (inputs, tape, {"x": ()} if primals[0].perturbed else {})

    def backward(saved, grads):
        inputs, tape, wanted = saved
        x, states, weights, *_ = inputs
        doutputs, dlast = grads
        zero = isinstance(doutputs, SymbolicZero)
        given = [tape, None if zero else doutputs, *_pad(map(_value, dlast), 2)]
        shapes = {"x": x.shape if wanted else None}
        shapes |= {k: weights[k].shape if k in weights else None for k in WEIGHTS}
        shapes |= _shapes("state", states)
        call = _Call(
            _BACKWARD,
            cell,
            (*_present(inputs), *(t is not None for t in given)),
            _results(shapes),
        )
        found = call([*_flat(inputs), *(t for t in given if t is not None)])
        dstates = tuple(found[f"state {k}"] for k in range(len(states)))
        dx = found["x"] if wanted else jnp.zeros_like(x)
        return dx, dstates, {k: found[k] for k in weights}, None, None

    function = jax.custom_vjp(primal)
    function.defvjp(forward_saving, backward, symbolic_zeros=True)
    return function


def _first_order_only(*_):
    raise InputError(
        "The native engine has gradients by a reverse pass, and neither gradients of "
        "gradients nor a forward mode; build the layer with engine='ops' for those."
    )


def _value(tensor: Tensor) -> Tensor:
    is_zero = isinstance(tensor, SymbolicZero)
    return jnp.zeros(tensor.shape, tensor.dtype) if is_zero else tensor


def _pad(items, count: int) -> list:
    """A list of this length, with None behind what there is."""
    found = list(items)
    return found + [None] * (count - len(found))


def _shapes(name: str, states) -> dict[str, tuple[int, ...] | None]:
    shapes = _pad((s.shape for s in states), 2)
    return {f"{name} {k}": shape for k, shape in enumerate(shapes)}


def _ordered(inputs) -> list[Tensor | None]:
    """The inputs in the order of the library; None where there is none."""
    x, states, weights, mask, recurrent_mask = inputs
    packed = [weights.get(name) for name in WEIGHTS]
    return [x, *packed, *_pad(states, 2), mask, recurrent_mask]


def _flat(inputs) -> list[Tensor]:
    return [t for t in _ordered(inputs) if t is not None]


def _present(inputs) -> tuple[bool, ...]:
    return tuple(t is not None for t in _ordered(inputs))


def _results(shapes: Mapping[str, Sequence[int] | None]) -> tuple:
    return tuple((k, None if s is None else tuple(s)) for k, s in shapes.items())


@dataclass(frozen=True)
class _Call:
    """One custom call: its target, the cell, and which tensors come and go."""

    target: str
    cell: tuple[int, ...]
    arguments: tuple[bool, ...]
    results: tuple[tuple[str, tuple[int, ...] | None], ...]

    def __call__(self, tensors: list[Tensor]) -> dict[str, Tensor]:
        several = len(jax.local_devices(backend="cpu")) > 1
        function = self.of(tensors[0])
        if several:
            function = _partitioned(self, tuple(t.ndim for t in tensors))
        return dict(zip(self.names, function(*tensors), strict=True))

    @property
    def names(self) -> list[str]:
        return [name for name, shape in self.results if shape is not None]

    @property
    def summed(self) -> list[bool]:
        """Which results are sums over the batch: the weights' gradients."""
        return [name in WEIGHTS for name in self.names]

    def of(self, x: Tensor) -> Callable:
        """The call for x's part of the batch."""
        shapes = [
            jax.ShapeDtypeStruct(
                shape if name in WEIGHTS else (x.shape[0], *shape[1:]), "float32"
            )
            for name, shape in self.results
            if shape is not None
        ]
        attributes = {
            "cell": self.cell,
            "arguments": self.arguments,
            "results": [s is not None for _, s in self.results],
        }
        call = functools.partial(
            jax.ffi.ffi_call(self.target, shapes, vmap_method="sequential"),
            **{name: np.array(row, "int32") for name, row in attributes.items()},
        )
        differentiable = jax.custom_jvp(lambda *tensors: tuple(call(*tensors)))
        differentiable.defjvp(_first_order_only)
        return differentiable


@functools.lru_cache(maxsize=256)
def _partitioned(call: _Call, ranks: tuple[int, ...]) -> Callable:
    """The call on devices that may each have a part of the batch.

    Args:
        call: what is called.
        ranks: of the arguments.
    """
    from jax.experimental.custom_partitioning import custom_partitioning
    from jax.sharding import NamedSharding, PartitionSpec

    weights = range(1, 1 + sum(call.arguments[1 : 1 + len(WEIGHTS)]))
    batched = [k not in weights for k in range(len(ranks))]

    def function(*tensors):
        return call.of(tensors[0])(*tensors)

    def partition(mesh, arguments, results):
        axis = (*arguments[0].sharding.spec, None)[0]
        of_batch = NamedSharding(mesh, PartitionSpec(axis))
        of_all = NamedSharding(mesh, PartitionSpec())

        def lowered(*tensors):
            found = function(*tensors)
            if axis is None:
                return found
            pairs = zip(found, call.summed, strict=True)
            return tuple(jax.lax.psum(t, axis) if total else t for t, total in pairs)

        of_arguments = tuple(of_batch if b else of_all for b in batched)
        of_results = tuple(of_all if total else of_batch for total in call.summed)
        return mesh, lowered, of_results, of_arguments

    # The batch is one factor; each other dimension is one of its own.
    alone = (f"d{k}" for k in range(1000))
    dimensions = [
        ["b" if with_batch and k == 0 else next(alone) for k in range(rank)]
        for rank, with_batch in [
            *zip(ranks, batched, strict=True),
            *((len(s), t not in WEIGHTS) for t, s in call.results if s is not None),
        ]
    ]
    sides = dimensions[: len(ranks)], dimensions[len(ranks) :]
    rule = " -> ".join(", ".join(map(" ".join, side)) for side in sides)
    others = (k for names in dimensions for k in names if k != "b")
    wrapped = custom_partitioning(function)
    wrapped.def_partition(
        partition, sharding_rule=rule, need_replication_factors=tuple(others)
    )
    return wrapped
