"""Ctrl-C during training, on a Keras that may swallow it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def noted() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets; a second Ctrl-C interrupts as usual.

    Keras 3.15 loses a KeyboardInterrupt that comes while it waits for a batch's loss,
    which on JAX is most of the time (``keras.src.utils.python_utils.pythonify_logs``
    has a bare ``except``). Whoever trains looks at the event after each batch.

    Outside the main thread, where Python lets nobody handle signals, and where Ctrl-C
    is ignored already, nothing changes and the event is never set.

    Example:
        >>> with noted() as stop:
        ...     stop.is_set()
        False
    """
    stop = threading.Event()
    usual = signal.getsignal(signal.SIGINT)
    if (
        usual is not signal.default_int_handler
        or threading.current_thread() is not threading.main_thread()
    ):
        yield stop
        return

    def note(*_):
        stop.set()
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, usual)
