"""A trained model outside Keras: C99, ONNX, LiteRT, and integers."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slimrnn.deploy.c.export import to_c
    from slimrnn.deploy.evaluate import evaluate_int8
    from slimrnn.deploy.graph.litert import to_litert
    from slimrnn.deploy.graph.onnx import to_onnx

# Imported when first asked for: they import Keras.
_LAZY = {
    "evaluate_int8": "slimrnn.deploy.evaluate",
    "to_c": "slimrnn.deploy.c.export",
    "to_litert": "slimrnn.deploy.graph.litert",
    "to_onnx": "slimrnn.deploy.graph.onnx",
}

__all__ = ["evaluate_int8", "to_c", "to_litert", "to_onnx"]


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'slimrnn.deploy' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
