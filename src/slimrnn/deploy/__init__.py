"""A trained model outside Keras: C99, WebAssembly, ONNX, LiteRT, RTNeural, integers."""

from typing import TYPE_CHECKING

from slimrnn.deploy.exporters import EXPORTERS
from slimrnn.utils.optional import lazy

if TYPE_CHECKING:
    from slimrnn.deploy.c.arduino import to_arduino
    from slimrnn.deploy.c.esp_idf import to_esp_idf
    from slimrnn.deploy.c.export import to_c
    from slimrnn.deploy.c.wasm import to_wasm
    from slimrnn.deploy.evaluate import evaluate_int8
    from slimrnn.deploy.graph.litert import to_litert
    from slimrnn.deploy.graph.onnx import to_onnx
    from slimrnn.deploy.rtneural import to_rtneural

# Imported when first asked for: they import Keras.
__getattr__, __dir__ = lazy(
    __name__,
    {
        **{exporter.module: (exporter.function,) for exporter in EXPORTERS.values()},
        "evaluate": ("evaluate_int8",),
    },
)

__all__ = [
    "EXPORTERS",
    "evaluate_int8",
    "to_arduino",
    "to_c",
    "to_esp_idf",
    "to_litert",
    "to_onnx",
    "to_rtneural",
    "to_wasm",
]
