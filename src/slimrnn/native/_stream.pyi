"""csrc/stream_python.c, which says what each argument is."""

from collections.abc import Callable
from typing import Any

BUILD: str

class Step:
    def __new__(
        cls,
        function: int,
        stream: int,
        owner: object,
        x: Any,
        results: tuple[Callable | None, Callable | None, Callable | None],
        otherwise: Callable,
        long: bool,
        /,
    ) -> Step: ...
    def step(self, x: Any) -> Any: ...
    def close(self) -> None: ...
