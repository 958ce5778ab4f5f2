"""A trained model with slim layers: rebuilt, started from its weights, and distilled.

`conversion` makes the model and starts it, `distillation` is what it is trained by,
`feeding` knows how the data reach it, `training` puts them together, `figures` measures
before and after.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from slimrnn.slimming.options import Options

if TYPE_CHECKING:
    from slimrnn.slimming.conversion import rebuild
    from slimrnn.slimming.distillation import Distillation
    from slimrnn.slimming.measure import Figures, measure
    from slimrnn.slimming.training import slim

# Imported when first asked for: they import Keras, and `slimrnn --help` does not.
_LAZY = {
    "Distillation": "distillation",
    "Figures": "measure",
    "measure": "measure",
    "rebuild": "conversion",
    "slim": "training",
}

__all__ = ["Distillation", "Figures", "Options", "measure", "rebuild", "slim"]


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
