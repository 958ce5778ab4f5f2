"""How a whole sequence is computed, and who decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from slimrnn.errors import InputError
from slimrnn.native import library
from slimrnn.variants import ACTIVATIONS

if TYPE_CHECKING:
    from slimrnn.variants import CellSpec

Engine = Literal["auto", "ops", "native"]
ENGINES: tuple[Engine, ...] = ("auto", "ops", "native")
#: the backends in which a native call can be differentiated and compiled
NATIVE_BACKENDS = ("jax", "torch")


@dataclass(frozen=True)
class Choice:
    """An engine, and why this one."""

    engine: Literal["ops", "native"]
    reason: str


def choose(
    requested: Engine,
    backend: str,
    cell: CellSpec | None = None,
    *,
    dtype: str = "float32",
    device: str = "cpu",
    unroll: bool = False,
) -> Choice:
    """The engine that computes a layer, and the reason.

    Args:
        requested: what the layer was built with: ``"auto"``, ``"ops"`` or
            ``"native"``.
        backend: Keras's backend.
        cell: what is to be computed; None: any row with Keras's activations.
        dtype: of the input.
        device: where the input lies, as the backend calls it.
        unroll: whether each step is to be written out.

    Raises:
        InputError: ``"native"`` was asked for and cannot run, or there is no engine of
            this name.

    Example:
        >>> choose("auto", "tensorflow").engine
        'ops'
    """
    check(requested)
    if requested == "ops":
        return Choice("ops", "asked for")
    obstacle = _obstacle(backend, cell, dtype, device, unroll)
    if obstacle is None:
        return Choice("native", f"whole sequences in C on {backend}")
    if requested == "native":
        raise InputError(
            f"engine='native' cannot run: {obstacle}. Use engine='auto' or 'ops'."
        )
    return Choice("ops", f"whole sequences with keras.ops on {backend}: {obstacle}")


def _obstacle(backend, cell, dtype, device, unroll) -> str | None:
    """What keeps the native engine from running, or None."""
    missing = library.find()[1]
    if missing:
        return missing
    if backend not in NATIVE_BACKENDS:
        return (
            "a native call in its graph could be neither compiled by XLA nor saved "
            "with a model"
        )
    if cell is not None:
        for activation in (cell.activation, cell.recurrent_activation):
            if activation.slope is None:
                return (
                    f"the activation {activation.name} is not one of "
                    f"{', '.join(ACTIVATIONS)}"
                )
    if dtype != "float32":
        return f"it computes in float32 and not in {dtype}"
    if device != "cpu":
        return f"the input is not on the CPU but on {device}"
    return "unroll=True asks for a step at a time" if unroll else None


def check(requested: str) -> None:
    """Refuse the name of an engine that there is not."""
    if requested not in ENGINES:
        raise InputError(
            f"engine must be one of {', '.join(ENGINES)}; received {requested!r}."
        )
