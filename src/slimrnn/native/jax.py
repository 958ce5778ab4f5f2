"""The native engine in JAX: a custom call of XLA with its own gradient.

With more than one device, the batch may be sharded: each device then runs its rows,
and the gradients of the weights are added up.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from slimrnn.errors import InputError
from slimrnn.native import library
from slimrnn.native.structures import BUFFERS
from slimrnn.variants.gates import WEIGHTS

Tensor = Any
Arrays = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]
_FORWARD, _BACKWARD = "slimrnn_forward", "slimrnn_backward"


_WITHOUT_GRADIENT = ("mask", "recurrent_mask", "tape")
_OF_WEIGHTS = tuple(f"d{name}" for name in WEIGHTS)


@functools.cache
def _register() -> None:
    native = library.get()
    for name, function in {
        _FORWARD: native.slim_xla_forward,
        _BACKWARD: native.slim_xla_backward,
    }.items():
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(function), platform="cpu")


def run(cell, arrays, return_sequences):
    """See ``slimrnn.engines.native.run``; arrays: by name, checked."""
    _register()
    units = arrays["initial h"].shape[-1]
    numbers = library.describe(cell, arrays["x"].shape[-1], units)
    found = _function(numbers, return_sequences)(arrays)
    return found.get("outputs"), [found[f"last {k}"] for k in cell.family.states]


@functools.lru_cache(maxsize=256)
def _function(numbers: tuple[int, ...], sequences: bool) -> Callable:
    """The operation for a cell: arrays by name to the results by name."""
    cell = library.from_numbers(numbers)

    def primal(inputs):
        return forward(inputs, tape=False)

    def forward(inputs, tape):
        batch, time, _ = inputs["x"].shape
        results: Shapes = {}
        if sequences:
            results["outputs"] = (batch, time, cell.units)
        results |= {
            name.replace("initial", "last"): state.shape
            for name, state in inputs.items()
            if name.startswith("initial")
        }
        if tape:
            results["tape"] = (batch, library.elements(cell, 1, time, "tape"))
        return _call(_FORWARD, numbers, inputs, results)

    def forward_saving(primals):
        inputs = {name: primal.value for name, primal in primals.items()}
        outputs = forward(inputs, tape=True)
        inputs["tape"] = outputs.pop("tape")
        # Whether x's gradient is wanted is known now; a dict's keys carry it along.
        return outputs, (inputs, {"x": ()} if primals["x"].perturbed else {})

    def backward(saved, grads):
        inputs, of_x = saved
        results = {
            f"d{name}": array.shape
            for name, array in inputs.items()
            if name not in _WITHOUT_GRADIENT and (name != "x" or of_x)
        }
        given = {
            f"d{name}": grad
            for name, grad in grads.items()
            if not isinstance(grad, SymbolicZero)
        }
        found = _call(_BACKWARD, numbers, {**inputs, **given}, results)
        zero = {} if of_x else {"dx": jnp.zeros_like(inputs["x"])}
        found = {**found, **zero}
        return ({k: found.get(f"d{k}") for k in inputs if k != "tape"},)

    function = jax.custom_vjp(primal)
    function.defvjp(forward_saving, backward, symbolic_zeros=True)
    return function


def _first_order_only(*_):
    raise InputError(
        "The native engine has gradients by a reverse pass, and neither gradients of "
        "gradients nor a forward mode; build the layer with engine='ops' for those."
    )


def _call(target, cell, inputs: Arrays, results: Shapes) -> Arrays:
    ranks = tuple(array.ndim for array in inputs.values())
    call = _Call(target, cell, tuple(inputs), ranks, tuple(results.items()))
    return dict(zip(results, _operation(call)(*inputs.values()), strict=True))


@dataclass(frozen=True)
class _Call:
    """One custom call: its target, the cell, and which arrays come and go.

    The results' shapes are those of one batch; another x has another.
    """

    target: str
    cell: tuple[int, ...]
    arguments: tuple[str, ...]
    ranks: tuple[int, ...]
    results: tuple[tuple[str, tuple[int, ...]], ...]

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The results for x's part of the batch."""
        batch = tensors[self.arguments.index("x")].shape[0]
        shapes = [
            jax.ShapeDtypeStruct(
                shape if name in _OF_WEIGHTS else (batch, *shape[1:]), "float32"
            )
            for name, shape in self.results
        ]
        rows = {
            "cell": self.cell,
            "arguments": [BUFFERS.index(name) for name in self.arguments],
            "results": [BUFFERS.index(name) for name, _ in self.results],
        }
        attributes = {name: np.array(row, "int32") for name, row in rows.items()}
        return tuple(jax.ffi.ffi_call(self.target, shapes)(*tensors, **attributes))


