"""A trained model as data: layers as dataclasses, weights as NumPy arrays."""

from typing import TYPE_CHECKING

from slimrnn.utils.optional import lazy

if TYPE_CHECKING:
    from slimrnn.ir.model import Model
    from slimrnn.ir.reading import read

# Imported when first asked for: the table of formats needs no NumPy.
__getattr__, __dir__ = lazy(__name__, {"model": ("Model",), "reading": ("read",)})

__all__ = ["Model", "read"]
