"""csrc/stream_python.c, which says what each argument is."""

from collections.abc import Callable
from typing import Any

import numpy as np

BUILD: str

class Step:
    def __new__(
        cls,
        function: int,
        stream: int,
        owner: object,
        x: np.ndarray,
        y: np.ndarray,
        axes: tuple[int, int, int],
        otherwise: Callable,
        long: bool,
        /,
    ) -> Step: ...
    def step(self, x: Any) -> Any: ...
    def close(self) -> None: ...
