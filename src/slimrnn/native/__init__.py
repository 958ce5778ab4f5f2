"""The native engine: whole sequences in C, on the CPU, with threads.

From NumPy, without Keras and without a framework: :func:`run` and :func:`gradients`.
``slimrnn.engines.native`` brings the same into JAX and torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.native import library
from slimrnn.utils.checks import whole
from slimrnn.variants import CellSpec, Variant, activations, get
from slimrnn.variants.gates import WEIGHTS

#: the frameworks of which the engine is an operation: a module each
BACKENDS = ("jax", "torch")

Array = np.ndarray
Arrays = dict[str, Array]


@dataclass(frozen=True)
class Result:
    """What a sequence gives.

    Attributes:
        outputs: h of each step, (B, T, n), or None.
        states: the last states by name, (B, n) each.
    """

    outputs: Array | None
    states: Arrays


def reason() -> str:
    """Why there is no native engine here; empty where there is one."""
    return library.find()[1]


def set_num_threads(count: int) -> None:
    """How many threads may work at one sequence; 0: the cores the process may use.

    Results do not depend on it, bit for bit.

    Raises:
        InputError: not a whole number from 0 on, or there is no native engine.
    """
    whole("number of threads", count, least=0)
    library.get().slim_set_num_threads(count)


def num_threads() -> int:
    """How many threads may work at one sequence."""
    return library.get().slim_num_threads()


def isas() -> tuple[str, ...]:
    """The instruction sets that this processor and this build have, best first."""
    names: list[str] = []
    while name := library.get().slim_isa(len(names)):
        names.append(name.decode())
    return tuple(names)


def isa() -> str:
    """The instruction set in use."""
    return library.get().slim_isa_in_use().decode()


def use_isa(name: str) -> None:
    """Use another instruction set than the best, to test or to compare.

    Raises:
        InputError: this processor or this build does not have it.
    """
    if library.get().slim_use_isa(name.encode()):
        raise InputError(
            f"The instruction set must be one of {', '.join(isas())} on this machine; "
            f"received {name!r}."
        )


def peak_flops(threads: int) -> float:
    """Multiply-adds that the processor does at most, measured, in FLOP/s."""
    return library.get().slim_peak_flops(threads)


def peak_bandwidth(nbytes: int, threads: int) -> float:
    """Bytes/s that are read at most from this much memory a thread, measured."""
    return library.get().slim_peak_bandwidth(nbytes, threads)


def product_flops(threads: int, rows: int = 8, units: int = 100) -> float:
    """FLOP/s of the recurrent product h U, (rows, units) times (units, units)."""
    return library.get().slim_product_flops(rows, units, threads)


def run(
    variant: str | Variant,
    x: Array,
    weights: Mapping[str, Array],
    initial: Mapping[str, Array] | None = None,
    *,
    mask: Array | None = None,
    recurrent_mask: Array | None = None,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    return_sequences: bool = True,
) -> Result:
    """Run a variant over a sequence: ``slimrnn.reference.run``, fast, in float32.

    Args:
        variant: a name of the table or a Variant.
        x: (B, T, m).
        weights: packed, by name, shaped as ``Variant.shapes`` tells.
        initial: the initial states by name, (B, n) each; zeros if not given.
        mask: (B, T); a False step keeps the states.
        recurrent_mask: (B, n), multiplied with h wherever a gate reads it.
        activation: g; one of ``slimrnn.variants.ACTIVATIONS``.
        recurrent_activation: s, likewise.
        return_sequences: whether each step's h is wanted.

    Raises:
        InputError: a shape does not fit, an unknown variant or activation, or there is
            no native engine on this machine.

    Example:
        >>> from slimrnn import native
        >>> weights = {k: np.ones(s) for k, s in get("LSTM6").shapes(1, 1).items()}
        >>> if not native.reason():
        ...     h = native.run("LSTM6", np.ones((1, 2, 1)), weights).outputs
        ...     assert np.allclose(h.ravel(), [0.7461, 0.8804], atol=1e-4)
    """
    p = _Problem(variant, x, weights, initial, activation, recurrent_activation)
    return p.run(mask, recurrent_mask, return_sequences)


def gradients(
    variant: str | Variant,
    x: Array,
    weights: Mapping[str, Array],
    initial: Mapping[str, Array],
    doutputs: Array | None,
    dstates: Mapping[str, Array],
    *,
    mask: Array | None = None,
    recurrent_mask: Array | None = None,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    of_x: bool = True,
) -> Arrays:
    """The gradients of ``sum(outputs * doutputs) + sum(states * dstates)``.

    One pass forward and one back.

    Args:
        variant: as for :func:`run`, as are x, weights, initial and the settings.
        x: see there.
        weights: see there.
        initial: see there.
        doutputs: (B, T, n), or None: zeros.
        dstates: by name, (B, n) each.
        mask: see there.
        recurrent_mask: see there.
        activation: see there.
        recurrent_activation: see there.
        of_x: whether x's gradient is wanted.

    Returns:
        The gradients of ``x``, of each weight (packed) and of each initial state, by
        name.
    """
    p = _Problem(variant, x, weights, initial, activation, recurrent_activation)
    return p.gradients(mask, recurrent_mask, doutputs, dstates, of_x)


class _Problem:
    """A sequence with its weights, checked and as the library takes it."""

    def __init__(self, variant, x, weights, initial, activation, recurrent_activation):
        self.variant = get(variant)
        spec = CellSpec(
            self.variant,
            activations.get(activation),
            activations.get(recurrent_activation),
        )
        x = np.asarray(x)
        if x.ndim != 3 or 0 in x.shape:
            raise InputError(
                f"x must be (batch, time, features), none of them 0; received the "
                f"shape {x.shape}."
            )
        self.x = _float32("x", x, x.shape)
        self.batch, self.time, features = x.shape
        kernel = np.shape(weights.get("kernel", ()))
        if len(kernel) != 2 or kernel[1] == 0:
            raise InputError(
                f"weights must have a kernel, (features, gates * units); received "
                f"{', '.join(f'{k} {np.shape(w)}' for k, w in weights.items())}."
            )
        self.units = kernel[1] // len(self.variant.blocks("kernel"))
        shapes = self.variant.shapes(features, self.units)
        if set(shapes) != set(weights):
            raise InputError(
                f"{self.variant.name} has the weights {', '.join(shapes)}; received "
                f"{', '.join(weights)}."
            )
        self.weights = {k: _float32(k, weights[k], shapes[k]) for k in shapes}
        self.names = spec.family.states
        self.state = (self.batch, self.units)
        self.states = self._by_state("initial", initial or {})
        self.cell = library.cell(spec, features, self.units)

    def _by_state(self, what: str, given: Mapping[str, Any]) -> list[Array]:
        zeros = np.zeros(self.state, "float32")
        return [
            _float32(f"{what} {k}", given.get(k, zeros), self.state) for k in self.names
        ]

    def _given(self, mask, recurrent_mask) -> dict[str, Array | None]:
        shape = (self.batch, self.time)
        if mask is not None:
            if np.shape(mask) != shape:
                raise InputError(
                    f"mask must have the shape {shape}; received {np.shape(mask)}."
                )
            mask = np.ascontiguousarray(mask, dtype="uint8")
        if recurrent_mask is not None:
            recurrent_mask = _float32("recurrent_mask", recurrent_mask, self.state)
        return {"mask": mask, "recurrent_mask": recurrent_mask}

    def _packed(self, arrays: Mapping[str, Array]) -> list[Array | None]:
        return [arrays.get(name) for name in WEIGHTS]

    def run(self, mask, recurrent_mask, return_sequences, tape=None) -> Result:
        """The outputs and the last states."""
        outputs = None
        if return_sequences:
            outputs = np.empty((self.batch, self.time, self.units), "float32")
        last = {k: np.empty(self.state, "float32") for k in self.names}
        library.forward(
            self.cell,
            self.x,
            self._packed(self.weights),
            self.states,
            **self._given(mask, recurrent_mask),
            outputs=outputs,
            last=list(last.values()),
            tape=tape,
        )
        return Result(outputs, last)

    def gradients(self, mask, recurrent_mask, doutputs, dstates, of_x) -> Arrays:
        """The gradients by name."""
        size = library.get().slim_tape_size(self.cell, self.batch, self.time)
        tape = library.acquire(size)
        self.run(mask, recurrent_mask, False, tape)
        found = {k: np.empty_like(w) for k, w in self.weights.items()}
        before = {f"initial {k}": np.empty(self.state, "float32") for k in self.names}
        dx = np.empty_like(self.x) if of_x else None
        if doutputs is not None:
            shape = (self.batch, self.time, self.units)
            doutputs = _float32("doutputs", doutputs, shape)
        given = {**self._given(mask, recurrent_mask), "tape": tape}
        grads = {"doutputs": doutputs, "dlast": self._by_state("dstates", dstates)}
        library.backward(
            self.cell,
            (self.x, self._packed(self.weights), self.states, given),
            grads,
            {"dx": dx, "dweights": self._packed(found), "dstates": [*before.values()]},
        )
        return {**({} if dx is None else {"x": dx}), **found, **before}


def _float32(name: str, array: Any, shape: tuple[int, ...]) -> Array:
    array = np.ascontiguousarray(array, dtype="float32")
    if array.shape != tuple(shape):
        raise InputError(f"{name} must have the shape {shape}; received {array.shape}.")
    return array
