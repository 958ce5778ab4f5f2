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
from slimrnn.utils import checks
from slimrnn.variants import FAMILIES, CellSpec, Variant, activations, get, shapes

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
        InputError: not a whole number from 0 to 2**31 - 1, or there is no native
            engine.
    """
    checks.whole("number of threads", count, least=0, most=2**31 - 1)
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
        weights: packed, by name, shaped as ``Variant.shapes`` says.
        initial: the initial states by name, (B, n) each; zeros if not given.
        mask: (B, T) booleans, or 0 and 1; a False step keeps the states.
        recurrent_mask: (B, n), multiplied with h wherever a gate reads it.
        activation: g; one of ``slimrnn.variants.ACTIVATIONS``.
        recurrent_activation: s, likewise.
        return_sequences: whether each step's h is wanted.

    Raises:
        InputError: a shape or a name does not fit, a mask that is neither True nor
            False somewhere, an unknown variant or activation, or there is no native
            engine on this machine.

    Example:
        >>> from slimrnn import native
        >>> weights = {k: np.ones(s) for k, s in get("LSTM6").shapes(1, 1).items()}
        >>> if not native.reason():
        ...     h = native.run("LSTM6", np.ones((1, 2, 1)), weights).outputs
        ...     assert np.allclose(h.ravel(), [0.7461, 0.8804], atol=1e-4)
    """
    described, arrays, wanted = _prepared(
        (variant, activation, recurrent_activation),
        *(x, weights, initial, mask, recurrent_mask),
    )
    last = [k for k in wanted if k.startswith("last ")]
    names = [*(["outputs"] if return_sequences else []), *last]
    found = {k: np.empty(wanted[k], "float32") for k in names}
    library.forward(described, {**arrays, **found})
    states = {k.removeprefix("last "): found[k] for k in last}
    return Result(found.get("outputs"), states)


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
        variant: this and what is not said here: as for :func:`run`.
        x: likewise.
        weights: likewise.
        initial: likewise.
        doutputs: (B, T, n), or None: zeros.
        dstates: by name, (B, n) each; zeros if not given.
        mask: likewise.
        recurrent_mask: likewise.
        activation: likewise.
        recurrent_activation: likewise.
        of_x: whether x's gradient is wanted.

    Raises:
        InputError: as :func:`run`.

    Returns:
        The gradients of ``x``, of each weight (packed) and of each initial state, by
        name.
    """
    described, arrays, wanted = _prepared(
        (variant, activation, recurrent_activation),
        *(x, weights, initial, mask, recurrent_mask),
    )
    given = _states("dstates", get(variant), dstates)
    grads = {f"last {k}": array for k, array in given.items()}
    if doutputs is not None:
        grads["outputs"] = doutputs
    grads = {f"d{k}": _float32(f"d{k}", a, wanted[k]) for k, a in grads.items()}
    batch, time, _ = arrays["x"].shape
    size = library.elements(described, batch, time, "tape")
    arrays["tape"] = library.acquire(size)
    library.forward(described, arrays)
    without = ("mask", "recurrent_mask", "tape", *(() if of_x else ("x",)))
    names = [k for k in arrays if k not in without]
    found = {f"d{k}": np.empty(wanted[k], "float32") for k in names}
    library.backward(described, {**arrays, **grads, **found})
    return {k: found[f"d{k}"] for k in names}


def _prepared(cell, x, weights, initial, mask, recurrent_mask):
    """A cell as the library takes it, its arrays by name, and the shape of any."""
    variant, *functions = cell
    g, s = map(activations.get, functions)
    spec = CellSpec(get(variant), g, s)
    variant = spec.variant
    kernel = np.shape(weights.get("kernel", ()))
    if len(kernel) != 2 or 0 in kernel:
        raise InputError(
            f"weights must have a kernel, (features, gates * units); received "
            f"{', '.join(f'{k} {np.shape(w)}' for k, w in weights.items())}."
        )
    units = max(1, kernel[1] // len(variant.blocks("kernel")))
    given = _states("initial", variant, initial or {})
    zeros = np.zeros((*np.shape(x)[:1], units))
    states = [given.get(k, zeros) for k in spec.family.states]
    arrays = shapes.named(variant, x, states, weights, mask, recurrent_mask)
    arrays = {
        k: _booleans(a) if k == "mask" else _float32(k, a) for k, a in arrays.items()
    }
    shapes.check(variant, arrays)
    batch, time, features = arrays["x"].shape
    wanted = shapes.of_sequence(variant, batch, time, features, units)
    return library.cell(spec, features, units), arrays, wanted


def _states(what: str, variant: Variant, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Arrays by the names of states."""
    names = FAMILIES[variant.family].states
    if not set(given) <= set(names):
        raise InputError(
            f"{what} must be arrays by name, for {variant.name} {', '.join(names)}; "
            f"received {', '.join(map(str, given))}."
        )
    return given


def _float32(name: str, given: Any, shape: shapes.Shape | None = None) -> Array:
    array = np.asarray(given, dtype="float32", order="C")
    if shape is not None and array.shape != shape:
        raise InputError(f"{name} must have the shape {shape}; received {array.shape}.")
    return array


def _booleans(given: Any) -> Array:
    array = np.asarray(given)
    if array.dtype != bool and not ((array == 0) | (array == 1)).all():
        other = array[(array != 0) & (array != 1)].flat[0]
        raise InputError(
            f"mask must be booleans, or 0 and 1; received {other} in {array.dtype}."
        )
    return np.asarray(array, dtype=bool, order="C")
