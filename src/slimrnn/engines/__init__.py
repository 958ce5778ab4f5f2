"""How a whole sequence is computed, and who decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slimrnn.engines import native, ops
from slimrnn.engines.registry import Engine, Request
from slimrnn.errors import InputError

#: in the order in which "auto" tries them; a new engine is one file and one line here
ENGINES: tuple[Engine, ...] = (native.ENGINE, ops.ENGINE)
NAMES = ("auto", *(engine.name for engine in reversed(ENGINES)))


@dataclass(frozen=True)
class Choice:
    """An engine, and why this one."""

    engine: Engine
    reason: str


def choose(requested: str, backend: str, cell: Any = None, **where: Any) -> Choice:
    """The engine that computes a layer, and the reason.

    Args:
        requested: what the layer was built with: ``"auto"``, or an engine's name.
        backend: Keras's backend.
        cell: what is to be computed; None: any variant with Keras's activations.
        where: ``dtype``, ``device`` and ``unroll`` of :class:`Request`.

    Raises:
        InputError: the engine asked for cannot run, or there is none of this name.

    Example:
        >>> choose("auto", "tensorflow").engine.name
        'ops'
    """
    check(requested)
    request = Request(backend, cell, **where)
    refused: list[str] = []
    for engine in ENGINES:
        if requested not in ("auto", engine.name):
            continue
        obstacle = engine.obstacle(request)
        if obstacle is None:
            reason = f"whole sequences {engine.how} on {backend}"
            return Choice(engine, ": ".join([reason, *refused]))
        refused.append(obstacle)
    raise InputError(
        f"engine={requested!r} cannot run: {'; '.join(refused)}. Use engine='auto' or "
        f"'ops'."
    )


def check(requested: str) -> None:
    """Refuse the name of an engine that there is not."""
    if requested not in NAMES:
        raise InputError(
            f"engine must be one of {', '.join(NAMES)}; received {requested!r}."
        )