@functools.lru_cache(maxsize=256)
def _operation(call: _Call) -> Callable:
    """The call as JAX may transform it: compiled, on several devices, and mapped."""
    several = len(jax.local_devices(backend="cpu")) > 1
    function = jax.custom_batching.custom_vmap(
        _partitioned(call) if several else lambda *tensors: call(*tensors)
    )
    gives_no_sums = call.target == _FORWARD and "tape" not in dict(call.results)

    @function.def_vmap
    def mapped(size, is_mapped, *tensors):
        weights_are_one = not any(
            yes and name in WEIGHTS
            for name, yes in zip(call.arguments, is_mapped, strict=True)
        )
        way = _as_one_batch if gives_no_sums and weights_are_one else _one_by_one
        found = way(call, size, is_mapped, tensors)
        return tuple(found), (True,) * len(found)

    differentiable = jax.custom_jvp(lambda *tensors: tuple(function(*tensors)))
    differentiable.defjvp(_first_order_only)
    return jax.jit(differentiable)


def _as_one_batch(call: _Call, size: int, is_mapped, tensors) -> list[Tensor]:
    """All that is mapped in one call, the mapped axis being a part of the batch."""
    rows = zip(call.arguments, is_mapped, tensors, strict=True)
    flat = [
        tensor
        if name in WEIGHTS
        else (
            tensor if yes else jnp.broadcast_to(tensor, (size, *tensor.shape))
        ).reshape(-1, *tensor.shape[1 + yes :])
        for name, yes, tensor in rows
    ]
    return [t.reshape(size, -1, *t.shape[1:]) for t in _operation(call)(*flat)]


def _one_by_one(call: _Call, size: int, is_mapped, tensors) -> Sequence[Tensor]:
    """A call for each: weights of its own, or gradients of its own."""

    def one(slices):
        rest = iter(slices)
        pairs = zip(is_mapped, tensors, strict=True)
        return _operation(call)(*(next(rest) if yes else t for yes, t in pairs))

    pairs = zip(is_mapped, tensors, strict=True)
    return jax.lax.map(one, tuple(t for yes, t in pairs if yes))


def _partitioned(call: _Call) -> Callable:
    """The call on devices that may each have a part of the batch."""
    from jax.experimental.custom_partitioning import custom_partitioning
    from jax.sharding import NamedSharding, PartitionSpec

    by_batch = [name not in WEIGHTS for name in call.arguments]
    summed = [name in _OF_WEIGHTS for name, _ in call.results]

    def function(*tensors):
        return call(*tensors)

    def partition(mesh, arguments, results):
        of_x = arguments[call.arguments.index("x")].sharding
        axis = (*of_x.spec, None)[0]
        of_batch = NamedSharding(mesh, PartitionSpec(axis))
        of_all = NamedSharding(mesh, PartitionSpec())

        def lowered(*tensors):
            found = function(*tensors)
            if axis is None:
                return found
            pairs = zip(found, summed, strict=True)
            return tuple(jax.lax.psum(t, axis) if total else t for t, total in pairs)

        of_arguments = tuple(of_batch if yes else of_all for yes in by_batch)
        of_results = tuple(of_all if total else of_batch for total in summed)
        return mesh, lowered, of_results, of_arguments

    # The batch is one factor; each other dimension is one of its own.
    alone = (f"d{k}" for k in range(1000))

    def dimensions(rank, with_batch):
        return ["b" if with_batch and k == 0 else next(alone) for k in range(rank)]

    given = list(map(dimensions, call.ranks, by_batch))
    found = [dimensions(len(s), k not in _OF_WEIGHTS) for k, s in call.results]
    rule = " -> ".join(", ".join(map(" ".join, side)) for side in (given, found))
    others = (k for names in (*given, *found) for k in names if k != "b")
    wrapped = custom_partitioning(function)
    wrapped.def_partition(
        partition, sharding_rule=rule, need_replication_factors=tuple(others)
    )
    return wrapped
