"""A trained model outside Keras: C99, ONNX, LiteRT, and integers."""

from typing import TYPE_CHECKING

from slimrnn.utils.optional import lazy

if TYPE_CHECKING:
    from slimrnn.deploy.c.export import to_c
    from slimrnn.deploy.evaluate import evaluate_int8
    from slimrnn.deploy.graph.litert import to_litert
    from slimrnn.deploy.graph.onnx import to_onnx

# Imported when first asked for: they import Keras.
__getattr__ = lazy(
    __name__,
    {
        "c.export": ("to_c",),
        "evaluate": ("evaluate_int8",),
        "graph.litert": ("to_litert",),
        "graph.onnx": ("to_onnx",),
    },
)

__all__ = ["evaluate_int8", "to_c", "to_litert", "to_onnx"]
