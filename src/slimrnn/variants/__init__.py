"""What a slim cell is: gates and their terms, the algebra, the table."""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from slimrnn.utils.optional import lazy
from slimrnn.variants.gates import CANDIDATE, FAMILIES, WEIGHTS, Family, Gate
from slimrnn.variants.table import ALIASES, BASELINE, TABLE, get, serialize, variants
from slimrnn.variants.variant import Variant

if TYPE_CHECKING:
    from slimrnn.variants.activations import ACTIVATIONS, Activation
    from slimrnn.variants.spec import CellSpec

# Imported when first asked for: they import NumPy, and the table of variants does not.
__getattr__, __dir__ = lazy(
    __name__, {"activations": ("ACTIVATIONS", "Activation"), "spec": ("CellSpec",)}
)

__all__ = [
    "ACTIVATIONS",
    "ALIASES",
    "BASELINE",
    "CANDIDATE",
    "FAMILIES",
    "TABLE",
    "WEIGHTS",
    "Activation",
    "CellSpec",
    "Family",
    "Gate",
    "Variant",
    "get",
    "serialize",
    "variants",
]


class _Table(ModuleType):
    """Lets ``slimrnn.variants()`` list them, beside ``slimrnn.variants.get``."""

    def __call__(self) -> tuple[Variant, ...]:
        return variants()


sys.modules[__name__].__class__ = _Table
