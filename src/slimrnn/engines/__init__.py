"""How a whole sequence is computed, and who decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from slimrnn.errors import InputError

Engine = Literal["auto", "ops", "native"]
ENGINES: tuple[Engine, ...] = ("auto", "ops", "native")


@dataclass(frozen=True)
class Choice:
    """An engine, and why this one."""

    engine: Literal["ops"]
    reason: str


def choose(requested: Engine, backend: str) -> Choice:
    """The engine that computes a layer, and the reason.

    Args:
        requested: what the layer was built with: ``"auto"``, ``"ops"`` or
            ``"native"``.
        backend: Keras's backend.

    Raises:
        InputError: ``"native"`` was asked for and cannot run, or there is no engine of
            this name.

    Example:
        >>> choose("auto", "jax").engine
        'ops'
    """
    check(requested)
    missing = f"slimrnn {_version()} has no native engine"
    if requested == "native":
        raise InputError(
            f"engine='native' cannot run: {missing}. Use engine='auto' or 'ops'."
        )
    if requested == "ops":
        return Choice("ops", "asked for")
    return Choice("ops", f"whole sequences with keras.ops on {backend}; {missing}")


def check(requested: str) -> None:
    """Refuse the name of an engine that there is not."""
    if requested not in ENGINES:
        raise InputError(
            f"engine must be one of {', '.join(ENGINES)}; received {requested!r}."
        )


def _version() -> str:
    from slimrnn import __version__

    return __version__
